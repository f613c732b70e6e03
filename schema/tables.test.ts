import { describe, expect, test } from 'vitest'
import { createTableSql } from './ddl.ts'
import {
  allColumns,
  blockTableNames,
  blockTables,
  equalValues,
  hashPrefix,
  type Table,
  versionColumns,
} from './tables.ts'
import { views } from './views.ts'

const tables = Object.entries(blockTables as Record<string, Table>)

describe.each(tables)('table %s', (name, table) => {
  test('no column is named twice', () => {
    const sets = [table.shared, table.columns, versionColumns].map(columns => Object.keys(columns))
    const all = sets.flat()
    expect(all.length, all.filter((column, at) => all.indexOf(column) !== at).join()).toBe(new Set(all).size)
    expect(Object.keys(allColumns(table))).toEqual(all)
  })

  test('has its name, its place, and a key of columns that there are', () => {
    expect(table.name).toBe(name)
    expect(Object.keys(table.shared)).toEqual(expect.arrayContaining(['chain', 'height', 'time']))
    const columns = Object.keys({ ...table.shared, ...table.columns })
    expect(columns).toEqual(expect.arrayContaining([...table.orderBy]))
    expect(new Set(table.orderBy).size).toBe(table.orderBy.length)
    for (const column of table.orderBy) {
      expect(allColumns(table)[column]?.type, `${name}.${column} in the key`).not.toMatch(/Nullable/)
    }
  })

  test('cancels collapse with what they cancel: chain and height stand in the key', () => {
    expect(table.orderBy).toEqual(expect.arrayContaining(['chain', 'height']))
    const sql = createTableSql(table)
    expect(sql).toContain('ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)')
    for (const column of Object.keys(allColumns(table))) expect(sql).toContain(`\`${column}\` `)
  })

  test('binary columns are shown as text', () => {
    for (const [column, { type, show }] of Object.entries({ ...table.shared, ...table.columns })) {
      if (/FixedString/.test(type)) expect(show, `${name}.${column}`).toBeDefined()
    }
  })
})

test('the archive is written first, blocks last', () => {
  expect(blockTableNames[0]).toBe('raw_blocks')
  expect(blockTableNames.at(-1)).toBe('blocks')
  expect(new Set(blockTableNames).size).toBe(blockTableNames.length)
})

test('outsiders have a view of each table but the one that assets are made of', () => {
  const names = views.map(view => view.name)
  expect(new Set(names).size).toBe(names.length)
  const hidden = blockTableNames.filter(name => !names.includes(name))
  expect(hidden).toEqual(['block_assets'])
  for (const [name] of tables) {
    const shown = views.find(view => view.name === name)?.select.match(/ AS `(\w+)`/g) ?? []
    expect(new Set(shown).size, name).toBe(shown.length)
  }
})

test('the prefix of a hash is its first eight bytes, and of a shorter one as if zeros followed', () => {
  for (const [hash, prefix] of [
    ['0102030405060708ff', 0x0102030405060708n],
    ['ff'.repeat(32), 2n ** 64n - 1n],
    ['80', 2n ** 63n],
    ['', 0n],
  ] as const) {
    expect([hash, hashPrefix(Buffer.from(hash, 'hex'))]).toEqual([hash, prefix])
  }
  const inside = Buffer.from('aaaa0102030405060708bb', 'hex').subarray(2, 10)
  expect(hashPrefix(inside)).toBe(0x0102030405060708n)
})

describe('values are compared by content', () => {
  const buffer = Buffer.from('same')
  test.each<[unknown, unknown, boolean]>([
    [1n, 1n, true],
    [1n, 1, false],
    [null, null, true],
    [null, '', false],
    [null, {}, false],
    [Number.NaN, Number.NaN, true],
    ['a', 'a', true],
    [buffer, new Uint8Array(buffer), true],
    [buffer, buffer.subarray(1), false],
    [[], [], true],
    [[1], [1, 2], false],
    [[buffer, null], [Buffer.from(buffer), null], true],
    [{ a: [1n] }, { a: [1n] }, true],
    [{ a: 1 }, { b: 1 }, false],
    [{ a: 1 }, { a: 1, b: undefined }, false],
    [undefined, null, false],
  ])('%o and %o: %s', (a, b, same) => {
    expect([equalValues(a, b), equalValues(b, a)]).toEqual([same, same])
  })
})
