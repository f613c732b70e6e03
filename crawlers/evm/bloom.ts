import { keccak256 } from './hash.ts'
import type { EvmLog } from './raw.ts'

const BLOOM_BYTES = 256

/** Remembers where a block's addresses and topics fall: they repeat, and each costs a hash. */
export type BloomCache = Map<string, number>

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

/** Three numbers of 11 bits in one. */
function bitsOf(entry: Buffer): number {
  const hash = keccak256(entry)
  return (
    (hash.readUInt16BE(0) & 0x7ff) * 2 ** 22 +
    ((hash.readUInt16BE(2) & 0x7ff) << 11) +
    (hash.readUInt16BE(4) & 0x7ff)
  )
}

function add(bloom: Buffer, entry: Buffer, cache: BloomCache): void {
  const key = entry.toString('latin1')
  let bits = cache.get(key)
  if (bits === undefined) {
    bits = bitsOf(entry)
    cache.set(key, bits)
  }
  setBit(bloom, Math.floor(bits / 2 ** 22))
  setBit(bloom, (bits >>> 11) & 0x7ff)
  setBit(bloom, bits & 0x7ff)
}

function setBit(bloom: Buffer, bit: number): void {
  bloom[BLOOM_BYTES - 1 - (bit >> 3)]! |= 1 << (bit & 7)
}
