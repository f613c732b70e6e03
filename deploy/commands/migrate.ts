import { type CommandContext, EXIT } from '../command.ts'
import { withStore } from '../sql-session.ts'

/** Applies what is missing of the schema; prints what was done as one JSON line. */
export async function runMigrate(context: CommandContext): Promise<number> {
  return withStore({ ...context.config, logger: context.logger }, async ({ migrated }) => {
    context.stdout.write(`${JSON.stringify(migrated)}\n`)
    return EXIT.done
  })
}
