import type { Logger } from 'pino'
import { type ClickHouse, openClickHouse } from './clickhouse.ts'
import { lockDirectory } from './lock.ts'
import { type MigrationReport, migrate } from './migrate.ts'
import type { ClickHouseSettings } from './servers.ts'
import { createSql, type SqlClient } from './sql.ts'
import { openStore } from './store/supervisor.ts'

/** A store with a client that speaks to it, brought to this program's schema. */
export interface Session {
  /** What the gateway of outsiders needs. */
  store: ClickHouse['store']
  sql: SqlClient
  /** What had to be done to the schema. */
  migrated: MigrationReport
}

export interface SessionOptions {
  dataDirectory: string
  /** Servers in place of the directory's store. */
  clickhouse: ClickHouseSettings | null
  logger: Logger
}

/** Opens the servers of the configuration, or the store of a data directory, for the time of `run`, and closes in order: clients first. */
export async function withStore<T>(
  options: SessionOptions,
  run: (session: Session) => Promise<T>,
): Promise<T> {
  const { sql, store, close } = await open(options)
  try {
    return await run({ store, sql, migrated: await migrate(sql) })
  } finally {
    await sql.close()
    await close()
  }
}

async function open({
  dataDirectory,
  clickhouse,
  logger,
}: SessionOptions): Promise<Pick<Session, 'sql' | 'store'> & { close(): Promise<void> }> {
  if (clickhouse) return { ...(await openClickHouse(clickhouse, logger)), close: async () => {} }
  const store = await openStore({ dataDirectory, logger })
  return { store, sql: createSql(store), close: () => store.close() }
}

/** As `withStore`, for who writes what a pipeline would write. @throws ConfigError while one works in the directory. */
export function withLockedStore<T>(
  options: SessionOptions,
  run: (session: Session) => Promise<T>,
): Promise<T> {
  return withStore(options, async session => {
    // Who writes beside it is held off by the journal.
    if (options.clickhouse) return run(session)
    const lock = await lockDirectory(options.dataDirectory)
    try {
      return await run(session)
    } finally {
      await lock.release()
    }
  })
}
