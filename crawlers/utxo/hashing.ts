import { hash } from 'node:crypto'
import { BLOCK, DIGEST, INPUT_AT, openSha256, STATE_AT } from './sha256-wasm.ts'

const { hashTwice, memory } = openSha256()
const input = Buffer.from(memory.buffer)
/** Longer messages are hashed faster by the processor's own instructions, where it has them. */
const SHORT = 500

/** SHA-256. */
export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/** SHA-256 of the SHA-256: the hash of headers, transactions and merkle nodes. */
export function doubleSha256(bytes: Uint8Array): Buffer {
  const size = bytes.length
  if (size > SHORT) return hash('sha256', hash('sha256', bytes, 'buffer'), 'buffer')
  // A one bit, zeros, and the length in bits as 64 bits (FIPS 180-4, 5.1.1).
  const blocks = ((size + 8) >> 6) + 1
  const end = INPUT_AT + blocks * BLOCK
  input.set(bytes, INPUT_AT)
  input.fill(0, INPUT_AT + size, end)
  input[INPUT_AT + size] = 0x80
  const bits = size * 8
  input[end - 2] = bits >> 8
  input[end - 1] = bits
  hashTwice(INPUT_AT, blocks)
  const digest = Buffer.allocUnsafe(DIGEST)
  for (let at = 0; at < DIGEST; at++) digest[at] = input[STATE_AT + at]!
  return digest
}

const NODE = 32

/** A merkle root, and whether the tree is ambiguous. */
export interface MerkleRoot {
  root: Buffer
  /**
   * Two equal siblings stand side by side: another, longer list of leaves gives the same root (CVE-2012-2459), so the
   * root does not prove this one.
   */
  ambiguous: boolean
}

/** Root over at least one leaf; an odd level repeats its last node. Hashes in internal order. */
export function merkleRoot(leaves: readonly Uint8Array[]): MerkleRoot {
  const nodes = Buffer.allocUnsafe((leaves.length + 1) * NODE)
  for (const [at, leaf] of leaves.entries()) nodes.set(leaf, at * NODE)
  let ambiguous = false
  for (let count = leaves.length; count > 1; count = (count + 1) >> 1) {
    ambiguous ||= hasEqualSiblings(nodes, count)
    if (count % 2 === 1) nodes.copyWithin(count * NODE, (count - 1) * NODE, count * NODE)
    for (let at = 0; at < count; at += 2) {
      nodes.set(doubleSha256(nodes.subarray(at * NODE, (at + 2) * NODE)), (at / 2) * NODE)
    }
  }
  return { root: nodes.subarray(0, NODE), ambiguous }
}

function hasEqualSiblings(nodes: Buffer, count: number): boolean {
  for (let at = 0; at + 1 < count; at += 2) {
    const [start, middle, end] = [at * NODE, (at + 1) * NODE, (at + 2) * NODE]
    if (nodes.compare(nodes, middle, end, start, middle) === 0) return true
  }
  return false
}

/** Root that a leaf at `index` has with the siblings of its path, from the leaf upwards. */
export function branchRoot(leaf: Uint8Array, branch: readonly Uint8Array[], index: number): Buffer {
  let node: Buffer = Buffer.from(leaf)
  for (const [level, sibling] of branch.entries()) {
    const isRight = ((index >>> level) & 1) === 1
    node = doubleSha256(Buffer.concat(isRight ? [sibling, node] : [node, sibling]))
  }
  return node
}
