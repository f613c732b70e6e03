import { describe, expect, test } from 'vitest'
import { InputError, MalformedAnswerError } from '../../schema/errors.ts'
import { decodeRaw, encodeRaw } from './codec.ts'
import type { UtxoRaw } from './raw.ts'

const previous = Buffer.from('a previous transaction')
const another = Buffer.from('another one')
const script = Buffer.from('76a914', 'hex')

const raw: UtxoRaw = {
  height: 840_000,
  hash: Buffer.alloc(32, 7),
  bytes: Buffer.from('the block'),
  spent: [
    null,
    { amount: 1n, script, source: 'block' },
    { amount: 0n, script: Buffer.alloc(0), source: 'stored' },
    { amount: 2n ** 63n - 1n, script, source: 'transaction', transaction: previous },
    { amount: 5n, script, source: 'transaction', transaction: another },
    { amount: 6n, script: Buffer.alloc(300, 1), source: 'transaction', transaction: previous },
    { amount: 7n, script, source: 'node' },
  ],
  medianTime: 1_713_571_767,
  chainWork: 0x753b_dab0_e0d7_45d9n,
}

describe('archive form', () => {
  test.each<[string, UtxoRaw]>([
    ['everything', raw],
    ['nothing told', { ...raw, medianTime: null, chainWork: null, spent: [] }],
    ['only the time', { ...raw, chainWork: null }],
    ['only the work', { ...raw, medianTime: null, chainWork: 0n }],
  ])('comes back equal: %s', (_, block) => {
    const encoded = encodeRaw(block)
    const decoded = decodeRaw(encoded)
    expect(decoded).toStrictEqual(block)
    expect(encodeRaw(decoded).equals(encoded)).toBe(true)
  })

  test('a transaction that many inputs spend from is kept once', () => {
    const large = Buffer.alloc(10_000, 3)
    const spent = Array.from({ length: 50 }, () => ({
      amount: 1n,
      script,
      source: 'transaction' as const,
      transaction: large,
    }))
    expect(encodeRaw({ ...raw, spent }).length).toBeLessThan(12_000)
  })

  test('anything else is refused: every truncation, bytes left over, other versions', () => {
    const encoded = encodeRaw(raw)
    for (let size = 0; size < encoded.length; size++) {
      expect(() => decodeRaw(encoded.subarray(0, size)), `${size} bytes`).toThrow(MalformedAnswerError)
    }
    expect(() => decodeRaw(Buffer.concat([encoded, Buffer.of(0)]))).toThrow(/left over/)
    expect(() => decodeRaw(Buffer.concat([Buffer.of(2), encoded.subarray(1)]))).toThrow(/version/)
  })

  test('no flipped byte gives another spelling of the same block', () => {
    const encoded = encodeRaw(raw)
    for (let at = 0; at < encoded.length; at++) {
      const changed = Buffer.from(encoded)
      changed[at] = changed[at]! ^ 0xff
      let decoded: UtxoRaw
      try {
        decoded = decodeRaw(changed)
      } catch (error) {
        expect(error, `byte ${at}`).toBeInstanceOf(MalformedAnswerError)
        continue
      }
      expect(encodeRaw(decoded).equals(changed), `byte ${at}`).toBe(true)
    }
  })

  test('a hash of another size is a mistake of ours', () => {
    expect(() => encodeRaw({ ...raw, hash: Buffer.alloc(31) })).toThrow(InputError)
  })
})
