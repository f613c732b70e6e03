import { MalformedAnswerError } from '../../schema/errors.ts'

const EMPTY = Buffer.alloc(0)

/** Reads Bitcoin's serialisation. What it hands out are views of the bytes, not copies. */
export class ByteReader {
  at: number
  readonly bytes: Buffer
  private readonly what: string

  /** `what` is read names the bytes in error messages. */
  constructor(bytes: Uint8Array, what: string, at = 0) {
    this.at = at
    this.bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.what = what
  }

  get remaining(): number {
    return this.bytes.length - this.at
  }

  malformed(message: string): MalformedAnswerError {
    return new MalformedAnswerError(`${this.what}: ${message} (at byte ${this.at} of ${this.bytes.length})`)
  }

  private advance(size: number): number {
    const at = this.at
    if (size > this.bytes.length - at) throw this.malformed(`expected ${size} more bytes, got the end`)
    this.at = at + size
    return at
  }

  uint8(): number {
    return this.bytes[this.advance(1)]!
  }

  int32(): number {
    return this.bytes.readInt32LE(this.advance(4))
  }

  uint32(): number {
    return this.bytes.readUInt32LE(this.advance(4))
  }

  uint64(): bigint {
    return this.bytes.readBigUInt64LE(this.advance(8))
  }

  /** A `CompactSize`; only its shortest spelling is accepted, as nodes do. */
  size(): number {
    const first = this.uint8()
    if (first < 0xfd) return first
    if (first === 0xfd) return this.shortest(this.bytes.readUInt16LE(this.advance(2)), 0xfd)
    if (first === 0xfe) return this.shortest(this.uint32(), 0x1_0000)
    return this.shortest(Number(this.uint64()), 0x1_0000_0000)
  }

  private shortest(value: number, least: number): number {
    if (value < least) throw this.malformed(`length ${value} is not written in its shortest form`)
    return value
  }

  /** A number of items that take at least `itemSize` bytes each: it cannot exceed what is left. */
  count(itemSize: number, items: string): number {
    const count = this.size()
    if (count * itemSize > this.remaining) {
      throw this.malformed(`${count} ${items} do not fit the ${this.remaining} bytes that are left`)
    }
    return count
  }

  skip(size: number): void {
    this.advance(size)
  }

  take(size: number): Buffer {
    if (size === 0) return EMPTY
    const at = this.advance(size)
    return this.bytes.subarray(at, at + size)
  }

  /** Bytes behind their own length. */
  sized(): Buffer {
    return this.take(this.size())
  }

  list<T>(itemSize: number, items: string, read: () => T): T[] {
    const count = this.count(itemSize, items)
    const list: T[] = []
    for (let at = 0; at < count; at++) list.push(read())
    return list
  }

  /** @throws MalformedAnswerError when something is left. */
  end(): void {
    if (this.remaining > 0) throw this.malformed(`${this.remaining} bytes are left over`)
  }
}
