import {
  INPUT_AT,
  INPUT_BLOCKS,
  openKeccak,
  PAIR_STATE_AT,
  RATE,
  SECOND_INPUT_AT,
  STATE_AT,
} from './keccak-wasm.ts'

/** A digest's bytes. */
const SIZE = 32
/** What fits the input area together with its padding. */
const INPUT_BYTES = INPUT_BLOCKS * RATE - 1

/** Bytes in one piece or in two that follow each other: so a value is hashed where it lies. */
export interface Message {
  head: Uint8Array
  tail: Uint8Array
}

const NOTHING = new Uint8Array(0)

const { absorb, absorbPair, memory } = openKeccak()
const bytes = Buffer.from(memory.buffer)

/** The last part of a message with its padding (Keccak's own, 0x01 … 0x80); returns the number of blocks. */
function putLast(at: number, head: Uint8Array, tail: Uint8Array): number {
  bytes.set(head, at)
  if (tail.length > 0) bytes.set(tail, at + head.length)
  const size = head.length + tail.length
  const blocks = Math.floor(size / RATE) + 1
  const end = at + blocks * RATE
  bytes.fill(0, at + size, end)
  bytes[at + size] = 1
  bytes[end - 1]! |= 0x80
  return blocks
}

/** Absorbs a long message up to its last whole block; returns what is left. */
function absorbWhole(piece: Uint8Array): Uint8Array {
  let at = 0
  while (piece.length - at >= RATE) {
    const blocks = Math.min(INPUT_BLOCKS, Math.floor((piece.length - at) / RATE))
    bytes.set(piece.subarray(at, at + blocks * RATE), INPUT_AT)
    absorb(INPUT_AT, blocks, at === 0 ? 0 : 1)
    at += blocks * RATE
  }
  return piece.subarray(at)
}

/** Keccak-256 (the original padding, as Ethereum has it) of `head` followed by `tail`. */
export function keccak256(head: Uint8Array, tail: Uint8Array = NOTHING): Buffer {
  if (head.length + tail.length <= INPUT_BYTES) absorb(INPUT_AT, putLast(INPUT_AT, head, tail), 0)
  else {
    const left = absorbWhole(Buffer.concat([head, tail]))
    absorb(INPUT_AT, putLast(INPUT_AT, left, NOTHING), 1)
  }
  const digest = Buffer.allocUnsafe(SIZE)
  for (let at = 0; at < SIZE; at++) digest[at] = bytes[STATE_AT + at]!
  return digest
}

/** Digests of many messages in their order; those of as many blocks are hashed two at a time. */
export function keccakAll(messages: readonly Message[]): Buffer[] {
  const digests = new Array<Buffer>(messages.length)
  /** A message that waits for another one, by number of blocks. */
  const waiting = new Map<number, number>()
  for (let place = 0; place < messages.length; place++) {
    const { head, tail } = messages[place]!
    const size = head.length + tail.length
    const blocks = Math.floor(size / RATE)
    const other = waiting.get(blocks)
    if (size > INPUT_BYTES) digests[place] = keccak256(head, tail)
    else if (other === undefined) waiting.set(blocks, place)
    else {
      waiting.delete(blocks)
      const [first, second] = [Buffer.allocUnsafe(SIZE), Buffer.allocUnsafe(SIZE)]
      keccakPair(messages[other]!, messages[place]!, first, second)
      digests[other] = first
      digests[place] = second
    }
  }
  for (const place of waiting.values()) {
    const { head, tail } = messages[place]!
    digests[place] = keccak256(head, tail)
  }
  return digests
}

/** Digests of two messages of as many blocks. */
function keccakPair(first: Message, second: Message, firstDigest: Buffer, secondDigest: Buffer): void {
  putLast(INPUT_AT, first.head, first.tail)
  absorbPair(INPUT_AT, SECOND_INPUT_AT, putLast(SECOND_INPUT_AT, second.head, second.tail), 0)
  for (let at = 0; at < SIZE; at++) {
    // Lanes of 8 bytes, the first message's and the second's in turn.
    const from = PAIR_STATE_AT + 2 * at - (at & 7)
    firstDigest[at] = bytes[from]!
    secondDigest[at] = bytes[from + 8]!
  }
}
