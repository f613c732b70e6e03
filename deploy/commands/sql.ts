import { pipeline } from 'node:stream/promises'
import { type CommandContext, EXIT } from '../command.ts'
import { withStore } from '../sql-session.ts'

/** Runs any statement with the operator's rights; the answer streams to stdout in the asked format. */
export async function runSql(context: CommandContext, query: string, asked?: string): Promise<number> {
  const format = asked ?? (context.stdout.isTTY ? 'PrettyCompact' : 'TabSeparated')
  return withStore({ ...context.config, logger: context.logger }, async ({ sql }) => {
    await pipeline(await sql.stream(query, format), context.stdout, { end: false })
    return EXIT.done
  })
}
