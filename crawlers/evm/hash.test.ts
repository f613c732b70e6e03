import { keccak256 as oracle } from 'ethers'
import { describe, expect, it } from 'vitest'
import { keccak256, keccakAll } from './hash.ts'
import { INPUT_BLOCKS, RATE } from './keccak-wasm.ts'

/** Bytes that differ from place to place and from seed to seed. */
function made(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (at >> 8) * 7 + seed * 101) & 0xff
  return bytes
}

const hex = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString('hex')}`
const INPUT = INPUT_BLOCKS * RATE
/** Around whole blocks, and around what the module's memory takes at once. */
const sizes = [
  ...Array.from({ length: 2 * RATE + 3 }, (_, size) => size),
  ...[3, 4, 15, 31].flatMap(blocks => [-1, 0, 1].map(step => blocks * RATE + step)),
  ...[-2, -1, 0, 1, RATE].map(step => INPUT + step),
  ...[2 * INPUT - 1, 2 * INPUT, 3 * INPUT + 77],
]

describe('keccak-256', () => {
  it('knows the digests of nothing and of "abc"', () => {
    expect(hex(keccak256(Buffer.alloc(0)))).toBe(
      '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
    )
    expect(hex(keccak256(Buffer.from('abc')))).toBe(
      '0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45',
    )
  })

  it('agrees with ethers for every size, in one piece and in two', () => {
    for (const size of sizes) {
      const bytes = made(size, size)
      const expected = oracle(bytes)
      expect([size, hex(keccak256(bytes))]).toEqual([size, expected])
      const cut = size >> 1
      expect([size, hex(keccak256(bytes.subarray(0, cut), bytes.subarray(cut)))]).toEqual([size, expected])
    }
  })

  it('gives each of many its own digest, paired or not', () => {
    const messages = [...sizes, ...sizes, ...sizes].map((size, seed) => {
      const bytes = made(size, seed)
      const cut = seed % 2 === 0 ? 0 : size >> 2
      return { head: bytes.subarray(0, cut), tail: bytes.subarray(cut) }
    })
    const digests = keccakAll(messages)
    messages.forEach(({ head, tail }, place) => {
      expect([place, hex(digests[place]!)]).toEqual([place, oracle(Buffer.concat([head, tail]))])
    })
    expect(keccakAll([])).toEqual([])
  })
})
