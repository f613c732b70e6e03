import type { Logger } from 'pino'
import type { Chain } from '../crawlers/chain.ts'
import { type EndpointSettings, openRpc } from '../crawlers/rpc.ts'
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
    await identifyEach(context.logger, chain, endpoints)
    return await run(source)
  } finally {
    await rpc.close()
  }
}

/**
 * Looks whether every endpoint is of the chain, each by itself: behind one that is, another chain's would answer as soon
 * as the first fails. One that cannot be reached now is told, unless none can.
 * @throws WrongChainError
 */
export async function identifyEach(
  logger: Logger,
  chain: Chain,
  endpoints: readonly EndpointSettings[],
): Promise<void> {
  const outcomes = await Promise.allSettled(endpoints.map(endpoint => identifyOne(logger, chain, endpoint)))
  const errors = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
  const fatal = errors.find(error => !(error instanceof EndpointError))
  if (fatal !== undefined || errors.length === endpoints.length) throw fatal ?? errors[0]
  for (const error of errors) logger.warn(describeError(error))
}

async function identifyOne(logger: Logger, chain: Chain, endpoint: EndpointSettings): Promise<void> {
  const rpc = await openRpc([endpoint])
  try {
    const { checked, unchecked } = await chain.open(rpc).identify()
    if (unchecked.length === 0) return
    logger.warn(
      { endpoints: rpc.names, checked, unchecked },
      'identity of the chain not fully checked: not told by the endpoint, or not known to the definition',
    )
  } finally {
    await rpc.close()
  }
}
