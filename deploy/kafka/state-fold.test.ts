import { describe, expect, test } from 'vitest'
import { createStateFold, proposal, type StateRecord } from './state-fold.ts'

/** What compaction may leave of a log: of each key the last record, and of what was taken away nothing. */
function compacted(log: readonly StateRecord[]): StateRecord[] {
  return log.filter(
    (record, at) => record.value !== null && !log.slice(at + 1).some(later => later.key === record.key),
  )
}

function folded(log: readonly StateRecord[]) {
  const fold = createStateFold()
  for (const record of log) fold.apply(record)
  return fold
}

describe('the state of a log', () => {
  test('of two that replace the same version, the first in the log does', () => {
    const log = [proposal('a', 1, 'first'), proposal('a', 1, 'late'), proposal('a', 2, 'second')]
    const fold = createStateFold()
    expect(log.map(record => fold.apply(record).accepted)).toEqual([true, false, true])
    expect(fold.get('a')).toEqual({ value: 'second', version: 2 })
    expect(fold.get('b')).toBeNull()
  })

  test('what was taken away keeps its version, so that nothing old comes back', () => {
    const fold = folded([proposal('a', 1, 1), proposal('a', 2, null), proposal('a', 1, 'old')])
    expect([fold.get('a'), fold.version('a')]).toEqual([null, 2])
    expect(fold.apply(proposal('a', 3, 'new')).accepted).toBe(true)
  })

  test('records that are none of ours change nothing', () => {
    const fold = folded([proposal('a', 1, 1)])
    for (const key of ['', 'x', '[]', '["a","1"]', '{"a":1}', '[1,2]'])
      expect(fold.apply({ key, value: '{"value":2}' })).toEqual({ key: null, accepted: false, outdated: [] })
    expect(fold.get('a')?.value).toBe(1)
  })

  test('read anew after compaction at any moment it is the same, whoever died between two records', () => {
    // Three processes put by turns, some of them at once; each may die before it takes away what it replaced.
    let seed = 1
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return Math.floor((seed / 2 ** 31) * below)
    }
    for (let round = 0; round < 300; round++) {
      const log: StateRecord[] = []
      const fold = createStateFold()
      for (let step = 0; step < 12; step++) {
        const key = `k${random(2)}`
        const version = fold.version(key) + 1
        const rivals = Array.from({ length: 1 + random(3) }, (_, at) =>
          proposal(key, version, random(4) === 0 ? null : `${step}.${at}`),
        )
        for (const rival of rivals) {
          log.push(rival)
          const { accepted, outdated } = fold.apply(rival)
          const taken = accepted ? outdated : [rival.key]
          // Of what is to be taken away, some is not: its process died.
          for (const gone of taken) if (random(3) > 0) log.push({ key: gone, value: null })
        }
        const again = folded(random(2) === 0 ? compacted(log) : log)
        for (const name of ['k0', 'k1'])
          expect([round, again.get(name), again.version(name)]).toEqual([
            round,
            fold.get(name),
            fold.version(name),
          ])
      }
    }
  })
})
