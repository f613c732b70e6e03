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
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const BECH32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const BECH32_GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
/** Final constants: BIP-173 for witness version 0, BIP-350 for all others. */
const BECH32_CONSTANT = 1
const BECH32M_CONSTANT = 0x2bc830a3

function formatBase58(bytes: Uint8Array): string {
  const digits: number[] = []
  for (const byte of bytes) {
    let carry = byte
    for (let at = 0; at < digits.length; at++) {
      carry += digits[at]! * 256
      digits[at] = carry % 58
      carry = Math.floor(carry / 58)
    }
    for (; carry > 0; carry = Math.floor(carry / 58)) digits.push(carry % 58)
  }
  const leadingZeros = bytes.findIndex(byte => byte !== 0)
  const ones = BASE58[0]!.repeat(leadingZeros < 0 ? bytes.length : leadingZeros)
  return (
    ones +
    digits
      .reverse()
      .map(digit => BASE58[digit])
      .join('')
  )
}

/** Base58Check: version byte, hash, and the first 4 bytes of their double SHA-256. */
export function formatBase58Check(version: number, hash: Uint8Array): string {
  const payload = Buffer.concat([Buffer.of(version), hash])
  return formatBase58(Buffer.concat([payload, doubleSha256(payload).subarray(0, 4)]))
}

/** Bits in groups of five, zeros at the end (BIP-173). */
function fiveBitGroups(bytes: Uint8Array): number[] {
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

function bech32Checksum(values: readonly number[], constant: number): number[] {
  let sum = 1
  for (const value of [...values, 0, 0, 0, 0, 0, 0]) {
    const top = sum >>> 25
    sum = ((sum & 0x1ffffff) << 5) ^ value
    for (const [bit, generator] of BECH32_GENERATORS.entries()) if ((top >> bit) & 1) sum ^= generator
  }
  sum ^= constant
  return [25, 20, 15, 10, 5, 0].map(shift => (sum >>> shift) & 31)
}

/** A witness program's address (BIP-173, BIP-350). */
export function formatBech32(prefix: string, version: number, program: Uint8Array): string {
  const letters = [...prefix].map(letter => letter.charCodeAt(0))
  const expanded = [...letters.map(code => code >> 5), 0, ...letters.map(code => code & 31)]
  const data = [version, ...fiveBitGroups(program)]
  const constant = version === 0 ? BECH32_CONSTANT : BECH32M_CONSTANT
  const checksum = bech32Checksum([...expanded, ...data], constant)
  return `${prefix}1${[...data, ...checksum].map(group => BECH32[group]).join('')}`
}

/** A script's address; `script:<sha256>` where there is none, so that a bare key is not taken for its hash. */
export function formatAddress(script: Uint8Array, form: ScriptForm, rules: AddressRules): string {
  const { program, type, witnessVersion } = form
  if (program && type === 'pubkeyhash') return formatBase58Check(rules.keyHash, program)
  if (program && type === 'scripthash') return formatBase58Check(rules.scriptHash[0], program)
  if (program && witnessVersion !== null && rules.bech32) {
    return formatBech32(rules.bech32, witnessVersion, program)
  }
  return `script:${formatHex(sha256(script))}`
}
