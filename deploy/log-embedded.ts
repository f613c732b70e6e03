import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { open } from 'lmdb'
import { LogGapError } from '../schema/errors.ts'
import type { BlockLog, LogMessage, ReadLimits, TopicPartition } from '../schema/ports.ts'

export interface EmbeddedLogOptions {
  /** A directory of its own. */
  directory: string
  /** Bytes of messages that a topic partition keeps after everybody has read them. */
  keepBytes?: number
  now?: () => number
}

const KEEP_BYTES = 256 * 1024 * 1024
const READ_MESSAGES = 1_000
const READ_BYTES = 16 * 1024 * 1024
/** Messages that one append removes at most: appending stays quick. */
const TRIM_MESSAGES = 1_000

/** What is known of a topic partition besides its messages. */
interface Extent {
  /** Its very first offset. */
  begun: number
  /** Offset of the oldest kept message; `next` when none is kept. */
  first: number
  next: number
  bytes: number
}

/**
 * The log in a directory of this machine, for one process: an LMDB environment. Appended messages are on disk when
 * `append` returns. What every group has read goes once there is more than `keepBytes` of it; what some group has not
 * read stays. A new partition's offsets begin at the clock (microseconds), so that those of a log that was deleted do
 * not come again.
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<BlockLog> {
  const keepBytes = options.keepBytes ?? KEEP_BYTES
  const now = options.now ?? Date.now
  const directory = resolve(options.directory)
  await mkdir(directory, { recursive: true })
  const root = open({ path: directory, noSubdir: false, maxDbs: 4 })
  const messages = root.openDB<Buffer, [string, number, number]>({
    name: 'messages',
    encoding: 'binary',
    compression: true,
  })
  const extents = root.openDB<Extent, [string, number]>({ name: 'extents', encoding: 'json' })
  const groups = root.openDB<number, [string, number, string]>({ name: 'groups', encoding: 'json' })
  const waiting = new Map<string, Set<() => void>>()

  const extentOf = ({ topic, partition }: TopicPartition): Extent => {
    const fresh = now() * 1_000
    return extents.get([topic, partition]) ?? { begun: fresh, first: fresh, next: fresh, bytes: 0 }
  }

  /** Where the slowest group is; nobody's messages are bound by size alone. */
  function readBy({ topic, partition }: TopicPartition): number {
    let slowest = Number.POSITIVE_INFINITY
    for (const { value } of groups.getRange({
      start: [topic, partition, ''],
      end: [topic, partition + 1, ''],
    })) {
      slowest = Math.min(slowest, value)
    }
    return slowest
  }

  function trim(place: TopicPartition, extent: Extent): Extent {
    const { topic, partition } = place
    let { first, bytes } = extent
    if (bytes <= keepBytes) return extent
    const limit = Math.min(readBy(place), extent.next)
    const range = { start: [topic, partition, first] as [string, number, number], limit: TRIM_MESSAGES }
    for (const { key, value } of [...messages.getRange({ ...range, end: [topic, partition, limit] })]) {
      if (bytes <= keepBytes) break
      messages.remove(key)
      bytes -= value.length
      first = key[2] + 1
    }
    return { ...extent, first, bytes }
  }

  async function append(place: TopicPartition, values: readonly Uint8Array[]): Promise<bigint> {
    const { topic, partition } = place
    const last = await root.transaction(() => {
      const extent = extentOf(place)
      for (const [at, value] of values.entries()) {
        messages.put([topic, partition, extent.next + at], Buffer.from(value))
      }
      const size = values.reduce((sum, value) => sum + value.length, 0)
      const grown = { ...extent, next: extent.next + values.length, bytes: extent.bytes + size }
      extents.put([topic, partition], trim(place, grown))
      return grown.next - 1
    })
    await root.flushed
    for (const wake of waiting.get(keyOf(place)) ?? []) wake()
    return BigInt(last)
  }

  async function read(place: TopicPartition, from: bigint, limits: ReadLimits = {}): Promise<LogMessage[]> {
    const { topic, partition } = place
    const extent = extents.get([topic, partition])
    if (!extent) return []
    const start = Number(from)
    // A place from before this partition was begun is its start; one that was trimmed away is a gap.
    if (start >= extent.begun && start < extent.first) {
      throw new LogGapError(`${topic}/${partition}: asked for ${start}, kept from ${extent.first}`, {
        hint: 'the reader was away for too long; what it missed is fetched again from the nodes',
        details: { first: extent.first },
      })
    }
    const maxBytes = limits.maxBytes ?? READ_BYTES
    const found: LogMessage[] = []
    let bytes = 0
    for (const { key, value } of messages.getRange({
      start: [topic, partition, Math.max(start, extent.first)],
      end: [topic, partition, extent.next],
      limit: limits.maxMessages ?? READ_MESSAGES,
    })) {
      if (found.length > 0 && bytes + value.length > maxBytes) break
      found.push({ offset: BigInt(key[2]), value })
      bytes += value.length
    }
    return found
  }

  async function wait(place: TopicPartition, from: bigint, signal: AbortSignal): Promise<boolean> {
    const isThere = () => BigInt(extents.get([place.topic, place.partition])?.next ?? 0) > from
    if (signal.aborted || isThere()) return isThere()
    await new Promise<void>(done => {
      const set = waiting.get(keyOf(place)) ?? new Set()
      waiting.set(keyOf(place), set)
      const finish = () => {
        set.delete(wake)
        signal.removeEventListener('abort', finish)
        done()
      }
      const wake = () => {
        if (isThere()) finish()
      }
      set.add(wake)
      signal.addEventListener('abort', finish)
    })
    return isThere()
  }

  return {
    // The directory is locked: there is one writer.
    claim: async () => {},
    append,
    read,
    wait,
    end: async place => BigInt(extents.get([place.topic, place.partition])?.next ?? 0),
    committed: async ({ topic, partition }, group) => BigInt(groups.get([topic, partition, group]) ?? 0),
    async commit({ topic, partition }, group, next) {
      await groups.put([topic, partition, group], Number(next))
      await root.flushed
    },
    async close() {
      await root.flushed
      await root.close()
    },
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
