import { describe, expect, test } from 'vitest'
import { AppError, MalformedAnswerError } from '../../schema/errors.ts'
import { readBlock } from './block.ts'
import { ByteReader } from './byte-reader.ts'
import { sizeBytes, uint32Bytes, uint64Bytes } from './byte-writer.ts'
import {
  blockBytes,
  headerBytes,
  madeChain,
  NULL_HASH,
  rawOf,
  TRUE_SCRIPT,
  transactionBytes,
} from './made.fixture.ts'
import { parseTransaction, transactionHash, transactionWeight, witnessHash } from './transaction.ts'

const everything = { segwit: true, mweb: true, auxPow: true }
const plain = { segwit: false, mweb: false, auxPow: false }
const body = transactionBytes({})

/** The same transaction with flags in front of its inputs and their parts behind its outputs. */
function flagged(flags: number, parts: Buffer): Buffer {
  return Buffer.concat([
    body.subarray(0, 4),
    Buffer.of(0, flags),
    body.subarray(4, -4),
    parts,
    body.subarray(-4),
  ])
}

describe('lengths', () => {
  test.each([0, 1, 0xfc, 0xfd, 0xffff, 0x1_0000, 0xffff_ffff])('%i is read as it is written', value => {
    expect(new ByteReader(sizeBytes(value), 'length').size()).toBe(value)
  })

  test.each(['fd0000', 'fdfc00', 'fe00000000', 'feffff0000', 'ff0000000000000000', 'ffffffffff00000000'])(
    '%s is not the shortest form',
    hex => {
      expect(() => new ByteReader(Buffer.from(hex, 'hex'), 'length').size()).toThrow(/shortest/)
    },
  )

  test.each(['ffffffffffffffffff', 'feffffffff', 'fdffff', '09'])('%s items do not fit', hex => {
    const reader = new ByteReader(Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(8)]), 'list')
    expect(() => reader.list(1, 'items', () => reader.uint8())).toThrow(MalformedAnswerError)
  })

  test('what is read are views of the bytes', () => {
    const bytes = Buffer.from('0361626300', 'hex')
    const part = new ByteReader(bytes, 'part').sized()
    bytes[1] = 0x7a
    expect(part.toString()).toBe('zbc')
  })
})

describe('transaction flags', () => {
  test('a witness leaves the hash, an extension leaves both hashes', () => {
    const plainHash = transactionHash(parseTransaction(body, plain, 'tx'))
    const witness = Buffer.from('0102abcd', 'hex')
    const withWitness = parseTransaction(flagged(1, witness), everything, 'tx')
    const withBoth = parseTransaction(flagged(9, Buffer.concat([witness, Buffer.of(0)])), everything, 'tx')
    const hogEx = parseTransaction(flagged(8, Buffer.of(0)), everything, 'tx')
    for (const transaction of [withWitness, withBoth, hogEx]) {
      expect(transactionHash(transaction)).toEqual(plainHash)
    }
    expect(witnessHash(hogEx)).toEqual(plainHash)
    expect(witnessHash(withWitness)).not.toEqual(plainHash)
    expect(witnessHash(withBoth)).toEqual(witnessHash(withWitness))
    expect(transactionWeight(withWitness)).toBe(body.length * 4 + 2 + 4)
    expect(transactionWeight(withBoth)).toBe(transactionWeight(withWitness))
    expect(transactionWeight(hogEx)).toBe(body.length * 4)
    expect(withWitness.inputs[0]!.witness).toEqual([Buffer.from('abcd', 'hex')])
    expect([hogEx.isHogEx, withBoth.isHogEx, withWitness.isHogEx]).toEqual([true, true, false])
  })

  test.each([
    ['no flag', flagged(0, Buffer.alloc(0)), everything],
    ['an unknown flag', flagged(2, Buffer.alloc(0)), everything],
    ['an extension where there is none', flagged(8, Buffer.of(0)), { segwit: true, mweb: false }],
    ['a witness where there is none', flagged(1, Buffer.from('0102abcd', 'hex')), plain],
    ['an empty witness', flagged(1, Buffer.of(0)), everything],
    ['extension data in the transaction', flagged(8, Buffer.of(1)), everything],
    ['no inputs', Buffer.concat([uint32Bytes(1), Buffer.of(0, 0), uint32Bytes(0)]), plain],
  ])('refused: %s', (_, bytes, format) => {
    expect(() => parseTransaction(bytes, format, 'tx')).toThrow(MalformedAnswerError)
  })
})

describe('extension blocks', () => {
  const hogEx = flagged(8, Buffer.of(0))
  const frame = Buffer.concat([headerBytes({}), Buffer.of(2), body, hogEx])

  test('their size is kept', () => {
    const block = readBlock(Buffer.concat([frame, Buffer.of(1), Buffer.alloc(77)]), everything)
    expect(block.extensionSize).toBe(77)
    expect(block.strippedSize).toBe(81 + body.length * 2)
    expect(block.weight).toBe((81 + body.length * 2) * 4)
    expect(readBlock(Buffer.concat([frame, Buffer.of(0)]), everything).extensionSize).toBe(0)
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['an empty extension', Buffer.of(1)],
    ['neither yes nor no', Buffer.of(2, 2)],
    ['bytes after no', Buffer.of(0, 0)],
  ])('refused: %s', (_, end) => {
    expect(() => readBlock(Buffer.concat([frame, end]), everything)).toThrow(MalformedAnswerError)
  })

  test('without a HogEx at the end there is none', () => {
    const bytes = Buffer.concat([headerBytes({}), Buffer.of(2), hogEx, body])
    expect(readBlock(bytes, everything).extensionSize).toBe(0)
    expect(() => readBlock(Buffer.concat([bytes, Buffer.of(0)]), everything)).toThrow(/left over/)
  })
})

describe('hostile bytes', () => {
  /** Numbers that look random, always the same. */
  function* numbers(seed: number): Generator<number> {
    for (let state = seed >>> 0; ; ) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      yield state
    }
  }

  function outcome(run: () => unknown): 'read' | 'refused' {
    try {
      run()
      return 'read'
    } catch (error) {
      expect(error).toBeInstanceOf(AppError)
      return 'refused'
    }
  }

  test('absurd counts are refused before anything is made of them', () => {
    const count = Buffer.concat([Buffer.of(0xff), uint64Bytes(2n ** 64n - 1n)])
    const counts = [count, Buffer.from('feffffffff', 'hex'), Buffer.from('ffffffffffffff0f00', 'hex')]
    for (const absurd of counts) {
      const blocks = [
        [headerBytes({}), absurd],
        [headerBytes({}), Buffer.of(1), uint32Bytes(1), absurd],
        [headerBytes({}), Buffer.of(1), body.subarray(0, 4 + 1 + 36), absurd],
        [headerBytes({}), Buffer.of(1), body.subarray(0, 4 + 1 + 43), absurd],
        [headerBytes({}), Buffer.of(1), uint32Bytes(1), Buffer.of(0, 1), body.subarray(4, -4), absurd],
        [headerBytes({ version: 0x100 }), body, NULL_HASH, absurd],
      ]
      for (const parts of blocks) {
        const bytes = Buffer.concat([...parts, Buffer.alloc(200)])
        expect(() => readBlock(bytes, everything)).toThrow(MalformedAnswerError)
      }
    }
  })

  test('flips and truncations end in a block or a clean refusal', () => {
    const chain = madeChain({ mweb: true, auxPow: { chainId: 1 } })
    const witness = [Buffer.alloc(40, 3)]
    const bytes = blockBytes([
      { outputs: [{ amount: 5n, script: TRUE_SCRIPT }] },
      {
        inputs: [
          { hash: Buffer.alloc(32, 1), index: 3, witness },
          { hash: Buffer.alloc(32, 2), index: 0 },
        ],
      },
    ])
    const random = numbers(20_090_103)
    const next = () => random.next().value as number
    const counted = { read: 0, refused: 0 }
    for (let round = 0; round < 4000; round++) {
      const changed = Buffer.from(bytes.subarray(0, round % 3 === 0 ? next() % bytes.length : bytes.length))
      for (let flips = next() % 4; flips > 0 && changed.length > 0; flips--) {
        changed[next() % changed.length] = next() >>> 24
      }
      counted[outcome(() => readBlock(changed, everything))]++
      if (changed.length < 80) continue
      const raw = rawOf(changed, 1, [null, null])
      outcome(() => chain.split(raw, chain.verify(raw)))
      outcome(() => chain.outputs!.open(raw))
      outcome(() => chain.decode(changed))
    }
    expect(counted.read).toBeGreaterThan(500)
    expect(counted.refused).toBeGreaterThan(500)
  })
})
