import { dirname, resolve } from 'node:path'
import type { Logger } from 'pino'
import type { OutsiderAccess } from '../api/sql-upstream.ts'
import { clusterSettings } from '../schema/cluster.ts'
import { clickhouseAddress, explainRefusal, findOutsider } from './clickhouse.ts'
import { onCluster } from './cluster.ts'
import type { Config } from './config.ts'
import { lockDirectory } from './lock.ts'
import { type MigrationReport, migrate } from './migrate.ts'
import type { ClickHouseSettings } from './servers.ts'
import { createSql, type SqlClient } from './sql.ts'
import { openStore, type StoreAddress } from './store/supervisor.ts'

/** A store with a client that speaks to it, brought to this program's schema. */
export interface Session {
  sql: SqlClient
  /** The read-only user's way in, for the gateway; made where a server has none. @throws ConfigError */
  outsiders(): Promise<OutsiderAccess>
  /** What had to be done to the schema. */
  migrated: MigrationReport
}

/** What of the configuration says where the store is. */
export interface SessionOptions extends Pick<Config, 'dataDirectory' | 'clickhouse' | 'file'> {
  logger: Logger
}

/** The configured servers, or the store of the data directory, for the time of `run`; closes in order: clients first. */
export function withStore<T>(options: SessionOptions, run: (session: Session) => Promise<T>): Promise<T> {
  const { clickhouse, file } = options
  if (clickhouse === null) return withEmbedded(options, run)
  const folder = dirname(resolve(file ?? 'wanlian.yaml'))
  const ca = clickhouse.ca === null ? null : resolve(folder, clickhouse.ca)
  return withServers({ ...clickhouse, ca }, run)
}

async function withEmbedded<T>(
  options: { dataDirectory: string; logger: Logger },
  run: (session: Session) => Promise<T>,
): Promise<T> {
  const store = await openStore(options)
  const sql = createSql(store)
  try {
    const outsiders = async () => ({ url: store.url, headers: store.headers, ...store.outsider })
    return await run({ sql, outsiders, migrated: await migrate(sql) })
  } finally {
    await sql.close()
    await store.close()
  }
}

async function withServers<T>(
  settings: ClickHouseSettings,
  run: (session: Session) => Promise<T>,
): Promise<T> {
  const address = await clickhouseAddress(settings)
  const sql = connect(address, settings.cluster)
  try {
    const outsiders = () => findOutsider(sql, address, settings)
    const migrated = await migrate(sql).catch((error: unknown) => {
      throw explainRefusal(error, settings)
    })
    return await run({ sql, outsiders, migrated })
  } finally {
    await sql.close()
  }
}

function connect(address: StoreAddress, cluster: string | null): SqlClient {
  if (cluster === null) return createSql(address)
  const layout = { cluster, replicated: true, onCluster: true }
  return onCluster(createSql(address, { engine: clusterSettings(layout) }), layout)
}

/**
 * As `withStore`, for who writes what a pipeline would write. On servers the journal alone keeps two writers apart.
 * @throws ConfigError while a pipeline works in the directory.
 */
export function withLockedStore<T>(
  options: SessionOptions,
  run: (session: Session) => Promise<T>,
): Promise<T> {
  return withStore(options, async session => {
    if (options.clickhouse !== null) return run(session)
    const lock = await lockDirectory(options.dataDirectory)
    try {
      return await run(session)
    } finally {
      await lock.release()
    }
  })
}
