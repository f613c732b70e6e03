import { blockTables, type Table } from '../schema/tables.ts'
import type { Key, Page } from './connection.ts'
import { groupBy } from './group-by.ts'
import { from, PUBLISHED, shown } from './published.ts'
import type { Reader } from './reader.ts'

/** Where rows belong: a block, or a transaction of it. */
export interface Place {
  chain: string
  height: number
  /** Place of the transaction in its block; null for lists of whole blocks. */
  transaction: number | null
}

/** A row as the store's JSON gives it: wide integers are text. */
export type Row = Record<string, unknown> & { chain: string; height: string; unix_time: number }

/** Rows of a block or a transaction in the order of their key. */
export interface List {
  table: Table
  columns: readonly string[]
  /** Rows are found by their transaction's place, not only by their block's height. */
  ofTransaction: boolean
  order: readonly string[]
  where?: string
}

const EFFECT = ['index', 'transaction_hash', 'transaction_index', 'address', 'asset', 'amount', 'kind']

function list(
  table: Table,
  order: readonly string[],
  rest: Pick<List, 'ofTransaction'> & Partial<List>,
): List {
  return { table, columns: Object.keys(table.columns), order, ...rest }
}

export const lists = {
  transactions: list(blockTables.transactions, ['index'], {
    ofTransaction: false,
    columns: ['block_hash', ...Object.keys(blockTables.transactions.columns)],
  }),
  blockEffects: list(blockTables.effects, ['index'], {
    ofTransaction: false,
    columns: EFFECT,
    where: 'transaction_index IS NULL',
  }),
  effects: list(blockTables.effects, ['index'], { ofTransaction: true, columns: EFFECT }),
  tokenTransfers: list(blockTables.token_transfers, ['log_index', 'batch_index'], { ofTransaction: true }),
  utxoInputs: list(blockTables.utxo_inputs, ['index'], { ofTransaction: true }),
  utxoOutputs: list(blockTables.utxo_outputs, ['index'], { ofTransaction: true }),
  evmLogs: list(blockTables.evm_logs, ['log_index'], { ofTransaction: true }),
  evmTraces: list(blockTables.evm_traces, ['index'], { ofTransaction: true }),
  evmWithdrawals: list(blockTables.evm_withdrawals, ['index'], { ofTransaction: false }),
  evmUncles: list(blockTables.evm_uncles, ['index'], { ofTransaction: false }),
} satisfies Record<string, List>

export type ListName = keyof typeof lists

const PLACE = "concat(toString(chain), ' ', toString(height))"
const PLACE_OF_TRANSACTION = `concat(${PLACE}, ' ', toString(assumeNotNull(transaction_index)))`

function placeKey({ chain, height, transaction }: Place, ofTransaction: boolean): string {
  return ofTransaction ? `${chain} ${height} ${transaction}` : `${chain} ${height}`
}

function placeParams(places: readonly Place[], ofTransaction: boolean) {
  return {
    chains: [...new Set(places.map(place => place.chain))],
    heights: [...new Set(places.map(place => place.height))],
    places: [...new Set(places.map(place => placeKey(place, ofTransaction)))],
    ...(ofTransaction && { transactions: [...new Set(places.map(place => place.transaction))] }),
  }
}

function atPlaces({ ofTransaction, where }: List): string {
  return `chain IN {chains:Array(String)} AND height IN {heights:Array(UInt64)}
    ${ofTransaction ? 'AND transaction_index IN {transactions:Array(UInt32)}' : ''}
    AND ${ofTransaction ? PLACE_OF_TRANSACTION : PLACE} IN {places:Array(String)}
    ${where ? `AND ${where}` : ''} AND ${PUBLISHED}`
}

/** Rows of several places at once, at most one more for each than the page holds, in the order that the page asks for. */
export async function readPages(
  read: Reader,
  name: ListName,
  places: readonly Place[],
  page: Page,
): Promise<Row[][]> {
  const { table, columns, ofTransaction, order }: List = lists[name]
  const key = `(${order.map(column => `toUInt64(\`${column}\`)`).join(', ')})`
  const bound = (operator: string, what: string) =>
    `AND ${key} ${operator} (${order.map((_, at) => `{${what}${at}:UInt64}`).join(', ')})`
  const boundParams = (what: string, values: Key | null) =>
    Object.fromEntries((values ?? []).map((value, at) => [`${what}${at}`, value]))
  const direction = page.backwards ? 'DESC' : 'ASC'
  const by = ['chain', 'height', ...(ofTransaction ? ['transaction_index'] : [])]
  const own = [...new Set([...by, ...columns])].filter(column => column !== 'chain' && column !== 'height')
  const rows = await read.rows<Row>(
    `SELECT chain, height, ${shown(table, ['time', ...own])}, ${ofTransaction ? PLACE_OF_TRANSACTION : PLACE} AS place
    FROM ${from(table)}
    WHERE ${atPlaces(lists[name])}
      ${page.after ? bound('>', 'after') : ''} ${page.before ? bound('<', 'before') : ''}
    ORDER BY ${[...by, ...order.map(column => `\`${column}\` ${direction}`)].join(', ')}
    LIMIT ${page.limit + 1} BY ${by.join(', ')}`,
    {
      ...placeParams(places, ofTransaction),
      ...boundParams('after', page.after),
      ...boundParams('before', page.before),
    },
  )
  const byPlace = groupBy(rows, row => row.place as string)
  return places.map(place => byPlace.get(placeKey(place, ofTransaction)) ?? [])
}

/** How many rows each place has. */
export async function countRows(read: Reader, name: ListName, places: readonly Place[]): Promise<number[]> {
  const { table, ofTransaction }: List = lists[name]
  const rows = await read.rows<{ place: string; rows: string }>(
    `SELECT ${ofTransaction ? PLACE_OF_TRANSACTION : PLACE} AS place, count() AS rows
    FROM ${from(table)} WHERE ${atPlaces(lists[name])} GROUP BY place`,
    placeParams(places, ofTransaction),
  )
  const counts = new Map(rows.map(row => [row.place, Number(row.rows)]))
  return places.map(place => counts.get(placeKey(place, ofTransaction)) ?? 0)
}
