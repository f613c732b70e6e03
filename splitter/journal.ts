import {
  array,
  bytes,
  type Columns,
  count,
  name,
  seconds,
  text,
  tuple,
  uint8,
  uint16,
  uint32,
  uint64,
} from '../schema/columns.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { insertRows } from '../schema/insert.ts'
import type { InsertOptions, Sql } from '../schema/ports.ts'
import { mergeRanges, type Ranges } from '../schema/ranges.ts'

/** A block that a batch adds. */
export interface AddedBlock {
  height: number
  hash: Uint8Array
  /** Whether its parent was stored, with the hash that the block names. */
  linked: boolean
}

/** A stored block that a batch cancels, with the version of its rows. */
export interface CancelledBlock {
  height: number
  version: bigint
}

/** The rows of such blocks, for `readRows`. */
export function selectionOf(blocks: readonly CancelledBlock[]): { heights: number[]; versions: bigint[] } {
  return { heights: blocks.map(block => block.height), versions: blocks.map(block => block.version) }
}

/** What a writer says it will do, before it does it. */
export interface JournalEntry {
  chain: string
  partition: number
  /** Dense per chain and log partition, from 1. */
  batch: number
  owner: string
  /** When it was written, unix seconds. */
  time: number
  splitVersion: number
  offsets: { from: bigint; to: bigint }
  blocks: readonly AddedBlock[]
  cancels: readonly CancelledBlock[]
  /** Whether the cancelled blocks left the chain (a reorg), or are only written anew. */
  reorg: boolean
  /** Rows that will be added, by table. */
  tables: readonly { name: string; rows: number; digest: string }[]
  /** Whether the batch was taken back: its blocks are not stored, and are to be taken from the log again. */
  undone?: boolean
}

/** What readers may see of a chain's partition, and up to which batch it is done. */
export interface Checkpoint {
  version: bigint
  committed: number
  ranges: Ranges
  height: number
  time: number
}

const JOURNAL = `${BASE_DATABASE}.journal`
const CHECKPOINTS = `${BASE_DATABASE}.checkpoints`

const journalColumns: Columns = {
  chain: name,
  partition: uint16,
  batch: count,
  height: count,
  time: seconds,
  owner: text,
  split_version: uint32,
  offset_from: uint64,
  offset_to: uint64,
  'blocks.height': array(count),
  'blocks.hash': array(bytes),
  'blocks.linked': array(uint8),
  'cancels.height': array(count),
  'cancels.version': array(uint64),
  reorg: uint8,
  undone: uint8,
  'tables.name': array(text),
  'tables.rows': array(count),
  'tables.digest': array(text),
}

/** Rows of a batch carry this number. Different for every batch of a chain, whichever log partition it came through. */
export function versionOf(batch: number, partition: number): bigint {
  return (BigInt(batch) << 10n) | BigInt(partition)
}

/** The batch that gave its rows this number. */
export function batchOf(version: bigint): { batch: number; partition: number } {
  return { batch: Number(version >> 10n), partition: Number(version & 1023n) }
}

/** Two writers may try: the first entry stands, the other vanishes. Read it back to see whose it is. */
export async function writeEntry(sql: Sql, entry: JournalEntry, attempt = 0): Promise<void> {
  const token = `journal:${entry.chain}:${entry.partition}:${entry.batch}${attempt > 0 ? `:${attempt}` : ''}`
  await insertRows(sql, 'journal', journalColumns, [rowOf(entry)], { token })
}

/** Notes that a batch is being taken back. The entry itself stays as it was. */
export async function writeUndone(sql: Sql, entry: JournalEntry): Promise<void> {
  const token = `journal:${entry.chain}:${entry.partition}:${entry.batch}:undone`
  await insertRows(sql, 'journal', journalColumns, [rowOf({ ...entry, undone: true })], { token })
}

function rowOf(entry: JournalEntry): Record<string, unknown> {
  return {
    chain: entry.chain,
    partition: entry.partition,
    batch: entry.batch,
    height: lowestOf([...entry.blocks, ...entry.cancels]),
    time: entry.time,
    owner: entry.owner,
    split_version: entry.splitVersion,
    offset_from: entry.offsets.from,
    offset_to: entry.offsets.to,
    'blocks.height': entry.blocks.map(block => block.height),
    'blocks.hash': entry.blocks.map(block => block.hash),
    'blocks.linked': entry.blocks.map(block => (block.linked ? 1 : 0)),
    'cancels.height': entry.cancels.map(block => block.height),
    'cancels.version': entry.cancels.map(block => block.version),
    reorg: entry.reorg ? 1 : 0,
    undone: entry.undone ? 1 : 0,
    'tables.name': entry.tables.map(table => table.name),
    'tables.rows': entry.tables.map(table => table.rows),
    'tables.digest': entry.tables.map(table => table.digest),
  }
}

/** 0 of an entry without blocks, which stands for one that is lost. */
function lowestOf(blocks: readonly { height: number }[]): number {
  return blocks.length === 0 ? 0 : Math.min(...blocks.map(({ height }) => height))
}

interface EntryRow {
  partition: number
  batch: string
  owner: string
  time: number
  split_version: number
  offset_from: string
  offset_to: string
  added: { height: string; hash: string; linked: number }[]
  cancelled: { height: string; version: string }[]
  reorg: number
  undone: number
  tables: { name: string; rows: string; digest: string }[]
}

/**
 * Entries of some batches, ascending. Should a token have been forgotten and two entries stand for a batch, every reader
 * agrees on the same one.
 */
export function readEntries(
  sql: Sql,
  chain: string,
  partition: number,
  batches: readonly number[],
): Promise<JournalEntry[]> {
  return readPlaces(
    sql,
    chain,
    batches.map(batch => ({ partition, batch })),
  )
}

/** Where an entry stands in the journal. */
type Place = Pick<JournalEntry, 'partition' | 'batch'>

export async function readPlaces(sql: Sql, chain: string, places: readonly Place[]): Promise<JournalEntry[]> {
  if (places.length === 0) return []
  const nameOf = ({ partition, batch }: { partition: number; batch: number | string }) =>
    `${partition}/${batch}`
  const asked = new Set(places.map(nameOf))
  const found = await sql.rows<EntryRow>(
    `SELECT partition, batch, owner, toUnixTimestamp(time) AS time, split_version, offset_from, offset_to, reorg, undone,
      arrayMap((h, x, l) -> CAST((h, hex(x), l), 'Tuple(height UInt64, hash String, linked UInt8)'),
        blocks.height, blocks.hash, blocks.linked) AS added,
      arrayMap((h, v) -> CAST((h, v), 'Tuple(height UInt64, version UInt64)'), cancels.height, cancels.version) AS cancelled,
      arrayMap((n, r, d) -> CAST((n, r, d), 'Tuple(name String, rows UInt64, digest String)'),
        tables.name, tables.rows, tables.digest) AS tables
    FROM ${JOURNAL}
    WHERE chain = {chain:String} AND partition IN {partitions:Array(UInt16)} AND batch IN {batches:Array(UInt64)}
    ORDER BY partition, batch, undone, time, owner`,
    {
      chain,
      partitions: [...new Set(places.map(place => place.partition))],
      batches: [...new Set(places.map(place => place.batch))],
    },
  )
  const rows = found.filter(row => asked.has(nameOf(row)))
  const undone = new Set(rows.filter(row => row.undone === 1).map(nameOf))
  const standing = rows.filter(
    (row, at) => row.undone === 0 && (at === 0 || nameOf(row) !== nameOf(rows[at - 1]!)),
  )
  return standing.map(row => ({
    chain,
    partition: row.partition,
    batch: Number(row.batch),
    owner: row.owner,
    time: row.time,
    splitVersion: row.split_version,
    offsets: { from: BigInt(row.offset_from), to: BigInt(row.offset_to) },
    blocks: row.added.map(block => ({
      height: Number(block.height),
      hash: Buffer.from(block.hash, 'hex'),
      linked: block.linked === 1,
    })),
    cancels: row.cancelled.map(block => ({ height: Number(block.height), version: BigInt(block.version) })),
    reorg: row.reorg === 1,
    undone: undone.has(nameOf(row)),
    tables: row.tables.map(table => ({ ...table, rows: Number(table.rows) })),
  }))
}

/** The entry of a batch; null when there is none. */
export async function readEntry(
  sql: Sql,
  chain: string,
  partition: number,
  batch: number,
): Promise<JournalEntry | null> {
  const [entry] = await readEntries(sql, chain, partition, [batch])
  return entry ?? null
}

export async function hasEntries(sql: Sql, chain: string, partition: number): Promise<boolean> {
  const rows = await sql.rows(
    `SELECT 1 FROM ${JOURNAL} WHERE chain = {chain:String} AND partition = {partition:UInt16} LIMIT 1`,
    { chain, partition },
  )
  return rows.length > 0
}

/**
 * Not 0 when a batch must not be carried on: a later one is in the journal, or it is committed. For `Sql.insert`, which
 * has the store evaluate it as the rows arrive.
 */
export function fenceOf(
  chain: string,
  partition: number,
  batch: number,
): NonNullable<InsertOptions['fence']> {
  const where = 'chain = {fence_chain:String} AND partition = {fence_partition:UInt16}'
  return {
    expression: `(SELECT max(batch) FROM ${JOURNAL} WHERE ${where}) != {fence_batch:UInt64}
      OR (SELECT max(committed) FROM ${CHECKPOINTS} WHERE ${where}) >= {fence_batch:UInt64}`,
    params: { fence_chain: chain, fence_partition: partition, fence_batch: batch },
  }
}

const checkpointColumns: Columns = {
  chain: name,
  partition: uint16,
  version: uint64,
  height: count,
  time: seconds,
  committed: count,
  ranges: array(tuple({ from: count, to: count })),
}

/** Checkpoints replace each other by version: writing one again, or late, changes nothing. */
export async function writeCheckpoint(
  sql: Sql,
  chain: string,
  partition: number,
  checkpoint: Checkpoint,
): Promise<void> {
  const ranges = checkpoint.ranges.map(([from, to]) => ({ from, to }))
  const row = { chain, partition, ...checkpoint, ranges }
  await insertRows(sql, 'checkpoints', checkpointColumns, [row], { token: null })
}

interface CheckpointRow {
  partition: number
  version: string
  height: string
  time: number
  committed: string
  ranges: [string, string][]
}

/** The checkpoints of a chain by log partition. */
export async function readCheckpoints(sql: Sql, chain: string): Promise<Map<number, Checkpoint>> {
  const rows = await sql.rows<CheckpointRow>(
    `SELECT partition, version, height, toUnixTimestamp(time) AS time, committed, ranges
    FROM ${CHECKPOINTS} FINAL WHERE chain = {chain:String} ORDER BY partition`,
    { chain },
  )
  return new Map(
    rows.map(row => [
      row.partition,
      {
        version: BigInt(row.version),
        height: Number(row.height),
        time: row.time,
        committed: Number(row.committed),
        ranges: parseRanges(row.ranges),
      },
    ]),
  )
}

export async function readCheckpoint(sql: Sql, chain: string, partition: number): Promise<Checkpoint | null> {
  return (await readCheckpoints(sql, chain)).get(partition) ?? null
}

/** Published heights of a chain over all its log partitions. */
export async function readPublished(sql: Sql, chain: string): Promise<Ranges> {
  const rows = await sql.rows<{ ranges: [string, string][] }>(
    `SELECT ranges FROM ${CHECKPOINTS} FINAL WHERE chain = {chain:String}`,
    { chain },
  )
  return mergeRanges(rows.flatMap(row => parseRanges(row.ranges)))
}

/**
 * Published heights, and those that an open batch is writing or writing anew: hidden from readers for that moment, but
 * not missing. The checkpoint is read first: an entry stands before its heights are hidden.
 */
export async function readHeld(sql: Sql, chain: string): Promise<Ranges> {
  const rows = await sql.rows<{ partition: number; committed: string; ranges: [string, string][] }>(
    `SELECT partition, committed, ranges FROM ${CHECKPOINTS} FINAL WHERE chain = {chain:String}`,
    { chain },
  )
  const open = await readPlaces(
    sql,
    chain,
    rows.map(row => ({ partition: row.partition, batch: Number(row.committed) + 1 })),
  )
  const held = open.flatMap(entry => [
    ...entry.blocks,
    // What left the chain is missing until something else is there.
    ...(entry.reorg ? [] : entry.cancels),
  ])
  return mergeRanges([
    ...rows.flatMap(row => parseRanges(row.ranges)),
    ...held.map(({ height }) => [height, height] as const),
  ])
}

function parseRanges(ranges: readonly [string, string][]): Ranges {
  return ranges.map(([from, to]) => [Number(from), Number(to)] as const)
}
