import { checkBalances } from '../../splitter/check-balances.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { findChain } from '../config.ts'
import { type NodeOptions, withNode } from '../node.ts'
import { withStore } from '../sql-session.ts'

export interface CheckBalancesOptions extends NodeOptions {
  sample?: number
}

/** Compares balances with what a node says; ends with one JSON line. Exit code 0 only without differences. */
export async function runCheckBalances(
  context: CommandContext,
  slug: string,
  options: CheckBalancesOptions,
): Promise<number> {
  const startedAt = Date.now()
  const settings = findChain(context.config, slug)
  return withNode(context, settings, options, source =>
    withStore({ ...context.config, logger: context.logger }, async ({ sql }) => {
      const report = await checkBalances({ sql, chain: settings.chain, source }, options)
      for (const difference of report.differences) context.logger.error(difference, 'difference')
      const seconds = Math.round((Date.now() - startedAt) / 10) / 100
      context.stdout.write(`${JSON.stringify({ chain: slug, ...report, seconds })}\n`)
      return report.differences.length === 0 ? EXIT.done : EXIT.incomplete
    }),
  )
}
