import type { Logger } from 'pino'
import { ANNOUNCEMENTS, TIP_PARTITION } from '../../schema/events.ts'
import type { Sql, State } from '../../schema/ports.ts'
import type { FollowStatus } from '../../schema/status.ts'
import { registerChain } from '../../splitter/chain-row.ts'
import type { ChainSettings } from '../config.ts'
import { type Following, openLineNodes, startFollowing } from '../following.ts'
import { expectEnough } from '../pipeline.ts'
import { answerCommands } from './commands.ts'
import { createLearnedLimits, createPausedChains, tellFollowing } from './facts.ts'
import { createShares, type SharedLog, topicOf } from './shares.ts'

export interface CrawlDeps {
  chains: readonly ChainSettings[]
  sql: Sql
  log: SharedLog
  state: State
  logger: Logger
  /** A command in the operator's words. */
  commandLine(words: string): string
  maxUnreadBytes?: number
}

/** Crawlers of this process: of those of all processes for one chain, one leads and the others wait. */
export interface Crawlers {
  /** Of the chains that are led here. */
  follows(): readonly FollowStatus[]
  stop(): Promise<void>
}

/** @throws ConfigError for an endpoint that is not understood, or fewer of them than have to agree. */
export async function startCrawlers(deps: CrawlDeps): Promise<Crawlers> {
  const { chains, sql, log, state, logger } = deps
  const bySlug = new Map(chains.map(settings => [settings.chain.definition.slug, settings]))
  for (const { chain, endpoints, confirmWith } of chains) expectEnough(chain, endpoints.length, confirmWith)
  // What is wrong with an address is said now, not when the chain is led.
  for (const settings of chains) await (await openLineNodes(settings, undefined)).close()
  for (const { chain } of chains) await registerChain(sql, chain.definition)
  await log.ensureTopics([...[...bySlug.keys()].map(topicOf), { topic: ANNOUNCEMENTS.topic, partitions: 1 }])

  const paused = createPausedChains(state)
  const learned = createLearnedLimits(state, logger)
  const shares = createShares<Following>(
    async slug => {
      const settings = bySlug.get(slug)!
      const nodes = await openLineNodes(settings, learned)
      logger.info({ chain: slug }, 'this process leads the chain')
      return startFollowing({ ...deps, settings, paused, learned, splitters: [] }, nodes)
    },
    (chain, error) => logger.error({ chain, err: error }, 'the chain cannot be followed here'),
  )
  const unwatch = state.watch('paused/', key => {
    const following = shares.running().get(key.slice('paused/'.length))
    void following?.look().catch(error => logger.error({ err: error }, 'pausing or going on failed'))
  })
  const commands = answerCommands(state, chain => shares.running().get(chain) ?? null, logger)
  const follows = () => [...shares.running().values()].map(following => following.status())
  const telling = tellFollowing(follows, state, logger)

  // A group for each chain: not all processes follow the same ones.
  const led = new Set<string>()
  const memberships = await Promise.all(
    [...bySlug.keys()].map(slug =>
      log.share(`crawler.${slug}`, [topicOf(slug).topic], mine => {
        const leads = mine.some(({ partition }) => partition === TIP_PARTITION)
        if (leads === led.has(slug)) return
        if (leads) led.add(slug)
        else led.delete(slug)
        shares.become(new Set(led))
      }),
    ),
  )

  return {
    follows,
    async stop() {
      unwatch()
      commands.close()
      await telling.close()
      await shares.close()
      learned.close()
      // Only now: another may lead.
      await Promise.all(memberships.map(membership => membership.close()))
    },
  }
}
