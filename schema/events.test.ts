import { describe, expect, test } from 'vitest'
import { type BlockEvent, decodeEvent, encodeEvent } from './events.ts'

const hash = Buffer.alloc(32, 7)
const events: BlockEvent[] = [
  { kind: 'block', height: 0, hash, parentHash: Buffer.alloc(32), payload: Buffer.alloc(0) },
  {
    kind: 'block',
    height: 2 ** 40,
    hash,
    parentHash: Buffer.alloc(20, 1),
    payload: Buffer.from('any\nbytes\0'),
  },
  { kind: 'revert', to: { height: 12, hash } },
  { kind: 'finalize', safe: 10, final: 3 },
]

describe('block events', () => {
  test.each(events)('$kind survives the log', event => {
    expect(decodeEvent(encodeEvent(event))).toEqual(event)
  })

  test.each(events)('$kind cut short is refused', event => {
    const value = encodeEvent(event)
    for (let length = 0; length < value.length; length++) {
      expect(() => decodeEvent(value.subarray(0, length))).toThrow()
    }
  })

  test('another format is refused with what to do', () => {
    expect(() => decodeEvent(Buffer.from([2, 0]))).toThrow('expected format 1, got 2')
    expect(() => decodeEvent(Buffer.from([1, 9]))).toThrow('unknown kind')
  })
})
