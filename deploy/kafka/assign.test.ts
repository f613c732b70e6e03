import { describe, expect, test } from 'vitest'
import type { TopicPartition } from '../../schema/ports.ts'
import { type Sharer, shareOut } from './assign.ts'

const places: TopicPartition[] = ['a', 'b', 'c'].flatMap(topic => [
  { topic, partition: 0 },
  { topic, partition: 1 },
])
const topics = ['a', 'b', 'c']
const sharer = (id: string, has: readonly TopicPartition[] = []): Sharer => ({ id, topics, has })
const sizes = (shares: Map<string, TopicPartition[]>) => [...shares.values()].map(share => share.length)

describe('sharing out places', () => {
  test('everybody gets as many, each place is somebody’s', () => {
    for (const count of [1, 2, 3, 4, 5, 6, 7]) {
      const shares = shareOut(
        Array.from({ length: count }, (_, at) => sharer(`m${at}`)),
        places,
      )
      expect([...shares.values()].flat()).toHaveLength(6)
      expect(new Set([...shares.values()].flat())).toEqual(new Set(places))
      expect(Math.max(...sizes(shares)) - Math.min(...sizes(shares))).toBeLessThanOrEqual(1)
    }
  })

  test('who comes takes only what is too much for the others, who goes leaves theirs alone', () => {
    const alone = shareOut([sharer('x')], places).get('x')!
    const two = shareOut([sharer('x', alone), sharer('a')], places)
    expect(sizes(two)).toEqual([3, 3])
    expect(alone).toEqual(expect.arrayContaining(two.get('x')!))
    const three = shareOut([sharer('x', two.get('x')), sharer('a', two.get('a')), sharer('m')], places)
    for (const id of ['x', 'a']) expect(two.get(id)).toEqual(expect.arrayContaining(three.get(id)!))
    const left = shareOut([sharer('x', three.get('x')), sharer('m', three.get('m'))], places)
    for (const id of ['x', 'm']) expect(left.get(id)).toEqual(expect.arrayContaining(three.get(id)!))
  })

  test('places of one topic are all alike: of three, who stays keeps all', () => {
    const parts = Array.from({ length: 16 }, (_, partition) => ({ topic: 'a', partition }))
    const three = shareOut([sharer('x'), sharer('y'), sharer('z')], parts)
    expect(sizes(three)).toEqual([6, 5, 5])
    const two = shareOut([sharer('x', three.get('x')), sharer('y', three.get('y'))], parts)
    expect(sizes(two)).toEqual([8, 8])
    for (const id of ['x', 'y']) expect(two.get(id)).toEqual(expect.arrayContaining(three.get(id)!))
  })

  test('tips and histories are shared out alike, whoever comes together or one after the other', () => {
    const histories = (shares: Map<string, TopicPartition[]>) =>
      [...shares.values()].map(share => share.filter(({ partition }) => partition === 1).length).sort()
    for (const count of [1, 2, 3, 4, 5, 6, 7]) {
      const ids = Array.from({ length: count }, (_, at) => `m${at}`)
      let shares = new Map<string, TopicPartition[]>()
      for (const [at] of ids.entries()) {
        const there = ids.slice(0, at + 1).map(id => sharer(id, shares.get(id)))
        shares = shareOut(there, places)
      }
      const together = shareOut(
        ids.map(id => sharer(id)),
        places,
      )
      for (const outcome of [together, shares]) {
        expect(Math.max(...sizes(outcome)) - Math.min(...sizes(outcome))).toBeLessThanOrEqual(1)
        expect(histories(outcome).at(-1)! - histories(outcome)[0]!).toBeLessThanOrEqual(1)
      }
      const again = ids.map(id => sharer(id, shares.get(id)))
      expect(shareOut(again, places)).toEqual(shares)
    }
  })

  test('two that believe they have the same place: one has it', () => {
    const shares = shareOut([sharer('x', places), sharer('y', places)], places)
    expect(sizes(shares)).toEqual([3, 3])
    expect(new Set([...shares.values()].flat()).size).toBe(6)
  })

  test('who only commits gets nothing, nobody gets what it did not ask for', () => {
    const shares = shareOut(
      [{ id: 'c', topics: [], has: [] }, { ...sharer('x'), topics: ['a'] }, sharer('y')],
      places,
    )
    expect(shares.get('c')).toEqual([])
    expect(shares.get('x')!.every(({ topic }) => topic === 'a')).toBe(true)
    expect([...shares.values()].flat()).toHaveLength(6)
  })
})
