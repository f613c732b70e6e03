import { setMaxListeners } from 'node:events'
import type { Logger } from 'pino'
import type { Chain } from '../crawlers/chain.ts'
import { type Follower, startFollow } from '../crawlers/follow.ts'
import type { StoredBlocks } from '../crawlers/fork.ts'
import { type Nodes, openNodes } from '../crawlers/nodes.ts'
import type { LearnedLimits } from '../crawlers/rpc.ts'
import type { ChainDefinition } from '../schema/chain.ts'
import { ConfigError, describeError, EndpointError } from '../schema/errors.ts'
import { HISTORY_PARTITION, TIP_PARTITION } from '../schema/events.ts'
import type { BlockLog, Sql } from '../schema/ports.ts'
import type { FollowStatus, StatusBoard } from '../schema/status.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { readHeld } from '../splitter/journal.ts'
import { createOutputLookup } from '../splitter/outputs.ts'
import { type Splitter, startSplitter } from '../splitter/start.ts'
import { readFinality, readLinks, readWork } from '../splitter/stored.ts'
import type { ChainSettings } from './config.ts'
import { isGoneHere, ownerName } from './pid.ts'

export interface PipelineDeps {
  chains: readonly ChainSettings[]
  sql: Sql
  log: BlockLog
  logger: Logger
  /** What may wait in the log of each chain's partition before its crawler waits too, in bytes. */
  maxUnreadBytes?: number
  /** What endpoints were seen to allow. */
  learned?: LearnedLimits
}

/** Crawlers and splitters of all chains, each by itself: what stops one does not stop the others. */
export interface Pipeline extends StatusBoard {
  /** Crawlers first, then splitters, each after the batch under way. */
  stop(): Promise<void>
}

const MAX_UNREAD_BYTES = 128 * 1024 * 1024
const LOOK_AHEAD = 16

interface Line {
  nodes: Nodes<unknown>
  follower: Follower
  splitters: readonly Splitter[]
}

/**
 * Starts to follow every chain.
 * @throws ConfigError for an endpoint that is not understood, or fewer of them than have to agree.
 */
export async function startPipeline(deps: PipelineDeps): Promise<Pipeline> {
  const { chains, sql, log, logger } = deps
  const crawling = new AbortController()
  const splitting = new AbortController()
  // Every chain waits on them in a few places at once.
  setMaxListeners(0, crawling.signal, splitting.signal)
  for (const { chain, endpoints, confirmWith } of chains) expectEnough(chain, endpoints.length, confirmWith)
  const opened = await openAll(chains, deps.learned)
  for (const { chain } of chains) await registerChain(sql, chain.definition)

  const lines = chains.map((settings, at): Line => {
    const nodes = opened[at]!
    const { chain } = settings
    const { slug } = chain.definition
    void reportEndpoints(logger, slug, nodes)
    const splitters = [TIP_PARTITION, HISTORY_PARTITION].map(partition =>
      startSplitter(
        { chain, partition, log, sql, logger, owner: ownerName(), isGone: isGoneHere },
        splitting.signal,
      ),
    )
    const follower = startFollow(
      {
        chain,
        nodes,
        log,
        logger,
        stored: storedBlocks(sql, chain.definition),
        findOutputs: createOutputLookup(sql, slug),
        settings: {
          historyFrom: settings.historyFrom,
          pollMs: settings.pollMs,
          confirmWith: settings.confirmWith,
          maxUnreadBytes: deps.maxUnreadBytes ?? MAX_UNREAD_BYTES,
          lookAhead: LOOK_AHEAD,
        },
      },
      crawling.signal,
    )
    return { nodes, follower, splitters }
  })

  return {
    follows: () => lines.map(statusOf),
    async stop() {
      crawling.abort()
      await Promise.all(lines.map(line => line.nodes.close()))
      await Promise.all(lines.map(line => line.follower.done))
      splitting.abort()
      await Promise.all(lines.flatMap(line => line.splitters.map(splitter => splitter.done)))
    },
  }
}

function expectEnough({ definition }: Chain, endpoints: number, confirmWith: number): void {
  if (confirmWith <= Math.max(1, endpoints)) return
  throw new ConfigError(
    `chains.${definition.slug}.confirmWith: expected at most as many nodes as there are endpoints (${endpoints}), got ${confirmWith}`,
  )
}

async function openAll(
  chains: readonly ChainSettings[],
  learned: LearnedLimits | undefined,
): Promise<Nodes<unknown>[]> {
  return Promise.all(
    chains.map(({ chain, endpoints, recoverSenders, traces }) =>
      openNodes<unknown>(chain, endpoints, {
        source: { recoverSenders, traces },
        rpc: { ...(learned && { learned }) },
      }),
    ),
  )
}

/** An endpoint that is away is identified when it comes back: nobody waits for it. */
async function reportEndpoints(logger: Logger, chain: string, nodes: Nodes<unknown>): Promise<void> {
  const names = nodes.status().map(status => status.name)
  for (const [at, outcome] of (await nodes.identifyEach()).entries()) {
    const endpoint = names[at]
    if (outcome instanceof EndpointError) {
      logger.warn({ chain, endpoint }, describeError(outcome))
    } else if (outcome instanceof Error) {
      logger.error({ chain, endpoint }, describeError(outcome))
    } else {
      logger.info({ chain, endpoint, ...outcome }, 'endpoint is of this chain')
    }
  }
}

/** What a chain's follower must know of the tables. */
export function storedBlocks(sql: Sql, { slug, ledger }: ChainDefinition): StoredBlocks {
  return {
    ranges: () => readHeld(sql, slug),
    finality: () => readFinality(sql, slug),
    async links(heights) {
      const [links, works] = await Promise.all([
        readLinks(sql, slug, heights),
        ledger === 'utxo' ? readWork(sql, slug, heights) : new Map<number, bigint>(),
      ])
      return new Map(
        [...links].map(([height, link]) => {
          const work = works.get(height)
          return [height, work === undefined ? link : { ...link, work }] as const
        }),
      )
    },
  }
}

function statusOf({ follower, splitters }: Line): FollowStatus {
  const status = follower.status()
  const stuck = splitters.map(splitter => splitter.problem()).find(problem => problem !== null)
  return stuck === undefined ? status : { ...status, problem: status.problem ?? stuck }
}
