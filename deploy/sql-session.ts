import type { Logger } from 'pino'
import { lockDirectory } from './lock.ts'
import { type MigrationReport, migrate } from './migrate.ts'
import { createSql, type SqlClient } from './sql.ts'
import { openStore, type Store } from './store/supervisor.ts'

/** A store with a client that speaks to it, brought to this program's schema. */
export interface Session {
  store: Store
  sql: SqlClient
  /** What had to be done to the schema. */
  migrated: MigrationReport
}

/** Opens the store of a data directory for the time of `run`, and closes in order: clients first. */
export async function withStore<T>(
  options: { dataDirectory: string; logger: Logger },
  run: (session: Session) => Promise<T>,
): Promise<T> {
  const store = await openStore(options)
  const sql = createSql(store)
  try {
    return await run({ store, sql, migrated: await migrate(sql) })
  } finally {
    await sql.close()
    await store.close()
  }
}

/** As `withStore`, for who writes what a pipeline would write. @throws ConfigError while one works in the directory. */
export function withLockedStore<T>(
  options: { dataDirectory: string; logger: Logger },
  run: (session: Session) => Promise<T>,
): Promise<T> {
  return withStore(options, async session => {
    const lock = await lockDirectory(options.dataDirectory)
    try {
      return await run(session)
    } finally {
      await lock.release()
    }
  })
}
