import { keccak256 } from './hash.ts'
import { encodeRlp, writeBefore, writeHeadBefore } from './rlp.ts'

/** Root of the trie without entries: keccak of the empty string's RLP. */
export const EMPTY_TRIE_ROOT = keccak256(Buffer.from([0x80]))

interface Entry {
  /** Nibbles of rlp(place). */
  path: Uint8Array
  value: Uint8Array
}

/**
 * Root of the Merkle-Patricia trie (Yellow Paper, appendix D) that holds `values[i]` under the key rlp(i), as
 * transactions, receipts and withdrawals are committed to.
 */
export function orderedTrieRoot(values: readonly Uint8Array[]): Buffer {
  if (values.length === 0) return EMPTY_TRIE_ROOT
  const entries = keyOrder(values.length).map(place => ({
    path: nibbles(encodeRlp(BigInt(place))),
    value: values[place]!,
  }))
  const { head, tail } = nodeOf(entries, 0, entries.length, 0)
  return keccak256(head, tail)
}

/** Places by their encoded keys: 1…127 stand for themselves, 0 is 0x80, 128 and up begin with 0x81 or more. */
function keyOrder(count: number): number[] {
  const order: number[] = []
  for (let place = 1; place < Math.min(count, 128); place++) order.push(place)
  order.push(0)
  for (let place = 128; place < count; place++) order.push(place)
  return order
}

function nibbles(key: Uint8Array): Uint8Array {
  const path = new Uint8Array(key.length * 2)
  key.forEach((byte, at) => {
    path[at * 2] = byte >> 4
    path[at * 2 + 1] = byte & 15
  })
  return path
}

/** A node's RLP in two pieces, so that a leaf's value is hashed where it lies. */
interface Node {
  head: Uint8Array
  tail: Uint8Array
}

const NOTHING = new Uint8Array(0)
/** RLP of nothing, where a branch has no child. */
const EMPTY = encodeRlp(NOTHING)

/** No key is another one's beginning, so branches never hold a value and every single entry is a leaf. */
function nodeOf(entries: readonly Entry[], from: number, to: number, depth: number): Node {
  const first = entries[from]!
  if (to - from === 1) return leaf(first.path.subarray(depth), first.value)
  const shared = sharedNibbles(first.path, entries[to - 1]!.path, depth)
  if (shared > depth) {
    const below = reference(nodeOf(entries, from, to, shared))
    return {
      head: list([encodeRlp(compact(first.path.subarray(depth, shared), false)), below]),
      tail: NOTHING,
    }
  }
  const children: Uint8Array[] = new Array(17).fill(EMPTY)
  for (let start = from; start < to; ) {
    const nibble = entries[start]!.path[depth]!
    let end = start + 1
    while (end < to && entries[end]!.path[depth] === nibble) end++
    children[nibble] = reference(nodeOf(entries, start, end, depth + 1))
    start = end
  }
  return { head: list(children), tail: NOTHING }
}

/** Entries are sorted: what the first and the last share, all share. */
function sharedNibbles(a: Uint8Array, b: Uint8Array, from: number): number {
  let at = from
  while (at < a.length && a[at] === b[at]) at++
  return at
}

/** Room for the heads of a list and of a value, and for the longest key there can be. */
const LEAF_ROOM = 48

function leaf(path: Uint8Array, value: Uint8Array): Node {
  const room = Buffer.allocUnsafe(LEAF_ROOM)
  let at = room.length
  if (value.length !== 1 || value[0]! >= 0x80) at = writeHeadBefore(room, at, value.length, 'string')
  at = writeBefore(room, at, compact(path, true))
  at = writeHeadBefore(room, at, room.length - at + value.length, 'list')
  return { head: room.subarray(at), tail: value }
}

/** Hex-prefix encoding: bit 1 of the first nibble says leaf, bit 0 an odd number of nibbles. */
function compact(path: Uint8Array, isLeaf: boolean): Uint8Array {
  const odd = path.length % 2
  const out = new Uint8Array((path.length >> 1) + 1)
  out[0] = (isLeaf ? 0x20 : 0) | (odd ? 0x10 | path[0]! : 0)
  for (let at = odd, to = 1; at < path.length; at += 2) out[to++] = (path[at]! << 4) | path[at + 1]!
  return out
}

/** How a node stands in its parent: itself when shorter than 32 bytes, else its hash. */
function reference({ head, tail }: Node): Uint8Array {
  if (head.length + tail.length < 32) return Buffer.concat([head, tail])
  return encodeRlp(keccak256(head, tail))
}

function list(encoded: readonly Uint8Array[]): Buffer {
  let size = 0
  for (const bytes of encoded) size += bytes.length
  const out = Buffer.allocUnsafe(size + 9)
  let at = out.length
  for (let place = encoded.length - 1; place >= 0; place--) {
    at -= encoded[place]!.length
    out.set(encoded[place]!, at)
  }
  return out.subarray(writeHeadBefore(out, at, size, 'list'))
}
