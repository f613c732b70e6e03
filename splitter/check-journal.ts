import { equalBytes, formatHex } from '../schema/bytes.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { Sql } from '../schema/ports.ts'
import { includesHeight, mergeRanges } from '../schema/ranges.ts'
import type { Difference, RowsByTable } from './check-rows.ts'
import { batchOf, type JournalEntry, readCheckpoints, readEntries } from './journal.ts'
import { type PreparedBlock, SPLIT_VERSION } from './prepare.ts'
import { encodeBlocks } from './rows.ts'
import { checkSeals } from './seals.ts'

/** A batch that wrote blocks which stand, with what its writer said it would do. */
export interface StandingBatch {
  version: bigint
  entry: JournalEntry | null
}

/** The batches of some heights, by the versions of their blocks. */
export async function batchesOf(
  sql: Sql,
  chain: string,
  stored: ReadonlyMap<number, RowsByTable>,
): Promise<StandingBatch[]> {
  const versions = new Set([...stored.values()].flatMap(rows => rows.get('blocks')?.[0]?.row_version ?? []))
  const byPartition = new Map<number, bigint[]>()
  for (const version of versions) {
    const { partition } = batchOf(version)
    byPartition.set(partition, [...(byPartition.get(partition) ?? []), version])
  }
  const batches: StandingBatch[] = []
  for (const [partition, ofPartition] of byPartition) {
    const numbers = ofPartition.map(version => batchOf(version).batch)
    const entries = await readEntries(sql, chain, partition, numbers)
    const byBatch = new Map(entries.map(entry => [entry.batch, entry]))
    batches.push(
      ...ofPartition.map(version => ({ version, entry: byBatch.get(batchOf(version).batch) ?? null })),
    )
  }
  return batches
}

/** A stored block was announced by the batch whose version its rows carry. */
export function checkEntry(
  { verified, linked }: PreparedBlock,
  rows: RowsByTable,
  batches: readonly StandingBatch[],
): Difference[] {
  const version = rows.get('blocks')?.[0]?.row_version
  if (version === undefined) return []
  const { height, hash } = verified
  const entry = batches.find(batch => batch.version === version)?.entry
  const announced = entry?.blocks.find(block => block.height === height)
  const wrong = (got: string) => {
    const expected = `expected the block ${formatHex(hash)}${linked ? ', linked to its parent,' : ''}`
    return [{ height, table: 'journal', difference: `${expected} in the entry of its batch, got ${got}` }]
  }
  if (!announced) return wrong('none')
  if (!equalBytes(announced.hash, hash)) return wrong(formatHex(announced.hash))
  return announced.linked === linked ? [] : wrong(`linked ${announced.linked}`)
}

/**
 * A batch all of whose blocks still stand: its archive must split into just the rows that the journal said.
 * @returns its heights, the lowest first, and what is not so.
 */
export function checkBatch(
  { version, entry }: StandingBatch,
  prepared: ReadonlyMap<number, PreparedBlock>,
  stored: ReadonlyMap<number, RowsByTable>,
): { heights: number[]; difference: string }[] {
  if (!entry || entry.splitVersion !== SPLIT_VERSION) return []
  const heights = entry.blocks.map(block => block.height)
  const stands = (height: number) => stored.get(height)?.get('blocks')?.[0]?.row_version === version
  const blocks = heights.flatMap(height => (stands(height) ? (prepared.get(height) ?? []) : []))
  if (blocks.length === 0 || blocks.length < heights.length) return []
  const made = encodeBlocks(blocks, version)
  const names = new Set([...made.map(rows => rows.table), ...entry.tables.map(table => table.name)])
  return [...names].flatMap(name => {
    const got = entry.tables.find(table => table.name === name)
    const expected = made.find(rows => rows.table === name)
    if (got && expected && got.rows === expected.count && got.digest === expected.digest) return []
    const [left, right] = [
      expected ? `${expected.count} rows ${expected.digest}` : 'none',
      got ? `${got.rows} rows ${got.digest}` : 'none',
    ]
    const difference = `batch ${entry.batch}: its blocks have in ${name}: ${left}; the entry says ${right}`
    return [{ heights: heights.toSorted((a, b) => a - b), difference }]
  })
}

const LIMIT = 100

/** Entries are numbered without gaps, and what they say fits together. */
export async function checkJournal(sql: Sql, chain: string): Promise<Difference[]> {
  const rows = await sql.rows<{
    partition: number
    batch: string
    low: string
    height: string
    wrong: string
  }>(
    `SELECT partition, batch, low, height, multiIf(
        batch != number, concat('expected batch ', toString(number)),
        height != low, concat('expected the height ', toString(low), ', got ', toString(height)),
        NOT taken_back AND (split_version = 0 OR split_version > {split:UInt32}), concat('unknown split version ', toString(split_version)),
        reorg > 1 OR (reorg = 1 AND empty(cancels.height)), 'a reorg that takes no blocks away',
        offset_from > offset_to, 'begins in the log behind its end',
        NOT taken_back AND offset_to > 0 AND offset_from < seen, 'begins in the log before the batch below it',
        '') AS wrong
    FROM (
      SELECT *, arrayMin(arrayConcat(blocks.height, cancels.height)) AS low,
        row_number() OVER (PARTITION BY partition ORDER BY batch) AS number,
        max(if(taken_back, 0, offset_to)) OVER (
          PARTITION BY partition ORDER BY batch ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS seen
      FROM (
        -- What a batch that was taken back stood for is read from the log again.
        SELECT *, (partition, batch) IN (
          SELECT partition, batch FROM ${BASE_DATABASE}.journal WHERE chain = {chain:String} AND undone = 1) AS taken_back
        FROM ${BASE_DATABASE}.journal WHERE chain = {chain:String} AND undone = 0
        ORDER BY time, owner LIMIT 1 BY partition, batch
      )
    )
    WHERE wrong != '' ORDER BY partition, batch LIMIT ${LIMIT}`,
    { chain, split: SPLIT_VERSION },
  )
  const differences = rows.map(({ partition, batch, low, wrong }) => ({
    height: Number(low),
    table: 'journal',
    difference: `batch ${batch} of partition ${partition}: ${wrong}`,
  }))
  return [...differences, ...(await checkSeals(sql, chain, 'journal'))]
}

/** What checkpoints say about themselves, the journal and the highest block. */
export async function checkCheckpoints(sql: Sql, chain: string): Promise<Difference[]> {
  const checkpoints = await readCheckpoints(sql, chain)
  const differences: Difference[] = []
  for (const [partition, { version, committed, ranges, height, time }] of checkpoints) {
    const wrong = (difference: string) =>
      differences.push({
        height: null,
        table: 'checkpoints',
        difference: `partition ${partition}: ${difference}`,
      })
    const whole = mergeRanges(ranges)
    if (JSON.stringify(whole) !== JSON.stringify(ranges)) {
      wrong(`expected the heights ${JSON.stringify(whole)}, got ${JSON.stringify(ranges)}`)
    }
    const [row] = await sql.rows<{ last: string; time: number }>(
      `SELECT (SELECT max(batch) FROM ${BASE_DATABASE}.journal
          WHERE chain = {chain:String} AND partition = {partition:UInt16}) AS last,
        (SELECT toUnixTimestamp(max(time)) FROM ${BASE_DATABASE}.blocks FINAL
          WHERE chain = {chain:String} AND height = {top:UInt64}) AS time`,
      { chain, partition, top: whole.at(-1)?.[1] ?? 0 },
    )
    const last = Number(row?.last)
    if (committed !== last && committed + 1 !== last) {
      wrong(`expected the batch ${last}, the last in the journal, to be committed, got ${committed}`)
    }
    const open = BigInt(committed + 1) * 2n
    const closed = committed === 0 ? 0n : BigInt(committed) * 2n + 1n
    if (version !== closed && version !== open) wrong(`expected version ${closed}, got ${version}`)
    const [top, topTime] = whole.length === 0 ? [0, 0] : [whole.at(-1)![1], row?.time ?? 0]
    // While a batch is open the highest block may be hidden.
    if (version !== open && (height !== top || time !== topTime)) {
      wrong(`expected the highest block ${top} of ${topTime}, got ${height} of ${time}`)
    }
    for (const [other, { ranges: others }] of checkpoints) {
      const doubled = others.flat().find(bound => other > partition && includesHeight(whole, bound))
      if (doubled !== undefined) wrong(`height ${doubled} is published by partition ${other} too`)
    }
  }
  return differences
}

/** Finality is what was told, and never runs ahead of what was ever stored. */
export async function checkFinality(sql: Sql, chain: string): Promise<Difference[]> {
  const rows = await sql.rows<{ safe: string; final: string; top: string }>(
    `SELECT safe, final, (SELECT max(arrayMax(blocks.height)) FROM ${BASE_DATABASE}.journal
      WHERE chain = {chain:String} AND notEmpty(blocks.height)) AS top
    FROM ${BASE_DATABASE}.finality FINAL WHERE chain = {chain:String}`,
    { chain },
  )
  const impossible = rows
    .filter(row => Number(row.final) > Number(row.safe) || Number(row.safe) > Number(row.top))
    .map(({ safe, final, top }) => ({
      height: null,
      table: 'finality',
      difference: `expected final up to safe up to ${top}, the highest block, got final ${final}, safe ${safe}`,
    }))
  return [...impossible, ...(await checkSeals(sql, chain, 'finality'))]
}
