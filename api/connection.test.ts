import { describe, expect, test } from 'vitest'
import { type Connection, connectionOfAll, formatCursor, MAX_PAGE, parsePage } from './connection.ts'

describe('pages', () => {
  test('what cannot be a page is refused with what would be one', () => {
    expect(() => parsePage({ first: MAX_PAGE + 1 }, ['number'])).toThrow(/at most 100 nodes, got 101/)
    expect(() => parsePage({ first: -1 }, ['number'])).toThrow(/0 to 100 nodes, got -1/)
    expect(() => parsePage({ first: 1, last: 1 }, ['number'])).toThrow(/got both/)
  })

  test('a cursor of another list, or none at all, is refused', () => {
    for (const after of [
      'nonsense',
      formatCursor([1, 2]),
      formatCursor(['a']),
      formatCursor([-1]),
      formatCursor([0.5]),
    ]) {
      expect(() => parsePage({ after }, ['number'])).toThrow(/expected a cursor of this list/)
    }
    expect(parsePage({ after: formatCursor([7]) }, ['number']).after).toEqual([7])
  })

  test('a list in memory pages both ways and ends', () => {
    const letters = [...'abcdefg']
    const forwards: string[] = []
    let after: string | null = null
    for (let more = true; more; ) {
      const page: Connection<string> = connectionOfAll({ first: 3, after }, letters)
      forwards.push(...page.nodes)
      after = page.pageInfo.endCursor
      more = page.pageInfo.hasNextPage
    }
    expect(forwards).toEqual(letters)
    const end = connectionOfAll({ last: 3 }, letters)
    expect(end.nodes).toEqual(['e', 'f', 'g'])
    expect(connectionOfAll({ last: 3, before: end.pageInfo.startCursor }, letters).nodes).toEqual([
      'b',
      'c',
      'd',
    ])
    expect(end.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true })
    expect(connectionOfAll({ first: 0 }, letters).nodes).toEqual([])
  })
})
