import { opcodes, script } from 'bitcoinjs-lib'
import { formatHex } from '../../schema/bytes.ts'
import { addressOf } from './locks.ts'

/** An output script as Bitcoin Core prints it. */
export interface ScriptJson {
  asm: string
  desc: string
  hex: string
  address?: string
  type: string
}

export function scriptJson(output: Uint8Array): ScriptJson {
  const type = scriptType(output)
  const address = ADDRESSLESS.has(type) ? null : addressOf(output)
  const described = {
    asm: scriptAsm(output),
    desc: withChecksum(descriptor(output, type, address)),
    hex: formatHex(output),
  }
  return address === null ? { ...described, type } : { ...described, address, type }
}

const ADDRESSLESS = new Set(['pubkey', 'multisig', 'nulldata', 'nonstandard'])

const OPCODE_NAMES = new Map(Object.entries(opcodes).map(([name, code]) => [code, name]))

/**
 * Core's assembly: pushes of up to four bytes as decimal numbers, others as hex. In an input script
 * (`decodeSignatures`) a signature's last byte is written as `[ALL]`.
 */
export function scriptAsm(bytes: Uint8Array, decodeSignatures = false): string {
  const chunks = script.decompile(bytes)
  if (!chunks) return '[error]'
  return chunks
    .map(chunk => (typeof chunk === 'number' ? opcodeName(chunk) : pushText(chunk, decodeSignatures)))
    .join(' ')
}

function opcodeName(code: number): string {
  if (code === opcodes.OP_0) return '0'
  if (code === opcodes.OP_1NEGATE) return '-1'
  if (code >= opcodes.OP_1! && code <= opcodes.OP_16!) return String(code - opcodes.OP_1! + 1)
  return OPCODE_NAMES.get(code) ?? 'OP_UNKNOWN'
}

function pushText(bytes: Uint8Array, decodeSignatures: boolean): string {
  if (bytes.length <= 4) return String(script.number.decode(bytes, 4, false))
  if (decodeSignatures && bytes.at(-1) === 1 && script.isCanonicalScriptSignature(bytes)) {
    return `${formatHex(bytes.subarray(0, -1))}[ALL]`
  }
  return formatHex(bytes)
}

const TEMPLATES: readonly [type: string, hex: RegExp][] = [
  ['pubkeyhash', /^76a914.{40}88ac$/],
  ['scripthash', /^a914.{40}87$/],
  ['witness_v0_keyhash', /^0014.{40}$/],
  ['witness_v0_scripthash', /^0020.{64}$/],
  ['witness_v1_taproot', /^5120.{64}$/],
  ['pubkey', /^(?:21.{66}|41.{130})ac$/],
  ['multisig', /^5[1-3](?:21.{66}|41.{130}){1,3}5[1-3]ae$/],
  ['nulldata', /^6a/],
]

function scriptType(output: Uint8Array): string {
  const hex = formatHex(output)
  return TEMPLATES.find(([, pattern]) => pattern.test(hex))?.[0] ?? 'nonstandard'
}

/** What Core infers without knowing any key. */
function descriptor(output: Uint8Array, type: string, address: string | null): string {
  const pushes = (script.decompile(output) ?? []).filter(chunk => typeof chunk !== 'number').map(formatHex)
  if (type === 'pubkey') return `pk(${pushes[0]})`
  if (type === 'multisig') return `multi(${[output[0]! - 0x50, ...pushes].join(',')})`
  if (type === 'witness_v1_taproot') return `rawtr(${pushes[0]})`
  return address === null ? `raw(${formatHex(output)})` : `addr(${address})`
}

const INPUT_ALPHABET =
  '0123456789()[],\'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#"\\ '
const CHECKSUM_ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const GENERATOR = [0xf5dee51989n, 0xa9fdca3312n, 0x1bab10e32dn, 0x3706b1677an, 0x644d626ffdn]

/** BIP 380: a descriptor followed by `#` and its eight characters of checksum. */
export function withChecksum(text: string): string {
  const positions = [...text].map(character => INPUT_ALPHABET.indexOf(character))
  const groups: number[] = []
  for (let at = 0; at < positions.length; at += 3) {
    groups.push(positions.slice(at, at + 3).reduce((value, position) => value * 3 + (position >> 5), 0))
  }
  // each character's low bits come first, the high bits of three characters follow them
  const symbols = positions.flatMap((position, at) =>
    at % 3 === 2 || at === positions.length - 1
      ? [position & 31, groups[Math.floor(at / 3)]!]
      : [position & 31],
  )
  const state = [...symbols, 0, 0, 0, 0, 0, 0, 0, 0].reduce(polymod, 1n) ^ 1n
  const characters = Array.from(
    { length: 8 },
    (_, n) => CHECKSUM_ALPHABET[Number((state >> BigInt(5 * (7 - n))) & 31n)],
  )
  return `${text}#${characters.join('')}`
}

function polymod(state: bigint, symbol: number): bigint {
  const top = state >> 35n
  const shifted = ((state & 0x7ffffffffn) << 5n) ^ BigInt(symbol)
  return GENERATOR.reduce(
    (value, generator, bit) => ((top >> BigInt(bit)) & 1n ? value ^ generator : value),
    shifted,
  )
}
