import { keccak256, keccakAll, type Message } from './hash.ts'
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
  return orderedTrie(values, []).root
}

/** The same, and the digests of other messages: together they make more pairs of one length. */
export function orderedTrie(
  values: readonly Uint8Array[],
  others: readonly Uint8Array[],
): { root: Buffer; digests: Buffer[] } {
  const messages: Message[] = others.map(bytes => ({ head: bytes, tail: NOTHING }))
  if (values.length === 0) return { root: EMPTY_TRIE_ROOT, digests: keccakAll(messages) }
  const entries = keyOrder(values.length).map(place => ({
    path: nibbles(encodeRlp(BigInt(place))),
    value: values[place]!,
  }))
  const leaves: Message[] = []
  const top = nodeOf(entries, 0, entries.length, 0, leaves)
  // All long values are in leaves: hashed at once, two at a time.
  const digests = keccakAll([...messages, ...leaves])
  const { head, tail } = encodeNode(top, digests.splice(others.length))
  return { root: keccak256(head, tail), digests }
}

/**
 * Root of the trie that holds each value under the digest of its key, as the state and the storage of accounts are
 * committed to. No two keys are the same.
 */
export function hashedTrieRoot(values: readonly { key: Uint8Array; value: Uint8Array }[]): Buffer {
  if (values.length === 0) return EMPTY_TRIE_ROOT
  const digests = keccakAll(values.map(({ key }) => ({ head: key, tail: NOTHING })))
  const entries = values
    .map(({ value }, at) => ({ digest: digests[at]!, path: nibbles(digests[at]!), value }))
    .sort((a, b) => Buffer.compare(a.digest, b.digest))
  const leaves: Message[] = []
  const top = nodeOf(entries, 0, entries.length, 0, leaves)
  const { head, tail } = encodeNode(top, keccakAll(leaves))
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

const NOTHING = new Uint8Array(0)
/** RLP of nothing, where a branch has no child. */
const EMPTY = encodeRlp(NOTHING)

/** A leaf is its RLP in two pieces, and its place among the leaves. */
type Node =
  | { kind: 'leaf'; place: number; rlp: Message }
  | { kind: 'extension'; path: Uint8Array; below: Node }
  | { kind: 'branch'; children: (Node | null)[] }

/** No key is another one's beginning, so branches never hold a value and every single entry is a leaf. */
function nodeOf(entries: readonly Entry[], from: number, to: number, depth: number, leaves: Message[]): Node {
  const first = entries[from]!
  if (to - from === 1) {
    const rlp = leaf(first.path.subarray(depth), first.value)
    return { kind: 'leaf', place: leaves.push(rlp) - 1, rlp }
  }
  const shared = sharedNibbles(first.path, entries[to - 1]!.path, depth)
  if (shared > depth) {
    const path = first.path.subarray(depth, shared)
    return { kind: 'extension', path, below: nodeOf(entries, from, to, shared, leaves) }
  }
  const children: (Node | null)[] = new Array(17).fill(null)
  for (let start = from; start < to; ) {
    const nibble = entries[start]!.path[depth]!
    let end = start + 1
    while (end < to && entries[end]!.path[depth] === nibble) end++
    children[nibble] = nodeOf(entries, start, end, depth + 1, leaves)
    start = end
  }
  return { kind: 'branch', children }
}

/** A node's RLP, given the digests of the leaves. */
function encodeNode(node: Node, digests: readonly Buffer[]): Message {
  if (node.kind === 'leaf') return node.rlp
  const parts =
    node.kind === 'extension'
      ? [encodeRlp(compact(node.path, false)), reference(node.below, digests)]
      : node.children.map(child => (child === null ? EMPTY : reference(child, digests)))
  return { head: list(parts), tail: NOTHING }
}

/** How a node stands in its parent: itself when shorter than 32 bytes, else its hash. */
function reference(node: Node, digests: readonly Buffer[]): Uint8Array {
  const { head, tail } = encodeNode(node, digests)
  if (head.length + tail.length < 32) return Buffer.concat([head, tail])
  return encodeRlp(node.kind === 'leaf' ? digests[node.place]! : keccak256(head, tail))
}

/** Entries are sorted: what the first and the last share, all share. */
function sharedNibbles(a: Uint8Array, b: Uint8Array, from: number): number {
  let at = from
  while (at < a.length && a[at] === b[at]) at++
  return at
}

/** Room for the heads of a list and of a value, and for the longest key there can be. */
const LEAF_ROOM = 48

function leaf(path: Uint8Array, value: Uint8Array): Message {
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
