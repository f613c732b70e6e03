import type { ChainModule } from '../schema/chain.ts'
import { showInForm } from '../schema/columns.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { ANNOUNCEMENTS, type Announcement, HISTORY_PARTITION } from '../schema/events.ts'
import type { BlockLog, Sql } from '../schema/ports.ts'
import { type JournalEntry, readCheckpoint, readEntry } from './journal.ts'

interface BlockFacts {
  height: string
  hash: string
  parent_hash: string
  time: number
  transactions: number
}

/** Tells the world what committed batches did to a chain's tables. */
export interface Announcer {
  /** Everything committed that was not told yet. What a crash interrupted is told again, with the same ids. */
  announce(): Promise<void>
}

const GROUP = 'announcer'
/** How often it is looked for blocks that are just being written anew. */
const LOOKS = 10
const LOOK_AGAIN_MS = 200

/**
 * Opens the announcer of a chain's log partition. It goes by the journal, not by memory: how far it came stands in the
 * log, one above the last batch that was told. Batches from before there was a log are not told.
 */
export async function openAnnouncer(
  deps: { sql: Sql; log: BlockLog; chain: ChainModule },
  partition: number,
): Promise<Announcer> {
  const { sql, log, chain } = deps
  const slug = chain.definition.slug
  const cursor = { topic: `journal.${slug}`, partition }
  const committed = async () => (await readCheckpoint(sql, slug, partition))?.committed ?? 0
  let next = Number(await log.committed(cursor, GROUP))
  if (next === 0) {
    next = (await committed()) + 1
    await log.commit(cursor, GROUP, BigInt(next))
  }

  async function announce(): Promise<void> {
    const last = await committed()
    const announcements: Announcement[] = []
    for (let batch = next; batch <= last; batch++) {
      const entry = await readEntry(sql, slug, partition, batch)
      if (entry) announcements.push(...(await ofBatch(entry)))
    }
    if (last < next) return
    if (announcements.length > 0) {
      const values = announcements.map(announcement => Buffer.from(JSON.stringify(announcement)))
      await log.append(ANNOUNCEMENTS, values)
    }
    next = last + 1
    await log.commit(cursor, GROUP, BigInt(next))
  }

  /** Removals from the highest down, then additions upward. Blocks that were only written anew are no news. */
  async function ofBatch(entry: JournalEntry): Promise<Announcement[]> {
    if (entry.cancels.length > 0 && !entry.reorg) return []
    const removed = await readOrphans(entry)
    const added = entry.undone ? [] : await readAdded(entry)
    return [
      ...removed.map(block => toAnnouncement(entry, 'block.removed', block)),
      ...added.map(block => toAnnouncement(entry, 'block.added', block)),
    ]
  }

  function toAnnouncement(entry: JournalEntry, type: Announcement['type'], block: BlockFacts): Announcement {
    return {
      id: `${slug}:${partition}:${entry.batch}:${type}:${block.height}`,
      type,
      chain: slug,
      height: Number(block.height),
      hash: block.hash,
      parentHash: block.parent_hash,
      time: block.time,
      transactionCount: block.transactions,
      history: partition === HISTORY_PARTITION,
    }
  }

  async function readOrphans(entry: JournalEntry): Promise<BlockFacts[]> {
    if (!entry.reorg) return []
    return sql.rows<BlockFacts>(
      `SELECT height, hash, parent_hash, toUnixTimestamp(time) AS time, transaction_count AS transactions FROM orphaned_blocks
      WHERE chain = {chain:String} AND batch = {batch:UInt64} ORDER BY height DESC`,
      { chain: slug, batch: entry.batch },
    )
  }

  /**
   * Blocks of the batch as they stand, or as they stood when a later batch took them away again. While another splitter
   * writes them anew they are nowhere for a moment.
   */
  async function readAdded(entry: JournalEntry): Promise<BlockFacts[]> {
    const hashes = entry.blocks.map(block => chain.formatHash(block.hash))
    if (hashes.length === 0) return []
    const heights = entry.blocks.map(block => block.height)
    const columns = (hash: string, parent: string) =>
      `height, ${hash} AS hash, ${parent} AS parent_hash, toUnixTimestamp(time) AS time, transaction_count AS transactions`
    const where = 'WHERE chain = {chain:String} AND height IN {heights:Array(UInt64)}'
    for (let attempt = 1; ; attempt++) {
      const rows = await sql.rows<BlockFacts>(
        `SELECT ${columns(showInForm('block_hash'), showInForm('parent_hash'))} FROM ${BASE_DATABASE}.blocks FINAL ${where}
        UNION ALL SELECT ${columns('hash', 'parent_hash')} FROM orphaned_blocks ${where}`,
        { chain: slug, heights },
      )
      const byHash = new Map(rows.map(block => [block.hash, block]))
      const found = hashes.flatMap(hash => byHash.get(hash) ?? [])
      if (found.length === hashes.length || attempt === LOOKS) return found
      await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS))
    }
  }

  return { announce }
}

/** Where a chain's partition goes on in its log: one above the last message that a batch up to `committed` stands for. */
export async function readLogPlace(
  sql: Sql,
  chain: string,
  partition: number,
  committed: number,
): Promise<bigint> {
  const [row] = await sql.rows<{ next: string }>(
    `SELECT max(last) + 1 AS next FROM (
      SELECT max(offset_to) AS last FROM ${BASE_DATABASE}.journal
      WHERE chain = {chain:String} AND partition = {partition:UInt16} AND batch <= {committed:UInt64}
      GROUP BY batch HAVING max(undone) = 0)`,
    { chain, partition, committed },
  )
  const next = BigInt(row?.next ?? 0)
  return next > 1n ? next : 0n
}
