import { afterAll, beforeAll, expect, test } from 'vitest'
import { knownChains } from '../crawlers/chains.ts'
import { outsiderStatements } from '../deploy/clickhouse.ts'
import { migrate, readMigrations } from '../deploy/migrate.ts'
import { clusterStatements } from '../schema/cluster.ts'
import { createViewSql, views } from '../schema/views.ts'
import { checkChain } from '../splitter/check.ts'
import { fillFromRecording } from './api-world.ts'
import { dumpViews, openTestStore, type TestStore } from './harness.ts'
import { describeRecorded, recordings } from './recordings.ts'
import { openShards, type Shards } from './shards.ts'

/** The same chains in one embedded store and on two shards with distributed tables. */
const CHAINS = ['litecoin', 'dogecoin', 'ethereum-classic'] as const

describeRecorded('a cluster of two shards', () => {
  let shards: Shards
  let single: TestStore

  beforeAll(async () => {
    shards = await openShards(2)
    single = await openTestStore()
    const done = await migrate(shards.sql)
    expect(done.applied.length).toBeGreaterThan(3)
    for (const chain of CHAINS) {
      await fillFromRecording(shards.sql, chain, `${recordings}/${chain}`)
      await fillFromRecording(single.sql, chain, `${recordings}/${chain}`)
    }
  })
  afterAll(async () => {
    await shards?.close()
    await single?.close()
  })

  test('each chain is on one shard, and no shard has all of them', async () => {
    const places = await Promise.all(
      shards.nodes.map(async ({ sql }) => {
        const rows = await sql.rows<{ chain: string }>(
          'SELECT DISTINCT toString(chain) AS chain FROM wanlian_local.effects ORDER BY chain',
        )
        return rows.map(row => row.chain)
      }),
    )
    expect(places.flat().sort()).toEqual([...CHAINS].sort())
    for (const chains of places) expect(chains.length).toBeLessThan(CHAINS.length)
  })

  test('outsiders see what they see of one store, whichever server they ask', async () => {
    for (const [at, chain] of CHAINS.entries()) {
      const { sql } = shards.nodes[at % shards.nodes.length]!
      expect(await dumpViews(sql, chain), chain).toEqual(await dumpViews(single.sql, chain))
    }
  })

  test('check finds no difference', async () => {
    for (const slug of CHAINS.slice(1)) {
      const chain = knownChains.find(one => one.definition.slug === slug)!
      const report = await checkChain({ sql: shards.sql, chain }, {})
      expect([slug, report.differences, report.proven]).toEqual([slug, [], report.blocks])
    }
  })

  test('a repeated migration changes nothing, through any server', async () => {
    expect(await migrate(shards.sql)).toEqual({ applied: [], views: [] })
  })

  test('what a replicated cluster is told is ClickHouse', async () => {
    const layout = { cluster: 'shards', replicated: true, onCluster: true }
    const statements = [
      ...(await readMigrations()).flatMap(migration => migration.statements),
      ...views.map(createViewSql),
    ].flatMap(statement => clusterStatements(statement, layout))
    const user = { username: 'readers', password: 'secret' }
    for (const cluster of [null, 'shards']) statements.push(...outsiderStatements(user, cluster))
    for (const statement of statements) {
      const [row] = await single.sql.rows<{ text: string }>(
        'SELECT formatQuerySingleLine({statement:String}) AS text',
        { statement },
      )
      expect(row?.text).toMatch(/^(CREATE|ALTER|GRANT)/)
    }
    expect(statements.length).toBeGreaterThan(80)
  })

  test('tokens hold through every server, and when a shard is killed', async () => {
    const row = (id: number) => {
      const bytes = Buffer.alloc(8)
      bytes.writeUInt32LE(id)
      return { bytes }
    }
    await shards.sql.command(
      'CREATE TABLE wanlian.tried (chain LowCardinality(String) DEFAULT toString(id % 7), id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 1000',
    )
    await shards.sql.command(
      'CREATE TABLE wanlian.tried_sums (chain LowCardinality(String), rows UInt64) ENGINE = SummingMergeTree ORDER BY chain SETTINGS non_replicated_deduplication_window = 1000',
    )
    await shards.sql.command(
      'CREATE MATERIALIZED VIEW wanlian.tried_feed TO wanlian.tried_sums AS SELECT chain, count() AS rows FROM wanlian.tried GROUP BY chain',
    )
    const insert = (through: number, id: number) =>
      shards.nodes[through]!.sql.insert(
        { table: 'wanlian.tried', columns: { id: { type: 'UInt64' } }, ...row(id) } as never,
        { token: `tried:${id}` },
      )
    for (let id = 0; id < 40; id++) {
      if (id === 20) {
        const second = shards.nodes[1]!
        await second.kill()
        // Rows of the dead shard wait for it; their writer repeats them under their token.
        const waiting = insert(0, id)
        await second.start()
        await waiting
      } else await insert(id % 2, id)
    }
    for (let id = 0; id < 40; id++) await insert((id + 1) % 2, id)
    const [counted] = await shards.sql.rows(
      'SELECT count() AS rows, uniqExact(id) AS ids, (SELECT sum(rows) FROM wanlian.tried_sums) AS summed FROM wanlian.tried',
    )
    expect(counted).toEqual({ rows: '40', ids: '40', summed: '40' })
  })
})
