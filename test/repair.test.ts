import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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

/** Tables of which `check` tells the columns that differ. */
const TOLD = new Set(['chains', 'orphaned_transactions', 'orphaned_blocks'])

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

  /** A row as a condition that no other row meets. */
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
        const rows = await sql.rows<{ height: string; at: string }>(
          `SELECT height, row_number() OVER (PARTITION BY height) - 1 AS at FROM ${BASE_DATABASE}.${table} FINAL
          WHERE chain = {slug:String} AND height ${table === 'raw_blocks' ? '>=' : '<'} {aside:UInt64}
          ORDER BY at, height LIMIT {keys:UInt32}`,
          { slug, aside: slug === 'litecoin' ? 30 : 18_000_000, keys: keys.length },
        )
        const places = await Promise.all(
          rows.map(({ height, at }) => rowAt(slug, table, Number(height), Number(at))),
        )
        for (const [at, where] of places.entries()) {
          await changeKey(sql, table, keys[at]!, where)
          changed.push([table, Number(rows[at]!.height), keys[at]!.name])
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
  const COPIES = ['orphaned_blocks', 'orphaned_transactions']
  /** Not finality and the journal as yet: not everything that is said there is seen or mended. */
  const BOOKS = ['chains', 'checkpoints']

  async function rowsOf(table: string): Promise<string[]> {
    const where = `chain = '${slug}'`
    if (table === 'balance_sums') return [`${where} AND address = 'account-3'`]
    if (table === 'orphaned_blocks') return [`${where} AND height = 9`]
    if (table === 'orphaned_transactions') return [`${where} AND height = 9 AND index = 2`]
    return [where]
  }

  /** The archive of an orphaned block is nowhere else. */
  const isLost = (table: string) => table === 'orphaned_blocks'

  test.each([...SUMS, ...COPIES, ...BOOKS])('%s: each column by itself', async table => {
    const seen: string[] = []
    const wrong: unknown[] = []
    for (const where of await rowsOf(table)) {
      const columns = (await columnsOf(sql, table)).filter(({ name }) => name !== 'changed_at')
      // What differs is told column by column: they may be changed together.
      const together = TOLD.has(table)
        ? columns.filter(column => !column.isKey && column.name !== 'payload')
        : []
      const alone = columns.filter(column => !together.includes(column)).map(column => [column])
      for (const changed of [...(together.length > 0 ? [together] : []), ...alone]) {
        const name = `${table}.${changed.map(column => column.name).join(',')}`
        await backUp(table)
        const [column] = changed
        if (column!.isKey) await changeKey(sql, table, column!, where)
        else await changeValues(sql, table, changed, where)
        const found = await check(chain)
        for (const { name: of } of changed) {
          const isTold = ({ difference }: Difference) =>
            changed.length === 1 || difference.includes(`${of}: expected`)
          if (!found.some(isTold)) wrong.push([`${table}.${of}`, where, 'not seen'])
          seen.push(of)
        }
        const report = await repair(chain, isLost(table) ? source : null)
        const same = JSON.stringify(await dump(slug)) === JSON.stringify(untouched)
        if (same && report.left.length === 0) continue
        wrong.push([name, where, same ? 'as before' : 'other than before', found[0], report.left[0]])
        await restore(table)
      }
    }
    expect(wrong).toEqual([])
    expect(seen.length).toBeGreaterThan(2)
  })

  async function backUp(table: string): Promise<void> {
    const backup = `${BASE_DATABASE}.backup_${table}`
    await sql.command(`DROP TABLE IF EXISTS ${backup}`)
    await sql.command(`CREATE TABLE ${backup} AS ${BASE_DATABASE}.${table} ENGINE = Memory`)
    await sql.command(`INSERT INTO ${backup} SELECT * FROM ${BASE_DATABASE}.${table} WHERE chain = '${slug}'`)
  }

  async function restore(table: string): Promise<void> {
    const all = `${BASE_DATABASE}.${table}`
    await sql.command(`ALTER TABLE ${all} DELETE WHERE chain = '${slug}' SETTINGS mutations_sync = 2`)
    await sql.command(
      `INSERT INTO ${all} SETTINGS insert_deduplicate = 0 SELECT * FROM ${BASE_DATABASE}.backup_${table}`,
    )
  }
})
