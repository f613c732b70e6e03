import { MalformedAnswerError } from '../../schema/errors.ts'

/** An object of a node's answer whose fields are not yet trusted. */
export type Answer = Readonly<Record<string, unknown>>

function show(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = String(JSON.stringify(value))
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

function malformed(where: string, field: string, expected: string, value: unknown): MalformedAnswerError {
  const name = field === '' ? where : `${where}: ${field}`
  return new MalformedAnswerError(`${name}: expected ${expected}, got ${show(value)}`)
}

/** @throws MalformedAnswerError unless the value is an object. */
export function asObject(value: unknown, where: string): Answer {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(where, '', 'an object', value)
  }
  return value as Answer
}

/** @throws MalformedAnswerError unless the value is a list. */
export function asList(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(where, '', 'a list', value)
  return value
}

/** Whether a node left a field out; `null` means the same. */
export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null
}

/** Bytes written as `0x…`, of `length` where that is given. */
export function asBytes(value: unknown, where: string, field: string, length?: number): Buffer {
  if (typeof value === 'string' && value.startsWith('0x')) {
    // Decoding stops at the first character that is not hex, so a wrong one shows in the length.
    const bytes = Buffer.from(value.slice(2), 'hex')
    if (bytes.length * 2 + 2 === value.length && (length === undefined || bytes.length === length))
      return bytes
  }
  throw malformed(where, field, length === undefined ? 'hex bytes' : `${length} bytes of hex`, value)
}

/** Digits that a JavaScript number holds exactly. */
const SMALL_DIGITS = 12

/** An unsigned number written as `0x…`, of at most `maxBytes` bytes. */
export function asQuantity(value: unknown, where: string, field: string, maxBytes = 32): bigint {
  if (typeof value === 'string' && value.length > 2 && value.startsWith('0x')) {
    if (value.length <= 2 + SMALL_DIGITS && maxBytes * 2 >= SMALL_DIGITS) {
      const small = hexNumber(value)
      if (small >= 0) return BigInt(small)
    } else if (value.length <= 2 + maxBytes * 2 && /^0x[0-9a-f]+$/i.test(value)) {
      return BigInt(value)
    }
  }
  throw malformed(where, field, `a hex quantity of at most ${maxBytes} bytes`, value)
}

/** -1 when a character is not hex. */
function hexNumber(text: string): number {
  let number = 0
  for (let at = 2; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const lower = code | 0x20
    if (code >= 48 && code <= 57) number = number * 16 + code - 48
    else if (lower >= 97 && lower <= 102 && code < 128) number = number * 16 + lower - 87
    else return -1
  }
  return number
}

/** A quantity as a plain number. */
export function asNumber(
  value: unknown,
  where: string,
  field: string,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const number = asQuantity(value, where, field, 8)
  if (number > BigInt(max)) throw malformed(where, field, `a hex quantity up to ${max}`, value)
  return Number(number)
}

/** Text in well-formed UTF-8, so that the archive holds it exactly. */
export function asText(value: unknown, where: string, field: string): string {
  if (typeof value !== 'string') throw malformed(where, field, 'text', value)
  return Buffer.from(value, 'utf8').toString('utf8')
}

/** What `read` makes of a field, null where the node left it out. */
export function optional<T>(
  value: unknown,
  where: string,
  field: string,
  read: (value: unknown, where: string, field: string) => T,
): T | null {
  return isAbsent(value) ? null : read(value, where, field)
}

export function asHash(value: unknown, where: string, field: string): Buffer {
  return asBytes(value, where, field, 32)
}

export function asAddress(value: unknown, where: string, field: string): Buffer {
  return asBytes(value, where, field, 20)
}

export function asUint64(value: unknown, where: string, field: string): bigint {
  return asQuantity(value, where, field, 8)
}
