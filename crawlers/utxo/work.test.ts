import { describe, expect, test } from 'vitest'
import { ProofError } from '../../schema/errors.ts'
import { describeRecorded, recordings } from '../../test/recordings.ts'
import { dogecoin } from '../chains/dogecoin.ts'
import { openRpc } from '../rpc.ts'
import { blockBytes, headerBytes, madeChain, rawOf, sha256d } from './made.fixture.ts'
import type { UtxoRaw } from './raw.ts'
import { difficulty, expectedWork, parseBits } from './target.ts'
import { expectedSlot } from './work.ts'

function proofOf(verify: () => unknown): string {
  try {
    verify()
  } catch (error) {
    if (error instanceof ProofError) return error.proof
    throw error
  }
  return 'none'
}

describe('targets', () => {
  test.each([
    [0x1d00ffff, 0xffffn << 208n],
    [0x207fffff, 0x7fffffn << 232n],
    [0x1b0404cb, 0x404cbn << 192n],
    [0x03123456, 0x123456n],
    [0x02123456, 0x1234n],
    [0x01123456, 0x12n],
  ])('bits %s', (bits, target) => {
    expect(parseBits(bits)).toBe(target)
  })

  test.each([0, 0x1d000000, 0x00123456, 0x04923456, 0x1d80ffff, 0x23000100, 0xff123456])(
    'bits %s are refused',
    bits => {
      expect(parseBits(bits)).toBeNull()
    },
  )

  test('difficulty and work are what nodes print', () => {
    expect(difficulty(0x1d00ffff)).toBe(1)
    expect(difficulty(0x1b0404cb)).toBeCloseTo(16307.420938523983, 6)
    expect(difficulty(0x1e0ffff0)).toBeCloseTo(0.00024414, 8)
    // chainwork of Bitcoin's block 0
    expect(expectedWork(0x1d00ffff)).toBe(0x100010001n)
  })

  test('a target above the limit, none at all, and a hash that misses it are refused', () => {
    const chain = madeChain({ proofOfWork: 'sha256d', powLimit: 0xffffn << 208n })
    const verify = (bits: number) => () => chain.verify(rawOf(blockBytes([{}], { bits }), 1))
    expect(proofOf(verify(0x207fffff))).toBe('pow')
    expect(proofOf(verify(0))).toBe('pow')
    expect(proofOf(verify(0x1d00ffff))).toBe('pow')
  })

  test('easy work passes, and is named', () => {
    const chain = madeChain({ proofOfWork: 'sha256d' })
    const mined = Array.from({ length: 64 }, (_, version) => rawOf(blockBytes([{}], { version }), 1)).find(
      raw => raw.hash[0]! < 0x7f,
    )
    expect(chain.verify(mined!).proofs).toContain('pow')
  })
})

describe('merged mining', () => {
  test('slots are drawn as the specification says', () => {
    expect(expectedSlot(0, 0x62, 0)).toBe(0)
    // Done by hand with big integers.
    const drawn = (nonce: bigint, chainId: bigint, height: bigint) => {
      const draw = (value: bigint) => (value * 1103515245n + 12345n) % 2n ** 32n
      return Number(draw((draw(nonce) + chainId) % 2n ** 32n) % 2n ** height)
    }
    for (const nonce of [0, 1, 7, 0x7fffffff, 0x80000000, 0xffffffff]) {
      for (const height of [0, 1, 3, 10, 30]) {
        expect(expectedSlot(nonce, 0x62, height)).toBe(drawn(BigInt(nonce), 0x62n, BigInt(height)))
      }
    }
  })

  test('the parent must not be of the same chain, the version must carry the chain id', () => {
    const chain = madeChain({ proofOfWork: 'scrypt', auxPow: { chainId: 0x62 } })
    const header = headerBytes({ version: 0x00630100 })
    const bytes = Buffer.concat([header, Buffer.alloc(400)])
    expect(proofOf(() => chain.verify({ ...rawOf(bytes, 1), hash: sha256d(header).reverse() }))).toBe('pow')
  })
})

describeRecorded('Dogecoin block 371337', () => {
  async function load(): Promise<UtxoRaw> {
    return dogecoin.open(await openRpc([{ url: `file:${recordings}/dogecoin` }])).blockAt(371_337)
  }

  function flipped(raw: UtxoRaw, at: number): UtxoRaw {
    const bytes = Buffer.from(raw.bytes)
    bytes[at] = bytes[at]! ^ 1
    return { ...raw, bytes }
  }

  test('its merged-mining proof holds', async () => {
    expect(dogecoin.verify(await load()).proofs).toEqual(['hash', 'txRoot', 'pow'])
  })

  test('the hash that meets the target and the parent are told', async () => {
    const raw = await load()
    const { rows } = dogecoin.split(raw, dogecoin.verify(raw))
    const { proof_hash, auxpow_parent_hash } = rows.utxo_blocks![0]!
    expect(Buffer.from(proof_hash!).toString('hex')).toMatch(/^0000000000/)
    expect(auxpow_parent_hash).toHaveLength(32)
  })

  test('no byte of the proof can be changed', async () => {
    const raw = await load()
    // The proof lies between the header and the transaction count; its end is the parent header.
    const parentHeader = Buffer.from('02000000d2ec7dfeb7e8f43f', 'hex')
    const end = raw.bytes.indexOf(parentHeader) + 80
    const passed: number[] = []
    for (let at = 80; at < end; at++) {
      const proof = proofOf(() => dogecoin.verify(flipped(raw, at)))
      if (proof === 'none') passed.push(at)
      else expect(proof, `byte ${at}`).toBe('pow')
    }
    // The one field that nodes do not check: the parent's hash, which the parent header says itself.
    const coinbaseEnd = raw.bytes.indexOf(Buffer.from('88ac00000000', 'hex'), 80) + 6
    expect(passed).toEqual(Array.from({ length: 32 }, (_, at) => coinbaseEnd + at))
  })
})
