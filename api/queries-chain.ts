import type { HashForm, LedgerKind } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { mergeRanges, type Range, type Ranges } from '../schema/ranges.ts'
import { blockTables } from '../schema/tables.ts'
import { OPEN_HEIGHTS } from '../schema/views.ts'
import { from, PUBLISHED } from './published.ts'
import type { Reader } from './reader.ts'

/** What the store holds about a chain. */
export interface ChainRecord {
  slug: string
  name: string
  caip2: string
  family: string
  ledger: LedgerKind
  hashForm: HashForm
  genesisHash: string | null
  native: { symbol: string; name: string; decimals: number }
  partialEffects: string
  /** Confirmations after which a block is safe, and final; the rule where nobody follows the chain. */
  confirmations: { safe: number; final: number }
  /** Heights up to which blocks are safe, and final, as who followed the chain last said; null where nobody did. */
  finality: { safe: number; final: number } | null
  /** Published heights. */
  ranges: Ranges
}

interface ChainRow {
  slug: string
  name: string
  caip2: string
  family: string
  ledger: LedgerKind
  hash_form: HashForm
  genesis_hash: string
  native_symbol: string
  native_name: string
  native_decimals: number
  partial_effects: string
  finality_safe: number
  finality_final: number
  told: [string, string][]
  ranges: [string, string][]
}

/** Every chain of the store by name, with its published heights: one state of the world. */
export async function readChains(read: Reader): Promise<ChainRecord[]> {
  const rows = await read.rows<ChainRow>(
    `SELECT toString(chains.chain) AS slug, name, caip2, family, ledger, hash_form, genesis_hash, native_symbol, native_name,
      native_decimals, partial_effects, finality_safe, finality_final, published.ranges AS ranges, finality.told AS told
    FROM ${BASE_DATABASE}.chains AS chains FINAL
    LEFT JOIN (
      SELECT chain, groupArrayArray(ranges) AS ranges FROM ${from('checkpoints')} GROUP BY chain
    ) AS published ON chains.chain = published.chain
    LEFT JOIN (
      SELECT chain, groupArray((safe, final)) AS told FROM ${from('finality')} GROUP BY chain
    ) AS finality ON chains.chain = finality.chain
    ORDER BY lower(name), slug`,
  )
  return rows.map(row => ({
    slug: row.slug,
    name: row.name,
    caip2: row.caip2,
    family: row.family,
    ledger: row.ledger,
    hashForm: row.hash_form,
    genesisHash: row.genesis_hash || null,
    native: { symbol: row.native_symbol, name: row.native_name, decimals: row.native_decimals },
    partialEffects: row.partial_effects,
    confirmations: { safe: row.finality_safe, final: row.finality_final },
    finality: row.told[0] ? { safe: Number(row.told[0][0]), final: Number(row.told[0][1]) } : null,
    ranges: mergeRanges(row.ranges.map(([low, high]): Range => [Number(low), Number(high)])),
  }))
}

export interface ChainTotals {
  transactions: number
  /** Transactions whose effects are not all known. */
  incomplete: number
  /** Blocks whose own effects are not all known: allocations of block 0, rewards for uncles, withdrawals. */
  incompleteBlocks: number
}

/** Totals of every chain; what an open batch has already written is taken off again. */
export async function readChainTotals(read: Reader): Promise<Map<string, ChainTotals>> {
  const rows = await read.rows<{ slug: string; all: string; some: string; blocks: string }>(
    `SELECT toString(chain) AS slug, sum(transactions) AS all, sum(incomplete_transactions) AS some,
      sum(incomplete_blocks) AS blocks
    FROM (
      SELECT chain, transactions, incomplete_transactions, toInt64(0) AS incomplete_blocks FROM ${BASE_DATABASE}.chain_sums
      UNION ALL
      SELECT chain, -toInt64(row_sign), if(effects_complete = 0, -toInt64(row_sign), 0), toInt64(0)
      FROM ${BASE_DATABASE}.transactions WHERE (chain, height) IN (${OPEN_HEIGHTS})
      UNION ALL
      SELECT chain, toInt64(0), toInt64(0), toInt64(row_sign) FROM ${BASE_DATABASE}.blocks WHERE effects_complete = 0
    )
    GROUP BY chain`,
  )
  return new Map(
    rows.map(({ slug, all, some, blocks }) => [
      slug,
      { transactions: Number(all), incomplete: Number(some), incompleteBlocks: Number(blocks) },
    ]),
  )
}

export interface ActivityPoint {
  /** Start of the period, unix seconds. */
  time: number
  blocks: number
  transactions: number
}

/** Periods that read well, in seconds. */
const PERIODS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800,
  604_800, 2_592_000, 31_536_000,
]

/**
 * Blocks and transactions of the heights from a chain's `low` on, in at most `points` periods of equal length that end
 * with its newest block; periods without a block are there.
 */
export async function readActivity(
  read: Reader,
  asked: readonly { chain: string; low: number }[],
  points: number,
): Promise<Map<string, ActivityPoint[]>> {
  const rows = await read.rows<{
    slug: string
    period: number
    slot: string
    blocks: string
    transactions: string
  }>(
    `SELECT toString(chain) AS slug, period, intDiv(unix, period) AS slot, count() AS blocks, sum(transaction_count) AS transactions
    FROM (
      SELECT chain, toUnixTimestamp(time) AS unix, transaction_count,
        max(unix) OVER (PARTITION BY chain) AS newest, min(unix) OVER (PARTITION BY chain) AS oldest,
        arrayFirst(period -> intDiv(newest, period) - intDiv(oldest, period) < {points:UInt32}, {periods:Array(UInt32)}) AS found,
        if(found = 0, 31536000, found) AS period
      FROM ${from(blockTables.blocks)}
      WHERE chain IN {chains:Array(String)}
        AND height >= transform(toString(chain), {chains:Array(String)}, {lows:Array(UInt64)}, toUInt64(0)) AND ${PUBLISHED}
    )
    GROUP BY chain, period, slot ORDER BY chain, slot`,
    { chains: asked.map(one => one.chain), lows: asked.map(one => one.low), points, periods: PERIODS },
  )
  const byChain = new Map<string, ActivityPoint[]>()
  for (const row of rows) {
    const time = Number(row.slot) * row.period
    const series = byChain.get(row.slug) ?? []
    byChain.set(row.slug, series)
    for (let last = series.at(-1); last && last.time + row.period < time; last = series.at(-1)) {
      series.push({ time: last.time + row.period, blocks: 0, transactions: 0 })
    }
    series.push({ time, blocks: Number(row.blocks), transactions: Number(row.transactions) })
  }
  return byChain
}

export interface ProofCount {
  proof: string
  blocks: number
  of: number
}

/** How many of the blocks from a chain's `low` on have each proof. */
export async function readProofCounts(
  read: Reader,
  asked: readonly { chain: string; low: number; of: number }[],
): Promise<Map<string, ProofCount[]>> {
  const rows = await read.rows<{ slug: string; proof: string; blocks: string }>(
    `SELECT toString(chain) AS slug, arrayJoin(proofs) AS proof, count() AS blocks
    FROM ${from(blockTables.blocks)}
    WHERE chain IN {chains:Array(String)}
      AND height >= transform(toString(chain), {chains:Array(String)}, {lows:Array(UInt64)}, toUInt64(0)) AND ${PUBLISHED}
    GROUP BY chain, proof ORDER BY chain, blocks DESC, proof`,
    { chains: asked.map(one => one.chain), lows: asked.map(one => one.low) },
  )
  const of = new Map(asked.map(one => [one.chain, one.of]))
  const byChain = new Map<string, ProofCount[]>()
  for (const { slug, proof, blocks } of rows) {
    const counts = byChain.get(slug) ?? []
    counts.push({ proof, blocks: Number(blocks), of: of.get(slug) ?? 0 })
    byChain.set(slug, counts)
  }
  return byChain
}

/** Events that could not be stored and wait. */
export async function countDeadLetters(read: Reader): Promise<Map<string, number>> {
  const rows = await read.rows<{ slug: string; letters: string }>(
    `SELECT toString(chain) AS slug, count() AS letters FROM ${from('dead_letters')}
    WHERE resolved_at IS NULL GROUP BY chain`,
  )
  return new Map(rows.map(row => [row.slug, Number(row.letters)]))
}

/** An event that was set aside and waits. */
export interface DeadLetterRecord {
  chain: string
  height: number | null
  hash: string | null
  code: string
  reason: string
  /** Unix seconds. */
  unixTime: number
  attempts: number
}

const MOST_LETTERS = 100

/** The newest events that could not be stored and wait. */
export async function readDeadLetters(read: Reader): Promise<DeadLetterRecord[]> {
  const rows = await read.rows<Omit<DeadLetterRecord, 'height'> & { height: string }>(
    `SELECT toString(chain) AS chain, height, hash, toString(code) AS code, reason, toUnixTimestamp(time) AS unixTime,
      attempts
    FROM ${from('dead_letters')} WHERE resolved_at IS NULL
    ORDER BY time DESC, chain, partition, offset LIMIT ${MOST_LETTERS}`,
  )
  return rows.map(({ height, hash, ...row }) => ({
    ...row,
    height: hash === '' ? null : Number(height),
    hash: hash === '' ? null : hash,
  }))
}

/** Heights at which the tables do not hold what was delivered. */
export interface DifferingRange {
  chain: string
  fromHeight: number
  toHeight: number
  delivered: number
  stored: number
  differences: string[]
  /** When it was looked at last, unix seconds. */
  unixTime: number
}

const MOST_RANGES = 100

/** The lowest ranges of each chain whose rows do not add up. */
export async function readDifferences(read: Reader): Promise<DifferingRange[]> {
  const rows = await read.rows<
    Omit<DifferingRange, 'fromHeight' | 'toHeight' | 'delivered' | 'stored'> & {
      fromHeight: string
      toHeight: string
      delivered: string
      stored: string
    }
  >(
    `SELECT toString(chain) AS chain, height AS fromHeight, to_height AS toHeight, delivered, stored, differences,
      toUnixTimestamp(time) AS unixTime
    FROM ${from('reconciliation')} WHERE notEmpty(differences) ORDER BY chain, fromHeight LIMIT ${MOST_RANGES}`,
  )
  return rows.map(({ fromHeight, toHeight, delivered, stored, ...row }) => ({
    ...row,
    fromHeight: Number(fromHeight),
    toHeight: Number(toHeight),
    delivered: Number(delivered),
    stored: Number(stored),
  }))
}

/** Reorgs that were followed. */
export async function countReorgs(read: Reader): Promise<Map<string, number>> {
  const rows = await read.rows<{ slug: string; reorgs: string }>(
    `SELECT toString(chain) AS slug, count() AS reorgs FROM ${BASE_DATABASE}.reorgs GROUP BY chain`,
  )
  return new Map(rows.map(row => [row.slug, Number(row.reorgs)]))
}
