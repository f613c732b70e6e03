import { randomUUID } from 'node:crypto'
import type { ChainModule } from '../schema/chain.ts'
import { BASE_DATABASE, PARTITION_HEIGHTS } from '../schema/ddl.ts'
import { FencedError, InputError, StoreError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { addHeights, type Ranges, removeHeights } from '../schema/ranges.ts'
import { blockTableNames, type TableName } from '../schema/tables.ts'
import {
  type CancelledBlock,
  type Checkpoint,
  fenceOf,
  hasEntries,
  type JournalEntry,
  readCheckpoint,
  readEntry,
  selectionOf,
  versionOf,
  writeCheckpoint,
  writeEntry,
  writeUndone,
} from './journal.ts'
import { insertedInto, mendBatch, opposite } from './mend.ts'
import { copyOrphans } from './orphans.ts'
import { type EncodedPreparedBlock, type PreparedBlock, prepareLinked, SPLIT_VERSION } from './prepare.ts'
import { type EncodedRows, encodeBlocks, encodeStored } from './rows.ts'
import { readBlockVersions, readRows, readVersions } from './stored.ts'

/** A prepared block, with its rows or with the bytes that were already made of them. */
export type BlockToWrite = PreparedBlock | EncodedPreparedBlock

/** What is written in one go: blocks that come and blocks that go. */
export interface Batch {
  add: readonly BlockToWrite[]
  /** Stored blocks whose rows go: replaced by `add` at the same heights, or gone from the chain (`reorg`). */
  cancel?: readonly number[]
  reorg?: boolean
  /**
   * The tables are damaged at the heights of `cancel`: whatever stands there goes, of whatever batch, and the sums that
   * were made of it are looked at. For who writes the chain alone.
   */
  damaged?: boolean
  offsets?: { from: bigint; to: bigint }
}

export interface WriterOptions {
  sql: Sql
  chain: ChainModule
  /** Log partition that this writer serves. */
  partition?: number
  /** Names this writer in the journal; unique for every start. */
  owner: string
  /** Whether the process behind an owner is known to be gone, so that nobody need wait for it. */
  isGone?: (owner: string) => boolean
  /**
   * How long another owner's batch may stay open before it is taken over, in milliseconds. Longer than
   * the store waits for the rest of a request, so that nothing of the other is under way then.
   */
  takeOverMs?: number
  now?: () => number
}

/**
 * Writes whole blocks of one chain, exactly once. Every batch goes: journal entry; heights that change hidden from
 * readers; archive; cancellations; rows, `blocks` last; heights published. Repeating any of it changes nothing.
 */
export interface Writer {
  /** Heights that readers see of this partition. */
  published(): Ranges
  /** The last batch that is done with. */
  committed(): number
  /** Whether another writer has begun the batch that would be this one's next. */
  overtaken(): Promise<boolean>
  /** Finishes or undoes what an earlier writer left open. */
  recover(): Promise<void>
  /** @throws FencedError when another writer came first; call `recover` and try again. */
  write(batch: Batch): Promise<void>
}

/** Among what an entry cancels it says that the tables were damaged at that height. No batch has this number. */
const NO_BATCH = 0n
const isOfNoBatch = ({ version }: CancelledBlock) => version === NO_BATCH

const NOWHERE: Checkpoint = { version: 0n, committed: 0, ranges: [], height: 0, time: 0 }

/** Opens the journal of a chain's partition and settles what is open there. */
export async function openWriter(options: WriterOptions): Promise<Writer> {
  const { sql, chain, owner } = options
  const partition = options.partition ?? 0
  const takeOverMs = options.takeOverMs ?? 45_000
  const now = options.now ?? Date.now
  const slug = chain.definition.slug
  let checkpoint = await openCheckpoint()

  async function openCheckpoint(): Promise<Checkpoint> {
    const found = await readCheckpoint(sql, slug, partition)
    if (found) return found
    if (await hasEntries(sql, slug, partition)) {
      throw new StoreError(
        `${slug}: the journal of partition ${partition} has entries, but there is no checkpoint`,
        {
          hint: `run wanlian repair ${slug}`,
        },
      )
    }
    // Readers find the open batch as the one after the last committed: there must be a last one.
    await writeCheckpoint(sql, slug, partition, NOWHERE)
    return NOWHERE
  }

  /** Set when the store may have died in the middle of an insert, or other hands were at it: what it holds is to be looked at. */
  let doubt: 'interrupted' | 'damaged' | null = null

  async function insert(
    entry: JournalEntry,
    rows: EncodedRows,
    purpose: string,
    into?: string,
  ): Promise<void> {
    const fence = fenceOf(slug, partition, entry.batch)
    const target = insertedInto(rows, into)
    for (const [at, bytes] of rows.chunks.entries()) {
      const token = `${slug}:${partition}:${entry.batch}:${purpose}:${rows.table}:${at}`
      const { repeated } = await sql.insert({ ...target, bytes }, { token, fence })
      if (repeated) doubt ??= 'interrupted'
    }
  }

  async function write(batch: Batch): Promise<void> {
    checkBatch(batch)
    const number = checkpoint.committed + 1
    const encoded = encodeBlocks(batch.add, versionOf(number, partition))
    const entry: JournalEntry = {
      chain: slug,
      partition,
      batch: number,
      owner,
      time: Math.floor(now() / 1000),
      splitVersion: SPLIT_VERSION,
      offsets: batch.offsets ?? { from: 0n, to: 0n },
      blocks: batch.add.map(({ verified, linked }) => ({
        height: verified.height,
        hash: verified.hash,
        linked,
      })),
      cancels: await (batch.damaged ? standingVersions : liveVersions)(batch.cancel ?? []),
      reorg: batch.reorg ?? false,
      tables: encoded.map(({ table, count, digest }) => ({ name: table, rows: count, digest })),
    }
    const standing = await proposeEntry(entry)
    if (standing?.owner !== owner) {
      throw new FencedError(`${slug}: batch ${number} belongs to ${standing?.owner ?? 'nobody'}`)
    }
    doubt = batch.damaged ? 'damaged' : null
    await carryOut(entry, encoded)
  }

  /** The entry that stands for the batch then. A token that is noted although its entry was lost is not used again. */
  async function proposeEntry(entry: JournalEntry): Promise<JournalEntry | null> {
    for (let attempt = 0; ; attempt++) {
      await writeEntry(sql, entry, attempt)
      const standing = await readEntry(sql, slug, partition, entry.batch)
      if (standing || attempt >= 3) return standing
    }
  }

  /** All of a batch after its entry; safe to repeat from the start. */
  async function carryOut(entry: JournalEntry, encoded: readonly EncodedRows[]): Promise<void> {
    const kept = removeHeights(
      checkpoint.ranges,
      entry.cancels.map(block => block.height),
    )
    if (entry.cancels.length > 0)
      await publish({ ...checkpoint, version: BigInt(entry.batch) * 2n, ranges: kept })
    const [archive, rest, last] = stages(encoded)
    for (const rows of archive) await insert(entry, rows, 'add')
    if (entry.cancels.length > 0) await cancel(entry)
    await Promise.all(rest.map(rows => insert(entry, rows, 'add')))
    for (const rows of last) await insert(entry, rows, 'add')
    if (doubt) await mend(entry, encoded)
    const heights = entry.blocks.map(block => block.height)
    await commit(entry.batch, addHeights(kept, heights), heights)
  }

  async function mend(entry: JournalEntry, encoded: readonly EncodedRows[]): Promise<void> {
    // What was to go and is still there: cancelled under another token.
    await cancel(entry, `again:${randomUUID()}`)
    const version = versionOf(entry.batch, partition)
    await mendBatch(
      { sql, chain: slug, insert: (rows, purpose, into) => insert(entry, rows, purpose, into) },
      entry.blocks.map(block => ({ height: block.height, version })),
      encoded,
      entry.cancels,
      { damaged: doubt === 'damaged' },
    )
    doubt = null
  }

  async function publish(next: Checkpoint): Promise<void> {
    await writeCheckpoint(sql, slug, partition, next)
    checkpoint = next
  }

  async function commit(batch: number, ranges: Ranges, written: readonly number[] = []): Promise<void> {
    const height = ranges.at(-1)?.[1] ?? 0
    const isKnown = height === checkpoint.height && !written.includes(height)
    const time = isKnown ? checkpoint.time : await timeOf(height)
    await publish({ version: BigInt(batch) * 2n + 1n, committed: batch, ranges, height, time })
  }

  async function timeOf(height: number): Promise<number> {
    const [row] = await sql.rows<{ time: number }>(
      `SELECT toUnixTimestamp(time) AS time FROM ${BASE_DATABASE}.blocks FINAL
      WHERE chain = {chain:String} AND height = {height:UInt64}`,
      { chain: slug, height },
    )
    return row?.time ?? 0
  }

  /** Rows of blocks that are to go, as they stand; each is sent back once with row_sign -1 and its own version. */
  async function cancel(entry: JournalEntry, purpose = 'cancel'): Promise<void> {
    if (entry.reorg) await copyOrphans(sql, chain, entry, fenceOf(slug, partition, entry.batch))
    for (const table of blockTableNames) {
      const rows = await readRows(sql, slug, table, selectionOf(entry.cancels))
      if (rows.length === 0) continue
      const negative = encodeStored(table, opposite(rows))
      // What is still live says what is left to do: the token names the rows, not only the batch.
      await insert(entry, negative, `${purpose}:${negative.digest}`)
    }
  }

  async function liveVersions(heights: readonly number[]): Promise<CancelledBlock[]> {
    if (heights.length === 0) return []
    const versions = await readBlockVersions(sql, slug, heights)
    return [...versions].map(([height, version]) => ({ height, version }))
  }

  /** A height at which nothing stands is named all the same: it is not to be published. */
  async function standingVersions(heights: readonly number[]): Promise<CancelledBlock[]> {
    const standing = await readVersions(sql, slug, heights)
    return [...heights.map(height => ({ height, version: NO_BATCH })), ...standing]
  }

  async function recover(): Promise<void> {
    for (;;) {
      checkpoint = await openCheckpoint()
      const entry = await readEntry(sql, slug, partition, checkpoint.committed + 1)
      if (!entry) return
      if (entry.owner !== owner && !options.isGone?.(entry.owner) && !(await isAbandoned(entry))) continue
      await settle(entry)
    }
  }

  /** Waits for another writer; true when it did not finish in time. */
  async function isAbandoned(entry: JournalEntry): Promise<boolean> {
    const deadline = now() + takeOverMs
    while (now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, Math.min(250, takeOverMs)))
      const current = await readCheckpoint(sql, slug, partition)
      if ((current?.committed ?? 0) >= entry.batch) return false
    }
    return true
  }

  /** Repeats an open batch exactly, or takes it back where that cannot be done. */
  async function settle(entry: JournalEntry): Promise<void> {
    doubt = entry.cancels.some(isOfNoBatch) ? 'damaged' : 'interrupted'
    const version = versionOf(entry.batch, partition)
    const added = entry.blocks.map(block => ({ height: block.height, version }))
    const archived = await readRows(sql, slug, 'raw_blocks', selectionOf(added))
    if (entry.undone || archived.length < entry.blocks.length) {
      // The archive is written first: nothing else of this batch is there.
      await takeBack(entry, added)
      return
    }
    const prepared = entry.blocks.map(block => {
      const row = archived.find(candidate => candidate.height === block.height)
      return prepareLinked(chain, chain.decode(row?.payload as Uint8Array), block.linked)
    })
    const encoded = encodeBlocks(prepared, version)
    if (entry.splitVersion === SPLIT_VERSION && sameRows(entry, encoded)) {
      await carryOut(entry, encoded)
      return
    }
    // Another program made these rows: they go, and so do the ones they were to replace. The heights are missing then.
    const all = { ...entry, blocks: [], cancels: [...entry.cancels, ...added], reorg: false }
    await writeUndone(sql, entry)
    await cancel(all)
    await mend(all, [])
    await commit(
      entry.batch,
      removeHeights(
        checkpoint.ranges,
        entry.cancels.map(block => block.height),
      ),
    )
  }

  /** Nothing was cancelled yet: what was hidden comes back, what the archive has of the batch goes. */
  async function takeBack(entry: JournalEntry, added: CancelledBlock[]): Promise<void> {
    const all = { ...entry, blocks: [], cancels: added, reorg: false }
    await writeUndone(sql, entry)
    await cancel(all)
    await mend(all, [])
    const hidden = entry.cancels.map(block => block.height)
    await commit(entry.batch, addHeights(checkpoint.ranges, hidden))
  }

  async function overtaken(): Promise<boolean> {
    const entry = await readEntry(sql, slug, partition, checkpoint.committed + 1)
    return entry !== null && entry.owner !== owner
  }

  const writer: Writer = {
    published: () => checkpoint.ranges,
    committed: () => checkpoint.committed,
    overtaken,
    recover,
    write,
  }
  await recover()
  return writer
}

function stages(encoded: readonly EncodedRows[]): [EncodedRows[], EncodedRows[], EncodedRows[]] {
  const of = (test: (table: TableName) => boolean) => encoded.filter(rows => test(rows.table))
  return [
    of(table => table === 'raw_blocks'),
    of(table => table !== 'raw_blocks' && table !== 'blocks'),
    of(table => table === 'blocks'),
  ]
}

function sameRows(entry: JournalEntry, encoded: readonly EncodedRows[]): boolean {
  return (
    entry.tables.length === encoded.length &&
    encoded.every((rows, at) => {
      const expected = entry.tables[at]!
      return expected.name === rows.table && expected.rows === rows.count && expected.digest === rows.digest
    })
  )
}

/** One batch = one table partition, so that each insert is one atomic block. */
function checkBatch(batch: Batch): void {
  const heights = [...batch.add.map(block => block.verified.height), ...(batch.cancel ?? [])]
  if (heights.length === 0) throw new InputError('a batch needs at least one block')
  if (new Set(batch.add.map(block => block.verified.height)).size !== batch.add.length) {
    throw new InputError('a batch names a height twice')
  }
  if (new Set(heights.map(tablePartition)).size > 1) {
    throw new InputError(`a batch must stay within ${PARTITION_HEIGHTS} heights of one table partition`)
  }
}

/** Which table partition a height falls into. */
export function tablePartition(height: number): number {
  return Math.floor(height / PARTITION_HEIGHTS)
}

/** Heights that may be written in one batch, `most` at a time. */
export function groupByPartition(heights: readonly number[], most: number): number[][] {
  const groups: number[][] = []
  for (const height of heights) {
    const last = groups.at(-1)
    if (last && last.length < most && tablePartition(last[0]!) === tablePartition(height)) last.push(height)
    else groups.push([height])
  }
  return groups
}
