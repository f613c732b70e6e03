import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { doubleSha256 } from './hashing.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

describe('double SHA-256', () => {
  it('knows the hash of the genesis header', () => {
    const header = Buffer.from(
      '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61' +
        '7fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c',
      'hex',
    )
    expect(doubleSha256(header).reverse().toString('hex')).toBe(
      '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
    )
  })

  it('agrees with node:crypto for every size up to well beyond what is hashed here', () => {
    for (let size = 0; size <= 1_200; size++) {
      const bytes = Buffer.from(
        Array.from({ length: size }, (_, at) => (at * 37 + size * 11 + (at >> 7)) & 0xff),
      )
      expect([size, doubleSha256(bytes).toString('hex')]).toEqual([
        size,
        sha256(sha256(bytes)).toString('hex'),
      ])
    }
  })
})
