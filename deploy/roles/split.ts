import type { Logger } from 'pino'
import { ANNOUNCEMENTS, SPLITTER_GROUP } from '../../schema/events.ts'
import { pausable } from '../../schema/pause.ts'
import type { Sql, State, TopicPartition } from '../../schema/ports.ts'
import { readRegistered } from '../../splitter/chain-row.ts'
import type { Splitter } from '../../splitter/start.ts'
import type { ChainSettings } from '../config.ts'
import { startSplitting } from '../line.ts'
import { type SplitterWord, tellSplitting } from './facts.ts'
import { createShares, type SharedLog, topicOf } from './shares.ts'

export interface SplitDeps {
  /** All that are known, by slug. */
  chains: ReadonlyMap<string, ChainSettings>
  sql: Sql
  log: SharedLog
  state: State
  logger: Logger
}

/** Splitters of this process: those of all processes share the partitions of the chains that some crawler registered. */
export interface Splitters {
  /** Partitions whose splitters run here. */
  words(): readonly SplitterWord[]
  stop(): Promise<void>
}

const LOOK_MS = 3_000

export async function startSplitters(deps: SplitDeps): Promise<Splitters> {
  const { chains, sql, log, state, logger } = deps
  const stopping = new AbortController()
  const shares = createShares<{ splitter: Splitter; stop(): Promise<void> }>(
    async name => {
      const { slug, partition } = readName(name)
      logger.info({ chain: slug, partition }, 'its splitter runs here')
      return startSplitting({ chain: chains.get(slug)!.chain, partition, sql, log, logger })
    },
    (name, error) => logger.error({ place: name, err: error }, 'its splitter cannot run here'),
  )
  const words = () =>
    [...shares.running()].map(([name, { splitter }]): SplitterWord => {
      const { slug, partition } = readName(name)
      return { chain: slug, partition, problem: splitter.problem() }
    })
  const telling = tellSplitting(words, state, logger)

  /** Chains that are shared out at the moment, and what ends that. */
  let membership: { close(): Promise<void> } | null = null
  let shared = ''

  async function look(): Promise<void> {
    const registered = (await readRegistered(sql)).sort()
    const slugs = registered.filter(slug => chains.has(slug))
    if (slugs.length === 0 || slugs.join() === shared) return
    for (const slug of registered) {
      if (!chains.has(slug))
        logger.warn(
          { chain: slug },
          'the store knows a chain that the configuration does not: it is left alone',
        )
    }
    await log.ensureTopics([...slugs.map(topicOf), { topic: ANNOUNCEMENTS.topic, partitions: 1 }])
    membership = await log.share(
      SPLITTER_GROUP,
      slugs.map(slug => topicOf(slug).topic),
      mine => shares.become(new Set(mine.map(nameOf))),
    )
    shared = slugs.join()
  }

  async function keepLooking(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await look()
      } catch (error) {
        logger.error({ err: error }, 'the chains could not be looked up, it is tried again')
      }
      await pausable(LOOK_MS, stopping.signal).done
    }
  }
  const looking = keepLooking()

  return {
    words,
    async stop() {
      stopping.abort()
      await looking
      await telling.close()
      await shares.close()
      await membership?.close()
    },
  }
}

const nameOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`

function readName(name: string): { slug: string; partition: number } {
  const at = name.lastIndexOf('/')
  return { slug: name.slice(name.indexOf('.') + 1, at), partition: Number(name.slice(at + 1)) }
}
