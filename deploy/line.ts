import { setMaxListeners } from 'node:events'
import type { Logger } from 'pino'
import type { Nodes } from '../crawlers/nodes.ts'
import type { ChainModule } from '../schema/chain.ts'
import { HISTORY_PARTITION, TIP_PARTITION } from '../schema/events.ts'
import type { BlockLog, Sql } from '../schema/ports.ts'
import { startReconciler } from '../splitter/reconcile.ts'
import { type Splitter, startSplitter } from '../splitter/start.ts'
import { type Following, type FollowingDeps, startFollowing } from './following.ts'
import { isGoneHere, ownerName } from './pid.ts'

export type LineDeps = Omit<FollowingDeps, 'splitters'>

/** One chain from its nodes to its tables. What is asked of it is done one after the other. */
export interface Line extends Omit<Following, 'look' | 'stop'> {
  /** Ends the following, and what was asked for and is not done. */
  stopFollowing(): Promise<void>
  /** After `stopFollowing`: ends the splitters, each after the batch under way. */
  stopSplitting(): Promise<void>
}

/** Starts the splitters, and to follow unless the chain is paused. */
export function startLine(deps: LineDeps, opened: Nodes<unknown>): Line {
  const { chain } = deps.settings
  const splitting = [TIP_PARTITION, HISTORY_PARTITION].map(partition =>
    startSplitting({ ...deps, chain, partition }),
  )
  const following = startFollowing({ ...deps, splitters: splitting.map(one => one.splitter) }, opened)
  return {
    ...following,
    stopFollowing: following.stop,
    async stopSplitting() {
      await Promise.all(splitting.map(one => one.stop()))
    },
  }
}

/** The splitter of a chain's log partition. With the tip goes what looks after the whole chain's tables. */
export function startSplitting(deps: {
  chain: ChainModule
  partition: number
  sql: Sql
  log: BlockLog
  logger: Logger
}): { splitter: Splitter; stop(): Promise<void> } {
  const { chain, partition, sql, logger } = deps
  const stopping = new AbortController()
  // It is waited on in a few places at once.
  setMaxListeners(0, stopping.signal)
  const splitter = startSplitter({ ...deps, owner: ownerName(), isGone: isGoneHere }, stopping.signal)
  const reconciler =
    partition === TIP_PARTITION
      ? startReconciler({ definition: chain.definition, sql, logger }, stopping.signal)
      : null
  return {
    splitter,
    async stop() {
      stopping.abort()
      await Promise.all([splitter.done, reconciler?.done])
    },
  }
}
