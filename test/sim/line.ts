import { setMaxListeners } from 'node:events'
import type { Chain } from '../../crawlers/chain.ts'
import { type Follower, startFollow } from '../../crawlers/follow.ts'
import { openNodes } from '../../crawlers/nodes.ts'
import { storedBlocks } from '../../deploy/following.ts'
import { HISTORY_PARTITION, TIP_PARTITION } from '../../schema/events.ts'
import type { Logger } from '../../schema/ports.ts'
import { createOutputLookup } from '../../splitter/outputs.ts'
import { type Splitter, startSplitter } from '../../splitter/start.ts'
import type { Life } from './life.ts'

/** What one program runs for one chain: put together as `deploy/pipeline.ts` does, with short waits. */
export interface Line {
  follower: Follower | null
  splitters: readonly Splitter[]
  /** In order: what is under way is finished first. */
  stop(): Promise<void>
}

export interface LineDeps {
  chain: Chain
  urls: readonly string[]
  life: Life
  owner: string
  isGone: (owner: string) => boolean
  historyFrom: number
  maxUnreadBytes: number
  lookAhead: number
  logger: Logger
}

/** Longer than any call of a living rival takes here. */
const TAKE_OVER_MS = 10_000

/** Splitters of some partitions alone. */
export function startSplitters(
  { chain, life, owner, isGone, logger }: Pick<LineDeps, 'chain' | 'life' | 'owner' | 'isGone' | 'logger'>,
  partitions: readonly number[],
): Pick<Line, 'splitters' | 'stop'> {
  const splitting = new AbortController()
  setMaxListeners(0, splitting.signal)
  const splitters = partitions.map(partition =>
    startSplitter(
      {
        chain,
        partition,
        log: life.log,
        sql: life.sql,
        logger,
        owner,
        isGone,
        takeOverMs: TAKE_OVER_MS,
        settleMs: 4_000,
      },
      splitting.signal,
    ),
  )
  return {
    splitters,
    async stop() {
      splitting.abort()
      await Promise.all(splitters.map(splitter => splitter.done))
    },
  }
}

export async function startLine(deps: LineDeps): Promise<Line> {
  const { chain, urls, life, historyFrom, maxUnreadBytes, lookAhead, logger } = deps
  const { slug } = chain.definition
  const crawling = new AbortController()
  setMaxListeners(0, crawling.signal)
  const nodes = await openNodes(
    chain,
    urls.map(url => ({ url })),
    { rpc: { backoffMs: 4, timeoutMs: 1_500, patienceMs: 3_000 } },
  )
  const { splitters, stop } = startSplitters(deps, [TIP_PARTITION, HISTORY_PARTITION])
  const follower = startFollow(
    {
      chain,
      nodes,
      log: life.log,
      stored: storedBlocks(life.sql, chain.definition),
      commandLine: words => `wanlian ${words}`,
      findOutputs: createOutputLookup(life.sql, slug),
      logger,
      settings: { historyFrom, pollMs: 20, maxUnreadBytes, confirmWith: 1, lookAhead },
    },
    crawling.signal,
  )
  return {
    follower,
    splitters,
    async stop() {
      crawling.abort()
      await nodes.close()
      await follower.done
      await stop()
    },
  }
}
