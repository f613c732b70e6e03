import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { migrate } from '../deploy/migrate.ts'
import { createSql, type SqlClient, type SqlSettings } from '../deploy/sql.ts'
import { openStore, type Store, type StoreAddress } from '../deploy/store/supervisor.ts'
import { clusterSettings } from '../schema/cluster.ts'
import { views } from '../schema/views.ts'
import { openShards } from './shards.ts'

export const silent = pino({ level: 'silent' })

export interface TestStore {
  directory: string
  store: Store
  sql: SqlClient
  close(): Promise<void>
}

/** A store of its own in a temporary directory, at the present schema. */
export async function openTestStore(): Promise<TestStore> {
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-test-'))
  const store = await openStore({ dataDirectory: directory, logger: silent })
  const sql = createSql(store)
  await migrate(sql)
  return {
    directory,
    store,
    sql,
    async close() {
      await sql.close()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A store as a client sees it: one embedded process, or two of them as the shards of a cluster. */
export interface ContractStore {
  sql: SqlClient
  /** How another process reaches it. */
  address: StoreAddress
  engine: NonNullable<SqlSettings['engine']>
  close(): Promise<void>
}

/** Which of the two the suites of the store's contract run on. */
export const STORE = process.env.WANLIAN_STORE === 'sharded' ? 'sharded' : 'embedded'

/** The store that the contract is tried on, at the present schema. */
export async function openContractStore(kind: 'embedded' | 'sharded' = STORE): Promise<ContractStore> {
  if (kind === 'embedded') {
    const { store, sql, close } = await openTestStore()
    return { sql, close, address: store, engine: {} }
  }
  const { sql, layout, address, close } = await openShards(2)
  await migrate(sql)
  return { sql, close, address, engine: clusterSettings(layout) }
}

/** Opens the store of a directory for the time of `run`, as it is: nothing is migrated. */
export async function withDirectory<T>(
  dataDirectory: string,
  run: (sql: SqlClient, store: Store) => Promise<T>,
): Promise<T> {
  const store = await openStore({ dataDirectory, logger: silent })
  const sql = createSql(store)
  try {
    return await run(sql, store)
  } finally {
    await sql.close()
    await store.close()
  }
}

/** Bookkeeping differs from run to run; what outsiders read of the chains must not. */
const BOOKKEEPING = new Set([
  'journal',
  'checkpoints',
  'wanlian.tips',
  'orphaned_blocks',
  'orphaned_transactions',
  'reorgs',
  'block_finality',
  'reconciliation',
])

/** Everything that outsiders see of a chain, view by view, in a fixed order. (The hash of a list with a null in it would be null.) */
export async function dumpViews(sql: SqlClient, chain: string): Promise<Record<string, string>> {
  const names = views.map(view => view.name).filter(name => !BOOKKEEPING.has(name))
  const rows = await sql.rows<{ view: string; rows: string; digest: string }>(
    names
      .map(
        name =>
          `SELECT '${name}' AS view, count() AS rows, sum(cityHash64(tuple(* EXCEPT chain))) AS digest FROM ${name} WHERE chain = {chain:String}`,
      )
      .join(' UNION ALL '),
    { chain },
  )
  return Object.fromEntries(rows.map(row => [row.view, `${row.rows} rows ${row.digest}`]).sort())
}
