import { openRpc } from '../crawlers/rpc.ts'
import type { ChainSource } from '../schema/chain.ts'
import { ConfigError } from '../schema/errors.ts'
import type { CommandContext } from './command.ts'
import type { ChainSettings } from './config.ts'

export interface NodeOptions {
  /** Endpoints of the command line; they replace the configured ones. */
  node?: string[]
  senders?: boolean
}

/** Opens the chain's endpoints for the time of `run`, after a look whether they are of that chain. */
export async function withNode<T>(
  context: CommandContext,
  settings: ChainSettings,
  options: NodeOptions,
  run: (source: ChainSource<unknown>) => Promise<T>,
): Promise<T> {
  const { chain } = settings
  const endpoints = options.node ? options.node.map(url => ({ url })) : settings.endpoints
  if (endpoints.length === 0) {
    throw new ConfigError(`${chain.definition.slug} has no endpoint`, {
      hint: `give --node http://… or --node file:DIR, or set chains.${chain.definition.slug}.endpoints in wanlian.yaml`,
    })
  }
  const rpc = await openRpc(endpoints)
  try {
    const source = chain.open(rpc, {
      recoverSenders: options.senders ?? settings.recoverSenders,
      traces: settings.traces,
    }) as ChainSource<unknown>
    const identity = await source.identify()
    if (identity.unchecked.length > 0) {
      context.logger.warn(
        { endpoints: rpc.names, checked: identity.checked, unchecked: identity.unchecked },
        'identity of the chain not fully checked: not told by the endpoint, or not known to the definition',
      )
    }
    return await run(source)
  } finally {
    await rpc.close()
  }
}
