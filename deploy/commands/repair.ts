import { repairChain } from '../../splitter/repair.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { findChain } from '../config.ts'
import { endpointsOf, lazyNodes, type NodeOptions } from '../node.ts'
import { isGoneHere, ownerName } from '../pid.ts'
import { withLockedStore } from '../sql-session.ts'

export interface RepairOptions extends NodeOptions {
  from?: number
  to?: number
}

/**
 * Mends what `check` finds; ends with one JSON line. Nobody else may write meanwhile. Exit code 0 when nothing is left.
 */
export async function runRepair(
  context: CommandContext,
  slug: string,
  options: RepairOptions,
): Promise<number> {
  const startedAt = Date.now()
  const { config, logger } = context
  const settings = findChain(config, slug)
  const { chain } = settings
  const nodes = lazyNodes(logger, settings, { ...options, endpoints: endpointsOf(settings, options) })
  return withLockedStore({ ...config, logger }, async ({ sql }) => {
    try {
      const report = await repairChain(
        { sql, chain, openSource: nodes.open, logger, owner: ownerName(), isGone: isGoneHere },
        options,
      )
      for (const difference of report.left) logger.error(difference, 'difference')
      const seconds = Math.round((Date.now() - startedAt) / 10) / 100
      context.stdout.write(`${JSON.stringify({ chain: slug, ...report, seconds })}\n`)
      return report.left.length === 0 ? EXIT.done : EXIT.incomplete
    } finally {
      await nodes.close()
    }
  })
}
