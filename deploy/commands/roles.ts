import { createAnnouncementHub } from '../../api/announcement-hub.ts'
import { ConfigError } from '../../schema/errors.ts'
import { blockEvents, SPLITTER_GROUP } from '../../schema/events.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { type ChainSettings, type Config, commandLine, findChain } from '../config.ts'
import { feedListeners } from '../live-feed.ts'
import { startCrawlers } from '../roles/crawl.ts'
import { startDeliverers } from '../roles/deliver.ts'
import { createStatusBoard } from '../roles/facts.ts'
import { type HealthDeps, startHealth } from '../roles/health.ts'
import { type Shared, withShared } from '../roles/shared.ts'
import { startSplitters } from '../roles/split.ts'
import { startServing } from '../serve.ts'
import { stopSignal } from '../stop-signal.ts'
import { openConfiguredSending } from '../webhooks.ts'
import { chosenChains, tell, type UpOptions, withOptions } from './up.ts'

/** Follows chains, or waits until whoever leads them is gone. */
export function runCrawl(
  context: CommandContext,
  slugs: readonly string[],
  options: Pick<UpOptions, 'node' | 'port' | 'host'>,
): Promise<number> {
  const chains = crawledChains(context.config, slugs, options.node)
  return role(context, 'crawl', async shared => {
    const crawlers = await startCrawlers({
      ...shared,
      chains,
      commandLine: words => commandLine(context.config, words),
    })
    const health = await openHealth(context, options, {
      role: 'crawl',
      work: () => crawlers.follows().map(({ chain, problem }) => ({ name: chain, problem })),
    })
    say(context, { role: 'crawl', chains: chains.map(({ chain }) => chain.definition.slug), ...health.told })
    return async () => {
      await health.close()
      await crawlers.stop()
    }
  })
}

/** Writes what crawlers found into the tables, shared with all other splitters. */
export function runSplit(
  context: CommandContext,
  options: Pick<UpOptions, 'port' | 'host'>,
): Promise<number> {
  return role(context, 'split', async shared => {
    const splitters = await startSplitters({ ...shared, chains: context.config.chains })
    const { log } = shared
    const health = await openHealth(context, options, {
      role: 'split',
      work: () =>
        splitters
          .words()
          .map(({ chain, partition, problem }) => ({ name: `${chain}/${partition}`, problem })),
      waiting: () =>
        Promise.all(
          splitters.words().map(async ({ chain, partition }) => {
            const place = blockEvents(chain, partition)
            const done = await log.committed(place, SPLITTER_GROUP)
            return { chain, partition, messages: (await log.end(place)) - done }
          }),
        ),
    })
    say(context, { role: 'split', ...health.told })
    return async () => {
      await health.close()
      await splitters.stop()
    }
  })
}

/** Serves site, API and the ClickHouse interface for outsiders. */
export function runApi(
  context: CommandContext,
  options: Pick<UpOptions, 'port' | 'clickhousePort' | 'host'>,
): Promise<number> {
  const config = withOptions(context.config, options)
  return role(context, 'api', async shared => {
    const sending = await openConfiguredSending(config)
    const desk = sending.desk({ sql: shared.sql, chains: new Set(config.chains.keys()) })
    const status = createStatusBoard(shared.state)
    const serving = await startServing({ ...shared, config, status, desk })
    tell(context)(serving.addresses)
    return async () => {
      await serving.close()
      await sending.close()
    }
  })
}

/** Makes and delivers the events of webhooks, shared with all other deliverers. */
export function runDeliver(
  context: CommandContext,
  options: Pick<UpOptions, 'port' | 'host'>,
): Promise<number> {
  return role(context, 'deliver', async shared => {
    const { log, logger } = shared
    const sending = await openConfiguredSending(context.config)
    const hub = createAnnouncementHub()
    const feeding = new AbortController()
    const fed = feedListeners(log, hub, logger, feeding.signal)
    const deliverers = await startDeliverers({ ...shared, feed: hub, sending })
    const health = await openHealth(context, options, {
      role: 'deliver',
      work: () => deliverers.work(),
      measure: registry => deliverers.measure(registry),
    })
    say(context, { role: 'deliver', ...health.told })
    return async () => {
      await health.close()
      await deliverers.stop()
      feeding.abort()
      await fed
      await sending.close()
    }
  })
}

async function role(
  context: CommandContext,
  name: string,
  start: (shared: Shared) => Promise<() => Promise<void>>,
): Promise<number> {
  const { config, logger } = context
  expectServers(config, name)
  const stopped = stopSignal()
  await withShared(config, logger, async shared => {
    const stop = await start(shared)
    await stopped
    logger.info({ role: name }, 'stopping')
    await stop()
  })
  return EXIT.done
}

/** On a port of its own where one is asked for. */
async function openHealth(
  { config }: CommandContext,
  { port, host = config.host }: Pick<UpOptions, 'port' | 'host'>,
  facts: Omit<HealthDeps, 'host' | 'port'>,
): Promise<{ told: { health?: string }; close(): Promise<void> }> {
  if (port === undefined) return { told: {}, close: async () => {} }
  const health = await startHealth({ host, port, ...facts })
  return { told: { health: health.url }, close: () => health.close() }
}

function expectServers({ kafka, clickhouse }: Config, role: string): void {
  const missing = [
    kafka === null ? 'Kafka (WANLIAN_KAFKA_BROKERS, or kafka in wanlian.yaml)' : null,
    clickhouse === null ? 'ClickHouse (WANLIAN_CLICKHOUSE_URL, or clickhouse in wanlian.yaml)' : null,
  ].filter(name => name !== null)
  if (missing.length === 0) return
  throw new ConfigError(
    `${role}: expected the servers that all roles share, got none for ${missing.join(' and ')}`,
    {
      hint: 'without them `wanlian up` runs every role in one process',
    },
  )
}

/** Named chains with their configured endpoints, or those that are given; without names all that have one. */
function crawledChains(
  config: Config,
  slugs: readonly string[],
  nodes: readonly string[] | undefined,
): ChainSettings[] {
  if (slugs.length === 0) return chosenChains(config, nodes)
  const given = nodes === undefined ? [] : chosenChains(config, nodes)
  const named = slugs.map(
    slug => given.find(({ chain }) => chain.definition.slug === slug) ?? findChain(config, slug),
  )
  const other = given.find(settings => !named.includes(settings))
  if (other)
    throw new ConfigError(
      `--node names ${other.chain.definition.slug}, which is not among the chains to crawl`,
    )
  const without = named.find(({ endpoints }) => endpoints.length === 0)
  if (without) {
    const { slug } = without.chain.definition
    throw new ConfigError(`${slug} has no endpoint: give --node ${slug}=<endpoint>`)
  }
  return named
}

function say({ stdout }: CommandContext, facts: object): void {
  stdout.write(`${JSON.stringify(facts)}\n`)
}
