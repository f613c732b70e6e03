import { type CommandContext, EXIT } from '../command.ts'
import { migrate } from '../migrate.ts'
import { createSql } from '../sql.ts'
import { openStore } from '../store/supervisor.ts'

/** Applies what is missing of the schema; prints what was done as one JSON line. */
export async function runMigrate(context: CommandContext): Promise<number> {
  const store = await openStore({ dataDirectory: context.config.dataDirectory, logger: context.logger })
  const sql = createSql(store)
  try {
    context.stdout.write(`${JSON.stringify(await migrate(sql))}\n`)
    return EXIT.done
  } finally {
    await sql.close()
    await store.close()
  }
}
