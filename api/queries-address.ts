import { BASE_DATABASE } from '../schema/ddl.ts'
import { blockTables } from '../schema/tables.ts'
import { OPEN_HEIGHTS } from '../schema/views.ts'
import type { Page } from './connection.ts'
import type { Row } from './lists.ts'
import { from, PUBLISHED, shown } from './published.ts'
import { HALF_SUMS, joinHalves } from './queries-transaction.ts'
import type { Reader } from './reader.ts'

const BY_ADDRESS = `${BASE_DATABASE}.effects_by_address`

/** An address that has effects, and how many. */
export interface AddressPresence {
  chain: string
  address: string
  effects: number
}

/**
 * Effects by address and asset: sums that are kept as rows come and go, so that a long history costs nothing to count. What
 * the open batch has already written is taken off again.
 */
const COUNTED = `(
    SELECT chain, address, asset, effects FROM ${BASE_DATABASE}.balance_sums
    UNION ALL
    SELECT chain, address, asset, -toInt64(row_sign) AS effects FROM ${BASE_DATABASE}.effects
    WHERE (chain, height) IN (${OPEN_HEIGHTS}))`

/** Which of these addresses have effects on which chains. */
export async function readPresences(
  read: Reader,
  chains: readonly string[],
  addresses: readonly string[],
): Promise<AddressPresence[]> {
  const rows = await read.rows<{ slug: string; address: string; counted: string }>(
    `SELECT toString(chain) AS slug, address, sum(effects) AS counted FROM ${COUNTED}
    WHERE chain IN {chains:Array(String)} AND address IN {addresses:Array(String)}
    GROUP BY chain, address HAVING counted > 0 ORDER BY slug, address`,
    { chains, addresses },
  )
  return rows.map(row => ({ chain: row.slug, address: row.address, effects: Number(row.counted) }))
}

/** Transactions with an effect on the address. */
export async function countAddressTransactions(
  read: Reader,
  chain: string,
  address: string,
): Promise<number> {
  const [row] = await read.rows<{ transactions: string }>(
    `SELECT uniqExactIf((height, transaction_index), transaction_index IS NOT NULL) AS transactions
    FROM ${BY_ADDRESS} FINAL WHERE chain IN {chains:Array(String)} AND address = {address:String} AND ${PUBLISHED}`,
    { chains: [chain], address },
  )
  return Number(row?.transactions ?? 0)
}

export interface EffectFilter {
  chain: string
  address: string
  direction: 'IN' | 'OUT' | null
  asset: string | null
  toHeight: number | null
}

function filterSql({ direction, asset, toHeight }: EffectFilter): string {
  return [
    'chain IN {chains:Array(String)} AND address = {address:String}',
    ...(direction === null ? [] : [direction === 'IN' ? 'amount > 0' : 'amount < 0']),
    ...(asset === null ? [] : ['asset = {asset:String}']),
    ...(toHeight === null ? [] : ['height <= {toHeight:UInt64}']),
  ].join(' AND ')
}

function filterParams({ chain, address, asset, toHeight }: EffectFilter) {
  return {
    chains: [chain],
    address,
    ...(asset !== null && { asset }),
    ...(toHeight !== null && { toHeight }),
  }
}

export async function countAddressEffects(read: Reader, filter: EffectFilter): Promise<number> {
  const isWhole = filter.direction === null && filter.toHeight === null
  const [row] = await read.rows<{ counted: string }>(
    isWhole
      ? `SELECT sum(effects) AS counted FROM ${COUNTED} WHERE ${filterSql(filter)}`
      : `SELECT count() AS counted FROM ${BY_ADDRESS} FINAL WHERE ${filterSql(filter)} AND ${PUBLISHED}`,
    filterParams(filter),
  )
  return Number(row?.counted ?? 0)
}

/** What a list that is read from its newest end needs: where it stands, and the columns of its key besides the height. */
interface NewestFirst {
  table: string
  select: string
  where: string
  params: Record<string, unknown>
  key: readonly string[]
}

/**
 * Rows newest first (oldest first when the page is asked from its end), one more than the page holds. First a look in the
 * order of the table, without sorting out cancelled rows, tells how far down the page can reach; then only that part is
 * read properly. So an address with a long history costs no more than one with a short one.
 */
async function readNewestFirst(read: Reader, list: NewestFirst, page: Page): Promise<Row[]> {
  const direction = page.backwards ? 'ASC' : 'DESC'
  const key = `(height, ${list.key.map(column => `toUInt64(\`${column}\`)`).join(', ')})`
  const bound = (operator: string, what: string, values: Page['after']) =>
    values === null
      ? ''
      : `AND ${key} ${operator} (${values.map((_, at) => `{${what}${at}:UInt64}`).join(', ')})`
  // The height by itself is what the table's order can use.
  const where = `${list.where} ${bound('<', 'after', page.after)} ${bound('>', 'before', page.before)}
    ${page.after ? 'AND height <= {after0:UInt64}' : ''} ${page.before ? 'AND height >= {before0:UInt64}' : ''}`
  const params = {
    ...list.params,
    ...Object.fromEntries((page.after ?? []).map((value, at) => [`after${at}`, value])),
    ...Object.fromEntries((page.before ?? []).map((value, at) => [`before${at}`, value])),
  }
  const order = ['height', ...list.key].map(column => `\`${column}\` ${direction}`).join(', ')
  for (let reach = 4 * (page.limit + 1); ; reach *= 8) {
    const [look] = await read.rows<{ rows: string; low: string; high: string }>(
      `SELECT count() AS rows, min(height) AS low, max(height) AS high
      FROM (SELECT height FROM ${list.table} WHERE ${where} ORDER BY ${order} LIMIT {reach:UInt64})`,
      { ...params, reach },
    )
    const looked = Number(look?.rows ?? 0)
    if (looked === 0) return []
    const rows = await read.rows<Row>(
      `SELECT ${list.select} FROM ${list.table} FINAL
      WHERE ${where} AND height BETWEEN {low:UInt64} AND {high:UInt64} AND ${PUBLISHED}
      ORDER BY ${order} LIMIT {limit:UInt32}`,
      { ...params, low: look!.low, high: look!.high, limit: page.limit + 1 },
    )
    if (rows.length > page.limit || looked < reach) return rows
  }
}

const EFFECT_COLUMNS = shown(blockTables.effects, [
  'time',
  'index',
  'transaction_hash',
  'transaction_index',
  'address',
  'asset',
  'amount',
  'kind',
])

/** History of an address by (height, index), newest first. */
export function readAddressEffects(read: Reader, filter: EffectFilter, page: Page): Promise<Row[]> {
  return readNewestFirst(
    read,
    {
      table: BY_ADDRESS,
      select: `chain, height, ${EFFECT_COLUMNS}`,
      where: filterSql(filter),
      params: filterParams(filter),
      key: ['index'],
    },
    page,
  )
}

/** Height of an address's first or last effect; null without any. */
export async function readEndOfHistory(
  read: Reader,
  { chain, address }: { chain: string; address: string },
  end: 'first' | 'last',
): Promise<number | null> {
  const filter = { chain, address, direction: null, asset: null, toHeight: null }
  const page = { limit: 1, backwards: end === 'first', after: null, before: null }
  const [row] = await readAddressEffects(read, filter, page)
  return row === undefined ? null : Number(row.height)
}

/** Transfers of a token's contract by (height, log_index, batch_index), newest first. */
export function readTokenTransfers(read: Reader, chain: string, token: string, page: Page): Promise<Row[]> {
  const { name, columns } = blockTables.token_transfers
  return readNewestFirst(
    read,
    {
      table: `${BASE_DATABASE}.${name}`,
      select: `chain, height, ${shown(blockTables.token_transfers, ['time', ...Object.keys(columns)])}`,
      where: 'chain IN {chains:Array(String)} AND token = {token:String}',
      params: { chains: [chain], token },
      key: ['log_index', 'batch_index'],
    },
    page,
  )
}

export async function countTokenTransfers(read: Reader, chain: string, token: string): Promise<number> {
  const [row] = await read.rows<{ transfers: string }>(
    `SELECT count() AS transfers FROM ${from(blockTables.token_transfers)}
    WHERE chain IN {chains:Array(String)} AND token = {token:String} AND ${PUBLISHED}`,
    { chains: [chain], token },
  )
  return Number(row?.transfers ?? 0)
}

export interface BalanceRecord {
  chain: string
  asset: string
  amount: string
}

/** The native asset comes first, the others by name: a number and a text to sort by. */
const BALANCE_KEY = "(toUInt8(asset != 'native'), asset)"

/**
 * Sums of an address's effects by asset. The view's sums are signed numbers of 256 bits: those of tokens that read
 * negative may have run over, and are summed again, exactly.
 */
export async function readBalances(
  read: Reader,
  { chain, address }: { chain: string; address: string },
  page: Page,
): Promise<BalanceRecord[]> {
  const direction = page.backwards ? 'DESC' : 'ASC'
  const bound = (operator: string, what: string) =>
    `AND ${BALANCE_KEY} ${operator} ({${what}0:UInt8}, {${what}1:String})`
  const rows = await read.rows<{ asset: string; amount: string }>(
    `SELECT asset, amount FROM balances WHERE chain = {chain:String} AND address = {address:String}
      ${page.after ? bound('>', 'after') : ''} ${page.before ? bound('<', 'before') : ''}
    ORDER BY asset != 'native' ${direction}, asset ${direction} LIMIT {limit:UInt32}`,
    {
      chain,
      address,
      limit: page.limit + 1,
      ...(page.after && { after0: page.after[0], after1: page.after[1] }),
      ...(page.before && { before0: page.before[0], before1: page.before[1] }),
    },
  )
  const doubtful = rows.filter(row => row.asset !== 'native' && row.amount.startsWith('-'))
  const exact = await exactSums(
    read,
    chain,
    address,
    doubtful.map(row => row.asset),
  )
  return rows.map(({ asset, amount }) => ({ chain, asset, amount: exact.get(asset) ?? amount }))
}

async function exactSums(
  read: Reader,
  chain: string,
  address: string,
  assets: readonly string[],
): Promise<Map<string, string>> {
  if (assets.length === 0) return new Map()
  const rows = await read.rows<{ asset: string; high: string; low: string }>(
    `SELECT asset, ${HALF_SUMS} FROM ${BY_ADDRESS} FINAL
    WHERE chain IN {chains:Array(String)} AND address = {address:String} AND asset IN {assets:Array(String)} AND ${PUBLISHED}
    GROUP BY asset`,
    { chains: [chain], address, assets },
  )
  return new Map(rows.map(row => [row.asset, joinHalves(row.high, row.low).toString()]))
}

export async function countBalances(read: Reader, chain: string, address: string): Promise<number> {
  const [row] = await read.rows<{ assets: string }>(
    'SELECT count() AS assets FROM balances WHERE chain = {chain:String} AND address = {address:String}',
    { chain, address },
  )
  return Number(row?.assets ?? 0)
}

/** An asset that effects or transfers of published blocks name. */
export interface AssetRecord {
  chain: string
  asset: string
  standard: string
  contract: string | null
  tokenId: string | null
  /** Height at which it was first seen. */
  firstSeen: number
}

interface AssetRow {
  slug: string
  asset: string
  standard: string
  contract: string
  token_id: string | null
  first_height: string
}

function assetOf(row: AssetRow): AssetRecord {
  return {
    chain: row.slug,
    asset: row.asset,
    standard: row.standard,
    contract: row.contract || null,
    tokenId: row.token_id,
    firstSeen: Number(row.first_height),
  }
}

const SEEN = `SELECT toString(chain) AS slug, asset, any(standard) AS standard, any(contract) AS contract,
    any(token_id) AS token_id, min(height) AS first_height
  FROM ${from(blockTables.block_assets)}`

/** Assets by name; null where no published block names one. */
export async function readAssets(
  read: Reader,
  asked: readonly { chain: string; asset: string }[],
): Promise<(AssetRecord | null)[]> {
  const rows = await read.rows<AssetRow>(
    `${SEEN} WHERE chain IN {chains:Array(String)} AND asset IN {assets:Array(String)} AND ${PUBLISHED} GROUP BY chain, asset`,
    {
      chains: [...new Set(asked.map(one => one.chain))],
      assets: [...new Set(asked.map(one => one.asset))],
    },
  )
  const found = new Map(rows.map(row => [`${row.slug} ${row.asset}`, assetOf(row)]))
  return asked.map(one => found.get(`${one.chain} ${one.asset}`) ?? null)
}

/** Assets of these contracts, the contract's own first, then its ids by name: from one on, at most `limit`. */
export async function readContractAssets(
  read: Reader,
  chains: readonly string[],
  contract: string,
  page: Page,
): Promise<AssetRecord[]> {
  const direction = page.backwards ? 'DESC' : 'ASC'
  const rows = await read.rows<AssetRow>(
    `${SEEN} WHERE chain IN {chains:Array(String)} AND (asset = {contract:String} OR startsWith(asset, {ids:String}))
      AND asset >= {contract:String} AND asset < {end:String} AND ${PUBLISHED}
      ${page.after ? 'AND asset > {after:String}' : ''} ${page.before ? 'AND asset < {before:String}' : ''}
    GROUP BY chain, asset ORDER BY asset ${direction}, slug LIMIT {limit:UInt32}`,
    {
      chains,
      contract,
      ids: `${contract}/`,
      // The character after the slash: everything that begins with the contract and a slash sorts below it.
      end: `${contract}0`,
      limit: page.limit + 1,
      ...(page.after && { after: page.after[0] }),
      ...(page.before && { before: page.before[0] }),
    },
  )
  return rows.map(assetOf)
}

export async function countContractAssets(read: Reader, chain: string, contract: string): Promise<number> {
  const [row] = await read.rows<{ assets: string }>(
    `SELECT uniqExact(asset) AS assets FROM ${from(blockTables.block_assets)}
    WHERE chain IN {chains:Array(String)} AND (asset = {contract:String} OR startsWith(asset, {ids:String}))
      AND asset >= {contract:String} AND asset < {end:String} AND ${PUBLISHED}`,
    { chains: [chain], contract, ids: `${contract}/`, end: `${contract}0` },
  )
  return Number(row?.assets ?? 0)
}

/** Assets of a chain by the height of their first appearance, newest first. */
export async function readNewestAssets(read: Reader, chain: string, page: Page): Promise<AssetRecord[]> {
  const direction = page.backwards ? 'ASC' : 'DESC'
  const bound = (operator: string, what: string) =>
    `(first_height, asset) ${operator} ({${what}0:UInt64}, {${what}1:String})`
  const conditions = [
    ...(page.after ? [bound('<', 'after')] : []),
    ...(page.before ? [bound('>', 'before')] : []),
  ]
  const rows = await read.rows<AssetRow>(
    `${SEEN} WHERE chain IN {chains:Array(String)} AND ${PUBLISHED} GROUP BY chain, asset
    ${conditions.length > 0 ? `HAVING ${conditions.join(' AND ')}` : ''}
    ORDER BY first_height ${direction}, asset ${direction} LIMIT {limit:UInt32}`,
    {
      chains: [chain],
      limit: page.limit + 1,
      ...(page.after && { after0: page.after[0], after1: page.after[1] }),
      ...(page.before && { before0: page.before[0], before1: page.before[1] }),
    },
  )
  return rows.map(assetOf)
}

export async function countAssets(read: Reader, chain: string): Promise<number> {
  const [row] = await read.rows<{ assets: string }>(
    `SELECT uniqExact(asset) AS assets FROM ${from(blockTables.block_assets)} WHERE chain IN {chains:Array(String)} AND ${PUBLISHED}`,
    { chains: [chain] },
  )
  return Number(row?.assets ?? 0)
}
