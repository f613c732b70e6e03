import type { ChainDefinition } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { Sql, SqlParams } from '../schema/ports.ts'
import { HEIGHTS_SQL, heightParams, type Ranges } from '../schema/ranges.ts'
import { blockTableNames } from '../schema/tables.ts'
import { chainValues } from './chain-row.ts'

/** Something that is not as the archive's proven bytes say. */
export interface Difference {
  /** Null where the difference belongs to no single block. */
  height: number | null
  table: string
  /** What was expected and what came. */
  difference: string
}

const LIMIT = 100

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
    journalled(sql, params),
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
  const rows = await sql.rows<{ address: string; asset: string; expected: string; got: string }>(
    `SELECT address, asset, sum(effect) AS expected, sum(total) AS got FROM (
      SELECT address, asset, amount AS effect, toInt256(0) AS total, toInt64(1) AS uses, toInt64(0) AS counted
      FROM ${BASE_DATABASE}.effects FINAL WHERE chain = {chain:String}
      UNION ALL
      SELECT address, asset, toInt256(0), amount, toInt64(0), effects
      FROM ${BASE_DATABASE}.balance_sums WHERE chain = {chain:String}
    ) GROUP BY address, asset HAVING expected != got OR sum(uses) != sum(counted) ORDER BY address LIMIT ${LIMIT}`,
    params,
  )
  return rows.map(row => ({
    height: null,
    table: 'balance_sums',
    difference: `${row.address || 'synthetic'} ${row.asset}: expected ${row.expected}, got ${row.got}`,
  }))
}

/** Rows by `FINAL`, by the sum of their signs, and by the totals that views keep must be the same. */
async function counts(sql: Sql, params: SqlParams): Promise<Difference[]> {
  const differences: Difference[] = []
  for (const table of [...blockTableNames, 'effects_by_address']) {
    const [row] = await sql.rows<{ final: string; signed: string }>(
      `SELECT (SELECT count() FROM ${BASE_DATABASE}.${table} FINAL WHERE chain = {chain:String}) AS final,
        (SELECT sum(toInt64(row_sign)) FROM ${BASE_DATABASE}.${table} WHERE chain = {chain:String}) AS signed`,
      params,
    )
    if (row && row.final !== row.signed) {
      const difference = `expected the signs to add up to ${row.final} rows, got ${row.signed}`
      differences.push({ height: null, table, difference })
    }
  }
  const [sums] = await sql.rows<{ expected: string; got: string; open: string; counted: string }>(
    `SELECT count() AS expected, countIf(effects_complete = 0) AS open,
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

/** Rows of heights where no block stands. */
async function strayRows(sql: Sql, params: SqlParams): Promise<Difference[]> {
  const differences: Difference[] = []
  for (const table of [...blockTableNames, 'effects_by_address']) {
    const rows = await sql.rows<{ height: string; rows: string }>(
      `SELECT height, count() AS rows FROM ${BASE_DATABASE}.${table} FINAL
      WHERE chain = {chain:String}
        AND height NOT IN (SELECT height FROM default.blocks WHERE chain = {chain:String})
      GROUP BY height ORDER BY height LIMIT ${LIMIT}`,
      params,
    )
    for (const row of rows) {
      const difference = `expected no rows where no block is published, got ${row.rows}`
      differences.push({ height: Number(row.height), table, difference })
    }
  }
  return differences
}

/** Each stored block was announced by the batch whose version its rows carry. */
async function journalled(sql: Sql, params: SqlParams): Promise<Difference[]> {
  const rows = await sql.rows<{ height: string; hash: string }>(
    `SELECT height, lower(hex(block_hash)) AS hash FROM ${BASE_DATABASE}.blocks FINAL
    WHERE chain = {chain:String} AND (height, block_hash, bitShiftRight(row_version, 10)) NOT IN (
      SELECT blocks.height, blocks.hash, batch FROM ${BASE_DATABASE}.journal
      ARRAY JOIN blocks.height, blocks.hash WHERE chain = {chain:String}
    ) ORDER BY height LIMIT ${LIMIT}`,
    params,
  )
  return rows.map(row => ({
    height: Number(row.height),
    table: 'journal',
    difference: `expected the block ${row.hash} in the entry of its batch, got none`,
  }))
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
