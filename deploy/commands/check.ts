import { checkChain } from '../../splitter/check.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { findChain } from '../config.ts'
import { withStore } from '../sql-session.ts'

export interface CheckOptions {
  from?: number
  to?: number
}

/** Proves what the store holds again; ends with one JSON line. Exit code 0 only without differences. */
export async function runCheck(
  context: CommandContext,
  slug: string,
  options: CheckOptions,
): Promise<number> {
  const startedAt = Date.now()
  const { chain } = findChain(context.config, slug)
  return withStore({ ...context.config, logger: context.logger }, async ({ sql }) => {
    const report = await checkChain({ sql, chain }, options)
    for (const difference of report.differences) context.logger.error(difference, 'difference')
    const seconds = Math.round((Date.now() - startedAt) / 10) / 100
    context.stdout.write(`${JSON.stringify({ chain: slug, ...report, seconds })}\n`)
    return report.differences.length === 0 && report.proven === report.blocks ? EXIT.done : EXIT.incomplete
  })
}
