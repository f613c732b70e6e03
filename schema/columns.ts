import { formatHex } from './bytes.ts'
import { InputError } from './errors.ts'

/** Up to here a loop in JavaScript copies faster than a call into native code. */
const SHORT = 40

/** Grows as rows are written. One writer per insert. */
export class RowWriter {
  private bytes: Buffer
  // A view's accessors are compiled to single instructions, the methods of `Buffer` are not.
  private numbers: DataView
  private used = 0

  constructor(initialSize = 1 << 16) {
    this.bytes = Buffer.allocUnsafeSlow(initialSize)
    this.numbers = new DataView(this.bytes.buffer)
  }

  get length(): number {
    return this.used
  }

  /** Starts anew in the same memory. */
  clear(): void {
    this.used = 0
  }

  /** The bytes written so far; valid until the next write. */
  view(): Buffer {
    return this.bytes.subarray(0, this.used)
  }

  private reserve(size: number): number {
    const at = this.used
    if (at + size > this.bytes.length) this.grow(at + size)
    this.used = at + size
    return at
  }

  private grow(least: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, least))
    this.bytes.copy(grown, 0, 0, this.used)
    this.bytes = grown
    this.numbers = new DataView(grown.buffer)
  }

  uint8(value: number): void {
    const at = this.reserve(1)
    this.bytes[at] = value
  }

  uint16(value: number): void {
    const at = this.reserve(2)
    this.numbers.setUint16(at, value, true)
  }

  uint32(value: number): void {
    const at = this.reserve(4)
    this.numbers.setUint32(at, value, true)
  }

  int32(value: number): void {
    const at = this.reserve(4)
    this.numbers.setInt32(at, value, true)
  }

  uint64(value: bigint): void {
    const at = this.reserve(8)
    this.numbers.setBigUint64(at, value, true)
  }

  /** An unsigned 64-bit number that a JavaScript number holds exactly. */
  safeUint64(value: number): void {
    const at = this.reserve(8)
    const high = Math.floor(value / 0x1_0000_0000)
    this.numbers.setUint32(at, value - high * 0x1_0000_0000, true)
    this.numbers.setUint32(at + 4, high, true)
  }

  float64(value: number): void {
    const at = this.reserve(8)
    this.numbers.setFloat64(at, value, true)
  }

  /** Little-endian two's complement of 256 bits. */
  int256(value: bigint): void {
    const at = this.reserve(32)
    const view = this.numbers
    // The setter takes the lowest 64 bits, whatever the value.
    view.setBigUint64(at, value, true)
    if (value >= 0n && value <= 0xffff_ffff_ffff_ffffn) this.bytes.fill(0, at + 8, at + 32)
    else {
      let rest = value
      for (let limb = at + 8; limb < at + 32; limb += 8) {
        rest >>= 64n
        view.setBigUint64(limb, rest, true)
      }
    }
  }

  /** LEB128, as RowBinary writes lengths. */
  varUint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.uint8((rest & 0x7f) | 0x80)
      rest = Math.floor(rest / 128)
    }
    this.uint8(rest)
  }

  raw(bytes: Uint8Array): void {
    const size = bytes.length
    const at = this.reserve(size)
    const own = this.bytes
    if (size > SHORT) own.set(bytes, at)
    else for (let from = 0; from < size; from++) own[at + from] = bytes[from]!
  }

  string(bytes: Uint8Array): void {
    this.varUint(bytes.length)
    this.raw(bytes)
  }

  text(text: string): void {
    if (text.length < 0x80 && this.ascii(text)) return
    const size = Buffer.byteLength(text)
    if (size !== text.length && /\p{Surrogate}/u.test(text)) {
      throw new InputError(`expected text, got half of a character in ${JSON.stringify(text.slice(0, 40))}`)
    }
    this.varUint(size)
    const at = this.reserve(size)
    this.bytes.write(text, at, 'utf8')
  }

  /** Writes short text whose characters are bytes; false, and nothing is written, when one is not. */
  private ascii(text: string): boolean {
    const size = text.length
    const at = this.reserve(size + 1)
    const own = this.bytes
    own[at] = size
    for (let from = 0; from < size; from++) {
      const code = text.charCodeAt(from)
      if (code >= 0x80) {
        this.used = at
        return false
      }
      own[at + 1 + from] = code
    }
    return true
  }
}

/** Reads RowBinary; throws when the bytes end inside a value. */
export class RowReader {
  private at = 0
  private readonly bytes: Buffer

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get done(): boolean {
    return this.at >= this.bytes.length
  }

  private advance(size: number): number {
    const at = this.at
    if (at + size > this.bytes.length) {
      throw new InputError(
        `RowBinary ended inside a value: ${size} bytes wanted at ${at} of ${this.bytes.length}`,
      )
    }
    this.at = at + size
    return at
  }

  uint8(): number {
    return this.bytes[this.advance(1)]!
  }

  uint16(): number {
    return this.bytes.readUInt16LE(this.advance(2))
  }

  uint32(): number {
    return this.bytes.readUInt32LE(this.advance(4))
  }

  int32(): number {
    return this.bytes.readInt32LE(this.advance(4))
  }

  uint64(): bigint {
    return this.bytes.readBigUInt64LE(this.advance(8))
  }

  float64(): number {
    return this.bytes.readDoubleLE(this.advance(8))
  }

  uint256(): bigint {
    const at = this.advance(32)
    let value = 0n
    for (let limb = 3; limb >= 0; limb--) value = (value << 64n) | this.bytes.readBigUInt64LE(at + limb * 8)
    return value
  }

  varUint(): number {
    let value = 0
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const byte = this.uint8()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    throw new InputError(`expected a length, got more than 8 bytes of one at ${this.at}`)
  }

  raw(size: number): Buffer {
    const at = this.advance(size)
    return Buffer.from(this.bytes.subarray(at, at + size))
  }

  string(): Buffer {
    return this.raw(this.varUint())
  }

  text(): string {
    return this.string().toString('utf8')
  }
}

/** How a binary column reads to outsiders: `hex` and `0x` are fixed; `form` follows the row's `hash_form`. */
export type Shown = 'hex' | '0x' | 'form'

const SHOW: Record<Shown, (expression: string) => string> = {
  hex: expression => `lower(hex(${expression}))`,
  '0x': expression => `concat('0x', lower(hex(${expression})))`,
  form: expression =>
    `multiIf(empty(${expression}), '', hash_form = 'text', ${expression}, ` +
    `hash_form = '0x', concat('0x', lower(hex(${expression}))), lower(hex(${expression})))`,
}

/** One ClickHouse column: its type, its codec, and how its values travel in RowBinary. */
export interface Column<T> {
  /** ClickHouse type, for example `Nullable(UInt256)`. */
  readonly type: string
  /** Compression codec; none means the server's default. */
  readonly codec?: string
  /** The expression that outsiders see instead of the column; none means the column as it is stored. */
  readonly show?: (expression: string) => string
  /** A bloom filter on the expression that outsiders see, so that a look-up by its literal is an index look-up. */
  readonly indexed?: boolean
  write(out: RowWriter, value: T): void
  read(from: RowReader): T
}

// biome-ignore lint/suspicious/noExplicitAny: a set of columns may hold any values
export type Columns = Record<string, Column<any>>

/** The JavaScript value of a column. */
export type ValueOf<C> = C extends Column<infer T> ? T : never

function checkRange(value: bigint, low: bigint, high: bigint, type: string): void {
  if (value < low || value > high) throw new InputError(`${value} does not fit ${type} (${low} … ${high})`)
}

function integer(type: string, high: number, low = 0): (value: number) => number {
  return value => {
    if (!Number.isInteger(value) || value < low || value > high)
      throw new InputError(`${value} does not fit ${type}`)
    return value
  }
}

const asUint8 = integer('UInt8', 0xff)
const asUint16 = integer('UInt16', 0xffff)
const asUint32 = integer('UInt32', 0xffff_ffff)
const asInt32 = integer('Int32', 0x7fff_ffff, -0x8000_0000)
const asSafeUint64 = integer('UInt64 (up to 2^53)', Number.MAX_SAFE_INTEGER)
const asSeconds = integer('DateTime (unix seconds)', 0xffff_ffff)

export const uint8: Column<number> = {
  type: 'UInt8',
  write: (out, value) => out.uint8(asUint8(value)),
  read: from => from.uint8(),
}

export const bool: Column<boolean> = {
  type: 'Bool',
  write: (out, value) => {
    if (typeof value !== 'boolean') throw new InputError(`${String(value)} does not fit Bool`)
    out.uint8(value ? 1 : 0)
  },
  read: from => from.uint8() !== 0,
}

/** A yes or no that outsiders read as 0 or 1. */
export const flag: Column<boolean> = { ...bool, type: 'UInt8' }

/** +1 for a row, -1 for its cancellation. */
export const sign: Column<1 | -1> = {
  type: 'Int8',
  write: (out, value) => {
    if (value !== 1 && value !== -1) throw new InputError(`${String(value)} does not fit a sign`)
    out.uint8(value === 1 ? 1 : 0xff)
  },
  read: from => (from.uint8() === 1 ? 1 : -1),
}

export const uint16: Column<number> = {
  type: 'UInt16',
  write: (out, value) => out.uint16(asUint16(value)),
  read: from => from.uint16(),
}

export const uint32: Column<number> = {
  type: 'UInt32',
  codec: 'Delta, ZSTD(1)',
  write: (out, value) => out.uint32(asUint32(value)),
  read: from => from.uint32(),
}

export const int32: Column<number> = {
  type: 'Int32',
  write: (out, value) => out.int32(asInt32(value)),
  read: from => from.int32(),
}

/** A 64-bit number that a chain may fill to the brim (gas, nonces, validator indexes). */
export const uint64: Column<bigint> = {
  type: 'UInt64',
  codec: 'ZSTD(1)',
  write: (out, value) => {
    checkRange(value, 0n, 0xffff_ffff_ffff_ffffn, 'UInt64')
    out.uint64(value)
  },
  read: from => from.uint64(),
}

/** A count or place of ours: 64 bits in the store, a plain number here. */
export const count: Column<number> = {
  type: 'UInt64',
  codec: 'Delta, ZSTD(1)',
  write: (out, value) => out.safeUint64(asSafeUint64(value)),
  read: from => Number(from.uint64()),
}

export const float64: Column<number> = {
  type: 'Float64',
  codec: 'ZSTD(1)',
  write: (out, value) => out.float64(value),
  read: from => from.float64(),
}

const UINT256_MAX = (1n << 256n) - 1n
const INT256_MAX = (1n << 255n) - 1n

/** An unsigned amount in base units. */
export const uint256: Column<bigint> = {
  type: 'UInt256',
  codec: 'ZSTD(1)',
  write: (out, value) => {
    checkRange(value, 0n, UINT256_MAX, 'UInt256')
    out.int256(value)
  },
  read: from => from.uint256(),
}

/** A signed amount in base units. */
export const int256: Column<bigint> = {
  type: 'Int256',
  codec: 'ZSTD(1)',
  write: (out, value) => {
    checkRange(value, -INT256_MAX - 1n, INT256_MAX, 'Int256')
    out.int256(value)
  },
  read: from => BigInt.asIntN(256, from.uint256()),
}

/** Text in UTF-8. Bytes of a chain that may not be text belong into `bytes`. */
export const text: Column<string> = {
  type: 'String',
  codec: 'ZSTD(1)',
  write: (out, value) => out.text(value),
  read: from => from.text(),
}

/** Text with few different values. */
export const name: Column<string> = {
  type: 'LowCardinality(String)',
  write: (out, value) => out.text(value),
  read: from => from.text(),
}

/** Bytes of any length. */
export const bytes: Column<Uint8Array> = {
  type: 'String',
  codec: 'ZSTD(3)',
  write: (out, value) => out.string(value),
  read: from => from.string(),
}

/** Unix seconds. */
export const seconds: Column<number> = {
  type: "DateTime('UTC')",
  codec: 'DoubleDelta, ZSTD(1)',
  write: (out, value) => out.uint32(asSeconds(value)),
  read: from => from.uint32(),
}

/** Unix milliseconds. */
export const milliseconds: Column<number> = {
  type: "DateTime64(3, 'UTC')",
  codec: 'Delta, ZSTD(1)',
  write: (out, value) => out.safeUint64(asSafeUint64(value)),
  read: from => Number(from.uint64()),
}

export function fixed(size: number): Column<Uint8Array> {
  return {
    type: `FixedString(${size})`,
    codec: 'ZSTD(1)',
    write: (out, value) => {
      if (value.length !== size) {
        throw new InputError(
          `${value.length} bytes do not fit FixedString(${size}): ${formatHex(value.subarray(0, 40))}`,
        )
      }
      out.raw(value)
    },
    read: from => from.raw(size),
  }
}

/** A hash of 32 bytes in printed order. */
export const hash32 = fixed(32)

/** An EVM address. */
export const address20 = fixed(20)

export function enumeration<const Names extends readonly string[]>(names: Names): Column<Names[number]> {
  const codes = new Map<string, number>(names.map((name, code) => [name, code]))
  return {
    type: `Enum8(${names.map((name, code) => `'${name}' = ${code}`).join(', ')})`,
    write: (out, value) => {
      const code = codes.get(value)
      if (code === undefined)
        throw new InputError(`expected one of ${names.join(', ')}, got ${JSON.stringify(value)}`)
      out.uint8(code)
    },
    read: from => {
      const code = from.uint8()
      const value: Names[number] | undefined = names[code]
      if (value === undefined) throw new InputError(`code ${code} is none of ${names.join(', ')}`)
      return value
    },
  }
}

export function nullable<T>(inner: Column<T>): Column<T | null> {
  const lowCardinality = /^LowCardinality\((.*)\)$/.exec(inner.type)
  return {
    ...inner,
    type: lowCardinality ? `LowCardinality(Nullable(${lowCardinality[1]}))` : `Nullable(${inner.type})`,
    write: (out, value) => {
      out.uint8(value === null ? 1 : 0)
      if (value !== null) inner.write(out, value)
    },
    read: from => (from.uint8() === 1 ? null : inner.read(from)),
  }
}

export function array<T>(inner: Column<T>): Column<readonly T[]> {
  const { show } = inner
  return {
    type: `Array(${inner.type})`,
    codec: 'ZSTD(1)',
    ...(show && { show: expression => arrayShown(expression, show) }),
    write: (out, values) => {
      out.varUint(values.length)
      for (const value of values) inner.write(out, value)
    },
    read: from => {
      const values: T[] = []
      for (let left = from.varUint(); left > 0; left--) values.push(inner.read(from))
      return values
    },
  }
}

/** The variable is named after the expression's length: an inner list never takes the name of an outer one. */
function arrayShown(expression: string, show: (expression: string) => string): string {
  const variable = `v${expression.length}`
  return `arrayMap(${variable} -> ${show(variable)}, ${expression})`
}

export function tuple<Fields extends Columns>(
  fields: Fields,
): Column<{ [K in keyof Fields]: ValueOf<Fields[K]> }> {
  const entries = Object.entries(fields)
  const typeOf = (shown: boolean) =>
    `Tuple(${entries.map(([name, column]) => `${name} ${shown ? shownType(column) : column.type}`).join(', ')})`
  return {
    type: typeOf(false),
    codec: 'ZSTD(1)',
    show: expression => {
      const parts = entries.map(([name, column]) => {
        const field = `tupleElement(${expression}, '${name}')`
        return column.show ? column.show(field) : field
      })
      return `CAST((${parts.join(', ')}), '${typeOf(true)}')`
    },
    write: (out, value) => {
      for (const [name, column] of entries) column.write(out, value[name])
    },
    read: from =>
      Object.fromEntries(entries.map(([name, column]) => [name, column.read(from)])) as {
        [K in keyof Fields]: ValueOf<Fields[K]>
      },
  }
}

/** The type that `show` gives: binary becomes text, the shape around it stays. */
function shownType(column: Column<unknown>): string {
  return column.show ? column.type.replace(/FixedString\(\d+\)/g, 'String') : column.type
}

/** The expression that shows a hash in the form of its row. */
export const showInForm = SHOW.form

/** The column as outsiders see it: binary shown in the chain's form. */
export function shownAs<T>(shown: Shown, column: Column<T>): Column<T> {
  return { ...column, show: SHOW[shown] }
}

/** The column with a bloom filter on what outsiders see. */
export function indexed<T>(column: Column<T>): Column<T> {
  return { ...column, indexed: true }
}
