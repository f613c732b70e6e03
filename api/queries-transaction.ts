import { showInForm } from '../schema/columns.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { blockTables } from '../schema/tables.ts'
import type { Page } from './connection.ts'
import { groupBy } from './group-by.ts'
import type { Row } from './lists.ts'
import { from, PUBLISHED, shown } from './published.ts'
import type { Reader } from './reader.ts'

/** A transaction of a chain, or of a block that left it. */
export interface TransactionRecord {
  chain: string
  height: number
  /** Unix seconds. */
  time: number
  blockHash: string
  index: number
  hash: string
  status: 0 | 1 | null
  fee: string | null
  effectsComplete: boolean
  /** For a transaction of an orphaned block: the batch that took it off the chain. */
  orphanedIn: number | null
}

const COLUMNS = shown(blockTables.transactions, [
  'time',
  'block_hash',
  'index',
  'hash',
  'status',
  'fee',
  'effects_complete',
])

export function transactionOf(row: Row): TransactionRecord {
  return {
    chain: row.chain,
    height: Number(row.height),
    time: row.unix_time,
    blockHash: row.block_hash as string,
    index: row.index as number,
    hash: row.hash as string,
    status: row.status as 0 | 1 | null,
    fee: row.fee as string | null,
    effectsComplete: row.effects_complete === 1,
    orphanedIn: row.batch === undefined ? null : Number(row.batch),
  }
}

/** Published transactions by their whole hash; of one that stands in two blocks (before BIP-34), the later. */
export async function readTransactionsByHash(
  read: Reader,
  asked: readonly { chain: string; hash: string; prefix: bigint }[],
): Promise<(TransactionRecord | null)[]> {
  const rows = await read.rows<Row>(
    `SELECT chain, height, ${COLUMNS} FROM ${from(blockTables.transactions)}
    WHERE chain IN {chains:Array(String)}
      AND height IN (
        SELECT height FROM ${from(blockTables.hashes)}
        WHERE kind = 'transaction' AND prefix IN {prefixes:Array(UInt64)} AND chain IN {chains:Array(String)})
      AND hash IN {hashes:Array(String)} AND ${PUBLISHED}
    ORDER BY height DESC LIMIT 1 BY chain, hash`,
    {
      chains: [...new Set(asked.map(one => one.chain))],
      prefixes: asked.map(one => one.prefix),
      hashes: asked.map(one => one.hash),
    },
  )
  const found = new Map(rows.map(row => [`${row.chain} ${row.hash}`, transactionOf(row)]))
  return asked.map(one => found.get(`${one.chain} ${one.hash}`) ?? null)
}

/** Published transactions by their place. */
export async function readTransactionsAt(
  read: Reader,
  places: readonly TransactionPlace[],
): Promise<(TransactionRecord | null)[]> {
  const rows = await read.rows<Row>(
    `SELECT chain, height, ${COLUMNS} FROM ${from(blockTables.transactions)}
    WHERE chain IN {chains:Array(String)} AND height IN {heights:Array(UInt64)} AND \`index\` IN {indexes:Array(UInt32)}
      AND concat(toString(chain), ' ', toString(height), ' ', toString(\`index\`)) IN {places:Array(String)} AND ${PUBLISHED}`,
    placeParams(places),
  )
  const found = new Map(rows.map(row => [`${row.chain} ${row.height} ${row.index}`, transactionOf(row)]))
  return places.map(place => found.get(placeKey(place)) ?? null)
}

const ORPHANED = `chain, height, toUnixTimestamp(time) AS unix_time, ${showInForm('block_hash')} AS block_hash, \`index\`,
  ${showInForm('hash')} AS hash, status, fee, effects_complete, batch`

/** Transactions of blocks that left a chain, by their whole hash in binary; each as it left last. */
export async function readOrphanedTransactions(
  read: Reader,
  chains: readonly string[],
  hashes: readonly string[],
): Promise<TransactionRecord[]> {
  const rows = await read.rows<Row>(
    `SELECT ${ORPHANED} FROM ${BASE_DATABASE}.orphaned_transactions
    WHERE chain IN {chains:Array(String)} AND ${BASE_DATABASE}.orphaned_transactions.hash IN arrayMap(digits -> unhex(digits), {hashes:Array(String)})
    ORDER BY batch DESC LIMIT 1 BY chain, hash`,
    { chains, hashes },
  )
  return rows.map(transactionOf)
}

/** Transactions of a block that left its chain, in their order: from an index on, or before one and backwards. */
export async function readTransactionsOfOrphan(
  read: Reader,
  block: { chain: string; height: number; orphanedIn: number },
): Promise<TransactionRecord[]> {
  const rows = await read.rows<Row>(
    `SELECT ${ORPHANED} FROM ${BASE_DATABASE}.orphaned_transactions
    WHERE chain = {chain:String} AND height = {height:UInt64} AND batch = {batch:UInt64} ORDER BY \`index\``,
    { chain: block.chain, height: block.height, batch: block.orphanedIn },
  )
  return rows.map(transactionOf)
}

/** Transactions that left a chain with one batch by (height, index), one more than the page holds. */
export async function readTransactionsOfReorg(
  read: Reader,
  reorg: { chain: string; batch: number },
  page: Page,
): Promise<TransactionRecord[]> {
  const direction = page.backwards ? 'DESC' : 'ASC'
  const bound = (operator: string, what: string) =>
    `AND (height, \`index\`) ${operator} ({${what}0:UInt64}, {${what}1:UInt32})`
  const rows = await read.rows<Row>(
    `SELECT ${ORPHANED} FROM ${BASE_DATABASE}.orphaned_transactions
    WHERE chain = {chain:String} AND batch = {batch:UInt64}
      ${page.after ? bound('>', 'after') : ''} ${page.before ? bound('<', 'before') : ''}
    ORDER BY height ${direction}, \`index\` ${direction} LIMIT {limit:UInt32}`,
    {
      chain: reorg.chain,
      batch: reorg.batch,
      limit: page.limit + 1,
      ...(page.after && { after0: page.after[0], after1: page.after[1] }),
      ...(page.before && { before0: page.before[0], before1: page.before[1] }),
    },
  )
  return rows.map(transactionOf)
}

/** How many transactions that left a chain with one batch are in no published block. */
export async function countDropped(read: Reader, chain: string, batch: number): Promise<number> {
  const left = `SELECT hash FROM ${BASE_DATABASE}.orphaned_transactions
    WHERE chain IN {chains:Array(String)} AND batch = {batch:UInt64}`
  const [row] = await read.rows<{ dropped: string }>(
    `SELECT count() AS dropped FROM (${left}) WHERE hash NOT IN (
      SELECT hash FROM ${from(blockTables.transactions)}
      WHERE chain IN {chains:Array(String)} AND height IN (
          SELECT height FROM ${from(blockTables.hashes)}
          WHERE kind = 'transaction' AND chain IN {chains:Array(String)}
            AND prefix IN (SELECT reinterpretAsUInt64(reverse(substring(hash, 1, 8))) FROM (${left}))
        ) AND hash IN (${left}) AND ${PUBLISHED})`,
    { chains: [chain], batch },
  )
  return Number(row?.dropped ?? 0)
}

interface TransactionPlace {
  chain: string
  height: number
  index: number
}

const PLACE =
  "concat(toString(chain), ' ', toString(height), ' ', toString(assumeNotNull(transaction_index)))"

function placeKey({ chain, height, index }: TransactionPlace): string {
  return `${chain} ${height} ${index}`
}

/** Parameters of statements that name transactions by their place. */
export function placeParams(places: readonly TransactionPlace[]) {
  return {
    chains: [...new Set(places.map(place => place.chain))],
    heights: [...new Set(places.map(place => place.height))],
    indexes: [...new Set(places.map(place => place.index))],
    places: places.map(placeKey),
  }
}

/** Who took part in a transaction, as its effects tell. Addresses are in the order of their first effect. */
export interface Parties {
  /** Who paid: the bearer of the fee where there is one, else whoever had something transferred away. */
  senders: string[]
  senderCount: number
  /** Who has more of some asset afterwards, fees and tips aside; senders only where nobody else has. */
  receivers: string[]
  receiverCount: number
  /** Native coins that changed hands: see `readParties`. */
  amount: string
  /** What of the fee was destroyed, and what the producer got. */
  burnt: string
  produced: string
}

/** Kinds of effects that are the price of a transaction, not what it moves. */
const FEES = "('fee', 'tip', 'base_fee_burn', 'blob_fee')"
const SHOWN_PARTIES = 3
/** Sums of 256-bit amounts in two halves: three large effects of one token would run over. */
const HALF = 'toInt256(18446744073709551616)'

/**
 * Senders, receivers and amount of transactions, from their effects alone, by one rule for every ledger:
 * - A sender is who bore the fee. Where nobody in particular bore it (utxo chains), every address that had coins
 *   transferred away: the owners of the inputs.
 * - A receiver is an address that has more of some asset than before, fees and tips left aside. Coins that only pass
 *   through a contract leave nothing there. Senders are left out where others received too: that is change.
 * - The amount is the sum of native gains, fees and tips left aside, of addresses that had no native coins
 *   transferred away themselves: what went to others, change left out. Coins that a contract pays back to a caller
 *   who sent none count.
 * @returns null for a transaction without effects.
 */
export async function readParties(
  read: Reader,
  places: readonly TransactionPlace[],
): Promise<(Parties | null)[]> {
  const rows = await read.rows<{
    place: string
    senders: string[]
    sender_count: number
    others: string[]
    other_count: number
    returned: string[]
    returned_count: number
    moved: string
    burnt: string
    produced: string
  }>(
    `SELECT place,
      arraySort(groupArrayIf((first, address), address != '' AND if(any_bearer, bears_fee, pays))) AS paying,
      arraySort(groupArrayIf((first, address), address != '' AND gains AND NOT if(any_bearer, bears_fee, pays))) AS gaining,
      arraySort(groupArrayIf((first, address), address != '' AND gains AND if(any_bearer, bears_fee, pays))) AS regaining,
      arrayMap(one -> one.2, arraySlice(paying, 1, ${SHOWN_PARTIES})) AS senders, length(paying) AS sender_count,
      arrayMap(one -> one.2, arraySlice(gaining, 1, ${SHOWN_PARTIES})) AS others, length(gaining) AS other_count,
      arrayMap(one -> one.2, arraySlice(regaining, 1, ${SHOWN_PARTIES})) AS returned, length(regaining) AS returned_count,
      sumIf(native, native > 0 AND address != '' AND NOT pays_native) AS moved,
      sum(burnt_part) AS burnt, sum(produced_part) AS produced
    FROM (
      SELECT place, address, min(first_index) AS first, max(bears) AS bears_fee, max(takes) AS pays,
        max(takes AND asset = 'native') AS pays_native,
        max(net_high > 0 OR (net_high = 0 AND net_low > 0)) AS gains,
        sumIf(net, asset = 'native') AS native, sum(burns) AS burnt_part, sum(produces) AS produced_part,
        max(bears_fee) OVER (PARTITION BY place) AS any_bearer
      FROM (
        SELECT ${PLACE} AS place, address, asset,
          min(\`index\`) AS first_index,
          max(kind = 'fee' AND amount < 0) AS bears, max(kind = 'transfer' AND amount < 0) AS takes,
          sumIf(amount, kind NOT IN ${FEES}) AS net,
          sumIf(intDiv(amount, ${HALF}), kind NOT IN ${FEES}) AS quotients,
          sumIf(amount % ${HALF}, kind NOT IN ${FEES}) AS remainders,
          quotients + intDiv(remainders, ${HALF}) AS net_high, remainders % ${HALF} AS net_low,
          sumIf(amount, address = '' AND kind IN ('base_fee_burn', 'blob_fee')) AS burns,
          sumIf(amount, address != '' AND amount > 0 AND kind IN ('tip', 'fee')) AS produces
        FROM ${from(blockTables.effects)}
        WHERE chain IN {chains:Array(String)} AND height IN {heights:Array(UInt64)} AND transaction_index IN {indexes:Array(UInt32)}
          AND ${PUBLISHED}
        GROUP BY place, address, asset
      )
      WHERE place IN {places:Array(String)}
      GROUP BY place, address
    )
    GROUP BY place`,
    placeParams(places),
  )
  const found = new Map(
    rows.map(row => {
      const alone = Number(row.other_count) === 0
      return [
        row.place,
        {
          senders: row.senders,
          senderCount: Number(row.sender_count),
          receivers: alone ? row.returned : row.others,
          receiverCount: Number(alone ? row.returned_count : row.other_count),
          amount: row.moved,
          burnt: row.burnt,
          produced: row.produced,
        } satisfies Parties,
      ]
    }),
  )
  return places.map(place => found.get(placeKey(place)) ?? null)
}

export interface Movement {
  chain: string
  address: string
  asset: string
  amount: string
}

/** Net change of every address and asset of transactions: native first, then by asset, those who lost first. */
export async function readMovements(
  read: Reader,
  places: readonly TransactionPlace[],
): Promise<Movement[][]> {
  const rows = await read.rows<{
    chain: string
    place: string
    address: string
    asset: string
    high: string
    low: string
  }>(
    `SELECT chain, ${PLACE} AS place, address, asset, ${HALF_SUMS}
    FROM ${from(blockTables.effects)}
    WHERE chain IN {chains:Array(String)} AND height IN {heights:Array(UInt64)} AND transaction_index IN {indexes:Array(UInt32)}
      AND place IN {places:Array(String)} AND ${PUBLISHED}
    GROUP BY chain, place, address, asset HAVING high != 0 OR low != 0
    ORDER BY asset != 'native', asset, min(\`index\`)`,
    placeParams(places),
  )
  const byPlace = groupBy(rows, row => row.place)
  return places.map(place => {
    const movements = (byPlace.get(placeKey(place)) ?? []).flatMap(({ chain, address, asset, high, low }) => {
      const amount = joinHalves(high, low)
      return amount === 0n ? [] : [{ chain, address, asset, amount: amount.toString() }]
    })
    return [...groupBy(movements, movement => movement.asset).values()].flatMap(ofAsset => [
      ...ofAsset.filter(movement => movement.amount.startsWith('-')),
      ...ofAsset.filter(movement => !movement.amount.startsWith('-')),
    ])
  })
}

/** The exact sum behind two sums of halves. */
export function joinHalves(high: string, low: string): bigint {
  return BigInt(high) * 2n ** 64n + BigInt(low)
}

/** Sums of amounts in two halves, as `joinHalves` takes them. */
export const HALF_SUMS = `sum(intDiv(amount, ${HALF})) AS high, sum(amount % ${HALF}) AS low`
