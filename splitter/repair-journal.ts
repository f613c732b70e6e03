import { randomUUID } from 'node:crypto'
import type { ChainDefinition } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { TIP_PARTITION } from '../schema/events.ts'
import type { Sql } from '../schema/ports.ts'
import { mergeRanges } from '../schema/ranges.ts'
import { checkCheckpoints, checkFinality, checkJournal } from './check-journal.ts'
import { type Checkpoint, readCheckpoints, writeCheckpoint, writeEntry } from './journal.ts'
import { SPLIT_VERSION } from './prepare.ts'
import { sealAnew } from './seals.ts'

/** Nothing else is at work: what is changed is changed when this returns. */
const NOW = 'SETTINGS mutations_sync = 2'

interface Place {
  batch: string
  low: string
  height: string
  from: string
  to: string
  /** Taken back: what it stood for is read from the log again. */
  taken_back: number
}

/**
 * Puts right what entries say about themselves: numbers without gaps, the lowest height, places in the log that ascend.
 * What an entry says about its blocks is put right by writing those anew. @returns whether anything was wrong.
 */
export async function mendJournal(sql: Sql, chain: string): Promise<boolean> {
  if ((await checkJournal(sql, chain)).length === 0) return false
  const checkpoints = await readCheckpoints(sql, chain)
  for (const [partition, { version }] of checkpoints) {
    const params = { chain, partition }
    const where = 'chain = {chain:String} AND partition = {partition:UInt16}'
    // The version is twice the batch that is open or that was last.
    await sql.command(
      `ALTER TABLE ${BASE_DATABASE}.journal DELETE WHERE ${where} AND (batch > {last:UInt64} OR batch = 0) ${NOW}`,
      { ...params, last: version / 2n + 1n },
    )
    const rows = await sql.rows<Place>(
      `SELECT batch, arrayMin(arrayConcat(blocks.height, cancels.height)) AS low, height, offset_from AS from, offset_to AS to,
        batch IN (SELECT batch FROM ${BASE_DATABASE}.journal WHERE ${where} AND undone = 1) AS taken_back
      FROM ${BASE_DATABASE}.journal WHERE ${where} AND undone = 0 ORDER BY batch DESC`,
      params,
    )
    const update = (batch: string, what: string, values: Record<string, unknown>) =>
      sql.command(
        `ALTER TABLE ${BASE_DATABASE}.journal UPDATE ${what} WHERE ${where} AND batch = {batch:UInt64} ${NOW}`,
        { ...params, batch, ...values },
      )
    let next: bigint | null = null
    for (const { batch, low, height, taken_back, ...place } of rows) {
      if (low !== height) await update(batch, 'height = {low:UInt64}', { low })
      const [from, to] = [BigInt(place.from), BigInt(place.to)]
      if (to === 0n || taken_back === 1) continue
      // Going on too early in the log is harmless, too late is not.
      const end: bigint = next !== null && next < to ? next : to
      const begin = from < end ? from : end
      if (end !== to || begin !== from) {
        await update(batch, 'offset_from = {begin:UInt64}, offset_to = {end:UInt64}', { begin, end })
      }
      next = begin
    }
    await mendFlags(sql, params)
    const numbers = new Set(rows.map(row => Number(row.batch)))
    for (let batch = Math.max(0, ...numbers) - 1; batch > 0; batch--) {
      if (numbers.has(batch)) continue
      // The token of the entry that is lost is still remembered.
      await writeEntry(sql, emptyEntry(chain, partition, batch), Date.now())
    }
  }
  // What these entries say about blocks is compared with the blocks themselves.
  await sealAnew(sql, chain, 'journal')
  return true
}

/** Flags and versions that no program ever wrote. */
async function mendFlags(sql: Sql, params: { chain: string; partition: number }): Promise<void> {
  const where = 'chain = {chain:String} AND partition = {partition:UInt16}'
  await sql.command(
    `ALTER TABLE ${BASE_DATABASE}.journal UPDATE reorg = notEmpty(cancels.height) AND reorg != 0
    WHERE ${where} AND (reorg > 1 OR (reorg = 1 AND empty(cancels.height))) ${NOW}`,
    params,
  )
  await sql.command(
    `ALTER TABLE ${BASE_DATABASE}.journal UPDATE split_version = {split:UInt32}
    WHERE ${where} AND (split_version = 0 OR split_version > {split:UInt32}) ${NOW}`,
    { ...params, split: SPLIT_VERSION },
  )
}

/** Stands for a batch of which nothing is known any more. */
function emptyEntry(chain: string, partition: number, batch: number) {
  return {
    chain,
    partition,
    batch,
    owner: 'unknown',
    time: 0,
    splitVersion: SPLIT_VERSION,
    offsets: { from: 0n, to: 0n },
    blocks: [],
    cancels: [],
    reorg: false,
    tables: [],
  }
}

/**
 * Puts right what checkpoints say about themselves, and makes one where it is lost. A last batch that may not be whole
 * is left open: the next writer finishes it. @returns whether anything was wrong.
 */
export async function mendCheckpoints(sql: Sql, chain: string): Promise<boolean> {
  const lastBatches = await sql.rows<{ partition: number; last: string }>(
    `SELECT partition, max(batch) AS last FROM ${BASE_DATABASE}.journal
    WHERE chain = {chain:String} GROUP BY partition ORDER BY partition`,
    { chain },
  )
  const checkpoints = await readCheckpoints(sql, chain)
  const isLost = lastBatches.some(({ partition }) => !checkpoints.has(partition))
  if (!isLost && (await checkCheckpoints(sql, chain)).length === 0) return false
  const lasts = new Map(lastBatches.map(({ partition, last }) => [partition, Number(last)]))
  for (const partition of new Set([...lasts.keys(), ...checkpoints.keys()])) {
    const last = lasts.get(partition) ?? 0
    const stored = checkpoints.get(partition)
    const committed =
      stored && [last, last - 1].includes(stored.committed) ? stored.committed : Math.max(0, last - 1)
    const standing = stored?.ranges ?? (await standingHeights(sql, chain, partition))
    const others = [...checkpoints].filter(([other]) => other < partition).flatMap(([, { ranges }]) => ranges)
    const ranges = mergeRanges(standing).filter(range => !others.some(other => other.join() === range.join()))
    const height = ranges.at(-1)?.[1] ?? 0
    const version = committed === 0 ? 0n : BigInt(committed) * 2n + 1n
    const time = ranges.length === 0 ? 0 : await timeOf(sql, chain, height)
    await replaceCheckpoint(sql, chain, partition, { version, committed, ranges, height, time })
  }
  return true
}

/** A later one stands in the way when its version is too high. */
async function replaceCheckpoint(
  sql: Sql,
  chain: string,
  partition: number,
  checkpoint: Checkpoint,
): Promise<void> {
  await writeCheckpoint(sql, chain, partition, checkpoint)
  await sql.command(
    `ALTER TABLE ${BASE_DATABASE}.checkpoints DELETE
    WHERE chain = {chain:String} AND partition = {partition:UInt16} AND version > {version:UInt64} ${NOW}`,
    { chain, partition, version: checkpoint.version },
  )
  await writeCheckpoint(sql, chain, partition, checkpoint)
}

async function standingHeights(sql: Sql, chain: string, partition: number): Promise<[number, number][]> {
  const rows = await sql.rows<{ low: string; high: string }>(
    `SELECT min(height) AS low, max(height) AS high FROM (
      SELECT height, height - row_number() OVER (ORDER BY height) AS run FROM ${BASE_DATABASE}.blocks FINAL
      WHERE chain = {chain:String} AND row_sign = 1 AND bitAnd(row_version, 1023) = {partition:UInt16}
    ) GROUP BY run ORDER BY low`,
    { chain, partition },
  )
  return rows.map(({ low, high }) => [Number(low), Number(high)])
}

async function timeOf(sql: Sql, chain: string, height: number): Promise<number> {
  const [row] = await sql.rows<{ time: number }>(
    `SELECT toUnixTimestamp(max(time)) AS time FROM ${BASE_DATABASE}.blocks FINAL
    WHERE chain = {chain:String} AND height = {height:UInt64}`,
    { chain, height },
  )
  return row?.time ?? 0
}

/**
 * Takes away what cannot be true; where the chain counts confirmations, what is true is put in its place, else whoever
 * follows the chain says it anew. @returns whether anything was wrong.
 */
export async function mendFinality(sql: Sql, { slug, finality }: ChainDefinition): Promise<boolean> {
  if ((await checkFinality(sql, slug)).length === 0) return false
  await sql.command(`ALTER TABLE ${BASE_DATABASE}.finality DELETE WHERE chain = {chain:String} ${NOW}`, {
    chain: slug,
  })
  if (finality.kind !== 'confirmations') return true
  await sql.command(
    `INSERT INTO ${BASE_DATABASE}.finality (chain, safe, final, version) SETTINGS insert_deduplication_token = '${randomUUID()}'
    SELECT chain, greatest(toInt64(max(height)) - {safe:Int64} + 1, 0), greatest(toInt64(max(height)) - {final:Int64} + 1, 0),
      -- Whatever is told next comes later in the log.
      (SELECT max(offset_to) FROM ${BASE_DATABASE}.journal WHERE chain = {chain:String} AND partition = ${TIP_PARTITION})
    FROM ${BASE_DATABASE}.checkpoints FINAL WHERE chain = {chain:String} GROUP BY chain`,
    { chain: slug, safe: finality.safe, final: finality.final },
  )
  return true
}
