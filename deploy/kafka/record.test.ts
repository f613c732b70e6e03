import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  findMessages,
  fromMessage,
  fromParts,
  type Stamp,
  type Stored,
  toMessage,
  toParts,
} from './record.ts'

const place = { topic: 'blocks.test', partition: 0 }

/** As it comes back from Kafka at an offset. */
function store(
  offset: number,
  stamp: Omit<Stamp, 'base'>,
  value: Buffer = Buffer.from(`at ${offset}`),
): Stored {
  const { headers, key } = toMessage(place, { base: 7n, ...stamp }, value)
  return fromMessage({ offset: String(offset), headers: headers!, key: Buffer.from(String(key)), value })
}

const data = (offset: number, claim: string, at = offset) =>
  store(offset, { kind: 'data', claim, at: BigInt(at) })
const offsets = (records: Stored[], isClaimed = false) =>
  findMessages(records, isClaimed).found.map(({ offset }) => Number(offset))

describe('records of the log', () => {
  test('a claimed writer’s records count where they were meant to stand, from wherever one begins', () => {
    const records = [
      store(0, { kind: 'claim', claim: 'x' }),
      data(1, 'x'),
      data(2, 'x'),
      store(3, { kind: 'claim', claim: 'y' }),
      // Late ones of the old writer, and the new one's that they moved.
      data(4, 'x', 3),
      data(5, 'y', 4),
      data(6, 'y'),
      data(7, 'x', 5),
      store(8, { kind: 'mark', claim: 'y' }),
      data(9, 'y'),
    ]
    for (let from = 0; from < records.length; from++) {
      expect(offsets(records.slice(from))).toEqual([1, 2, 6, 9].filter(offset => offset >= from))
    }
  })

  test('where nobody claimed everything counts, but what comes from a topic that is gone', () => {
    const open = (offset: number, after: number) => store(offset, { kind: 'data', after: BigInt(after) })
    expect(offsets([open(3, 2), open(4, 2), open(5, 90)])).toEqual([3, 4])
    expect(offsets([store(2, { kind: 'claim', claim: 'x' }), open(3, 2)])).toEqual([])
    expect(offsets([open(3, 2)], true)).toEqual([])
  })

  test('somebody else’s record is passed over, whatever stands in it', () => {
    const foreign = [undefined, {}, { wanlian: 'x' }, { wanlian: '{}' }, { wanlian: '{"base":"x"}' }].map(
      (headers, at) =>
        fromMessage({ offset: String(at), headers, key: null, value: Buffer.from('?') } as never),
    )
    expect(offsets([...foreign, data(5, 'x')])).toEqual([5])
  })

  test('a message in parts is whole or is none', async () => {
    const value = randomBytes(2_000_000)
    const parts = (await toParts(value, 0)).map((part, at) => ({ ...part, at }))
    expect(parts).toHaveLength(3)
    const stored = (from: number, some = parts) =>
      some.map(({ stamp, value: bytes }, at) =>
        store(from + at, { kind: 'data', claim: 'x', at: BigInt(from + at), ...stamp }, bytes),
      )
    const [whole] = findMessages(stored(10), false).found
    expect(whole!.offset).toBe(12n)
    expect(value.equals(await fromParts(whole!.parts))).toBe(true)
    expect(offsets(stored(10).slice(1))).toEqual([])
    expect(findMessages(stored(10).slice(0, 2), false)).toEqual({ found: [], open: 10n })
    // Its writer died in the middle and another came; or the same began once more.
    const again = [...stored(10).slice(0, 2), store(12, { kind: 'claim', claim: 'y' }), data(13, 'y')]
    expect(offsets(again)).toEqual([13])
    expect(offsets([...stored(10).slice(0, 2), ...stored(12)])).toEqual([14])
    const twin = (await toParts(value, 0)).map((part, at) => ({ ...part, at }))
    expect(offsets([...stored(10).slice(0, 1), ...stored(11, twin.slice(1))])).toEqual([])
  })

  test('what compresses is compressed, what does not is left, and a wrong size is seen', async () => {
    for (const value of [Buffer.alloc(0), Buffer.alloc(5_000_000, 'trace'), randomBytes(50_000)]) {
      const [part, ...more] = await toParts(value, 0)
      expect(more).toEqual([])
      expect(part!.value.length).toBeLessThanOrEqual(value.length)
      const record = store(1, { kind: 'data', ...part!.stamp }, part!.value)
      expect(value.equals(await fromParts([record]))).toBe(true)
    }
    const [part] = await toParts(Buffer.alloc(10_000), 0)
    const cut = store(1, { kind: 'data', ...part!.stamp, size: 20_000 }, part!.value)
    await expect(fromParts([cut])).rejects.toThrow(/expected a message of 20000 bytes/)
  })
})
