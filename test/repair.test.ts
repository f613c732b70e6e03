import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Chain } from '../crawlers/chain.ts'
import { ethereum } from '../crawlers/chains/ethereum.ts'
import { litecoin } from '../crawlers/chains/litecoin.ts'
import { openNodes } from '../crawlers/nodes.ts'
import { provenOnly } from '../deploy/commands/repair.ts'
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
import { changeKey, changeValues, columnsOf } from './damage.ts'
import { dumpViews, openTestStore, silent, type TestStore } from './harness.ts'
import { type PaperBlock, paperBlocks, paperChain, paperHash } from './paper-chain.ts'
import { describeRecorded, recordings } from './recordings.ts'

let world: TestStore
let sql: Sql
beforeAll(async () => {
  world = await openTestStore()
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

/** Columns that say nothing about a chain: when something was noted, and by whom. */
const NOTED = new Set(['time', 'owner'])

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
    const nodes = await openNodes<unknown>(chain, [{ url: `file:${recordings}/${slug}` }], {
      source: { recoverSenders: false, traces: true },
    })
    const source = provenOnly(chain, nodes)
    await registerChain(sql, chain.definition)
    const writer = await openWriter({ sql, chain, owner: owner() })
    const ingest = createIngest({ sql, chain, writer, source, batchBlocks: 10 })
    const failed = []
    for (const height of heights((await nodes.recordedHeights()) ?? [])) {
      failed.push(...(await ingest.add({ height, raw: await source.blockAt(height) })))
    }
    failed.push(...(await ingest.flush()))
    expect(failed).toEqual([])
    expect(await check(chain)).toEqual([])
    const places = new Map<string, { height: number; rows: number }>()
    for (const table of [...blockTableNames, 'effects_by_address']) {
      const [place] = await sql.rows<{ height: string; rows: string }>(
        `SELECT height, count() AS rows FROM ${BASE_DATABASE}.${table} FINAL WHERE chain = {slug:String}
        GROUP BY height ORDER BY rows DESC, height LIMIT 1`,
        { slug },
      )
      if (place) places.set(table, { height: Number(place.height), rows: Number(place.rows) })
    }
    chains.set(slug, { chain, heights, source, places, dump: await dump(slug) })
  }

  beforeAll(async () => {
    await index(litecoin, recorded => recorded.filter(height => height < 1_000).slice(0, 40))
    await index(ethereum, () => [4_370_006, 18_000_000])
  })

  /** The n-th row of a table's fullest height, as a condition that no other row meets. */
  async function rowAt(slug: string, table: string, height: number, at: number): Promise<string> {
    const columns = await columnsOf(sql, table)
    const list = columns.map(column => `\`${column.name}\``).join(', ')
    const where = `chain = '${slug}' AND height = ${height}`
    const [row] = await sql.rows<{ digest: string }>(
      `SELECT toString(cityHash64(tuple(${list}))) AS digest FROM ${BASE_DATABASE}.${table} FINAL WHERE ${where} AND row_sign = 1
      ORDER BY ALL LIMIT 1 OFFSET ${at}`,
    )
    return `${where} AND row_sign = 1 AND toString(cityHash64(tuple(${list}))) = '${row?.digest}'`
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
        await changeValues(sql, table, columns, await rowAt(slug, table, height, 0))
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
      expect(report.fetched).toEqual([places.get('raw_blocks')!.height])
      expect(await dump(slug)).toEqual(untouched)
    },
  )

  test.each(['litecoin', 'ethereum'])(
    '%s: changed in every column of a key, each in a row of its own',
    async slug => {
      const { chain, source, places, dump: untouched } = chains.get(slug)!
      const changed: [table: string, height: number, column: string][] = []
      for (const [table, { height, rows }] of places) {
        const keys = (await columnsOf(sql, table)).filter(column => column.isKey)
        // Where there are fewer rows than columns, the others get their turn next.
        for (const [at, column] of keys.slice(0, rows).entries()) {
          await changeKey(sql, table, column, await rowAt(slug, table, height, at === 0 ? 0 : at - 1))
          changed.push([table, height, column.name])
        }
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

  test.each(['archive', 'checksum', 'trace'])('of the archive: %s', async what => {
    const { chain, source, dump: untouched } = chains.get('ethereum')!
    const where = `chain = 'ethereum' AND height = 4370006 AND row_sign = 1`
    const change = {
      archive: `payload = substring(payload, 1, length(payload) - 5)`,
      checksum: `checksum = unhex('00112233445566778899aabbccddeeff')`,
      // Nothing in the block commits to what a call returned.
      trace: `payload = replaceOne(payload, unhex('5208'), unhex('5209'))`,
    }[what]
    await sql.command(
      `ALTER TABLE ${BASE_DATABASE}.raw_blocks UPDATE ${change} WHERE ${where} SETTINGS mutations_sync = 2`,
    )
    const found = await check(chain)
    expect(found.map(({ height, table }) => [height, table])).toContainEqual([4370006, 'raw_blocks'])
    const without = await repair(chain)
    expect(without.left.length > 0).toBe(what !== 'checksum')
    const report = await repair(chain, source)
    expect([report.left, report.failed]).toEqual([[], []])
    expect(await dump('ethereum')).toEqual(untouched)
  })
})

describe('what is said about blocks', () => {
  const chain = paperChain('paper-books')
  const { slug } = chain.definition
  let untouched: Record<string, unknown>
  const source: ChainSource<PaperBlock> = {
    identify: async () => ({ checked: [], unchecked: [] }),
    head: async () => 12,
    finalized: async () => null,
    recordedHeights: async () => null,
    hashAt: async height => paperHash(height, blockOf(height).fork),
    blockAt: async height => blockOf(height),
    blockByHash: async hash => {
      const all = [...paperBlocks(0, 12), ...paperBlocks(8, 10, 1, 0)]
      return all.find(block => paperHash(block.height, block.fork).toString('hex') === hash)!
    },
  }
  const blockOf = (height: number): PaperBlock =>
    height < 8 ? paperBlocks(height, height)[0]! : paperBlocks(height, height, 2, height === 8 ? 0 : 2)[0]!

  beforeAll(async () => {
    await registerChain(sql, chain.definition)
    const writer = await openWriter({ sql, chain, owner: owner() })
    const ingest = createIngest({ sql, chain, writer, batchBlocks: 5 })
    let offset = 0n
    const add = async (blocks: readonly PaperBlock[]) => {
      for (const raw of blocks) {
        const hash = paperHash(raw.height, raw.fork)
        await ingest.add({ height: raw.height, raw, logged: { hash, offset: ++offset } })
      }
      await ingest.flush()
    }
    await add(paperBlocks(0, 7))
    await add(paperBlocks(8, 10, 1, 0))
    await ingest.revert({ height: 7, hash: paperHash(7, 0) }, ++offset)
    await add(Array.from({ length: 5 }, (_, at) => blockOf(8 + at)))
    await sql.command(
      `INSERT INTO ${BASE_DATABASE}.finality (chain, safe, final, version) VALUES ('${slug}', 12, 11, 9)`,
    )
    expect(await check(chain)).toEqual([])
    untouched = await dump(slug)
  })

  const SUMS = ['balance_sums', 'chain_sums']
  const COPIES = ['orphaned_blocks', 'orphaned_transactions', 'reorgs']
  const BOOKS = ['chains', 'finality', 'checkpoints', 'journal']

  /** A row of the table: of the journal one that took blocks away, and one that did not. */
  async function rowsOf(table: string): Promise<string[]> {
    const where = `chain = '${slug}'`
    if (table === 'journal') return [`${where} AND batch = 2`, `${where} AND reorg = 1`]
    if (table === 'balance_sums') return [`${where} AND address = 'account-3'`]
    if (table === 'orphaned_blocks') return [`${where} AND height = 9`]
    if (table === 'orphaned_transactions') return [`${where} AND height = 9 AND index = 2`]
    if (table === 'checkpoints')
      return [
        `${where} AND (chain, partition, version) IN (
      SELECT chain, partition, max(version) FROM ${BASE_DATABASE}.checkpoints WHERE ${where} GROUP BY chain, partition)`,
      ]
    return [where]
  }

  /** Said of the past by the journal alone: it can be seen to be wrong, but not be known again. */
  const ONLY_SEEN = /^journal\.(cancels|chain|partition|batch|reorg)/
  const COPIED_FROM = new Map([['orphaned_blocks.payload', 'node']])

  test.each([...SUMS, ...COPIES, ...BOOKS])('%s: each column by itself', async table => {
    const seen: string[] = []
    const wrong: unknown[] = []
    for (const where of await rowsOf(table)) {
      for (const column of await columnsOf(sql, table)) {
        if (NOTED.has(column.name) && (table === 'journal' || table === 'chains')) continue
        if (['changed_at', 'orphaned_at'].includes(column.name) && table === 'chains') continue
        const name = `${table}.${column.name}`
        const size = await backUp(table)
        if (column.isKey) await changeKey(sql, table, column, where)
        else await changeValues(sql, table, [column], where)
        const found = await check(chain)
        if (found.length === 0) wrong.push([name, where, 'not seen'])
        seen.push(name)
        if (ONLY_SEEN.test(name)) {
          await restore(table, size)
          continue
        }
        const report = await repair(chain, COPIED_FROM.has(name) ? source : null)
        if (report.left.length > 0) wrong.push([name, where, found.slice(0, 3), report.left.slice(0, 3)])
        const now = await dump(slug)
        if (JSON.stringify(now) !== JSON.stringify(untouched)) {
          wrong.push([name, 'other than before', now, untouched])
          break
        }
      }
    }
    expect(wrong).toEqual([])
    expect(seen.length).toBeGreaterThan(2)
  })

  async function backUp(table: string): Promise<string> {
    await sql.command(`DROP TABLE IF EXISTS ${BASE_DATABASE}.backup_${table}`)
    await sql.command(
      `CREATE TABLE ${BASE_DATABASE}.backup_${table} AS ${BASE_DATABASE}.${table} ENGINE = Memory`,
    )
    await sql.command(
      `INSERT INTO ${BASE_DATABASE}.backup_${table} SELECT * FROM ${BASE_DATABASE}.${table} WHERE chain = '${slug}'`,
    )
    return table
  }

  async function restore(table: string, from: string): Promise<void> {
    await sql.command(`ALTER TABLE ${BASE_DATABASE}.${table} DELETE WHERE 1 SETTINGS mutations_sync = 2`)
    await sql.command(
      `INSERT INTO ${BASE_DATABASE}.${table} SETTINGS insert_deduplicate = 0 SELECT * FROM ${BASE_DATABASE}.backup_${from}`,
    )
  }
})
