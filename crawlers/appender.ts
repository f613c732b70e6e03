import { type BlockEvent, blockEvents, encodeEvent, SPLITTER_GROUP } from '../schema/events.ts'
import type { BlockLog } from '../schema/ports.ts'

/** Puts block events of one chain partition into the log, no faster than they are read. */
export interface Appender {
  /** All of them or none, one after the other. Waits while too much is unread. */
  append(events: readonly BlockEvent[]): Promise<void>
  /** Whether everything that was appended is in the tables. */
  isDrained(): Promise<boolean>
  /** Returns once it is. */
  drained(): Promise<void>
}

/** The reader is in the same process or on another machine: it is looked at now and then. */
const LOOK_MS = 100

export function createAppender(
  log: BlockLog,
  chain: string,
  partition: number,
  maxUnreadBytes: number,
  signal: AbortSignal,
): Appender {
  const place = blockEvents(chain, partition)
  let unread: { offset: bigint; bytes: number }[] = []

  async function unreadBytes(): Promise<number> {
    const read = await log.committed(place, SPLITTER_GROUP)
    unread = unread.filter(entry => entry.offset >= read)
    return unread.reduce((sum, entry) => sum + entry.bytes, 0)
  }

  async function until(done: () => Promise<boolean>): Promise<void> {
    while (!(await done())) {
      signal.throwIfAborted()
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    }
  }

  const isDrained = async () => (await log.committed(place, SPLITTER_GROUP)) >= (await log.end(place))

  return {
    async append(events) {
      if (events.length === 0) return
      await until(async () => (await unreadBytes()) < maxUnreadBytes)
      const values = events.map(encodeEvent)
      const offset = await log.append(place, values)
      unread.push({ offset, bytes: values.reduce((sum, value) => sum + value.length, 0) })
    },
    isDrained,
    drained: () => until(isDrained),
  }
}
