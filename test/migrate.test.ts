import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate, readMigrations } from '../deploy/migrate.ts'
import { BASE_DATABASE, createTableSql, shownExpression } from '../schema/ddl.ts'
import { allColumns, blockTableNames, blockTables, type Table } from '../schema/tables.ts'
import { openTestStore, type TestStore } from './harness.ts'

let world: TestStore

beforeAll(async () => {
  world = await openTestStore()
})
afterAll(() => world?.close())

describe('migrations', () => {
  test('run once: the second time there is nothing to do', async () => {
    expect(await migrate(world.sql)).toEqual({ applied: [], views: [] })
  })

  test('a step whose text changed after it was applied is refused, and says what to do', async () => {
    const steps = await readMigrations()
    const changed = steps.map((step, at) => (at === 0 ? { ...step, checksum: 'of another text' } : step))
    await expect(migrate(world.sql, changed)).rejects.toMatchObject({
      code: 'STORE',
      message: expect.stringContaining(`migration ${steps[0]!.name} was applied with another text`),
      hint: expect.stringContaining('new migration'),
    })
  })

  test('a store that a newer program wrote is refused', async () => {
    const steps = await readMigrations()
    await expect(migrate(world.sql, steps.slice(0, -1))).rejects.toMatchObject({
      code: 'STORE',
      message: expect.stringContaining(steps.at(-1)!.name),
    })
  })

  test('a new step is applied once, also when it broke off in the middle the first time', async () => {
    const steps = await readMigrations()
    const added = {
      name: '900_test',
      checksum: 'sum',
      statements: [
        `CREATE TABLE ${BASE_DATABASE}.added_first (id UInt8) ENGINE = MergeTree ORDER BY id`,
        `CREATE TABLE ${BASE_DATABASE}.added_second (id UInt8) ENGINE = MergeTree ORDER BY nonsense`,
      ],
    }
    await expect(migrate(world.sql, [...steps, added])).rejects.toMatchObject({ code: 'STORE' })
    const mended = {
      ...added,
      statements: [added.statements[0]!, added.statements[1]!.replace('nonsense', 'id')],
    }
    expect((await migrate(world.sql, [...steps, mended])).applied).toEqual(['900_test'])
    expect((await migrate(world.sql, [...steps, mended])).applied).toEqual([])
  })
})

describe('the schema in the store', () => {
  test('has exactly the columns that rows are encoded with, in that order', async () => {
    for (const name of [...blockTableNames, 'effects_by_address'] as const) {
      const table: Table = blockTables[name === 'effects_by_address' ? 'effects' : name]
      const stored = await world.sql.rows<{ name: string; type: string }>(
        `SELECT name, type FROM system.columns WHERE database = '${BASE_DATABASE}' AND table = {name:String} ORDER BY position`,
        { name },
      )
      expect([name, stored]).toEqual([
        name,
        Object.entries(allColumns(table)).map(([column, { type }]) => ({ name: column, type })),
      ])
    }
  })

  test('is what the definitions of today would create', async () => {
    for (const name of blockTableNames) {
      const table: Table = blockTables[name]
      await world.sql.command(
        createTableSql({ ...table, name: `fresh_${name}` }).replace(/, fsync_\w+ = 1/g, ''),
      )
      const facts = async (of: string) => ({
        table: await world.sql.rows(
          `SELECT engine, partition_key, sorting_key FROM system.tables WHERE database = '${BASE_DATABASE}' AND name = {of:String}`,
          { of },
        ),
        indexes: await world.sql.rows(
          `SELECT name, type_full, expr FROM system.data_skipping_indices
          WHERE database = '${BASE_DATABASE}' AND table = {of:String} ORDER BY name`,
          { of },
        ),
        codecs: await world.sql.rows(
          `SELECT name, compression_codec FROM system.columns WHERE database = '${BASE_DATABASE}' AND table = {of:String} ORDER BY position`,
          { of },
        ),
      })
      expect([name, await facts(name)]).toEqual([name, await facts(`fresh_${name}`)])
      await world.sql.command(`DROP TABLE ${BASE_DATABASE}.fresh_${name}`)
    }
  })

  test('deduplicates in every table that rows or views are written to', async () => {
    const tables = await world.sql.rows<{ name: string; create_table_query: string }>(
      `SELECT name, create_table_query FROM system.tables
      WHERE database = '${BASE_DATABASE}' AND engine LIKE '%MergeTree' AND name NOT IN ('migrations', 'chains')
        AND name NOT LIKE 'added_%'`,
    )
    const without = tables.filter(
      table => !table.create_table_query.includes('non_replicated_deduplication_window = 100000'),
    )
    expect(without.map(table => table.name)).toEqual([])
    expect(shownExpression('hash', blockTables.transactions.columns.hash)).toContain('hash_form')
  })
})
