import type { BlockRef } from './block.ts'
import { bytes, count, RowReader, RowWriter, uint8 } from './columns.ts'
import { InputError } from './errors.ts'
import type { TopicPartition } from './ports.ts'

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

/** Partitions of a chain's block events: what is near the tip, where blocks may still be replaced, and history below. */
export const TIP_PARTITION = 0
export const HISTORY_PARTITION = 1

/** Where events of a chain's blocks go. */
export function blockEvents(chain: string, partition: number): TopicPartition {
  return { topic: `blocks.${chain}`, partition }
}

/** The group that writes block events into tables. */
export const SPLITTER_GROUP = 'splitter'

export const ANNOUNCEMENTS: TopicPartition = { topic: 'announcements', partition: 0 }

const EVENT_FORMAT = 1
const KINDS = ['block', 'revert', 'finalize'] as const

/** Binary: format, kind, then the fields as RowBinary. */
export function encodeEvent(event: BlockEvent): Uint8Array {
  const out = new RowWriter(event.kind === 'block' ? event.payload.length + 128 : 128)
  uint8.write(out, EVENT_FORMAT)
  uint8.write(out, KINDS.indexOf(event.kind))
  if (event.kind === 'finalize') {
    count.write(out, event.safe)
    count.write(out, event.final)
    return out.view()
  }
  const { height, hash } = event.kind === 'block' ? event : event.to
  count.write(out, height)
  bytes.write(out, hash)
  if (event.kind === 'block') {
    bytes.write(out, event.parentHash)
    bytes.write(out, event.payload)
  }
  return out.view()
}

/** @throws InputError when the bytes are not an event of this format. */
export function decodeEvent(value: Uint8Array): BlockEvent {
  const reader = new RowReader(value)
  const format = uint8.read(reader)
  if (format !== EVENT_FORMAT) {
    throw new InputError(`block event: expected format ${EVENT_FORMAT}, got ${format}`, {
      hint: 'the log was written by another version of the program',
    })
  }
  const kind = KINDS[uint8.read(reader)]
  if (kind === undefined) throw new InputError('block event: unknown kind')
  if (kind === 'finalize') return { kind, safe: count.read(reader), final: count.read(reader) }
  const place = { height: count.read(reader), hash: bytes.read(reader) }
  if (kind === 'revert') return { kind, to: place }
  return { kind, ...place, parentHash: bytes.read(reader), payload: bytes.read(reader) }
}

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
  /** The block is of the filled-in history, not of the moving tip. */
  history: boolean
}

/** Announcements as they come; of the past nothing. */
export interface AnnouncementFeed {
  /** Ends when `signal` is aborted. A reader that falls behind by more than 1,000 loses the oldest. */
  subscribe(signal: AbortSignal): AsyncIterable<Announcement>
}
