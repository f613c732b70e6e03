import { InputError } from './errors.ts'

const HEX = /^(?:[0-9a-f]{2})*$/i

/** Lower-case hex without prefix. */
export function formatHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex')
}

/** The same memory: most bytes are a buffer already. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Hex with the `0x` prefix that EVM nodes print. */
export function formatHex0x(bytes: Uint8Array): string {
  return `0x${formatHex(bytes)}`
}

/**
 * Bytes of a hex string, with or without `0x`.
 * @throws InputError when it is not hex of whole bytes, or not `length` bytes long.
 */
export function parseHex(text: string, length?: number): Buffer {
  const digits = text.startsWith('0x') ? text.slice(2) : text
  if (!HEX.test(digits))
    throw new InputError(`expected hex of whole bytes, got ${JSON.stringify(clip(text))}`)
  const bytes = Buffer.from(digits, 'hex')
  if (length !== undefined && bytes.length !== length) {
    throw new InputError(
      `expected ${length} bytes of hex, got ${bytes.length}: ${JSON.stringify(clip(text))}`,
    )
  }
  return bytes
}

/** A copy in opposite order: Bitcoin prints hashes that way round. */
export function reverseBytes(bytes: Uint8Array): Buffer {
  const size = bytes.length
  const reversed = Buffer.allocUnsafe(size)
  for (let at = 0; at < size; at++) reversed[at] = bytes[size - 1 - at]!
  return reversed
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
