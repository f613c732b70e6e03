import { describe, expect, test } from 'vitest'
import { ProofError } from '../../schema/errors.ts'
import { describeRecorded, recordings } from '../../test/recordings.ts'
import { dogecoin } from '../chains/dogecoin.ts'
import { openRpc } from '../rpc.ts'
import {
  blockBytes,
  headerBytes,
  madeChain,
  NULL_HASH,
  rawOf,
  sha256d,
  transactionBytes,
} from './made.fixture.ts'
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

  const CHAIN_ID = 0x62
  const MAGIC = Buffer.from('fabe6d6d', 'hex')
  const NONCE = 5
  const merged = madeChain({ proofOfWork: 'sha256d', auxPow: { chainId: CHAIN_ID } })
  const siblings = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]

  interface MadeProof {
    script?: (root: Buffer, tail: Buffer) => Buffer[]
    slot?: number
    treeSize?: number
    version?: number
    parentVersion?: number
    coinbaseIndex?: number
    chainBranch?: Buffer[]
  }

  function int32(value: number): Buffer {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value >>> 0)
    return bytes
  }

  /** Folds a leaf with the siblings of its path, apart from the code under test. */
  function fold(leaf: Buffer, branch: Buffer[], slot: number): Buffer {
    return branch.reduce(
      (node, sibling, level) =>
        sha256d(Buffer.concat(Math.floor(slot / 2 ** level) % 2 === 1 ? [sibling, node] : [node, sibling])),
      leaf,
    )
  }

  /** A merged-mined block; what is not given is as the specification wants it. */
  function mergedBlock(made: MadeProof = {}): UtxoRaw {
    const chainBranch = made.chainBranch ?? siblings
    const slot = made.slot ?? expectedSlot(NONCE, CHAIN_ID, chainBranch.length)
    const block = blockBytes([{}], { version: made.version ?? 0x00620102 })
    const root = fold(sha256d(block.subarray(0, 80)), chainBranch, slot).reverse()
    const tail = Buffer.concat([int32(made.treeSize ?? 2 ** chainBranch.length), int32(NONCE)])
    const script = Buffer.concat((made.script ?? ((...parts) => [MAGIC, ...parts]))(root, tail))
    const coinbase = transactionBytes({ inputs: [{ script }] })
    const parentSibling = Buffer.alloc(32, 3)
    const parentRoot = fold(sha256d(coinbase), [parentSibling], 0)
    const parents = Array.from({ length: 100 }, (_, time) =>
      headerBytes({
        version: made.parentVersion ?? 0x20000000,
        root: parentRoot,
        previousHash: Buffer.alloc(32, time),
      }),
    )
    const parent = parents.find(header => sha256d(header)[31]! < 0x7f)!
    const proof = [
      ...[coinbase, NULL_HASH, Buffer.of(1), parentSibling, int32(made.coinbaseIndex ?? 0)],
      ...[Buffer.of(chainBranch.length), ...chainBranch, int32(slot), parent],
    ]
    return rawOf(Buffer.concat([block.subarray(0, 80), ...proof, block.subarray(80)]), 1)
  }

  test('a proof is accepted with the mark, or with the bare root at the start', () => {
    expect(merged.verify(mergedBlock()).proofs).toEqual(['hash', 'txRoot', 'inputs', 'pow'])
    expect(merged.verify(mergedBlock({ chainBranch: [] })).proofs).toContain('pow')
    expect(merged.verify(mergedBlock({ script: (...parts) => parts })).proofs).toContain('pow')
    const behind = (root: Buffer, tail: Buffer) => [Buffer.alloc(60, 9), MAGIC, root, tail, Buffer.alloc(3)]
    expect(merged.verify(mergedBlock({ script: behind })).proofs).toContain('pow')
  })

  test.each<[string, MadeProof, RegExp]>([
    ['no root', { script: (_, tail) => [MAGIC, Buffer.alloc(32, 7), tail] }, /does not name/],
    ['two marks', { script: (root, tail) => [MAGIC, root, tail, MAGIC] }, /two/],
    ['a mark elsewhere', { script: (root, tail) => [MAGIC, Buffer.of(0), root, tail] }, /precede/],
    ['a bare root far behind', { script: (root, tail) => [Buffer.alloc(21), root, tail] }, /too far/],
    ['no tree size', { script: root => [MAGIC, root, Buffer.alloc(7)] }, /missing/],
    ['another tree size', { treeSize: 8 }, /expected a tree/],
    ['another slot', { slot: (expectedSlot(NONCE, CHAIN_ID, 2) + 1) % 4 }, /slot/],
    ['another chain id', { version: 0x00630102 }, /chain id/],
    ['a parent of the same chain', { parentVersion: 0x00620102 }, /same chain/],
    ['a transaction that is not the coinbase', { coinbaseIndex: 1 }, /not the first/],
    ['too long a branch', { chainBranch: Array.from({ length: 31 }, () => NULL_HASH) }, /too long/],
  ])('refused: %s', (_, made, message) => {
    const raw = mergedBlock(made)
    expect(() => merged.verify(raw)).toThrow(message)
    expect(proofOf(() => merged.verify(raw))).toBe('pow')
  })

  test('a block without the version bit works for itself', () => {
    const raw = Array.from({ length: 64 }, (_, time) =>
      rawOf(blockBytes([{ lockTime: time }], { version: 0x00620002 }), 1),
    ).find(({ hash }) => hash[0]! < 0x7f)!
    expect(merged.verify(raw).proofs).toContain('pow')
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
