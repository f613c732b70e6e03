import { randomUUID } from 'node:crypto'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { Sql, SqlParams } from '../schema/ports.ts'
import { allColumns, type TableName } from '../schema/tables.ts'
import { type CancelledBlock, selectionOf } from './journal.ts'
import { type EncodedRows, encodeStored, type StoredRow, tableOf } from './rows.ts'
import { readRows } from './stored.ts'

/** How a batch's rows are inserted, under the batch's fence. */
export type InsertBatchRows = (rows: EncodedRows, purpose: string, into?: string) => Promise<void>

const OF_BLOCKS = `chain = {chain:String} AND height IN {heights:Array(UInt64)} AND (height, row_version) IN (
  SELECT pair.1, pair.2 FROM (SELECT arrayJoin(arrayZip({heights:Array(UInt64)}, {versions:Array(UInt64)})) AS pair))`

/** Long enough for an insert of another writer to reach a table and the sums that are made of it. */
const LOOK_AGAIN_MS = 1_000

/**
 * Looks whether everything that a batch inserted is there, and inserts what is not. For when the store may have died in
 * the middle of an insert: it notes a token a moment before it takes up the rows, each table and each view by itself, so
 * that a repetition under the token is passed over although the rows are lost. Changes nothing where nothing is missing.
 * @param options damaged: values of rows were changed by another hand, so that a row and its cancellation need not add
 * up to nothing before they are collapsed: sums are taken of what stands then, which costs more.
 */
export async function mendBatch(
  deps: { sql: Sql; chain: string; insert: InsertBatchRows },
  added: readonly CancelledBlock[],
  encoded: readonly EncodedRows[],
  cancelled: readonly CancelledBlock[],
  options: { damaged?: boolean } = {},
): Promise<void> {
  const { sql, chain, insert } = deps
  const again = () => `again:${randomUUID()}`

  async function liveRows(table: string, blocks: readonly CancelledBlock[]): Promise<number> {
    if (blocks.length === 0) return 0
    const [row] = await sql.rows<{ rows: string }>(
      `SELECT sum(row_sign) AS rows FROM ${BASE_DATABASE}.${table} WHERE ${OF_BLOCKS}`,
      { chain, ...selectionOf(blocks) },
    )
    return Number(row?.rows)
  }

  async function negative(table: TableName, blocks: readonly CancelledBlock[]): Promise<EncodedRows> {
    return encodeStored(table, opposite(await readRows(sql, chain, table, selectionOf(blocks))))
  }

  for (const rows of encoded) {
    const there = await liveRows(rows.table, added)
    if (there === rows.count) continue
    if (there > 0) await insert(await negative(rows.table, added), again())
    await insert(rows, again())
  }
  await mendSecondOrder()
  await mendSums()

  /** `effects` in their second order: a copy, row for row. */
  async function mendSecondOrder(): Promise<void> {
    const effects = encoded.find(rows => rows.table === 'effects')
    const surplus = (await liveRows('effects_by_address', added)) - (effects?.count ?? 0)
    if (surplus < 0 && effects) await insert(effects, again(), 'effects_by_address')
    if (surplus > 0) await insert(await negative('effects', added), again(), 'effects_by_address')
    if (!options.damaged && (await liveRows('effects_by_address', cancelled)) === 0) return
    const rows = await readRows(sql, chain, 'effects', {
      ...selectionOf(cancelled),
      from: 'effects_by_address',
    })
    await insert(encodeStored('effects', opposite(rows)), again(), 'effects_by_address')
  }

  /** What the sums lack or have too much. Taken for true when a second look says the same. */
  async function mendSums(): Promise<void> {
    const params = { chain, ...selectionOf([...added, ...cancelled]) }
    const from = options.damaged ? 'FINAL' : ''
    for (const sums of [balancesOf(OF_ADDRESSES, from), totalsOf(from)]) {
      const look = () => sql.rows(`${sums.difference} ORDER BY ALL`, params)
      const first = await look()
      if (first.length === 0) continue
      // Damaged tables are mended while nothing else writes them.
      if (!options.damaged) await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS))
      if (JSON.stringify(await look()) !== JSON.stringify(first)) continue
      await addDifference(sql, sums, params)
    }
  }
}

/** A table of sums, and what has to be added to it so that it says what the rows say. */
interface Sums {
  table: string
  columns: string
  difference: string
}

async function addDifference(
  sql: Sql,
  { table, columns, difference }: Sums,
  params: SqlParams,
): Promise<void> {
  // The same difference may be made up for again some day: it must not be taken for a repetition.
  const into = `INSERT INTO ${BASE_DATABASE}.${table} (${columns}) SETTINGS insert_deduplication_token = '${randomUUID()}'`
  await sql.command(`${into} ${difference}`, params)
}

/** Makes the sums of a chain say again what its rows say. For when nothing else writes them. */
export async function mendAllSums(sql: Sql, chain: string): Promise<void> {
  for (const sums of [balancesOf('chain = {chain:String}', 'FINAL'), totalsOf('FINAL')]) {
    await addDifference(sql, sums, { chain })
  }
}

/** Two sets, not one of a UNION: ClickHouse 26.7 cannot pass on such a one to the shards of a cluster (code 36). */
const OF_ADDRESSES = `chain = {chain:String} AND (
  address IN (SELECT address FROM ${BASE_DATABASE}.effects WHERE ${OF_BLOCKS})
  OR address IN (SELECT address FROM ${BASE_DATABASE}.effects_by_address WHERE ${OF_BLOCKS}))`

function balancesOf(which: string, final: string): Sums {
  return {
    table: 'balance_sums',
    columns: 'chain, address, asset, amount, effects',
    difference: `SELECT chain, address, asset, sum(part) AS amount, sum(count) AS effects FROM (
      SELECT chain, address, asset, amount * row_sign AS part, toInt64(row_sign) AS count
      FROM ${BASE_DATABASE}.effects_by_address ${final} WHERE ${which}
      UNION ALL
      SELECT chain, address, asset, -amount AS part, -effects AS count FROM ${BASE_DATABASE}.balance_sums WHERE ${which}
    ) GROUP BY chain, address, asset HAVING amount != 0 OR effects != 0`,
  }
}

function totalsOf(final: string): Sums {
  return {
    table: 'chain_sums',
    columns: 'chain, transactions, incomplete_transactions',
    difference: `SELECT chain, sum(count) AS transactions, sum(incomplete) AS incomplete_transactions FROM (
      SELECT chain, toInt64(row_sign) AS count, if(effects_complete = 0, toInt64(row_sign), 0) AS incomplete
      FROM ${BASE_DATABASE}.transactions ${final} WHERE chain = {chain:String}
      UNION ALL
      SELECT chain, -transactions AS count, -incomplete_transactions AS incomplete
      FROM ${BASE_DATABASE}.chain_sums WHERE chain = {chain:String}
    ) GROUP BY chain HAVING transactions != 0 OR incomplete_transactions != 0`,
  }
}

/** What stands is sent back with the other sign: also what was cancelled once too often. */
export function opposite(rows: readonly StoredRow[]): StoredRow[] {
  return rows.map(row => ({ ...row, row_sign: row.row_sign === 1 ? -1 : 1 }))
}

/** Columns of rows as they are inserted into their table, or into one that is made like it. */
export function insertedInto(rows: EncodedRows, into: string = rows.table) {
  return { table: `${BASE_DATABASE}.${into}`, columns: allColumns(tableOf(rows.table)) }
}
