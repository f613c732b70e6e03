import type { Logger } from 'pino'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { ConfigError, StoreError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { blockTableNames } from '../schema/tables.ts'
import { readRegistered } from '../splitter/chain-row.ts'
import type { SqlClient } from './sql.ts'

export interface MoveDeps {
  from: Sql
  to: SqlClient
  /** Of this move: repeated under the same name, what was copied before is not copied twice. */
  id: string
  logger: Logger
}

/** What was copied. */
export interface MoveReport {
  tables: number
  rows: number
}

/** Rows of one insert: one atomic block of the table. */
const CHUNK_ROWS = 100_000

/** What the other store makes itself out of what is copied, or by its own migrations. */
const MADE_THERE = new Set([
  'effects_by_address',
  'balance_sums',
  'chain_sums',
  'migrations',
  'migrating',
  'reconciliation',
  // Whoever serves webhooks there takes them anew.
  'webhook_leases',
])

interface TableFacts {
  name: string
  /** Columns that are stored, in their order. */
  columns: string[]
  engine: string
  sortedBy: string[]
}

/**
 * Copies all tables of a store into another of the same schema, in which nothing of these chains stands but what the same
 * move left there. Nobody may write into either. Checkpoints come last: until then readers there see nothing. Then both
 * are compared.
 * @throws StoreError when the two differ at the end.
 */
export async function moveTables({ from, to, id, logger }: MoveDeps): Promise<MoveReport> {
  const tables = await readTables(from)
  const chains = await movedChains(from)
  const report: MoveReport = { tables: tables.length, rows: 0 }
  for (const table of tables) {
    for (const chain of chains) {
      const rows = await copyTable({ from, to, id }, table, chain)
      report.rows += rows
      if (rows > 0) logger.info({ table: table.name, chain, rows }, 'copied')
    }
  }
  await compare(from, to, tables, chains)
  return report
}

/** In the order of copying: a `blocks` row without its parts is nowhere, and what readers go by comes last. */
async function readTables(from: Sql): Promise<TableFacts[]> {
  const rows = await from.rows<{ name: string; columns: string[]; engine: string; sorted: string }>(
    `SELECT tables.name AS name, tables.engine AS engine, tables.sorting_key AS sorted,
      arrayMap(entry -> entry.2, arraySort(groupArray((position, columns.name)))) AS columns
    FROM system.tables AS tables INNER JOIN system.columns AS columns
      ON columns.database = tables.database AND columns.table = tables.name
    WHERE tables.database = '${BASE_DATABASE}' AND tables.engine LIKE '%MergeTree' AND default_kind = ''
    GROUP BY tables.name, tables.engine, tables.sorting_key`,
  )
  const rank = (name: string) =>
    name === 'checkpoints' ? 3 : name === 'blocks' ? 1 : (blockTableNames as string[]).includes(name) ? 0 : 2
  return rows
    .filter(({ name }) => !MADE_THERE.has(name) && !name.startsWith('mended_'))
    .map(({ name, columns, engine, sorted }) => ({
      name,
      columns,
      engine,
      sortedBy: sorted.split(',').map(key => key.trim()),
    }))
    .sort((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name))
}

/** Webhooks belong to no chain: theirs is the empty name. */
async function movedChains(from: Sql): Promise<string[]> {
  return [...(await readRegistered(from)), '']
}

/** @throws ConfigError when a store holds something of the chains that are to be moved there. */
export async function expectNothingOf(from: Sql, to: Sql): Promise<void> {
  const chains = await movedChains(from)
  for (const { name } of await readTables(from)) {
    const [found] = await to.rows<{ chain: string }>(
      `SELECT toString(chain) AS chain FROM ${BASE_DATABASE}.${name} WHERE chain IN {chains:Array(String)} LIMIT 1`,
      { chains },
    )
    if (!found) continue
    throw new ConfigError(
      `the other store holds rows of ${found.chain || 'webhooks'} already (${name}): expected one without these chains`,
      { hint: 'move into an empty store, or drop what stands there' },
    )
  }
}

/** @returns how many rows there are; those that were copied before under the same tokens count. */
async function copyTable(
  { from, to, id }: Pick<MoveDeps, 'from' | 'to' | 'id'>,
  { name, columns, sortedBy }: TableFacts,
  chain: string,
): Promise<number> {
  const list = columns.map(column => `\`${column}\``).join(', ')
  // Tables of blocks and the journal are read by stretches of a growing key, the small ones whole.
  const key = ['height', 'batch', 'offset'].find(
    column => columns.includes(column) && (name === 'journal' ? column === 'batch' : true),
  )
  for (const [first, last] of key ? await stretches(from, name, key, chain) : [[0, 0] as const]) {
    const where = key ? `AND \`${key}\` BETWEEN {first:UInt64} AND {last:UInt64}` : ''
    const order = [...new Set([...sortedBy, ...columns.filter(column => column.startsWith('row_'))])]
    const bytes = await from.bytes(
      `SELECT ${list} FROM ${BASE_DATABASE}.${name} WHERE chain = {chain:String} ${where}
      ORDER BY ${order.join(', ')} FORMAT Native`,
      { chain, first, last },
    )
    if (bytes.length === 0) continue
    await to.copy(
      `INSERT INTO ${BASE_DATABASE}.${name} (${list}) FORMAT Native`,
      bytes,
      `move:${id}:${name}:${chain}:${first}`,
    )
  }
  const [counted] = await from.rows<{ rows: string }>(
    `SELECT count() AS rows FROM ${BASE_DATABASE}.${name} WHERE chain = {chain:String}`,
    { chain },
  )
  return Number(counted?.rows ?? 0)
}

/** Ranges of a key with at most so many rows each, as far as one value does not have more. */
async function stretches(from: Sql, name: string, key: string, chain: string): Promise<[string, string][]> {
  const found: [string, string][] = []
  let rows = 0
  for (const { value, count } of await from.rows<{ value: string; count: string }>(
    `SELECT toString(\`${key}\`) AS value, count() AS count FROM ${BASE_DATABASE}.${name}
    WHERE chain = {chain:String} GROUP BY \`${key}\` ORDER BY \`${key}\``,
    { chain },
  )) {
    const open = found.at(-1)
    if (open && rows + Number(count) <= CHUNK_ROWS) {
      open[1] = value
      rows += Number(count)
    } else {
      found.push([value, value])
      rows = Number(count)
    }
  }
  return found
}

/** Rows as they stand, signs counted; what merges leave out on one side only is nothing on the other. */
async function compare(
  from: Sql,
  to: Sql,
  tables: readonly TableFacts[],
  chains: readonly string[],
): Promise<void> {
  const differing: string[] = []
  for (const { name, columns, engine } of tables) {
    const list = columns.filter(column => column !== 'row_sign').map(column => `\`${column}\``)
    const isSigned = columns.includes('row_sign')
    const final = engine.startsWith('Replacing') ? 'FINAL' : ''
    const statement = `SELECT toString(chain) AS chain, ${
      isSigned
        ? `sum(toInt64(row_sign)) AS rows, sum(toInt128(cityHash64(${list.join(', ')})) * row_sign) AS digest`
        : `count() AS rows, sum(toInt128(cityHash64(${list.join(', ')}))) AS digest`
    } FROM ${BASE_DATABASE}.${name} ${final} WHERE chain IN {chains:Array(String)} GROUP BY chain HAVING rows != 0 ORDER BY chain`
    const [here, there] = await Promise.all([
      from.rows(statement, { chains: [...chains] }),
      to.rows(statement, { chains: [...chains] }),
    ])
    if (JSON.stringify(here) !== JSON.stringify(there))
      differing.push(`${name}: ${JSON.stringify(here)} here, ${JSON.stringify(there)} there`)
  }
  if (differing.length === 0) return
  throw new StoreError(`what was copied is not what stands here: ${differing.join('; ')}`, {
    hint: 'was something written meanwhile? Drop the tables there and begin again',
  })
}
