import { blockEvents, HISTORY_PARTITION, TIP_PARTITION } from '../../schema/events.ts'
import type { BlockLog, TopicPartition } from '../../schema/ports.ts'
import type { Publisher } from '../kafka/publisher.ts'

/** A log that several processes share. */
export interface SharedLog extends BlockLog {
  /** Topics with so many partitions are there afterwards. */
  ensureTopics(topics: readonly { topic: string; partitions: number }[]): Promise<void>
  /**
   * Takes part in sharing out the partitions of topics among all processes that do so under the same name. Again under
   * the same name: instead of what was shared before.
   * @param onShare is told the places that are this process's, again whenever that changes.
   */
  share(
    group: string,
    topics: readonly string[],
    onShare: (mine: readonly TopicPartition[]) => void,
  ): Promise<{ close(): Promise<void> }>
  /** Writes plain records for programs of others into a topic that nobody appends to. */
  publish: Publisher['publish']
}

/** The topic of a chain's block events, as it is made. */
export const topicOf = (chain: string) => ({
  topic: blockEvents(chain, TIP_PARTITION).topic,
  partitions: Math.max(TIP_PARTITION, HISTORY_PARTITION) + 1,
})

/** Something that runs for each of the names that are this process's at the moment. */
export interface Shares<Running> {
  /** What is started and stopped for it is done one after the other. */
  become(names: ReadonlySet<string>): void
  running(): ReadonlyMap<string, Running>
  /** Stops all of them and starts no more. */
  close(): Promise<void>
}

const AGAIN_MS = 5_000

/** @param onTrouble is told what could not be started, or stopped in order: what is wanted is tried again after a while. */
export function createShares<Running extends { stop(): Promise<void> }>(
  start: (name: string) => Promise<Running>,
  onTrouble: (name: string, error: unknown) => void,
  { againMs = AGAIN_MS }: { againMs?: number } = {},
): Shares<Running> {
  const running = new Map<string, Running>()
  let wanted: ReadonlySet<string> = new Set()
  let isClosed = false
  let turn = Promise.resolve()
  let again: NodeJS.Timeout | undefined

  async function settle(): Promise<void> {
    clearTimeout(again)
    const lost = [...running].filter(([name]) => !wanted.has(name))
    await Promise.all(
      lost.map(async ([name, one]) => {
        // What does not end well is given up all the same: another has it by now.
        await one.stop().catch((error: unknown) => onTrouble(name, error))
        running.delete(name)
      }),
    )
    for (const name of wanted) {
      if (isClosed || running.has(name) || !wanted.has(name)) continue
      try {
        running.set(name, await start(name))
      } catch (error) {
        onTrouble(name, error)
        clearTimeout(again)
        again = setTimeout(() => become(wanted), againMs)
      }
    }
  }

  function become(names: ReadonlySet<string>): void {
    if (isClosed) return
    wanted = names
    turn = turn.then(settle)
  }

  return {
    become,
    running: () => running,
    async close() {
      become(new Set())
      isClosed = true
      await turn
      clearTimeout(again)
    },
  }
}
