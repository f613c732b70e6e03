import { replayLetters } from '../../splitter/dead-letters.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { findChain } from '../config.ts'
import { lockDirectory } from '../lock.ts'
import { isGoneHere, ownerName } from '../pid.ts'
import { withStore } from '../sql-session.ts'

/** Tries what was set aside again; ends with one JSON line. Exit code 0 when nothing waits any more. */
export async function runReplay(context: CommandContext, slug: string): Promise<number> {
  const { config, logger } = context
  const { chain } = findChain(config, slug)
  return withStore({ dataDirectory: config.dataDirectory, logger }, async ({ sql }) => {
    const lock = await lockDirectory(config.dataDirectory)
    try {
      const report = await replayLetters({ sql, chain, logger, owner: ownerName(), isGone: isGoneHere })
      context.stdout.write(`${JSON.stringify({ chain: slug, ...report })}\n`)
      return report.waiting.length === 0 ? EXIT.done : EXIT.incomplete
    } finally {
      await lock.release()
    }
  })
}
