import { join } from 'node:path'
import { ConfigError } from '../../schema/errors.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { type ChainSettings, type Config, findChain } from '../config.ts'
import { lockDirectory } from '../lock.ts'
import { openEmbeddedLog } from '../log-embedded.ts'
import { startPipeline } from '../pipeline.ts'
import { withStore } from '../sql-session.ts'

export interface UpOptions {
  /** `<chain>=<endpoint>`; they replace the configured chains. */
  node?: string[]
  port?: number
  clickhousePort?: number
  host?: string
}

/** Every role in one process, until it is told to stop. */
export async function runUp(context: CommandContext, options: UpOptions): Promise<number> {
  const chains = chosenChains(context.config, options.node)
  const stop = stopSignal()
  await serve(context, { ...context.config, ...definedOf(options) }, chains, stop)
  return EXIT.done
}

async function serve(
  context: CommandContext,
  config: Config,
  chains: readonly ChainSettings[],
  stop: Promise<void>,
): Promise<void> {
  const { logger } = context
  const { dataDirectory } = config
  await withStore({ dataDirectory, logger }, async ({ sql }) => {
    const lock = await lockDirectory(dataDirectory)
    try {
      const log = await openEmbeddedLog({ directory: join(dataDirectory, 'log') })
      const pipeline = await startPipeline({ chains, sql, log, logger })
      context.stdout.write(
        `${JSON.stringify({ chains: chains.map(({ chain }) => chain.definition.slug) })}\n`,
      )
      await stop
      logger.info({}, 'stopping')
      await pipeline.stop()
      await log.close()
    } finally {
      await lock.release()
    }
  })
}

function definedOf({ port, clickhousePort, host }: UpOptions): Partial<Config> {
  return {
    ...(port !== undefined && { port }),
    ...(clickhousePort !== undefined && { clickhousePort }),
    ...(host !== undefined && { host }),
  }
}

/** @throws ConfigError for an unknown chain, or when there is nothing to follow. */
export function chosenChains(config: Config, nodes: readonly string[] | undefined): ChainSettings[] {
  if (!nodes) {
    const configured = [...config.chains.values()].filter(settings => settings.endpoints.length > 0)
    if (configured.length === 0)
      throw new ConfigError('no chain has an endpoint: give --node <chain>=<endpoint>')
    return configured
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

/** The first signal asks for an orderly stop, the second ends at once. */
function stopSignal(): Promise<void> {
  return new Promise(resolve => {
    let asked = false
    const ask = () => {
      if (asked) process.exit(130)
      asked = true
      resolve()
    }
    process.on('SIGINT', ask)
    process.on('SIGTERM', ask)
  })
}
