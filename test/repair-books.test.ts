import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChainSource } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { encodeEvent } from '../schema/events.ts'
import type { Sql } from '../schema/ports.ts'
import { blockTableNames } from '../schema/tables.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { checkChain } from '../splitter/check.ts'
import type { Difference } from '../splitter/check-rows.ts'
import { setAside } from '../splitter/dead-letters.ts'
import { createIngest } from '../splitter/ingest.ts'
import { type RepairReport, repairChain } from '../splitter/repair.ts'
import { openWriter } from '../splitter/writer.ts'
import { type Change, type ColumnOf, changeRows, columnsOf, doubleRows, loseRows } from './damage.ts'
import { type ContractStore, dumpViews, openContractStore, silent } from './harness.ts'
import { type PaperBlock, paperBlocks, paperChain, paperHash } from './paper-chain.ts'

/** Single blocks below, then pairs that were replaced: what is said about them stands in books of its own. */
const BASE = 10
const REORGS = 11
const TIP = BASE + 2 * REORGS - 1

const chain = paperChain('paper-books')
const { slug } = chain.definition
const OURS = `chain = '${slug}'`

let world: ContractStore
let sql: Sql
let untouched: Record<string, unknown>

/** Of a chain on which each pair of heights above the base had blocks of fork 1 first, then of fork 2. */
function blockOf(height: number, fork = height < BASE ? 0 : 2): PaperBlock {
  const isFirst = height <= BASE || (height - BASE) % 2 === 0
  const below = height <= BASE ? 0 : 2
  return paperBlocks(height, height, fork, isFirst ? below : fork)[0]!
}

const source: ChainSource<PaperBlock> = {
  identify: async () => ({ checked: [], unchecked: [] }),
  head: async () => TIP,
  finalized: async () => null,
  recordedHeights: async () => null,
  hashAt: async height => paperHash(height, blockOf(height).fork),
  blockAt: async height => blockOf(height),
  blockByHash: async hash => {
    for (let height = 0; height <= TIP; height++) {
      for (const fork of [0, 1, 2]) {
        if (paperHash(height, fork).toString('hex') === hash) return blockOf(height, fork)
      }
    }
    throw new Error(`no block ${hash}`)
  },
}

beforeAll(async () => {
  world = await openContractStore()
  sql = world.sql
  await registerChain(sql, chain.definition)
  const writer = await openWriter({ sql, chain, owner: 'test:1' })
  const ingest = createIngest({ sql, chain, writer, batchBlocks: 5 })
  let offset = 0n
  const add = async (blocks: readonly PaperBlock[]) => {
    for (const raw of blocks) {
      const hash = paperHash(raw.height, raw.fork)
      expect(await ingest.add({ height: raw.height, raw, logged: { hash, offset: ++offset } })).toEqual([])
    }
    expect(await ingest.flush()).toEqual([])
  }
  for (let height = 0; height < BASE; height++) await add([blockOf(height)])
  for (let at = BASE; at < TIP; at += 2) {
    await add([blockOf(at, 1), blockOf(at + 1, 1)])
    await ingest.revert({ height: at - 1, hash: paperHash(at - 1, blockOf(at - 1).fork) }, ++offset)
    await add([blockOf(at), blockOf(at + 1)])
  }
  await sql.command(
    `INSERT INTO ${BASE_DATABASE}.finality (chain, safe, final, version) VALUES ('${slug}', ${TIP}, ${TIP - 1}, ${++offset})`,
  )
  const letters = await columnsOf(sql, 'dead_letters')
  for (const [at] of letters.entries()) {
    // A letter that says another place must not say that of the next.
    offset += 10n
    const raw = blockOf(TIP + 2 + at)
    const hash = paperHash(raw.height, raw.fork)
    const parentHash = paperHash(raw.height - 1, raw.parentFork)
    const payload = encodeEvent({
      kind: 'block',
      height: raw.height,
      hash,
      parentHash,
      payload: chain.encode(raw),
    })
    const told = { code: 'MALFORMED_ANSWER', reason: `no block at ${at}`, payload }
    await setAside(sql, {
      chain: slug,
      partition: 0,
      offset,
      height: raw.height,
      hash: chain.formatHash(hash),
      ...told,
    })
  }
  expect(await check()).toEqual([])
  untouched = await dump()
})
afterAll(() => world?.close())

async function check(): Promise<Difference[]> {
  return (await checkChain({ sql, chain })).differences
}

let owners = 1
function repair(): Promise<RepairReport> {
  return repairChain({
    sql,
    chain,
    openSource: async () => source,
    owner: `test:${++owners}`,
    isGone: () => true,
    logger: silent,
  })
}

/** What outsiders see of the chain, the copies of what left it, and what the books said at first. */
async function dump(): Promise<Record<string, unknown>> {
  const books = [
    ...['orphaned_blocks', 'orphaned_transactions', 'reorgs'].map(table => [table, '*', OURS]),
    ['finality', '* EXCEPT (version, seal)', OURS],
    [
      'journal',
      '* EXCEPT (seal, `tables.name`, `tables.rows`, `tables.digest`)',
      `${OURS} AND batch <= ${ENTRIES}`,
    ],
  ]
  const rows = await sql.rows<{ table: string }>(
    `SELECT * FROM (${books
      .map(
        ([table, columns, where]) =>
          `SELECT '${table}' AS table, count() AS rows, sum(cityHash64(tuple(${columns}))) AS digest FROM ${BASE_DATABASE}.${table} WHERE ${where}`,
      )
      .join(' UNION ALL ')}) ORDER BY table`,
  )
  return { ...(await dumpViews(world.sql, slug)), books: rows }
}

const ENTRIES = BASE + 2 * REORGS

/** Changes to one column each, at the place that is named for it: a column that is not named is an error. */
async function eachColumn(
  table: string,
  places: Readonly<Record<string, string>>,
): Promise<(Change & { column: ColumnOf })[]> {
  const columns = await columnsOf(sql, table)
  expect([table, Object.keys(places).sort()]).toEqual([table, columns.map(({ name }) => name).sort()])
  return columns.map(column => ({ column, columns: [column], where: places[column.name]! }))
}

/** Entries of the journal by the column that is changed in each. Blocks are replaced by batches of even numbers. */
const JOURNAL: Readonly<Record<string, number>> = {
  chain: 1,
  partition: 2,
  batch: 3,
  height: 4,
  time: 5,
  owner: 6,
  split_version: 7,
  offset_from: 8,
  offset_to: 9,
  undone: 10,
  'blocks.height': 12,
  'blocks.hash': 14,
  'blocks.linked': 16,
  seal: 18,
  'cancels.height': 28,
  'cancels.version': 30,
  reorg: 32,
  'tables.name': 11,
  'tables.rows': 13,
  'tables.digest': 15,
}

const heightOf = (reorg: number) => BASE + 2 * reorg

/** Of copies: the columns that `check` tells apart in one row, each of the others in a reorg of its own. */
async function copiesChanges(
  table: string,
  rest: Readonly<Record<string, string>>,
): Promise<{ together: readonly ColumnOf[]; changes: Change[] }> {
  const columns = await columnsOf(sql, table)
  const together = columns.filter(({ name }) => !(name in rest))
  const single = columns.filter(({ name }) => name in rest)
  return {
    together,
    changes: [
      { columns: together, where: rest.together! },
      ...single.map(column => ({ columns: [column], where: rest[column.name]! })),
    ],
  }
}

const atReorg = (reorg: number, more = '') => `${OURS} AND height = ${heightOf(reorg)}${more}`

/** Letters whose change nothing undoes: they stay, and say so. */
const UNPROVEN = ['reason', 'payload', 'seal']

test('every table of the store is one whose values are changed, here or with recorded blocks', async () => {
  const tables = await sql.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = '${BASE_DATABASE}' AND engine LIKE '%MergeTree'
      AND name NOT LIKE 'aside_%' AND name NOT LIKE 'copy_%' ORDER BY name`,
  )
  const ofBlocks = [...blockTableNames, 'effects_by_address']
  const books = ['chains', 'checkpoints', 'journal', 'finality', 'dead_letters', 'balance_sums', 'chain_sums']
  const copies = ['reorgs', 'orphaned_blocks', 'orphaned_transactions']
  // Which steps were applied is looked at whenever the store is opened (migrate.test.ts); what was counted is counted again.
  const rest = ['migrations', 'reconciliation']
  // What was told to whom: nothing of it is made of a chain's bytes again.
  const webhooks = ['', '_addresses', '_deliveries', '_events', '_leases', '_replays', '_skipped', '_states']
  const ofWebhooks = webhooks.map(name => (name === '' ? 'webhooks' : `webhook${name}`))
  expect(tables.map(({ name }) => name)).toEqual(
    [...ofBlocks, ...books, ...copies, ...rest, ...ofWebhooks].sort(),
  )
})

test('every column of the journal, letters, sums and copies, each in a row of its own: all named, all mended', async () => {
  const journal = await eachColumn(
    'journal',
    Object.fromEntries(
      Object.entries(JOURNAL).map(([name, batch]) => [name, `${OURS} AND batch = ${batch}`]),
    ),
  )
  const letterColumns = await columnsOf(sql, 'dead_letters')
  const letterOf = (name: string) =>
    `${OURS} AND height = ${TIP + 2 + letterColumns.findIndex(column => column.name === name)}`
  const letters = letterColumns.map(column => ({ columns: [column], where: letterOf(column.name) }))
  const ofAccount: Record<string, number> = { amount: 0, effects: 1, address: 2, asset: 3, chain: 4 }
  const sums = await eachColumn(
    'balance_sums',
    Object.fromEntries(
      Object.entries(ofAccount).map(([name, at]) => [name, `${OURS} AND address = 'account-${at}'`]),
    ),
  )
  const copies = {
    reorgs: await copiesChanges('reorgs', {
      together: atReorg(3),
      chain: atReorg(0),
      height: atReorg(1),
      batch: atReorg(2),
    }),
    orphaned_blocks: await copiesChanges('orphaned_blocks', {
      together: atReorg(3),
      chain: atReorg(4),
      height: atReorg(5),
      batch: atReorg(6),
      payload: atReorg(7),
    }),
    orphaned_transactions: await copiesChanges('orphaned_transactions', {
      together: atReorg(3, ' AND index = 2'),
      chain: atReorg(0, ' AND index = 2'),
      height: atReorg(1, ' AND index = 2'),
      batch: atReorg(2, ' AND index = 2'),
      index: atReorg(8, ' AND index = 2'),
    }),
  }
  const others = `SELECT * REPLACE (hex(payload) AS payload) FROM ${BASE_DATABASE}.dead_letters FINAL
    WHERE ${OURS} AND NOT (${UNPROVEN.map(name => `(${letterOf(name)})`).join(' OR ')}) ORDER BY offset`
  const lettersBefore = await sql.rows(others)
  await changeRows(sql, 'journal', journal)
  await changeRows(sql, 'dead_letters', letters)
  await changeRows(sql, 'balance_sums', sums)
  for (const [table, { changes }] of Object.entries(copies)) await changeRows(sql, table, changes)

  const found = await check()
  const isNamed = (table: string, text: string) =>
    found.some(difference => difference.table === table && difference.difference.includes(text))
  const missed: string[] = []
  for (const [name, batch] of Object.entries(JOURNAL)) {
    const place = `batch ${name === 'batch' ? batch + 1 : batch} of partition ${name === 'partition' ? 1 : 0}`
    if (!isNamed('journal', `${place}: expected what was written`)) missed.push(`journal.${name}`)
  }
  const [first] = await sql.rows<{ offset: string }>(
    `SELECT min(offset) AS offset FROM ${BASE_DATABASE}.dead_letters WHERE height > ${TIP}`,
  )
  for (const [at, { name }] of letterColumns.entries()) {
    const offset = Number(first!.offset) + 10 * at + (name === 'offset' ? 1 : 0)
    const place = `event ${offset} of partition ${name === 'partition' ? 1 : 0}`
    if (!isNamed('dead_letters', `${place}: expected what was written`)) missed.push(`dead_letters.${name}`)
  }
  for (const [name, at] of Object.entries(ofAccount)) {
    if (!isNamed('balance_sums', `account-${at} native: expected`)) missed.push(`balance_sums.${name}`)
  }
  for (const [table, { together, changes }] of Object.entries(copies)) {
    for (const { name } of together) {
      if (!isNamed(table, `${name}: expected`)) missed.push(`${table}.${name}`)
    }
    for (const { columns, where } of changes.slice(1)) {
      // One of the pair, or where the row says that it is now.
      const at = Number(/height = (\d+)/.exec(where)![1])
      const isThere = found.some(
        ({ table: of, height }) => of === table && height !== null && height >= at && height <= at + 1,
      )
      if (!isThere) missed.push(`${table}.${columns[0]!.name}`)
    }
  }
  expect(missed).toEqual([])

  const report = await repair()
  expect([report.left, report.failed]).toEqual([[], []])
  const { dead_letters: _, ...mended } = await dump()
  const { dead_letters: __, ...before } = untouched
  expect(mended).toEqual(before)
  expect(await sql.rows(others)).toEqual(lettersBefore)
  const unproven = await sql.rows(
    `SELECT height FROM ${BASE_DATABASE}.dead_letters FINAL WHERE ${OURS} AND reason LIKE '%changed by another hand%' ORDER BY height`,
  )
  expect(unproven).toHaveLength(UNPROVEN.length)
  untouched = await dump()
})

/** Books of one row: in each round another of its columns is changed; several books in the same round. */
test('every column of checkpoints, finality, totals and chains', async () => {
  const columns = {
    checkpoints: (await columnsOf(sql, 'checkpoints')).map(column => [column]),
    finality: (await columnsOf(sql, 'finality')).map(column => [column]),
    chain_sums: [
      (await columnsOf(sql, 'chain_sums')).filter(({ isKey }) => !isKey),
      (await columnsOf(sql, 'chain_sums')).filter(({ isKey }) => isKey),
    ],
    // When a definition was noted says only which of two is the later one.
    chains: [
      (await columnsOf(sql, 'chains')).filter(({ isKey, name }) => !isKey && name !== 'changed_at'),
      (await columnsOf(sql, 'chains')).filter(({ isKey, name }) => isKey && name !== 'changed_at'),
    ],
  }
  const rounds = Math.max(...Object.values(columns).map(list => list.length))
  const wrong: unknown[] = []
  for (let round = 0; round < rounds; round++) {
    const changed = Object.entries(columns).flatMap(([table, list]) => {
      const of = list[round]
      return of ? [{ table, of }] : []
    })
    for (const { table, of } of changed) {
      await changeRows(sql, table, [{ columns: of, where: OURS }])
    }
    const found = await check()
    for (const { table, of } of changed) {
      const named = found.filter(difference => difference.table === table)
      if (named.length === 0) wrong.push([round, table, of.map(({ name }) => name), 'not seen'])
      if (table !== 'chains') continue
      for (const { name } of of) {
        if (!named.some(({ difference }) => difference.includes(`${name}: expected`)))
          wrong.push([table, name])
      }
    }
    const report = await repair()
    if (report.left.length + report.failed.length > 0) wrong.push([round, report.left, report.failed])
    expect([round, wrong]).toEqual([round, []])
    expect([round, await dump()]).toEqual([round, untouched])
  }
})

test('rows that are lost, or there twice', async () => {
  const lost: Record<string, string[]> = {
    journal: [`${OURS} AND batch = 5`],
    reorgs: [atReorg(3)],
    orphaned_transactions: [atReorg(4, ' AND index = 1')],
    orphaned_blocks: [atReorg(5)],
    balance_sums: [`${OURS} AND address = 'account-5'`],
    chain_sums: [OURS],
    chains: [OURS],
  }
  const twice: Record<string, string[]> = {
    reorgs: [atReorg(6)],
    orphaned_transactions: [atReorg(7, ' AND index = 3')],
    orphaned_blocks: [atReorg(2)],
    balance_sums: [`${OURS} AND address = 'account-6'`],
  }
  for (const [table, wheres] of Object.entries(lost)) await loseRows(sql, table, wheres)
  for (const [table, wheres] of Object.entries(twice)) await doubleRows(sql, table, wheres)
  // Of entries, letters and what replaces what was there before, the same again is the same.
  await doubleRows(sql, 'journal', [`${OURS} AND batch = 6`])
  for (const table of ['dead_letters', 'finality']) await doubleRows(sql, table, [OURS])
  const found = await check()
  const tables = new Set(found.map(({ table }) => table))
  expect([...Object.keys(lost), ...Object.keys(twice)].filter(table => !tables.has(table))).toEqual([])
  const heights = (table: string) => found.filter(of => of.table === table).map(of => of.height)
  expect(heights('reorgs')).toEqual(expect.arrayContaining([heightOf(3), heightOf(6)]))
  expect(heights('orphaned_transactions')).toEqual(expect.arrayContaining([heightOf(4), heightOf(7)]))
  expect(heights('orphaned_blocks')).toEqual(expect.arrayContaining([heightOf(2), heightOf(5)]))
  const report = await repair()
  expect([report.left, report.failed]).toEqual([[], []])
  const { books: _, ...views } = await dump()
  const { books: __, ...before } = untouched
  expect(views).toEqual(before)
})
