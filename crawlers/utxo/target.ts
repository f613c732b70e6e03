/** Difficulty 1 as nodes print it, on every chain: the target of bits 0x1d00ffff. */
const DIFFICULTY_ONE = 0xffff

/** Target of compact bits; null where bits are negative, zero or too large for 256 bits, which no node accepts. */
export function parseBits(bits: number): bigint | null {
  const exponent = bits >>> 24
  const mantissa = bits & 0x7fffff
  if (mantissa === 0 || (bits & 0x800000) !== 0) return null
  const target =
    exponent <= 3 ? BigInt(mantissa >>> (8 * (3 - exponent))) : BigInt(mantissa) << BigInt(8 * (exponent - 3))
  return target === 0n || target >= 1n << 256n ? null : target
}

/** How much harder than bits 0x1d00ffff, as nodes print it: for people, not for sums. */
export function difficulty(bits: number): number {
  const mantissa = bits & 0x7fffff
  return mantissa === 0 ? 0 : (DIFFICULTY_ONE / mantissa) * 256 ** (0x1d - (bits >>> 24))
}

/** Expected number of hashes until one meets the target. */
export function expectedWork(bits: number): bigint {
  const target = parseBits(bits)
  return target === null ? 0n : (1n << 256n) / (target + 1n)
}

/** A hash as the number that is compared with a target: little-endian. */
export function hashNumber(hash: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(hash).reverse().toString('hex')}`)
}
