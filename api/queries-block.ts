import { showInForm } from '../schema/columns.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { blockTables } from '../schema/tables.ts'
import type { Page } from './connection.ts'
import { groupBy } from './group-by.ts'
import { from, PUBLISHED, shown } from './published.ts'
import type { Reader } from './reader.ts'

/** A block of a chain, or one that left it. */
export interface BlockRecord {
  chain: string
  height: number
  /** In the chain's own form, as `parentHash`. */
  hash: string
  parentHash: string
  /** Unix seconds. */
  time: number
  transactionCount: number
  size: number | null
  proofs: readonly string[]
  /** For an orphaned block: the batch that took it off the chain. */
  orphanedIn: number | null
}

/** A block named by its place. */
export interface BlockPlace {
  chain: string
  height: number
}

interface BlockRow {
  chain: string
  height: string
  unix_time: number
  block_hash: string
  parent_hash: string
  transaction_count: number
  size: number | null
  proofs: string[]
  batch?: string
}

const COLUMNS = shown(blockTables.blocks, [
  'time',
  'block_hash',
  'parent_hash',
  'transaction_count',
  'size',
  'proofs',
])

function blockOf(row: BlockRow): BlockRecord {
  return {
    chain: row.chain,
    height: Number(row.height),
    hash: row.block_hash,
    parentHash: row.parent_hash,
    time: row.unix_time,
    transactionCount: row.transaction_count,
    size: row.size,
    proofs: row.proofs,
    orphanedIn: row.batch === undefined ? null : Number(row.batch),
  }
}

/** Blocks at these places; null where none is published. */
export async function readBlocks(
  read: Reader,
  places: readonly BlockPlace[],
): Promise<(BlockRecord | null)[]> {
  const rows = await read.rows<BlockRow>(
    `SELECT chain, height, ${COLUMNS} FROM ${from(blockTables.blocks)}
    WHERE chain IN {chains:Array(String)} AND height IN {heights:Array(UInt64)}
      AND concat(toString(chain), ' ', toString(height)) IN {places:Array(String)} AND ${PUBLISHED}`,
    {
      chains: [...new Set(places.map(place => place.chain))],
      heights: [...new Set(places.map(place => place.height))],
      places: places.map(place => `${place.chain} ${place.height}`),
    },
  )
  const found = new Map(rows.map(row => [`${row.chain} ${row.height}`, blockOf(row)]))
  return places.map(place => found.get(`${place.chain} ${place.height}`) ?? null)
}

/** The first digits of a hash as a range of the search index. */
export interface PrefixRange {
  low: bigint
  high: bigint
}

/** Hits of the search index; whoever asks compares the whole hash. */
export interface HashHit extends BlockPlace {
  kind: 'block' | 'transaction'
  /** Place of the transaction in its block; 0 for a block. */
  index: number
}

/** Published blocks and transactions whose hash may begin so. */
export async function readHashHits(
  read: Reader,
  chains: readonly string[],
  ranges: readonly PrefixRange[],
  limit: number,
): Promise<HashHit[]> {
  const rows = await read.rows<{ chain: string; height: string; kind: HashHit['kind']; index: number }>(
    `SELECT chain, height, toString(kind) AS kind, \`index\` FROM ${from(blockTables.hashes)}
    WHERE kind IN ('block', 'transaction')
      AND (${ranges.map((_, at) => `prefix BETWEEN {low${at}:UInt64} AND {high${at}:UInt64}`).join(' OR ')})
      AND chain IN {chains:Array(String)} AND ${PUBLISHED}
    ORDER BY height DESC LIMIT {limit:UInt32}`,
    {
      chains,
      limit,
      ...Object.fromEntries(
        ranges.flatMap(({ low, high }, at) => [
          [`low${at}`, low],
          [`high${at}`, high],
        ]),
      ),
    },
  )
  return rows.map(row => ({ ...row, height: Number(row.height) }))
}

const ORPHANED = `chain, height, toUnixTimestamp(time) AS unix_time, ${showInForm('block_hash')} AS block_hash,
  ${showInForm('parent_hash')} AS parent_hash, transaction_count, size, proofs, batch`

/** Blocks that left these chains and whose hash begins so, newest first; each once, as it left last. */
export async function readOrphansByHash(
  read: Reader,
  chains: readonly string[],
  beginnings: readonly string[],
): Promise<BlockRecord[]> {
  const rows = await read.rows<BlockRow>(
    `SELECT ${ORPHANED} FROM ${BASE_DATABASE}.orphaned_blocks
    WHERE chain IN {chains:Array(String)} AND arrayExists(start -> startsWith(block_hash, start), {beginnings:Array(String)})
    ORDER BY height DESC, batch DESC LIMIT 1 BY chain, block_hash LIMIT 20`,
    { chains, beginnings },
  )
  return rows.map(blockOf)
}

/** Blocks that left a chain with these batches, by height. */
export async function readOrphansOfBatches(
  read: Reader,
  batches: readonly { chain: string; batch: number }[],
): Promise<BlockRecord[][]> {
  const rows = await read.rows<BlockRow>(
    `SELECT ${ORPHANED} FROM ${BASE_DATABASE}.orphaned_blocks
    WHERE chain IN {chains:Array(String)} AND concat(toString(chain), ' ', toString(batch)) IN {batches:Array(String)}
    ORDER BY chain, batch, height`,
    {
      chains: [...new Set(batches.map(one => one.chain))],
      batches: batches.map(one => `${one.chain} ${one.batch}`),
    },
  )
  const found = groupBy(rows.map(blockOf), block => `${block.chain} ${block.orphanedIn}`)
  return batches.map(one => found.get(`${one.chain} ${one.batch}`) ?? [])
}

const HOUR = 3_600
const LAST_SECOND = 2 ** 32 - 1

/**
 * Published blocks of all chains by time, newest first (oldest first when the page is asked from its end), one more than
 * the page holds. Read in windows of time that grow until there are enough: the whole table is never sorted.
 * @param reach a time by which there are surely enough, where that is known.
 */
export async function readBlocksByTime(
  read: Reader,
  chains: readonly string[],
  page: Page,
  reach: number | null,
): Promise<BlockRecord[]> {
  const { after, before, backwards, limit } = page
  const key = '(toUnixTimestamp(time), toString(chain), height)'
  const bound = (operator: string, what: string) =>
    `AND ${key} ${operator} ({${what}0:UInt32}, {${what}1:String}, {${what}2:UInt64})`
  const values = (what: string, at: Page['after']) =>
    Object.fromEntries((at ?? []).map((value, place) => [`${what}${place}`, value]))
  const start = backwards ? Number(before?.[0] ?? 0) : Number(after?.[0] ?? LAST_SECOND)
  const direction = backwards ? 'ASC' : 'DESC'
  for (let width = HOUR; ; width *= 8) {
    const end = reach ?? (backwards ? Math.min(LAST_SECOND, start + width) : Math.max(0, start - width))
    const rows = await read.rows<BlockRow>(
      `SELECT chain, height, ${COLUMNS} FROM ${from(blockTables.blocks)}
      WHERE chain IN {chains:Array(String)} AND time BETWEEN toDateTime({low:UInt32}, 'UTC') AND toDateTime({high:UInt32}, 'UTC')
        ${after ? bound('<', 'after') : ''} ${before ? bound('>', 'before') : ''} AND ${PUBLISHED}
      ORDER BY time ${direction}, toString(chain) ${direction}, height ${direction} LIMIT {limit:UInt32}`,
      {
        chains,
        limit: limit + 1,
        low: Math.min(start, end),
        high: Math.max(start, end),
        ...values('after', after),
        ...values('before', before),
      },
    )
    if (rows.length > limit || reach !== null || end === 0 || end === LAST_SECOND) return rows.map(blockOf)
  }
}

export interface ReorgRecord {
  chain: string
  batch: number
  /** Unix seconds. */
  time: number
  height: number
  depth: number
  oldHash: string
  newHash: string
  commonAncestor: string
  transactions: number
}

/** The reorg that a batch was; null when it was none. */
export async function readReorg(
  read: Reader,
  reorg: { chain: string; batch: number },
): Promise<ReorgRecord | null> {
  const page = { limit: 1, backwards: false, after: null, before: null }
  return (await readReorgs(read, reorg, page))[0] ?? null
}

/** Reorgs newest first, one more than the page holds; of one chain or of all. */
export async function readReorgs(
  read: Reader,
  filter: { chain?: string; batch?: number },
  page: Page,
): Promise<ReorgRecord[]> {
  const key = '(toUnixTimestamp(time), toString(chain), batch)'
  const bound = (operator: string, what: string) =>
    `AND ${key} ${operator} ({${what}0:UInt32}, {${what}1:String}, {${what}2:UInt64})`
  const values = (what: string, at: readonly (string | number)[] | null) =>
    Object.fromEntries((at ?? []).map((value, place) => [`${what}${place}`, value]))
  const direction = page.backwards ? 'ASC' : 'DESC'
  const rows = await read.rows<
    Record<string, string> & { unix_time: number; depth: number; transactions: number }
  >(
    `SELECT chain, height, toUnixTimestamp(time) AS unix_time, depth, transactions, batch,
      ${showInForm('old_hash')} AS old_hash, ${showInForm('new_hash')} AS new_hash, ${showInForm('ancestor_hash')} AS ancestor
    FROM ${BASE_DATABASE}.reorgs
    WHERE 1 ${filter.chain === undefined ? '' : 'AND chain = {chain:String}'}
      ${filter.batch === undefined ? '' : 'AND batch = {batch:UInt64}'}
      ${page.after ? bound('<', 'after') : ''} ${page.before ? bound('>', 'before') : ''}
    ORDER BY time ${direction}, toString(chain) ${direction}, batch ${direction} LIMIT {limit:UInt32}`,
    { ...filter, ...values('after', page.after), ...values('before', page.before), limit: page.limit + 1 },
  )
  return rows.map(row => ({
    chain: row.chain!,
    batch: Number(row.batch),
    time: row.unix_time,
    height: Number(row.height),
    depth: row.depth,
    oldHash: row.old_hash!,
    newHash: row.new_hash!,
    commonAncestor: row.ancestor!,
    transactions: row.transactions,
  }))
}
