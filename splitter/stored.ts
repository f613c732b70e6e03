import { bytes, count, flag, RowReader } from '../schema/columns.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { Sql } from '../schema/ports.ts'
import { blockTableNames, type TableName } from '../schema/tables.ts'
import type { CancelledBlock } from './journal.ts'
import { columnNames, decodeRows, type StoredRow, tableOf } from './rows.ts'

/** Hash and parent of a stored block. */
export interface StoredLink {
  hash: Uint8Array
  parentHash: Uint8Array
  /** Whether its parent was stored when it was written: `parent` is among its proofs. */
  linked: boolean
}

/** Links of the stored blocks among `heights`. */
export async function readLinks(
  sql: Sql,
  chain: string,
  heights: Iterable<number>,
): Promise<Map<number, StoredLink>> {
  const wanted = [...new Set(heights)].filter(height => height >= 0)
  const links = new Map<number, StoredLink>()
  if (wanted.length === 0) return links
  const answer = await sql.bytes(
    `SELECT height, block_hash, parent_hash, has(proofs, 'parent') AS linked FROM ${BASE_DATABASE}.blocks FINAL
    WHERE chain = {chain:String} AND height IN {heights:Array(UInt64)} FORMAT RowBinary`,
    { chain, heights: wanted },
  )
  const reader = new RowReader(answer)
  while (!reader.done) {
    links.set(count.read(reader), {
      hash: bytes.read(reader),
      parentHash: bytes.read(reader),
      linked: flag.read(reader),
    })
  }
  return links
}

/** Work of the stored blocks among `heights`, on a chain whose branches are chosen by it. */
export async function readWork(
  sql: Sql,
  chain: string,
  heights: readonly number[],
): Promise<Map<number, bigint>> {
  if (heights.length === 0) return new Map()
  const rows = await sql.rows<{ height: string; work: string }>(
    `SELECT height, work FROM ${BASE_DATABASE}.utxo_blocks FINAL
    WHERE chain = {chain:String} AND height IN {heights:Array(UInt64)}`,
    { chain, heights: [...heights] },
  )
  return new Map(rows.map(({ height, work }) => [Number(height), BigInt(work)]))
}

/** What was told of a chain's finality last; null when nothing was. */
export async function readFinality(sql: Sql, chain: string): Promise<{ safe: number; final: number } | null> {
  const [row] = await sql.rows<{ safe: string; final: string }>(
    `SELECT safe, final FROM ${BASE_DATABASE}.finality FINAL WHERE chain = {chain:String}`,
    { chain },
  )
  return row ? { safe: Number(row.safe), final: Number(row.final) } : null
}

/** Heights of blocks whose parent was not stored when they were written; block 0 has none. */
export async function readUnlinked(sql: Sql, chain: string): Promise<number[]> {
  const rows = await sql.rows<{ height: string }>(
    `SELECT height FROM ${BASE_DATABASE}.blocks FINAL
    WHERE chain = {chain:String} AND height > 0 AND NOT has(proofs, 'parent') ORDER BY height`,
    { chain },
  )
  return rows.map(row => Number(row.height))
}

/** Batches that wrote the blocks that stand at some heights. */
export async function readBlockVersions(
  sql: Sql,
  chain: string,
  heights: readonly number[],
): Promise<Map<number, bigint>> {
  const rows = await sql.rows<{ height: string; row_version: string }>(
    `SELECT height, row_version FROM ${BASE_DATABASE}.blocks FINAL
    WHERE chain = {chain:String} AND height IN {heights:Array(UInt64)} ORDER BY height`,
    { chain, heights: [...heights] },
  )
  return new Map(rows.map(row => [Number(row.height), BigInt(row.row_version)]))
}

/** Archived blocks: the bytes that `split` was given. */
export async function readArchive(
  sql: Sql,
  chain: string,
  heights: readonly number[],
): Promise<Map<number, Uint8Array>> {
  const archive = new Map<number, Uint8Array>()
  if (heights.length === 0) return archive
  const answer = await sql.bytes(
    `SELECT height, payload FROM ${BASE_DATABASE}.raw_blocks FINAL
    WHERE chain = {chain:String} AND height IN {heights:Array(UInt64)} FORMAT RowBinary`,
    { chain, heights: [...heights] },
  )
  const reader = new RowReader(answer)
  while (!reader.done) archive.set(count.read(reader), bytes.read(reader))
  return archive
}

/** Which rows are meant: those of some heights, or only those that certain batches added. */
export interface RowSelection {
  heights: readonly number[]
  /** One for each height. */
  versions?: readonly bigint[]
  /** Another table with the same columns: `effects` in their second order. */
  from?: 'effects_by_address'
}

const OF_VERSIONS = `AND (height, row_version) IN (
  SELECT pair.1, pair.2 FROM (SELECT arrayJoin(arrayZip({heights:Array(UInt64)}, {versions:Array(UInt64)})) AS pair))`

/** Rows as they stand, cancelled ones left out, by height and then in the order of the table's key. */
export async function readRows(
  sql: Sql,
  chain: string,
  table: TableName,
  { heights, versions, from }: RowSelection,
): Promise<StoredRow[]> {
  if (heights.length === 0) return []
  const quoted = (names: readonly string[]) => names.map(name => `\`${name}\``).join(', ')
  const key = tableOf(table).orderBy.filter(column => column !== 'chain' && column !== 'height')
  const answer = await sql.bytes(
    `SELECT ${quoted(columnNames(table))} FROM ${BASE_DATABASE}.${from ?? table} FINAL
    WHERE chain = {chain:String} AND height IN {heights:Array(UInt64)} ${versions ? OF_VERSIONS : ''}
    ORDER BY ${quoted(['height', ...key])} FORMAT RowBinary`,
    { chain, heights: [...heights], ...(versions && { versions: [...versions] }) },
  )
  return decodeRows(table, answer)
}

/** Versions of all rows that stand at some heights, in whatever table, cancelled once too often included. */
export async function readVersions(
  sql: Sql,
  chain: string,
  heights: readonly number[],
): Promise<CancelledBlock[]> {
  if (heights.length === 0) return []
  const found = [...blockTableNames, 'effects_by_address'].map(
    table => `SELECT DISTINCT height, row_version FROM ${BASE_DATABASE}.${table} FINAL
    WHERE chain = {chain:String} AND height IN {heights:Array(UInt64)}`,
  )
  const rows = await sql.rows<{ height: string; row_version: string }>(
    `SELECT DISTINCT height, row_version FROM (${found.join(' UNION ALL ')}) ORDER BY height, row_version`,
    { chain, heights: [...heights] },
  )
  return rows.map(row => ({ height: Number(row.height), version: BigInt(row.row_version) }))
}
