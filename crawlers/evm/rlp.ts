import { InputError, MalformedAnswerError } from '../../schema/errors.ts'

/** What RLP (Yellow Paper, appendix B) can write: bytes, quantities without leading zeros, lists. */
export type RlpItem = Uint8Array | bigint | readonly RlpItem[]

/** What RLP bytes read as; the leaves are views of the bytes. */
export type RlpTree = Buffer | RlpTree[]

const STRING = 0x80
const LIST = 0xc0
/** Payloads longer than this have their length written after the first byte. */
const SHORT = 55
const MAX_DEPTH = 32
/** Below this a quantity is handled as a number: exact, and an order of magnitude faster. */
const SMALL = 1n << 48n
const MAX_QUANTITY = 1n << 256n

/** RLP of an item; `envelope` is the type byte that EIP-2718 puts in front. */
export function encodeRlp(item: RlpItem, envelope?: number): Buffer {
  const out = Buffer.allocUnsafe(sizeBound(item) + 1)
  let start = writeBefore(out, out.length, item)
  if (envelope !== undefined) out[--start] = envelope
  return out.subarray(start)
}

function isBytes(item: RlpItem): item is Uint8Array {
  return item instanceof Uint8Array
}

function sizeBound(item: RlpItem): number {
  if (typeof item === 'bigint') return 33
  if (isBytes(item)) return item.length + 9
  let size = 9
  for (const inner of item) size += sizeBound(inner)
  return size
}

/**
 * Writes an item so that it ends before `end`, and returns where it starts: back to front, so that a list's length is
 * known when its head is written.
 */
export function writeBefore(out: Buffer, end: number, item: RlpItem): number {
  if (typeof item === 'bigint') return writeQuantityBefore(out, end, item)
  if (isBytes(item)) {
    const at = end - item.length
    copy(item, out, at)
    if (item.length === 1 && item[0]! < STRING) return at
    return writeHeadBefore(out, at, item.length, 'string')
  }
  let at = end
  for (let i = item.length - 1; i >= 0; i--) at = writeBefore(out, at, item[i]!)
  return writeHeadBefore(out, at, end - at, 'list')
}

/** A native copy has a price of its own, which addresses and hashes do not repay. */
function copy(from: Uint8Array, to: Buffer, at: number): void {
  if (from.length > 40) to.set(from, at)
  else for (let i = 0; i < from.length; i++) to[at + i] = from[i]!
}

/** One 64-bit limb: the setter takes a number's lowest bits, and is compiled to a single instruction. */
const limb = new DataView(new ArrayBuffer(8))

function writeQuantityBefore(out: Buffer, end: number, value: bigint): number {
  if (value < 0n || value >= MAX_QUANTITY) throw new InputError(`${value} does not fit an RLP quantity`)
  let at = end
  if (value < SMALL) {
    for (let rest = Number(value); rest > 0; rest = Math.floor(rest / 256)) out[--at] = rest % 256
  } else {
    for (let rest = value; rest > 0n; rest >>= 64n) {
      at -= 8
      limb.setBigUint64(0, rest)
      for (let byte = 0; byte < 8; byte++) out[at + byte] = limb.getUint8(byte)
    }
    while (out[at] === 0) at++
  }
  if (end - at === 1 && out[at]! < STRING) return at
  return writeHeadBefore(out, at, end - at, 'string')
}

/** The head of a string or list of this length, written like `writeBefore` does. */
export function writeHeadBefore(out: Buffer, end: number, length: number, kind: 'string' | 'list'): number {
  const base = kind === 'list' ? LIST : STRING
  let at = end
  if (length <= SHORT) {
    out[--at] = base + length
    return at
  }
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) out[--at] = rest % 256
  const lengthSize = end - at
  out[--at] = base + SHORT + lengthSize
  return at
}

/** Number of bytes that `encodeRlp(item)` has. */
export function rlpSize(item: RlpItem): number {
  if (typeof item === 'bigint') {
    if (item < 0x80n) return 1
    return 1 + Math.ceil(item.toString(16).length / 2)
  }
  if (isBytes(item)) return item.length === 1 && item[0]! < STRING ? 1 : sizeWithHead(item.length)
  let size = 0
  for (const inner of item) size += rlpSize(inner)
  return sizeWithHead(size)
}

/** Size of a string or list with its head. */
export function sizeWithHead(length: number): number {
  if (length <= SHORT) return 1 + length
  return 1 + Math.ceil((32 - Math.clz32(length)) / 8) + length
}

/** @throws MalformedAnswerError when the bytes are not exactly one canonical RLP item. */
export function decodeRlp(bytes: Uint8Array): RlpTree {
  const cursor = new Cursor(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const tree = cursor.item(bytes.length, 0)
  if (cursor.at !== bytes.length) {
    throw malformed(`expected the item to end the data, got ${bytes.length - cursor.at} more bytes`)
  }
  return tree
}

function malformed(text: string): MalformedAnswerError {
  return new MalformedAnswerError(`RLP: ${text}`)
}

/** Where reading has come to. `limit` is the end of the list that is being read. */
class Cursor {
  at = 0
  private readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  item(limit: number, depth: number): RlpTree {
    if (depth > MAX_DEPTH) throw malformed(`expected at most ${MAX_DEPTH} nested lists`)
    if (this.at >= limit) throw malformed(`expected an item at ${this.at}, got the end of the data`)
    const first = this.bytes[this.at]!
    if (first < STRING) return this.bytes.subarray(this.at, ++this.at)
    if (first >= LIST) return this.list(this.length(limit, first - LIST), depth)
    const length = this.length(limit, first - STRING)
    const start = this.at
    this.at += length
    if (length === 1 && this.bytes[start]! < STRING) {
      throw malformed(`expected the byte at ${start} to stand for itself`)
    }
    return this.bytes.subarray(start, this.at)
  }

  private list(length: number, depth: number): RlpTree[] {
    const end = this.at + length
    const items: RlpTree[] = []
    while (this.at < end) items.push(this.item(end, depth + 1))
    return items
  }

  /** Reads a head; the payload of the length it tells lies before `limit`. */
  private length(limit: number, code: number): number {
    let length = code
    this.at++
    if (code > SHORT) {
      const size = code - SHORT
      if (this.at + size > limit)
        throw malformed(`expected ${size} bytes of length at ${this.at}, got the end`)
      const leading = this.bytes[this.at]
      length = 0
      for (let i = 0; i < size; i++) length = length * 256 + this.bytes[this.at++]!
      if (leading === 0 || length <= SHORT) throw malformed(`expected the shortest length before ${this.at}`)
    }
    if (this.at + length > limit)
      throw malformed(`expected ${length} bytes at ${this.at}, got ${limit - this.at}`)
    return length
  }
}

/** A leaf, of `length` bytes where that is given. */
export function rlpBytes(tree: RlpTree | undefined, name: string, length?: number): Buffer {
  if (!Buffer.isBuffer(tree)) throw malformed(`${name}: expected bytes, got ${tree ? 'a list' : 'nothing'}`)
  if (length !== undefined && tree.length !== length) {
    throw malformed(`${name}: expected ${length} bytes, got ${tree.length}`)
  }
  return tree
}

/** A leaf as an unsigned number without leading zeros. */
export function rlpQuantity(tree: RlpTree | undefined, name: string, maxBytes = 32): bigint {
  const bytes = rlpBytes(tree, name)
  if (bytes.length > maxBytes)
    throw malformed(`${name}: expected at most ${maxBytes} bytes, got ${bytes.length}`)
  if (bytes.length === 0) return 0n
  if (bytes[0] === 0) throw malformed(`${name}: expected no leading zero`)
  return bytes.length <= 6 ? BigInt(bytes.readUIntBE(0, bytes.length)) : BigInt(`0x${bytes.toString('hex')}`)
}

/** A leaf as a plain number. */
export function rlpNumber(tree: RlpTree | undefined, name: string, maxBytes = 6): number {
  return Number(rlpQuantity(tree, name, maxBytes))
}

/** A list, of `length` items where that is given. */
export function rlpList(tree: RlpTree | undefined, name: string, length?: number): RlpTree[] {
  if (!Array.isArray(tree)) throw malformed(`${name}: expected a list, got ${tree ? 'bytes' : 'nothing'}`)
  if (length !== undefined && tree.length !== length) {
    throw malformed(`${name}: expected ${length} items, got ${tree.length}`)
  }
  return tree
}
