import { replayLetters } from '../../splitter/dead-letters.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { findChain } from '../config.ts'
import { isGoneHere, ownerName } from '../pid.ts'
import { withLockedStore } from '../sql-session.ts'

/** Tries what was set aside again; ends with one JSON line. Exit code 0 when nothing waits any more. */
export async function runReplay(context: CommandContext, slug: string): Promise<number> {
  const { config, logger } = context
  const { chain } = findChain(config, slug)
  return withLockedStore({ ...config, logger }, async ({ sql }) => {
    const report = await replayLetters({ sql, chain, logger, owner: ownerName(), isGone: isGoneHere })
    context.stdout.write(`${JSON.stringify({ chain: slug, ...report })}\n`)
    return report.waiting.length === 0 ? EXIT.done : EXIT.incomplete
  })
}
