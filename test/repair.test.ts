import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Chain } from '../crawlers/chain.ts'
import { ethereum } from '../crawlers/chains/ethereum.ts'
import { litecoin } from '../crawlers/chains/litecoin.ts'
import { openNodes } from '../crawlers/nodes.ts'
import type { ChainModule, ChainSource } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { Sql } from '../schema/ports.ts'
import { blockTableNames } from '../schema/tables.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { checkChain } from '../splitter/check.ts'
import type { Difference } from '../splitter/check-rows.ts'
import { createIngest } from '../splitter/ingest.ts'
import { type RepairReport, repairChain } from '../splitter/repair.ts'
import { openWriter } from '../splitter/writer.ts'
import { changeRows, columnsOf } from './damage.ts'
import { type ContractStore, dumpViews, openContractStore, silent } from './harness.ts'
import { describeRecorded, recordings } from './recordings.ts'

let world: ContractStore
let sql: Sql
beforeAll(async () => {
  world = await openContractStore()
  sql = world.sql
})
afterAll(() => world?.close())

let owners = 0
const owner = () => `test:${++owners}`

async function check<Raw>(chain: ChainModule<Raw>): Promise<Difference[]> {
  return (await checkChain({ sql, chain })).differences
}

function repair<Raw>(chain: ChainModule<Raw>, source: ChainSource<Raw> | null = null): Promise<RepairReport> {
  const openSource = async () => source
  return repairChain({ sql, chain, openSource, owner: owner(), isGone: () => true, logger: silent })
}

/** What outsiders see of the chain, and the copies of what left it. */
async function dump(chain: string): Promise<Record<string, unknown>> {
  const copies = await sql.rows(
    ['orphaned_blocks', 'orphaned_transactions', 'reorgs']
      .map(
        table =>
          `SELECT '${table}' AS table, count() AS rows, sum(cityHash64(tuple(*))) AS digest FROM ${BASE_DATABASE}.${table} WHERE chain = {chain:String}`,
      )
      .join(' UNION ALL '),
    { chain },
  )
  const sorted = copies.sort((a, b) => String(a.table).localeCompare(String(b.table)))
  const finality = await sql.rows(
    `SELECT safe, final FROM ${BASE_DATABASE}.finality FINAL WHERE chain = {chain:String}`,
    { chain },
  )
  return { ...(await dumpViews(world.sql, chain)), copies: sorted, finality }
}

interface Recorded {
  chain: Chain
  heights: (recorded: readonly number[]) => readonly number[]
  source: ChainSource<unknown>
  /** The lowest of the heights at which a table has rows, and how many rows. */
  places: Map<string, { height: number; rows: number }>
  dump: Record<string, unknown>
}

describeRecorded('every value of recorded blocks', () => {
  const chains = new Map<string, Recorded>()

  async function index(chain: Chain, heights: Recorded['heights']): Promise<void> {
    const { slug } = chain.definition
    const source = await openNodes<unknown>(chain, [{ url: `file:${recordings}/${slug}` }], {
      source: { recoverSenders: false, traces: true },
    })
    await registerChain(sql, chain.definition)
    const writer = await openWriter({ sql, chain, owner: owner() })
    const ingest = createIngest({ sql, chain, writer, source, batchBlocks: 10 })
    const failed = []
    for (const height of heights((await source.recordedHeights()) ?? [])) {
      failed.push(...(await ingest.add({ height, raw: await source.blockAt(height) })))
    }
    failed.push(...(await ingest.flush()))
    expect(failed).toEqual([])
    expect(await check(chain)).toEqual([])
    const places = new Map<string, { height: number; rows: number }>()
    for (const table of [...blockTableNames, 'effects_by_address']) {
      const [place] = await sql.rows<{ height: string; rows: string }>(
        `SELECT height, count() AS rows FROM ${BASE_DATABASE}.${table} FINAL
        WHERE chain = {slug:String} AND height ${table === 'raw_blocks' ? '=' : '!='} {archive:UInt64}
        GROUP BY height ORDER BY rows DESC, height LIMIT 1`,
        { slug, archive: ofArchive(slug) },
      )
      if (place) places.set(table, { height: Number(place.height), rows: Number(place.rows) })
    }
    chains.set(slug, { chain, heights, source, places, dump: await dump(slug) })
  }

  beforeAll(async () => {
    await index(litecoin, recorded => recorded.filter(height => height < 1_000).slice(0, 40))
    await index(ethereum, () => [46_147, 4_370_006, 18_000_000])
  })

  /** Where an archive is wrong nothing else is compared: it is done to a block of its own. */
  const ofArchive = (slug: string) => (slug === 'litecoin' ? 30 : 46_147)

  /** Rows as conditions that no other row meets: of different heights, as far as there are. */
  async function rowsOf(
    slug: string,
    table: string,
    heights: string,
    many: number,
  ): Promise<{ height: number; where: string }[]> {
    const list = (await columnsOf(sql, table)).map(column => `\`${column.name}\``).join(', ')
    const rows = await sql.rows<{ height: string; digest: string }>(
      `SELECT height, toString(cityHash64(tuple(${list}))) AS digest FROM ${BASE_DATABASE}.${table} FINAL
      WHERE chain = {slug:String} AND height ${heights} AND row_sign = 1
      ORDER BY row_number() OVER (PARTITION BY height ORDER BY ${list}), height LIMIT {many:UInt32}`,
      { slug, many },
    )
    return rows.map(({ height, digest }) => ({
      height: Number(height),
      where: `chain = '${slug}' AND height = ${height} AND row_sign = 1 AND toString(cityHash64(tuple(${list}))) = '${digest}'`,
    }))
  }

  test.each(['litecoin', 'ethereum'])(
    '%s: changed in every column at once, `check` names each, `repair` mends all',
    async slug => {
      const { chain, source, places, dump: untouched } = chains.get(slug)!
      const changed: [table: string, height: number, column: string][] = []
      for (const [table, { height }] of places) {
        const columns = (await columnsOf(sql, table)).filter(
          column => !column.isKey && column.name !== 'payload',
        )
        const [row] = await rowsOf(slug, table, `= ${height}`, 1)
        await changeRows(sql, table, [{ columns, where: row!.where }])
        for (const { name } of columns) changed.push([table, height, name])
      }
      expect(changed.length).toBeGreaterThan(80)
      const found = await check(chain)
      const missed = changed.filter(
        ([table, height, column]) =>
          !found.some(
            difference =>
              difference.table === table &&
              difference.height === height &&
              difference.difference.includes(`${column}: expected`),
          ),
      )
      expect(missed).toEqual([])
      const report = await repair(chain, source)
      expect([report.left, report.failed]).toEqual([[], []])
      // The checksum alone was wrong.
      expect(report.rewritten).toContain(ofArchive(slug))
      expect(await dump(slug)).toEqual(untouched)
    },
  )

  test.each(['litecoin', 'ethereum'])(
    '%s: changed in every column of a key, each in a row of its own',
    async slug => {
      const { chain, source, places, dump: untouched } = chains.get(slug)!
      const changed: [table: string, height: number, column: string][] = []
      for (const table of places.keys()) {
        const keys = (await columnsOf(sql, table)).filter(column => column.isKey)
        const aside = slug === 'litecoin' ? 30 : 18_000_000
        const rows = await rowsOf(slug, table, `${table === 'raw_blocks' ? '>=' : '<'} ${aside}`, keys.length)
        await changeRows(
          sql,
          table,
          rows.map(({ where }, at) => ({ columns: [keys[at]!], where })),
        )
        for (const [at, { height }] of rows.entries()) changed.push([table, height, keys[at]!.name])
      }
      const found = await check(chain)
      const missed = changed.filter(
        ([table, height]) =>
          !found.some(difference => difference.table === table && difference.height === height),
      )
      expect(missed).toEqual([])
      const report = await repair(chain, source)
      expect([report.left, report.failed]).toEqual([[], []])
      expect(await dump(slug)).toEqual(untouched)
    },
  )

  test('of archives: what is lost at the end, what a call returned, a checksum', async () => {
    const { chain, source, dump: untouched } = chains.get('ethereum')!
    const changes = {
      46147: 'payload = substring(payload, 1, length(payload) - 5)',
      // Nothing in the block commits to what a call returned.
      4370006: `payload = replaceOne(payload, unhex('5208'), unhex('5209'))`,
      18000000: `checksum = unhex('00112233445566778899aabbccddeeff')`,
    }
    for (const [height, change] of Object.entries(changes)) {
      await sql.command(
        `ALTER TABLE ${BASE_DATABASE}.raw_blocks UPDATE ${change}
        WHERE chain = 'ethereum' AND height = ${height} AND row_sign = 1 SETTINGS mutations_sync = 2`,
      )
    }
    const found = await check(chain)
    for (const height of Object.keys(changes)) {
      expect(found.map(({ height, table }) => [height, table])).toContainEqual([Number(height), 'raw_blocks'])
    }
    const without = await repair(chain)
    expect([...new Set(without.left.map(({ height }) => height))]).toEqual([46_147, 4_370_006])
    const report = await repair(chain, source)
    expect([report.left, report.failed]).toEqual([[], []])
    expect(await dump('ethereum')).toEqual(untouched)
  })
})
