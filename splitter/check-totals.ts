import type { ChainDefinition } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { Sql, SqlParams } from '../schema/ports.ts'
import { HEIGHTS_SQL, heightParams, mergeRanges, type Ranges } from '../schema/ranges.ts'
import { blockTableNames } from '../schema/tables.ts'
import { OPEN_HEIGHTS } from '../schema/views.ts'
import { chainValues } from './chain-row.ts'
import { checkCheckpoints, checkFinality, checkJournal } from './check-journal.ts'
import type { Difference } from './check-rows.ts'
import { readPublished } from './journal.ts'
import { checkSeals } from './seals.ts'

const LIMIT = 100

const TABLES = [...blockTableNames, 'effects_by_address']

/** What belongs to no single block: zero sums, totals of views, counts by `FINAL` and by sign, published heights. */
export async function checkTotals(
  sql: Sql,
  definition: ChainDefinition,
  ranges: Ranges,
): Promise<Difference[]> {
  const params = { chain: definition.slug }
  const found = await Promise.all([
    zeroSums(sql, params),
    balances(sql, params),
    counts(sql, params),
    publishedHeights(sql, params, ranges),
    strayRows(sql, params),
    checkCheckpoints(sql, definition.slug),
    checkJournal(sql, definition.slug),
    checkFinality(sql, definition.slug),
    checkSeals(sql, definition.slug, 'dead_letters'),
    registered(sql, definition),
  ])
  return found.flat()
}

async function zeroSums(sql: Sql, params: SqlParams): Promise<Difference[]> {
  const rows = await sql.rows<{ height: string; hash: string; asset: string; total: string }>(
    `SELECT height, lower(hex(transaction_hash)) AS hash, asset, sum(amount) AS total
    FROM ${BASE_DATABASE}.effects FINAL
    WHERE chain = {chain:String} AND (height, transaction_index) NOT IN (
      SELECT height, toNullable(index) FROM ${BASE_DATABASE}.transactions FINAL
      WHERE chain = {chain:String} AND effects_complete = 0
    )
    GROUP BY height, block_hash, transaction_hash, asset HAVING total != 0 ORDER BY height LIMIT ${LIMIT}`,
    params,
  )
  return rows.map(row => ({
    height: Number(row.height),
    table: 'effects',
    difference: `${row.hash || 'block'} ${row.asset}: expected a sum of 0, got ${row.total}`,
  }))
}

async function balances(sql: Sql, params: SqlParams): Promise<Difference[]> {
  const rows = await sql.rows<Record<'address' | 'asset' | 'expected' | 'got' | 'uses' | 'counted', string>>(
    `SELECT address, asset, sum(effect) AS expected, sum(total) AS got, sum(use) AS uses, sum(count) AS counted FROM (
      SELECT address, asset, amount * row_sign AS effect, toInt256(0) AS total, toInt64(row_sign) AS use, toInt64(0) AS count
      FROM ${BASE_DATABASE}.effects FINAL WHERE chain = {chain:String}
      UNION ALL
      SELECT address, asset, toInt256(0), amount, toInt64(0), effects
      FROM ${BASE_DATABASE}.balance_sums WHERE chain = {chain:String}
    ) GROUP BY address, asset HAVING expected != got OR uses != counted ORDER BY address LIMIT ${LIMIT}`,
    params,
  )
  return rows.map(row => ({
    height: null,
    table: 'balance_sums',
    difference: `${row.address || 'synthetic'} ${row.asset}: expected ${row.expected} of ${row.uses} effects, got ${row.got} of ${row.counted}`,
  }))
}

/** Rows by `FINAL`, by the sum of their signs, and by the totals that views keep must be the same. */
async function counts(sql: Sql, params: SqlParams): Promise<Difference[]> {
  const ofTables = TABLES.map(
    table => `SELECT '${table}' AS table, sum(final) AS final, sum(signed) AS signed FROM (
        SELECT sum(toInt64(row_sign)) AS final, toInt64(0) AS signed FROM ${BASE_DATABASE}.${table} FINAL WHERE chain = {chain:String}
        UNION ALL
        SELECT toInt64(0), sum(toInt64(row_sign)) FROM ${BASE_DATABASE}.${table} WHERE chain = {chain:String}
      )`,
  )
  const rows = await sql.rows<{ table: string; final: string; signed: string }>(
    `SELECT * FROM (${ofTables.join(' UNION ALL ')}) WHERE final != signed`,
    params,
  )
  const differences = rows.map(({ table, final, signed }): Difference => {
    const difference = `expected the signs to add up to ${final} rows, got ${signed}`
    return { height: null, table, difference }
  })
  const [sums] = await sql.rows<{ expected: string; got: string; open: string; counted: string }>(
    `SELECT sum(toInt64(row_sign)) AS expected, sum(if(effects_complete = 0, toInt64(row_sign), 0)) AS open,
      (SELECT sum(transactions) FROM ${BASE_DATABASE}.chain_sums WHERE chain = {chain:String}) AS got,
      (SELECT sum(incomplete_transactions) FROM ${BASE_DATABASE}.chain_sums WHERE chain = {chain:String}) AS counted
    FROM ${BASE_DATABASE}.transactions FINAL WHERE chain = {chain:String}`,
    params,
  )
  if (sums && (sums.expected !== sums.got || sums.open !== sums.counted)) {
    const difference = `expected ${sums.expected} transactions, ${sums.open} of them incomplete, got ${sums.got} and ${sums.counted}`
    differences.push({ height: null, table: 'chain_sums', difference })
  }
  return differences
}

async function publishedHeights(sql: Sql, params: SqlParams, ranges: Ranges): Promise<Difference[]> {
  if (ranges.length === 0) return []
  const rows = await sql.rows<{ height: string }>(
    `${HEIGHTS_SQL}
    WHERE height NOT IN (SELECT height FROM ${BASE_DATABASE}.blocks FINAL WHERE chain = {chain:String})
    ORDER BY height LIMIT ${LIMIT}`,
    { ...params, ...heightParams(ranges) },
  )
  return rows.map(row => ({
    height: Number(row.height),
    table: 'checkpoints',
    difference: 'the height is published, expected a block, got none',
  }))
}

/**
 * Rows of heights where no block is published, those of the batch that is being written left out. A block that stands
 * there and that nobody took away is missing in the checkpoint.
 */
async function strayRows(sql: Sql, params: SqlParams): Promise<Difference[]> {
  // Which heights those are is told with the question, once for all tables.
  const published = await readPublished(sql, String(params.chain))
  const open = await sql.rows<{ height: string }>(
    `SELECT DISTINCT height FROM (${OPEN_HEIGHTS}) WHERE chain = {chain:String}`,
    params,
  )
  const known = mergeRanges([
    ...published,
    ...open.map(({ height }) => [Number(height), Number(height)] as const),
  ])
  const bounds = [0, ...known.flatMap(([from, to]) => [2 * from + 1, 2 * (to + 1)])]
  const unpublished = `chain = {chain:String} AND bitAnd(roundDown(toUInt64(height * 2 + 1), {bounds:Array(UInt64)}), 1) = 0`
  const hidden = await sql.rows<{ height: string }>(
    `SELECT height FROM ${BASE_DATABASE}.blocks FINAL WHERE ${unpublished}
      AND (height, row_version) NOT IN (
        SELECT cancels.height, cancels.version FROM ${BASE_DATABASE}.journal
        ARRAY JOIN cancels.height, cancels.version WHERE chain = {chain:String})
    ORDER BY height LIMIT ${LIMIT}`,
    { ...params, bounds },
  )
  const differences = hidden.map(
    ({ height }): Difference => ({
      height: Number(height),
      table: 'checkpoints',
      difference: 'the block stands and nothing took it away, expected its height to be published',
    }),
  )
  const ofTables = TABLES.map(
    table => `SELECT '${table}' AS table, height, sum(toInt64(row_sign)) AS rows FROM ${BASE_DATABASE}.${table} FINAL
      WHERE ${unpublished} AND height NOT IN {hidden:Array(UInt64)}
      GROUP BY height ORDER BY height LIMIT ${LIMIT}`,
  )
  const strays = await sql.rows<{ table: string; height: string; rows: string }>(
    `SELECT * FROM (${ofTables.join(' UNION ALL ')}) ORDER BY height`,
    { ...params, bounds, hidden: hidden.map(({ height }) => Number(height)) },
  )
  for (const { table, height, rows } of strays) {
    const difference = `expected no rows where no block is published, got ${rows}`
    differences.push({ height: Number(height), table, difference })
  }
  return differences
}

async function registered(sql: Sql, definition: ChainDefinition): Promise<Difference[]> {
  const expected = chainValues(definition)
  const [row] = await sql.rows(
    `SELECT ${Object.keys(expected).join(', ')} FROM ${BASE_DATABASE}.chains FINAL WHERE chain = {chain:String}`,
    { chain: definition.slug },
  )
  return Object.entries(expected).flatMap(([column, value]) =>
    row?.[column] === value
      ? []
      : [
          {
            height: null,
            table: 'chains',
            difference: `${column}: expected ${String(value)}, got ${String(row?.[column])}`,
          },
        ],
  )
}
