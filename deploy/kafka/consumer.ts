import type { Consumer, ConsumerConfig, EachBatchPayload, Kafka } from 'kafkajs'
import { pausable, pause } from '../../schema/pause.ts'
import type { Logger, TopicPartition } from '../../schema/ports.ts'

export interface GuardedOptions {
  kafka: Kafka
  logger: Logger
  /** Asked at each opening. */
  config(): ConsumerConfig
  /** Names in Kafka, asked at each opening; none are there as yet when it is empty. */
  topics(): Promise<readonly string[]>
  /** At once when a share of the group's places is given, before anything is fetched of it. */
  onJoin(consumer: Consumer, places: readonly TopicPartition[]): void
  onBatch(payload: EachBatchPayload): Promise<void>
  /** Why it should be opened again, looked at now and then; null while all is well. */
  complaint(): string | null
  /** How long it may say nothing, in milliseconds. */
  silenceMs: number
}

/** A consumer that is there for as long as it is wanted. */
export interface Guarded {
  /** Null while it is opened (again). */
  current(): Consumer | null
  /** Closes what is open and opens it anew. */
  reopen(reason: string): void
  close(): Promise<void>
}

const LOOK_MS = 500
/** A group may wait for the session of one that died to end. */
const JOIN_MS = 60_000
const CRASH_MS = 250
const LONGEST_PAUSE_MS = 5_000
/** A consumer that does not end is left behind. */
const END_MS = 10_000

/**
 * Opens a consumer and watches it. One that crashed, that stopped, or that shows no sign of life is closed and another
 * is opened: those of kafkajs end without a word at times (its issues 659, 1527, 1720).
 */
export function openGuarded(options: GuardedOptions): Guarded {
  const { kafka, logger } = options
  const closing = new AbortController()
  let current: Consumer | null = null
  let problem: string | null = null
  let group = ''
  /** It is opened again because it was asked for, nothing is wrong. */
  let isWanted = false
  let wake = () => {}

  async function run(): Promise<void> {
    let wait = 100
    while (!closing.signal.aborted) {
      problem = null
      isWanted = false
      let consumer: Consumer | null = null
      try {
        const topics = await options.topics()
        if (topics.length > 0) {
          const config = options.config()
          group = config.groupId
          consumer = kafka.consumer(config)
          await start(consumer, topics, () => {
            wait = 100
          })
        } else await look()
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error)
      }
      current = null
      if (consumer) await end(consumer)
      if (problem === null || isWanted || closing.signal.aborted) continue
      logger.warn({ group, problem }, 'kafka: a consumer is opened again')
      await pause(wait, closing.signal)
      wait = Math.min(LONGEST_PAUSE_MS, wait * 2)
    }
  }

  /** Returns when the consumer is not wanted any more, or not well. */
  async function start(consumer: Consumer, topics: readonly string[], onJoined: () => void): Promise<void> {
    let heardAt = Date.now()
    const heard = () => {
      heardAt = Date.now()
    }
    let isOver = false
    const fail = (reason: string) => {
      if (isOver) return
      problem ??= reason
      wake()
    }
    const { events } = consumer
    consumer.on(events.FETCH, heard)
    consumer.on(events.HEARTBEAT, heard)
    consumer.on(events.GROUP_JOIN, ({ payload }) => {
      heard()
      if (isOver || problem !== null || closing.signal.aborted) return
      current = consumer
      const places = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
        partitions.map(partition => ({ topic, partition })),
      )
      options.onJoin(consumer, places)
      onJoined()
    })
    consumer.on(events.CRASH, ({ payload }) => fail(`it crashed: ${payload.error.message}`))
    // Of a crash it is told right after it stopped: that says more.
    consumer.on(events.STOP, () => {
      setTimeout(fail, CRASH_MS, 'it stopped').unref()
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    consumer.run({ autoCommit: false, eachBatch: options.onBatch }).catch(error => fail(String(error)))
    while (problem === null && !closing.signal.aborted) {
      await look()
      const silent = Date.now() - heardAt
      if (silent > (current === consumer ? options.silenceMs : JOIN_MS))
        problem ??= `nothing was heard of it for ${silent} ms`
      if (current === consumer) problem ??= options.complaint()
    }
    isOver = true
  }

  async function end(consumer: Consumer): Promise<void> {
    const limit = new AbortController()
    const ended = consumer.disconnect().catch(error => {
      logger.debug({ err: error }, 'kafka: a consumer did not end well')
    })
    await Promise.race([ended, pause(END_MS, limit.signal)])
    limit.abort()
  }

  async function look(): Promise<void> {
    const limit = pausable(LOOK_MS, closing.signal)
    wake = limit.end
    await limit.done
  }

  const done = run()
  return {
    current: () => current,
    reopen(reason) {
      if (problem !== null) return
      logger.debug({ group, reason }, 'kafka: a consumer is opened again')
      problem = reason
      isWanted = true
      wake()
    },
    async close() {
      closing.abort()
      wake()
      await done
    },
  }
}
