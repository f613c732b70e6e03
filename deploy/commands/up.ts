import { join } from 'node:path'
import { ConfigError } from '../../schema/errors.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { type ChainSettings, type Config, findChain } from '../config.ts'
import type { Addresses } from '../serve.ts'
import { stopSignal } from '../stop-signal.ts'

export interface UpOptions {
  /** `<chain>=<endpoint>`; they replace the configured chains. */
  node?: string[]
  port?: number
  clickhousePort?: number
  host?: string
}

/** Every role in one process, until it is told to stop. */
export async function runUp(context: CommandContext, options: UpOptions): Promise<number> {
  const config = withOptions(context.config, options)
  const chains = chosenChains(config, options.node)
  const stop = stopSignal()
  const { runEverything } = await import('../up.ts')
  await runEverything({ ...context, config }, chains, tell(context), stop)
  return EXIT.done
}

/** The same on development chains of this machine, which need no network. */
export async function runDemo(
  context: CommandContext,
  options: Omit<UpOptions, 'node'> & { seed?: string; interval?: number },
): Promise<number> {
  const config = withOptions(context.config, options)
  const stop = stopSignal()
  const { startDemoChains } = await import('../dev/demo-chains.ts')
  const { runEverything } = await import('../up.ts')
  const demo = await startDemoChains({
    directory: join(config.dataDirectory, 'demo'),
    logger: context.logger,
    ...(options.seed !== undefined && { seed: options.seed }),
    ...(options.interval !== undefined && { intervalMs: options.interval * 1000 }),
  })
  try {
    const nodes = [...demo.endpoints].flatMap(([slug, urls]) => urls.map(url => `${slug}=${url}`))
    const chains = chosenChains(config, nodes).map(settings => ({ ...settings, pollMs: 1_000 }))
    await runEverything({ ...context, config }, chains, tell(context), stop)
  } finally {
    await demo.close()
  }
  return EXIT.done
}

/** The command line before the configuration. */
export function withOptions(config: Config, { port, clickhousePort, host }: UpOptions): Config {
  return {
    ...config,
    ...(port !== undefined && { port }),
    ...(clickhousePort !== undefined && { clickhousePort }),
    ...(host !== undefined && { host }),
  }
}

/** One JSON line for programs; a few words for people. */
export function tell({ stdout, terminal }: CommandContext): (addresses: Addresses) => void {
  return addresses => {
    stdout.write(`${JSON.stringify(addresses)}\n`)
    if (!terminal.isTTY) return
    const { site, graphql, clickhouse } = addresses
    terminal.write(
      `\n  Site     ${site}\n  GraphQL  ${graphql}\n  SQL      ${clickhouse}   (ClickHouse HTTP)\n`,
    )
    terminal.write('\n  Ctrl-C stops in order.\n\n')
  }
}

/** @throws ConfigError for an unknown chain, or when there is nothing to follow. */
export function chosenChains(config: Config, nodes: readonly string[] | undefined): ChainSettings[] {
  if (!nodes) {
    const configured = [...config.chains.values()].filter(settings => settings.endpoints.length > 0)
    if (configured.length > 0) return configured
    throw new ConfigError('no chain has an endpoint: give --node <chain>=<endpoint>')
  }
  const byChain = new Map<string, string[]>()
  for (const node of nodes) {
    const at = node.indexOf('=')
    if (at <= 0 || at === node.length - 1) {
      throw new ConfigError(`--node: expected <chain>=<endpoint>, got ${JSON.stringify(node)}`, {
        hint: 'for example --node ethereum=https://ethereum.example.org',
      })
    }
    const slug = node.slice(0, at)
    byChain.set(slug, [...(byChain.get(slug) ?? []), node.slice(at + 1)])
  }
  return [...byChain].map(([slug, urls]) => ({
    ...findChain(config, slug),
    endpoints: urls.map(url => ({ url })),
  }))
}
