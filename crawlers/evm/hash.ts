import { createKeccak } from 'hash-wasm'

const hasher = await createKeccak(256)

/** Keccak-256 of `head` followed by `tail`. Both are bytes already: a nested call would reset the one hasher. */
export function keccak256(head: Uint8Array, tail?: Uint8Array): Buffer {
  hasher.init().update(head)
  if (tail !== undefined) hasher.update(tail)
  const digest = hasher.digest('binary')
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength)
}
