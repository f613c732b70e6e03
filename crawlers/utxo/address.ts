import { formatHex } from '../../schema/bytes.ts'
import { doubleSha256, sha256 } from './hashing.ts'
import type { ScriptForm } from './script.ts'

/** How a chain writes addresses. */
export interface AddressRules {
  /** Version byte of key hash addresses. */
  keyHash: number
  /** Version bytes of script hash addresses: the first is written, the others are older spellings. */
  scriptHash: readonly [number, ...number[]]
  /** Human-readable part of bech32 addresses; null for a chain without witness programs. */
  bech32: string | null
  /** Prefix of cash addresses, which take the place of the others; none for a chain that has no such. */
  cashAddress?: string
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** Base 58 is reached by way of base 58^5, which goes into a number together with 16 bits of remainder. */
const CHUNK_DIGITS = 5
const CHUNK = 58 ** CHUNK_DIGITS
const BECH32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const BECH32_GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
/** What the five bits that leave the checksum's register put into it. */
const BECH32_FEEDBACK = Int32Array.from({ length: 32 }, (_, top) =>
  BECH32_GENERATORS.reduce((sum, generator, bit) => ((top >> bit) & 1 ? sum ^ generator : sum), 0),
)
const BECH32_CHECKSUM_GROUPS = 6
/** The register of cash addresses has 40 bits: the upper and the lower 20 of what its five highest put into it. */
const CASH_GENERATORS = [
  [0x98f2b, 0xc8e61],
  [0x79b76, 0xd99e2],
  [0xf33e5, 0xfb3c4],
  [0xae2ea, 0xbe2a8],
  [0x1e4f4, 0x3e470],
] as const
const CASH_CHECKSUM_GROUPS = 8
/** What a cash address stands for, with a hash of 160 bits. */
const CASH_KEY_HASH = 0x00
const CASH_SCRIPT_HASH = 0x08
/** Final constants: BIP-173 for witness version 0, BIP-350 for all others. */
const BECH32_CONSTANT = 1
const BECH32M_CONSTANT = 0x2bc830a3

/** Five base-58 digits of a chunk. */
function chunkText(chunk: number): string {
  let [text, rest] = ['', chunk]
  for (let at = 0; at < CHUNK_DIGITS; at++) {
    text = BASE58[rest % 58] + text
    rest = Math.floor(rest / 58)
  }
  return text
}

/** Divides a big-endian number of 16-bit limbs, zeros before `from`, by a chunk in place; returns the remainder. */
function divideLimbs(limbs: Uint16Array, from: number): number {
  let remainder = 0
  for (let at = from; at < limbs.length; at++) {
    const value = remainder * 0x1_0000 + limbs[at]!
    const quotient = Math.floor(value / CHUNK)
    limbs[at] = quotient
    remainder = value - quotient * CHUNK
  }
  return remainder
}

function formatBase58(bytes: Uint8Array): string {
  const limbs = new Uint16Array(Math.ceil(bytes.length / 2))
  const shift = bytes.length % 2
  for (let at = 0; at < bytes.length; at++) {
    limbs[(at + shift) >> 1] = (limbs[(at + shift) >> 1]! << 8) | bytes[at]!
  }
  let text = ''
  // Each division takes more than 16 bits off the front: what is zero there is not divided again.
  for (let from = 0; ; ) {
    while (from < limbs.length && limbs[from] === 0) from++
    if (from === limbs.length) break
    text = chunkText(divideLimbs(limbs, from)) + text
  }
  let zeros = 0
  while (zeros < bytes.length && bytes[zeros] === 0) zeros++
  let digits = 0
  while (digits < text.length && text[digits] === BASE58[0]) digits++
  return BASE58[0]!.repeat(zeros) + text.slice(digits)
}

/** Base58Check: version byte, hash, and the first 4 bytes of their double SHA-256. */
export function formatBase58Check(version: number, hash: Uint8Array): string {
  const bytes = Buffer.allocUnsafe(1 + hash.length + 4)
  bytes[0] = version
  bytes.set(hash, 1)
  const payload = bytes.subarray(0, 1 + hash.length)
  doubleSha256(payload).copy(bytes, payload.length, 0, 4)
  return formatBase58(bytes)
}

/** Witness version and program in groups of five bits, zeros at the end (BIP-173). */
function witnessGroups(version: number, program: Uint8Array): number[] {
  return [version, ...fiveBits(program)]
}

function fiveBits(bytes: Uint8Array): number[] {
  const groups: number[] = []
  let [pending, bits] = [0, 0]
  for (const byte of bytes) {
    pending = ((pending << 8) | byte) & 0xfff
    for (bits += 8; bits >= 5; ) {
      bits -= 5
      groups.push((pending >> bits) & 31)
    }
  }
  if (bits > 0) groups.push((pending << (5 - bits)) & 31)
  return groups
}

/** One step of the checksum's register of 30 bits. */
function feed(register: number, group: number): number {
  return ((register & 0x1ffffff) << 5) ^ group ^ BECH32_FEEDBACK[register >>> 25]!
}

function feedPrefix(prefix: string): number {
  let register = 1
  for (let at = 0; at < prefix.length; at++) register = feed(register, prefix.charCodeAt(at) >> 5)
  register = feed(register, 0)
  for (let at = 0; at < prefix.length; at++) register = feed(register, prefix.charCodeAt(at) & 31)
  return register
}

/** A witness program's address (BIP-173, BIP-350). */
export function formatBech32(prefix: string, version: number, program: Uint8Array): string {
  let [register, text] = [feedPrefix(prefix), `${prefix}1`]
  for (const group of witnessGroups(version, program)) {
    register = feed(register, group)
    text += BECH32[group]
  }
  for (let at = 0; at < BECH32_CHECKSUM_GROUPS; at++) register = feed(register, 0)
  register ^= version === 0 ? BECH32_CONSTANT : BECH32M_CONSTANT
  for (let at = BECH32_CHECKSUM_GROUPS - 1; at >= 0; at--) text += BECH32[(register >>> (5 * at)) & 31]
  return text
}

/** A hash's address with its prefix, as nodes print it (the CashAddr specification of Bitcoin Cash). */
export function formatCashAddress(prefix: string, version: number, hash: Uint8Array): string {
  const groups = fiveBits(Buffer.concat([Buffer.of(version), hash]))
  let [high, low] = [0, 1]
  const put = (group: number) => {
    const top = high >>> 15
    high = ((high & 0x7fff) << 5) | (low >>> 15)
    low = ((low & 0x7fff) << 5) ^ group
    for (const [bit, [upper, lower]] of CASH_GENERATORS.entries()) {
      if (((top >> bit) & 1) === 0) continue
      high ^= upper
      low ^= lower
    }
  }
  for (const letter of Buffer.from(prefix)) put(letter & 31)
  put(0)
  for (const group of groups) put(group)
  for (let at = 0; at < CASH_CHECKSUM_GROUPS; at++) put(0)
  low ^= 1
  const checksum = [high, low].flatMap(half => [15, 10, 5, 0].map(shift => (half >>> shift) & 31))
  return `${prefix}:${[...groups, ...checksum].map(group => BECH32[group]).join('')}`
}

/** A script's address; `script:<sha256>` where there is none, so that a bare key is not taken for its hash. */
export function formatAddress(script: Uint8Array, form: ScriptForm, rules: AddressRules): string {
  const { program, type, witnessVersion } = form
  const { cashAddress } = rules
  if (cashAddress !== undefined && program && (type === 'pubkeyhash' || type === 'scripthash')) {
    const version = type === 'pubkeyhash' ? CASH_KEY_HASH : CASH_SCRIPT_HASH
    return formatCashAddress(cashAddress, version, program)
  }
  if (program && type === 'pubkeyhash') return formatBase58Check(rules.keyHash, program)
  if (program && type === 'scripthash') return formatBase58Check(rules.scriptHash[0], program)
  if (program && witnessVersion !== null && rules.bech32) {
    return formatBech32(rules.bech32, witnessVersion, program)
  }
  return `script:${formatHex(sha256(script))}`
}
