import type { ChainDefinition } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { describeError } from '../schema/errors.ts'
import { pause } from '../schema/pause.ts'
import type { Logger, Sql } from '../schema/ports.ts'
import { includesHeight, mergeRanges, type Ranges } from '../schema/ranges.ts'
import { blockTableNames } from '../schema/tables.ts'
import { type Checkpoint, type JournalEntry, readCheckpoints, readPlaces, versionOf } from './journal.ts'

/** Heights whose rows were counted against the journal. */
export interface ReconciledRange {
  from: number
  to: number
  /** Blocks that the journal says are to be read there, and those that are. */
  delivered: number
  stored: number
  /** Sentences; empty where the tables hold what was delivered. */
  differences: string[]
}

export interface ReconcilerDeps {
  definition: Pick<ChainDefinition, 'slug' | 'ledger' | 'family'>
  sql: Sql
  logger: Logger
  /** Between two looks, in milliseconds. */
  intervalMs?: number
  /** After what time a range that did not change is looked at again, in milliseconds. */
  againMs?: number
}

/** Counts what a chain's tables hold against what was delivered, for as long as the chain is written. */
export interface Reconciler {
  /** Looks that were taken, those that a batch under way came in between left out. */
  looks(): number
  done: Promise<void>
}

/** Heights of a range; ranges begin at its multiples. */
export const RANGE_HEIGHTS = 1_000
const INTERVAL_MS = 5_000
const AGAIN_MS = 12 * 60 * 60_000
/** After a restart what these last batches of each partition wrote is looked at first. */
const RECENT_BATCHES = 1_000
/** Differences of a range that are told. */
const MOST = 20

/** Ranges that changed come first, then those that were not looked at for the longest time. */
export function startReconciler(deps: ReconcilerDeps, signal: AbortSignal): Reconciler {
  const { definition, sql, logger, intervalMs = INTERVAL_MS, againMs = AGAIN_MS } = deps
  const chain = definition.slug
  /** First heights of ranges: when each was looked at, in milliseconds, and what was told of it. */
  const seen = new Map<number, { time: number; told: string }>()
  const changed = new Set<number>()
  /** Last batch of each partition whose heights are in `changed`. */
  const cursors = new Map<number, number>()
  let isOpen = false
  let looks = 0

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!isOpen) await open()
        await noteChanges()
        const from = next()
        if (from !== null) await look(from)
      } catch (error) {
        if (signal.aborted) return
        // A store that is away is told of by whoever writes.
        logger.warn({ chain, reason: describeError(error) }, 'not reconciled, it is tried again')
      }
      await pause(intervalMs, signal)
    }
  }

  async function open(): Promise<void> {
    const known = await sql.rows<{ from: string; time: string; told: string }>(
      `SELECT height AS from, toUnixTimestamp64Milli(time) AS time, arrayStringConcat(differences, '\\n') AS told
      FROM ${BASE_DATABASE}.reconciliation FINAL WHERE chain = {chain:String}`,
      { chain },
    )
    for (const { from, time, told } of known) seen.set(Number(from), { time: Number(time), told })
    for (const [partition, { committed, ranges }] of await readCheckpoints(sql, chain)) {
      cursors.set(partition, Math.max(0, committed - RECENT_BATCHES))
      for (const from of rangesOf(ranges)) if (!seen.has(from)) seen.set(from, { time: 0, told: '' })
    }
    isOpen = true
  }

  async function noteChanges(): Promise<void> {
    for (const [partition, { committed }] of await readCheckpoints(sql, chain)) {
      const last = cursors.get(partition) ?? 0
      if (committed <= last) continue
      const rows = await sql.rows<{ range: string }>(
        `SELECT DISTINCT intDiv(height_changed, ${RANGE_HEIGHTS}) AS range FROM ${BASE_DATABASE}.journal
        ARRAY JOIN arrayConcat(blocks.height, cancels.height) AS height_changed
        WHERE chain = {chain:String} AND partition = {partition:UInt16} AND batch > {last:UInt64} AND batch <= {committed:UInt64}`,
        { chain, partition, last, committed },
      )
      for (const { range } of rows) changed.add(Number(range) * RANGE_HEIGHTS)
      cursors.set(partition, committed)
    }
  }

  /** The newest that changed, else the one that was not looked at for the longest time. */
  function next(): number | null {
    if (changed.size > 0) return Math.max(...changed)
    const due = [...seen].filter(([, { time, told }]) => told !== '' || Date.now() - time >= againMs)
    return due.sort(([, a], [, b]) => a.time - b.time)[0]?.[0] ?? null
  }

  async function look(from: number): Promise<void> {
    const range = await reconcile(sql, definition, from)
    // A batch came in between: another time.
    if (range === null) return
    looks++
    changed.delete(from)
    const told = range.differences.join('\n')
    const before = seen.get(from)?.told ?? ''
    await noteRange(sql, chain, range)
    seen.set(from, { time: Date.now(), told })
    if (told !== '' && told !== before) {
      logger.error({ chain, ...range }, 'the tables do not hold what was delivered')
    } else if (told === '' && before !== '') {
      logger.info({ chain, from, to: range.to }, 'the tables hold what was delivered again')
    }
  }

  return { looks: () => looks, done: run() }
}

function rangesOf(heights: Ranges): number[] {
  return heights.flatMap(([from, to]) => {
    const [first, last] = [from, to].map(height => Math.floor(height / RANGE_HEIGHTS)) as [number, number]
    return Array.from({ length: last - first + 1 }, (_, at) => (first + at) * RANGE_HEIGHTS)
  })
}

/**
 * Counts the rows of one range against the journal. Nothing is said where a batch was at work on it meanwhile: its entry
 * stands before it changes anything.
 * @returns null then.
 */
export async function reconcile(
  sql: Sql,
  definition: Pick<ChainDefinition, 'slug' | 'ledger' | 'family'>,
  from: number,
): Promise<ReconciledRange | null> {
  const chain = definition.slug
  const to = from + RANGE_HEIGHTS - 1
  const before = await readCheckpoints(sql, chain)
  const entries = await entriesOf(sql, chain, from, to, before)
  const bounds = boundsOf(entries, from, to)
  const rows = await countRows(sql, definition, bounds)
  const blocks = await readBlocks(sql, chain, from, to)
  if (await hasMoved(sql, chain, before, bounds)) return null
  const published = mergeRanges([...before.values()].flatMap(checkpoint => checkpoint.ranges))
  return compare(entries, rows, blocks, published, from, to)
}

const touches = (heights: string) => `arrayExists(h -> h BETWEEN {from:UInt64} AND {to:UInt64}, ${heights})`

/** Entries of committed batches that brought or took away a block of these heights. */
async function entriesOf(
  sql: Sql,
  chain: string,
  from: number,
  to: number,
  checkpoints: ReadonlyMap<number, Checkpoint>,
): Promise<JournalEntry[]> {
  const touches = (heights: string) => `arrayExists(h -> h BETWEEN {from:UInt64} AND {to:UInt64}, ${heights})`
  const places = await sql.rows<{ partition: number; batch: string }>(
    `SELECT DISTINCT partition, batch FROM ${BASE_DATABASE}.journal
    WHERE chain = {chain:String} AND (${touches('blocks.height')} OR ${touches('cancels.height')})`,
    { chain, from, to },
  )
  const entries = await readPlaces(
    sql,
    chain,
    places.map(({ partition, batch }) => ({ partition, batch: Number(batch) })),
  )
  return entries.filter(({ partition, batch }) => batch <= (checkpoints.get(partition)?.committed ?? 0))
}

/** The range, and what else its batches brought, as far as that is near. */
function boundsOf(entries: readonly JournalEntry[], from: number, to: number): [number, number] {
  const near = entries
    .flatMap(entry => entry.blocks.map(block => block.height))
    .filter(height => height >= from - RANGE_HEIGHTS && height <= to + RANGE_HEIGHTS)
  return [near.reduce((a, b) => Math.min(a, b), from), near.reduce((a, b) => Math.max(a, b), to)]
}

/** Whether a batch that was not committed when the checkpoints were read has to do with these heights. */
async function hasMoved(
  sql: Sql,
  chain: string,
  before: ReadonlyMap<number, Checkpoint>,
  [from, to]: readonly [number, number],
): Promise<boolean> {
  const [row] = await sql.rows<{ batches: string }>(
    `SELECT count() AS batches FROM ${BASE_DATABASE}.journal
    WHERE chain = {chain:String} AND batch > transform(partition, {partitions:Array(UInt16)}, {committed:Array(UInt64)}, toUInt64(0))
      AND (${touches('blocks.height')} OR ${touches('cancels.height')})`,
    {
      chain,
      from,
      to,
      partitions: [...before.keys()],
      committed: [...before.values()].map(checkpoint => checkpoint.committed),
    },
  )
  return Number(row?.batches) > 0
}

/** Tables that blocks of a chain have rows in, and the second order of effects. */
function tablesOf({ ledger, family }: Pick<ChainDefinition, 'ledger' | 'family'>): string[] {
  const isOther = (table: string) =>
    (table.startsWith('utxo_') && ledger !== 'utxo') || (table.startsWith('evm_') && family !== 'evm')
  return [...blockTableNames.filter(table => !isOther(table)), 'effects_by_address']
}

/** Signed counts by table, height and version; those that add up to 0 are left out. */
type Counts = Map<string, Map<number, Map<bigint, number>>>

async function countRows(
  sql: Sql,
  definition: Pick<ChainDefinition, 'slug' | 'ledger' | 'family'>,
  [from, to]: readonly [number, number],
): Promise<Counts> {
  const tables = tablesOf(definition)
  const rows = await sql.rows<{ table: string; height: string; version: string; signed: string }>(
    tables
      .map(
        table => `SELECT '${table}' AS table, height, row_version AS version, sum(toInt64(row_sign)) AS signed
        FROM ${BASE_DATABASE}.${table} WHERE chain = {chain:String} AND height BETWEEN {from:UInt64} AND {to:UInt64}
        GROUP BY height, row_version HAVING signed != 0`,
      )
      .join(' UNION ALL '),
    { chain: definition.slug, from, to },
  )
  const counts: Counts = new Map(tables.map(table => [table, new Map()]))
  for (const { table, height, version, signed } of rows) {
    const ofTable = counts.get(table)!
    const ofHeight = ofTable.get(Number(height)) ?? new Map<bigint, number>()
    ofTable.set(Number(height), ofHeight.set(BigInt(version), Number(signed)))
  }
  return counts
}

interface BlockRow {
  hash: string
  parent: string
  /** Whether its parent was seen when it was written. */
  linked: boolean
  transactions: number
}

async function readBlocks(sql: Sql, chain: string, from: number, to: number): Promise<Map<number, BlockRow>> {
  const rows = await sql.rows<Omit<BlockRow, 'linked'> & { height: string; linked: number }>(
    `SELECT height, lower(hex(block_hash)) AS hash, lower(hex(parent_hash)) AS parent, has(proofs, 'parent') AS linked,
      transaction_count AS transactions FROM ${BASE_DATABASE}.blocks FINAL
    WHERE chain = {chain:String} AND height BETWEEN {from:UInt64} AND {to:UInt64}`,
    { chain, from, to },
  )
  return new Map(rows.map(({ height, linked, ...row }) => [Number(height), { ...row, linked: linked === 1 }]))
}

function compare(
  entries: readonly JournalEntry[],
  counts: Counts,
  blocks: ReadonlyMap<number, BlockRow>,
  published: Ranges,
  from: number,
  to: number,
): ReconciledRange {
  const delivered = deliveredBy(entries)
  const differences: string[] = []
  const of = (table: string, height: number, version: bigint) =>
    counts.get(table)?.get(height)?.get(version) ?? 0
  /** The version of each block that stands as it was delivered. */
  const standing = new Map<number, bigint>()
  let expected = 0
  for (let height = from; height <= to; height++) {
    const versions = delivered.get(height) ?? new Map<bigint, string>()
    const row = blocks.get(height)
    const isRead = includesHeight(published, height)
    if (isRead) expected++
    const found = [...(counts.get('blocks')?.get(height)?.keys() ?? [])]
    const version = found.find(candidate => isRead && versions.get(candidate) === row?.hash)
    if (version !== undefined) standing.set(height, version)
    if (version === undefined && isRead) {
      differences.push(`block ${height}: expected the one that was delivered, got ${row ? row.hash : 'none'}`)
      continue
    }
    const others = [...counts].flatMap(([table, ofTable]) =>
      [...(ofTable.get(height) ?? [])].flatMap(([of, rows]) => (of === version ? [] : `${rows} in ${table}`)),
    )
    if (others.length > 0) {
      differences.push(`block ${height}: expected no other rows, got ${others.join(', ')}`)
    }
    if (version === undefined || !row) continue
    const one = (table: string, wanted: number) => {
      const got = of(table, height, version)
      if (got !== wanted) differences.push(`block ${height}: expected ${wanted} rows in ${table}, got ${got}`)
    }
    one('blocks', 1)
    one('raw_blocks', 1)
    one('transactions', row.transactions)
    one('effects_by_address', of('effects', height, version))
    const below = blocks.get(height - 1)
    if (row.linked && below && standing.has(height - 1) && below.hash !== row.parent) {
      differences.push(`block ${height}: expected the parent ${row.parent}, stored below is ${below.hash}`)
    }
  }
  differences.push(...wholeBatches(entries, counts, standing, [from, to]))
  return { from, to, delivered: expected, stored: standing.size, differences: differences.slice(0, MOST) }
}

/** Blocks that were brought and not taken away again, with their hashes, by height and version. */
function deliveredBy(entries: readonly JournalEntry[]): Map<number, Map<bigint, string>> {
  const delivered = new Map<number, Map<bigint, string>>()
  const carriedOut = entries.filter(entry => !entry.undone)
  for (const entry of carriedOut) {
    const version = versionOf(entry.batch, entry.partition)
    for (const { height, hash } of entry.blocks) {
      const ofHeight = delivered.get(height) ?? new Map<bigint, string>()
      delivered.set(height, ofHeight.set(version, Buffer.from(hash).toString('hex')))
    }
  }
  for (const { height, version } of carriedOut.flatMap(entry => entry.cancels)) {
    delivered.get(height)?.delete(version)
  }
  return delivered
}

/** Of a batch all of whose blocks stand the journal says how many rows each table has. */
function wholeBatches(
  entries: readonly JournalEntry[],
  counts: Counts,
  standing: ReadonlyMap<number, bigint>,
  [from, to]: readonly [number, number],
): string[] {
  return entries.flatMap(entry => {
    const version = versionOf(entry.batch, entry.partition)
    // Outside of the range what stands at a height is not looked at: its row says enough.
    const stands = (height: number) =>
      height >= from && height <= to
        ? standing.get(height) === version
        : counts.get('blocks')?.get(height)?.get(version) === 1
    const isWhole = entry.blocks.length > 0 && entry.blocks.every(({ height }) => stands(height))
    if (entry.undone || !isWhole) return []
    return [...counts].flatMap(([table, ofTable]) => {
      const told = table === 'effects_by_address' ? 'effects' : table
      const wanted = entry.tables.find(({ name }) => name === told)?.rows ?? 0
      const got = entry.blocks.reduce((sum, { height }) => sum + (ofTable.get(height)?.get(version) ?? 0), 0)
      if (got === wanted) return []
      const [first, last] = [entry.blocks[0]!.height, entry.blocks.at(-1)!.height]
      return [`blocks ${first} to ${last}: expected ${wanted} rows in ${table}, got ${got}`]
    })
  })
}

async function noteRange(sql: Sql, chain: string, range: ReconciledRange): Promise<void> {
  await sql.command(
    `INSERT INTO ${BASE_DATABASE}.reconciliation (chain, height, to_height, time, delivered, stored, differences)
    SELECT {chain:String}, {from:UInt64}, {to:UInt64}, now64(3), {delivered:UInt64}, {stored:UInt64}, {differences:Array(String)}`,
    { chain, ...range },
  )
}
