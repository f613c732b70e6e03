import { type Nodes, openNodes } from '../../crawlers/nodes.ts'
import type { ChainSource } from '../../schema/chain.ts'
import { repairChain } from '../../splitter/repair.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { findChain } from '../config.ts'
import { identifyEach, type NodeOptions } from '../node.ts'
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
  const endpoints = options.node ? options.node.map(url => ({ url })) : settings.endpoints
  let nodes: Nodes<unknown> | null = null
  /** Most repairs need no node: they are opened when the first block is missing. */
  async function openSource(): Promise<ChainSource<unknown> | null> {
    if (endpoints.length === 0) return null
    if (!nodes) {
      const source = { recoverSenders: options.senders ?? settings.recoverSenders, traces: settings.traces }
      nodes = await openNodes<unknown>(chain, endpoints, { source })
      await identifyEach(logger, nodes)
    }
    return nodes
  }
  return withLockedStore({ dataDirectory: config.dataDirectory, logger }, async ({ sql }) => {
    try {
      const report = await repairChain(
        { sql, chain, openSource, logger, owner: ownerName(), isGone: isGoneHere },
        options,
      )
      for (const difference of report.left) logger.error(difference, 'difference')
      const seconds = Math.round((Date.now() - startedAt) / 10) / 100
      context.stdout.write(`${JSON.stringify({ chain: slug, ...report, seconds })}\n`)
      return report.left.length === 0 ? EXIT.done : EXIT.incomplete
    } finally {
      await nodes?.close()
    }
  })
}
