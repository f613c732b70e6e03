import { join } from 'node:path'
import { logOrigin, resplitChain, sourceOrigin } from '../../splitter/resplit.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { findChain } from '../config.ts'
import { openEmbeddedLog } from '../log-embedded.ts'
import { endpointsOf, lazyNodes, type NodeOptions } from '../node.ts'
import { isGoneHere, ownerName } from '../pid.ts'
import { withLockedStore } from '../sql-session.ts'

export interface ResplitOptions extends NodeOptions {
  from?: number
  to?: number
}

/**
 * Makes the rows of stored blocks anew as this version splits them; ends with one JSON line that says of what they were
 * made. Exit code 0 when no block was left out.
 */
export async function runResplit(
  context: CommandContext,
  slug: string,
  options: ResplitOptions,
): Promise<number> {
  const { config, logger } = context
  const settings = findChain(config, slug)
  const { chain } = settings
  const endpoints = endpointsOf(settings, options)
  const isRecording = ({ url }: { url: string }) => url.startsWith('file:')
  const recordings = lazyNodes(logger, settings, { ...options, endpoints: endpoints.filter(isRecording) })
  const nodes = lazyNodes(logger, settings, {
    ...options,
    endpoints: endpoints.filter(one => !isRecording(one)),
  })
  return withLockedStore({ ...config, logger }, async ({ sql }) => {
    const log = await openEmbeddedLog({ directory: join(config.dataDirectory, 'log') })
    const origins = [
      logOrigin(sql, chain, log),
      sourceOrigin(chain, 'recording', recordings.open),
      sourceOrigin(chain, 'node', nodes.open),
    ]
    try {
      const report = await resplitChain(
        { sql, chain, origins, logger, owner: ownerName(), isGone: isGoneHere },
        options,
      )
      context.stdout.write(`${JSON.stringify({ chain: slug, ...report })}\n`)
      return report.failed.length === 0 ? EXIT.done : EXIT.incomplete
    } finally {
      await Promise.all([recordings.close(), nodes.close(), log.close()])
    }
  })
}
