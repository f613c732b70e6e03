import { keccak256 } from './hash.ts'
import type { EvmLog } from './raw.ts'

const BLOOM_BYTES = 256

/** Remembers where a block's addresses and topics fall: they repeat, and each costs a hash. */
export type BloomCache = Map<string, readonly number[]>

/** The 2048-bit filter of some logs (Yellow Paper, 4.3.1): three bits for every address and topic. */
export function bloomOf(logs: readonly EvmLog[], cache: BloomCache): Buffer {
  const bloom = Buffer.alloc(BLOOM_BYTES)
  for (const log of logs) {
    add(bloom, log.address, cache)
    for (const topic of log.topics) add(bloom, topic, cache)
  }
  return bloom
}

/** Whatever is set in one of the filters. */
export function orBlooms(blooms: readonly Uint8Array[]): Buffer {
  const all = Buffer.alloc(BLOOM_BYTES)
  for (const bloom of blooms) for (let at = 0; at < BLOOM_BYTES; at++) all[at]! |= bloom[at]!
  return all
}

function add(bloom: Buffer, entry: Buffer, cache: BloomCache): void {
  const key = entry.toString('latin1')
  let bits = cache.get(key)
  if (bits === undefined) {
    const hash = keccak256(entry)
    bits = [0, 2, 4].map(at => hash.readUInt16BE(at) & 0x7ff)
    cache.set(key, bits)
  }
  for (const bit of bits) bloom[BLOOM_BYTES - 1 - (bit >> 3)]! |= 1 << (bit & 7)
}
