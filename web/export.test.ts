import { expect, test } from 'vitest'
import { csvCell, type ListFile, writeFile } from './export.ts'

test('cells keep their text, and strangers’ text is no formula', () => {
  expect(csvCell(null)).toBe('')
  expect(csvCell('plain')).toBe('plain')
  expect(csvCell('a "b", c')).toBe('"a ""b"", c"')
  expect(csvCell('two\nlines')).toBe('"two\nlines"')
  expect(csvCell('=HYPERLINK("http://x")')).toBe(`"'=HYPERLINK(""http://x"")"`)
  expect(csvCell('@SUM(1)')).toBe("'@SUM(1)")
  expect(csvCell('-12.5')).toBe('-12.5')
  expect(csvCell('-12.5+1')).toBe("'-12.5+1")
  expect(csvCell(-3)).toBe('-3')
})

const names: ListFile = {
  document: '',
  page: () => null,
  columns: { name: (row: { name: string }) => row.name } as unknown as ListFile['columns'],
}
const page = (rows: string[], endCursor: string | null) => ({
  unit: { symbol: null, decimals: null },
  connection: {
    nodes: rows.map(name => ({ name })) as never[],
    totalCount: 3,
    pageInfo: { hasNextPage: endCursor !== null, hasPreviousPage: false, startCursor: null, endCursor },
  },
})
const written = async (format: 'csv' | 'json') => {
  const asked: string[] = []
  const parts: string[] = []
  const more = async (cursor: string) => {
    asked.push(cursor)
    return page(['third'], null)
  }
  for await (const part of writeFile(names, format, page(['first', 'second'], 'c2'), more)) parts.push(part)
  return { text: parts.join(''), asked }
}

test('a file holds every page of its list, in order', async () => {
  expect(await written('csv')).toEqual({ text: 'name\r\nfirst\r\nsecond\r\nthird\r\n', asked: ['c2'] })
  const json = await written('json')
  expect(JSON.parse(json.text)).toEqual([{ name: 'first' }, { name: 'second' }, { name: 'third' }])
})
