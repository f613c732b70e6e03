import type { BlockRef } from './block.ts'

/** What a crawler says about its chain, in order. A new branch is a `revert` to the common ancestor and then its blocks. */
export type BlockEvent =
  | ({
      kind: 'block'
      parentHash: Uint8Array
      /** The archive form (`ChainModule.encode`): verified by whoever crawled it, and again by whoever stores it. */
      payload: Uint8Array
    } & BlockRef)
  /** The chain continues above this block: everything stored above it has left the chain. */
  | { kind: 'revert'; to: BlockRef }
  /** By the chain's rule, blocks up to these heights are safe, and final. */
  | { kind: 'finalize'; safe: number; final: number }

/**
 * What became of a chain's tables, written once readers can see it. Written again after a crash: the `id` is the same
 * then (chain, partition, batch, place in it), the order is kept.
 */
export interface Announcement {
  id: string
  type: 'block.added' | 'block.removed'
  chain: string
  height: number
  /** In the chain's own form. */
  hash: string
  parentHash: string
  /** Unix seconds. */
  time: number
  transactionCount: number
}

/** Announcements as they come; of the past nothing. */
export interface AnnouncementFeed {
  /** Ends when `signal` is aborted. A reader that falls behind by more than 1,000 loses the oldest. */
  subscribe(signal: AbortSignal): AsyncIterable<Announcement>
}
