import type { Consumer, Kafka } from 'kafkajs'
import { FencedError, StoreError } from '../../schema/errors.ts'
import { pause } from '../../schema/pause.ts'
import type { Logger, TopicPartition } from '../../schema/ports.ts'
import { createAssigner } from './assign.ts'
import type { Broker } from './broker.ts'
import { type Guarded, openGuarded } from './consumer.ts'

/** A process's part in a group: it notes how far the group came, and takes a share of its places if it is to. */
export interface Membership {
  /** Returns once the brokers have it. @throws FencedError when the place is another process's now, or this part is over */
  commit(place: TopicPartition, offset: bigint, metadata: string): Promise<void>
  /** Topics (names in Kafka) whose places are committed. */
  addTopic(topic: string): void
  close(): Promise<void>
}

export interface MembershipOptions {
  kafka: Kafka
  broker: Broker
  logger: Logger
  closing: AbortSignal
  /** Name in Kafka. */
  group: string
  /** Topics (names in Kafka) of which places are shared out; null for a process that only commits. */
  shared: { topics: readonly string[]; onShare(mine: readonly TopicPartition[]): void } | null
  /** Before the group is joined: another part of this process in it has to be over. */
  after?: Promise<void>
  silenceMs?: number
}

const SESSION_MS = 10_000
const REBALANCE_MS = 15_000
const FETCH_WAIT_MS = 500
const LOOK_MS = 100
const NEW_TOPICS_MS = 5_000

/**
 * Joins a group. Nothing is fetched here: what is read is read by the log's own consumer, so that no reader is ever
 * too slow for the heartbeats.
 */
export function joinGroup(options: MembershipOptions): Membership {
  const { kafka, broker, logger, closing, group, shared } = options
  const topics = new Set<string>(shared?.topics)
  const leaving = new AbortController()
  let mine: TopicPartition[] = []
  let told: string | null = null
  let joined: readonly string[] = []
  let lookedAt = Date.now()

  const guarded: Guarded = openGuarded({
    kafka,
    logger,
    silenceMs: options.silenceMs ?? SESSION_MS + REBALANCE_MS,
    config: () => ({
      groupId: group,
      allowAutoTopicCreation: false,
      partitionAssigners: [createAssigner(() => ({ topics: shared?.topics ?? [], has: mine }))],
      sessionTimeout: SESSION_MS,
      rebalanceTimeout: REBALANCE_MS,
      heartbeatInterval: 2_000,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      metadataMaxAge: 30_000,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4, restartOnFailure: async () => false },
    }),
    async topics() {
      await options.after
      joined = topics.size === 0 ? [] : await broker.existing([...topics])
      return joined
    },
    onJoin(consumer, places) {
      for (const { topic, partition } of places) consumer.pause([{ topic, partitions: [partition] }])
      if (!shared) return
      mine = [...places]
      const share = places
        .map(({ topic, partition }) => `${topic}/${partition}`)
        .sort()
        .join()
      if (share === told) return
      told = share
      shared.onShare(mine)
    },
    onBatch: async () => {},
    complaint() {
      if (joined.length === topics.size || Date.now() - lookedAt < NEW_TOPICS_MS) return null
      lookedAt = Date.now()
      void broker.existing([...topics]).then(
        there => {
          if (there.length > joined.length) guarded.reopen('there are more topics')
        },
        () => {},
      )
      return null
    },
  })

  return {
    addTopic(topic) {
      if (topics.has(topic)) return
      topics.add(topic)
      if (guarded.current()) guarded.reopen('places of another topic are committed')
    },
    async commit(place, offset, metadata) {
      for (;;) {
        if (closing.aborted) throw new StoreError(`Kafka: the log was closed before ${group} could commit`)
        // Nobody else will: whoever waits here is to ask again, of the part that came after.
        if (leaving.signal.aborted) throw new FencedError(`${group} was left before it could commit`)
        const consumer = guarded.current()
        if (consumer) {
          const isMine = mine.some(each => each.topic === place.topic && each.partition === place.partition)
          if (shared?.topics.includes(place.topic) && !isMine) {
            throw new FencedError(`${place.topic}/${place.partition} of ${group} is another process's now`)
          }
          try {
            if (await commitOnce(consumer, place, offset, metadata)) return
          } catch (error) {
            logger.debug({ err: error, group }, 'kafka: a commit failed, trying again')
          }
        }
        await pause(LOOK_MS, closing)
      }
    },
    close() {
      leaving.abort()
      return guarded.close()
    },
  }
}

/** A consumer that is just ending returns without having committed: only its own notice says that it did. */
async function commitOnce(
  consumer: Consumer,
  { topic, partition }: TopicPartition,
  offset: bigint,
  metadata: string,
): Promise<boolean> {
  let isDone = false
  const leave = consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => {
    isDone ||= payload.topics.some(
      told =>
        told.topic === topic &&
        told.partitions.some(each => each.partition === partition && String(each.offset) === String(offset)),
    )
  })
  try {
    await consumer.commitOffsets([{ topic, partition, offset: String(offset), metadata }])
  } finally {
    leave()
  }
  return isDone
}
