import type { Logger } from 'pino'
import { type Nodes, openNodes } from '../crawlers/nodes.ts'
import type { ChainSource } from '../schema/chain.ts'
import { ConfigError, describeError, EndpointError } from '../schema/errors.ts'
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
  const endpoints = endpointsOf(settings, options)
  if (endpoints.length === 0) {
    throw new ConfigError(`${chain.definition.slug} has no endpoint`, {
      hint: `give --node http://… or --node file:DIR, or set chains.${chain.definition.slug}.endpoints in wanlian.yaml`,
    })
  }
  const nodes = await openNodes<unknown>(chain, endpoints, {
    source: {
      recoverSenders: options.senders ?? settings.recoverSenders,
      traces: settings.traces,
    },
  })
  try {
    await identifyEach(context.logger, nodes)
    return await run(nodes)
  } finally {
    await nodes.close()
  }
}

/** Endpoints that are opened when the first block is wanted of them: most work needs none. */
export interface LazyNodes {
  /** Null where there is no endpoint. */
  open(): Promise<ChainSource<unknown> | null>
  close(): Promise<void>
}

export function lazyNodes(
  logger: Logger,
  settings: ChainSettings,
  { senders, endpoints }: Pick<NodeOptions, 'senders'> & { endpoints: ChainSettings['endpoints'] },
): LazyNodes {
  let nodes: Nodes<unknown> | null = null
  return {
    async open() {
      if (endpoints.length === 0) return null
      if (!nodes) {
        const source = { recoverSenders: senders ?? settings.recoverSenders, traces: settings.traces }
        nodes = await openNodes<unknown>(settings.chain, endpoints, { source })
        await identifyEach(logger, nodes)
      }
      return nodes
    },
    async close() {
      await nodes?.close()
    },
  }
}

/** Of the command line, or else those that are configured. */
export function endpointsOf(settings: ChainSettings, { node }: NodeOptions): ChainSettings['endpoints'] {
  return node ? node.map(url => ({ url })) : settings.endpoints
}

/**
 * Looks whether every endpoint is of the chain. One that cannot be reached now is told, unless none can, and identified
 * when it comes back.
 * @throws WrongChainError, ConfigError, EndpointError
 */
export async function identifyEach(
  logger: Logger,
  nodes: Pick<Nodes<unknown>, 'identifyEach' | 'status'>,
): Promise<void> {
  const outcomes = await nodes.identifyEach()
  const errors = outcomes.filter(outcome => outcome instanceof Error)
  const fatal = errors.find(error => !(error instanceof EndpointError))
  if (fatal) throw fatal
  if (errors.length === outcomes.length) throw errors[0]
  const names = nodes.status().map(status => status.name)
  for (const [at, outcome] of outcomes.entries()) {
    if (outcome instanceof Error) logger.warn(describeError(outcome))
    else if (outcome.unchecked.length > 0) {
      logger.warn(
        { endpoint: names[at], ...outcome },
        'identity of the chain not fully checked: not told by the endpoint, or not known to the definition',
      )
    }
  }
}
