/** Names that Bitcoin Core prints (`scriptPubKey.type`), and Litecoin's two more. */
export type ScriptType =
  | 'pubkey'
  | 'pubkeyhash'
  | 'scripthash'
  | 'multisig'
  | 'nulldata'
  | 'witness_v0_keyhash'
  | 'witness_v0_scripthash'
  | 'witness_v1_taproot'
  | 'witness_mweb_hogaddr'
  | 'witness_mweb_pegin'
  | 'witness_unknown'
  | 'anchor'
  | 'nonstandard'

/** A locking script's kind, with what an address is made of. */
export interface ScriptForm {
  type: ScriptType
  /** Key hash, script hash or witness program; null for scripts without an address. */
  program: Buffer | null
  /** Witness version, for witness programs. */
  witnessVersion: number | null
  /** Signatures that a bare multisig asks for; 1 for a bare key; else null. */
  requiredSignatures: number | null
}

/** Which outputs a chain knows beside the original ones. */
export interface ScriptRules {
  segwit: boolean
  mweb: boolean
}

const OP_PUSHDATA1 = 0x4c
const OP_PUSHDATA2 = 0x4d
const OP_PUSHDATA4 = 0x4e
const OP_1 = 0x51
const OP_16 = 0x60
const OP_RETURN = 0x6a
const OP_DUP = 0x76
const OP_EQUAL = 0x87
const OP_EQUALVERIFY = 0x88
const OP_HASH160 = 0xa9
const OP_CHECKSIG = 0xac
const OP_CHECKMULTISIG = 0xae

const MAX_MULTISIG_KEYS = 20

function form(
  type: ScriptType,
  program: Buffer | null = null,
  witnessVersion: number | null = null,
  requiredSignatures: number | null = null,
): ScriptForm {
  return { type, program, witnessVersion, requiredSignatures }
}

function isScriptHash(script: Buffer): boolean {
  return script.length === 23 && script[0] === OP_HASH160 && script[1] === 20 && script[22] === OP_EQUAL
}

function isKeyHash(script: Buffer): boolean {
  return (
    script.length === 25 &&
    script[0] === OP_DUP &&
    script[1] === OP_HASH160 &&
    script[2] === 20 &&
    script[23] === OP_EQUALVERIFY &&
    script[24] === OP_CHECKSIG
  )
}

/** BIP-141: a version opcode and one push of 2 to 40 bytes. */
function witnessVersion(script: Buffer): number | null {
  if (script.length < 4 || script.length > 42 || script[1]! + 2 !== script.length) return null
  const opcode = script[0]!
  if (opcode === 0) return 0
  return opcode >= OP_1 && opcode <= OP_16 ? opcode - OP_1 + 1 : null
}

function witnessType(version: number, program: Buffer, rules: ScriptRules): ScriptType {
  const size = program.length
  if (version === 0) {
    if (size === 20) return 'witness_v0_keyhash'
    return size === 32 ? 'witness_v0_scripthash' : 'nonstandard'
  }
  if (version === 1 && size === 32) return 'witness_v1_taproot'
  if (version === 1 && size === 2 && program[0] === 0x4e && program[1] === 0x73) return 'anchor'
  // LIP-2: the header hash of the extension block, and the commitment of coins that move into it.
  if (rules.mweb && version === 8 && size === 32) return 'witness_mweb_hogaddr'
  if (rules.mweb && version === 9 && size === 32) return 'witness_mweb_pegin'
  return 'witness_unknown'
}

/** A public key has the size that its first byte announces. */
function isPublicKey(key: Uint8Array): boolean {
  const first = key[0]
  if (first === 2 || first === 3) return key.length === 33
  return (first === 4 || first === 6 || first === 7) && key.length === 65
}

interface Step {
  opcode: number
  data: Buffer | null
  next: number
}

/** The operation at a place of a script; null when its push runs out of the script. */
function stepAt(script: Buffer, at: number): Step | null {
  const opcode = script[at]!
  if (opcode > OP_PUSHDATA4) return { opcode, data: null, next: at + 1 }
  const sizeBytes = { [OP_PUSHDATA1]: 1, [OP_PUSHDATA2]: 2, [OP_PUSHDATA4]: 4 }[opcode] ?? 0
  const start = at + 1 + sizeBytes
  if (start > script.length) return null
  const size = sizeBytes === 0 ? opcode : script.readUIntLE(at + 1, sizeBytes)
  if (start + size > script.length) return null
  return { opcode, data: script.subarray(start, start + size), next: start + size }
}

function isPushOnly(script: Buffer, from: number): boolean {
  for (let at = from; at < script.length; ) {
    const step = stepAt(script, at)
    if (!step || step.opcode > OP_16) return false
    at = step.next
  }
  return true
}

/** A number of keys or signatures: one opcode up to 16, above that a push of one byte. */
function smallCount(step: Step): number | null {
  if (step.opcode >= OP_1 && step.opcode <= OP_16) return step.opcode - OP_1 + 1
  const value = step.opcode === 1 ? step.data![0]! : 0
  return value > 16 && value <= MAX_MULTISIG_KEYS ? value : null
}

/** Signatures that a bare multisig asks for; null when the script is none. */
function multisigThreshold(script: Buffer): number | null {
  if (script.length < 3 || script[script.length - 1] !== OP_CHECKMULTISIG) return null
  const first = stepAt(script, 0)
  const threshold = first && smallCount(first)
  if (!first || threshold === null) return null
  let [at, keys] = [first.next, 0]
  for (;;) {
    const step = at < script.length ? stepAt(script, at) : null
    if (!step) return null
    at = step.next
    if (step.data && isPublicKey(step.data)) keys++
    else return smallCount(step) === keys && keys >= threshold && at === script.length - 1 ? threshold : null
  }
}

function isKey(script: Buffer): boolean {
  const size = script.length
  return (
    (size === 35 || size === 67) &&
    script[0] === size - 2 &&
    script[size - 1] === OP_CHECKSIG &&
    isPublicKey(script.subarray(1, size - 1))
  )
}

/** Sorts a locking script into the kinds that nodes print, in their order. */
export function readScript(script: Buffer, rules: ScriptRules): ScriptForm {
  if (isKeyHash(script)) return form('pubkeyhash', script.subarray(3, 23))
  if (isScriptHash(script)) return form('scripthash', script.subarray(2, 22))
  const version = rules.segwit ? witnessVersion(script) : null
  if (version !== null) {
    const program = script.subarray(2)
    const type = witnessType(version, program, rules)
    return type === 'nonstandard' ? form(type) : form(type, program, version)
  }
  if (script[0] === OP_RETURN && isPushOnly(script, 1)) return form('nulldata')
  if (isKey(script)) return form('pubkey', null, null, 1)
  const threshold = multisigThreshold(script)
  return threshold === null ? form('nonstandard') : form('multisig', null, null, threshold)
}
