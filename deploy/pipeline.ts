import type { Logger } from 'pino'
import type { Chain } from '../crawlers/chain.ts'
import type { LearnedLimits } from '../crawlers/rpc.ts'
import { ConfigError } from '../schema/errors.ts'
import type { BlockLog, Sql } from '../schema/ports.ts'
import type { StatusBoard } from '../schema/status.ts'
import { registerChain } from '../splitter/chain-row.ts'
import type { ChainSettings } from './config.ts'
import { openLineNodes } from './following.ts'
import { type Line, startLine } from './line.ts'
import type { PausedChains } from './paused.ts'
import type { Rewound } from './rewind.ts'

export interface PipelineDeps {
  chains: readonly ChainSettings[]
  sql: Sql
  log: BlockLog
  logger: Logger
  /** Chains in it are not followed until they are resumed. */
  paused: PausedChains
  /** A command in the operator's words. */
  commandLine(words: string): string
  /** What may wait in the log of each chain's partition before its crawler waits too, in bytes. */
  maxUnreadBytes?: number
  /** What endpoints were seen to allow. */
  learned?: LearnedLimits
}

/** Crawlers and splitters of all chains, each by itself: what stops one does not stop the others. */
export interface Pipeline extends StatusBoard {
  /** Nodes of the chain are not asked any more. @returns false when it was paused already. @throws ConfigError for a chain that is not followed. */
  pause(chain: string): Promise<boolean>
  /** @returns false when it was not paused. @throws ConfigError for a chain that is not followed. */
  resume(chain: string): Promise<boolean>
  /**
   * Takes a chain back to a stored block, from which it is followed again unless it is paused.
   * @throws ConfigError for a chain that is not followed, InputError for a height where no block is stored.
   */
  rewind(chain: string, height: number): Promise<Rewound>
  /** Crawlers first, then splitters, each after the batch under way. */
  stop(): Promise<void>
}

/**
 * Starts to follow every chain.
 * @throws ConfigError for an endpoint that is not understood, or fewer of them than have to agree.
 */
export async function startPipeline(deps: PipelineDeps): Promise<Pipeline> {
  const { chains, ...rest } = deps
  for (const { chain, endpoints, confirmWith } of chains) expectEnough(chain, endpoints.length, confirmWith)
  const opened = await Promise.all(chains.map(settings => openLineNodes(settings, deps.learned)))
  for (const { chain } of chains) await registerChain(deps.sql, chain.definition)
  const lines = new Map(
    chains.map((settings, at) => [
      settings.chain.definition.slug,
      startLine({ ...rest, settings }, opened[at]!),
    ]),
  )

  function find(chain: string): Line {
    const line = lines.get(chain)
    if (line) return line
    throw new ConfigError(
      `${JSON.stringify(chain)} is not followed here: expected one of ${[...lines.keys()].join(', ')}`,
      { hint: 'for another chain that is stored in this directory, stop `up` first' },
    )
  }

  return {
    follows: () => [...lines.values()].map(line => line.status()),
    pause: async chain => find(chain).pause(),
    resume: async chain => find(chain).resume(),
    rewind: async (chain, height) => find(chain).rewind(height),
    async stop() {
      await Promise.all([...lines.values()].map(line => line.stopFollowing()))
      await Promise.all([...lines.values()].map(line => line.stopSplitting()))
    },
  }
}

/** @throws ConfigError when more nodes have to agree than there are. */
export function expectEnough({ definition }: Chain, endpoints: number, confirmWith: number): void {
  if (confirmWith <= Math.max(1, endpoints)) return
  throw new ConfigError(
    `chains.${definition.slug}.confirmWith: expected at most as many nodes as there are endpoints (${endpoints}), got ${confirmWith}`,
  )
}
