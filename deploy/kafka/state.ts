import { randomUUID } from 'node:crypto'
import kafkajs, { type Consumer, type Kafka, type Producer } from 'kafkajs'
import { describeError, StoreError } from '../../schema/errors.ts'
import type { Logger, State, StateEntry } from '../../schema/ports.ts'
import { createStateFold, proposal, type StateRecord } from './state-fold.ts'

export interface KafkaStateOptions {
  kafka: Kafka
  topic: string
  /** What names of consumer groups begin with. */
  prefix: string
  replication: number | null
  logger: Logger
}

/** The topic as one consumer has read it so far. */
interface Reading {
  consumer: Consumer
  fold: ReturnType<typeof createStateFold>
  next: bigint
}

/** How long a record of ours may take until it is read back before the reading is begun anew. */
const PATIENCE_MS = 15_000
const LOOK_MS = 5_000
const OPEN_MS = 60_000

/**
 * The state in a compacted topic, read whole by every process. A change is a record of its own, and whether it came first
 * is seen when it is read back.
 */
export async function openKafkaState(options: KafkaStateOptions): Promise<State> {
  const { kafka, topic, prefix, logger } = options
  const admin = kafka.admin()
  let producer: Producer | null = openProducer()
  await Promise.all([admin.connect(), producer.connect()])
  await ensureTopic()

  /** What is shown: while a reading begins anew, still what the one before has seen. */
  let shown: Reading | null = null
  let reading: Reading | null = null
  /** What was given out: a reading begun anew tells nobody of what he knows. */
  const told = new Map<string, number>()
  const watchers = new Set<{ prefix: string; onChange(key: string, entry: StateEntry | null): void }>()
  /** Puts that wait for their record, by its key. */
  const waiting = new Map<string, (accepted: boolean) => void>()
  let isClosed = false
  let sending: Promise<unknown> = Promise.resolve()

  function openProducer(): Producer {
    return kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  }

  async function ensureTopic(): Promise<void> {
    await admin.createTopics({
      waitForLeaders: true,
      topics: [
        {
          topic,
          numPartitions: 1,
          replicationFactor: options.replication ?? -1,
          configEntries: [{ name: 'cleanup.policy', value: 'compact' }],
        },
      ],
    })
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy'] }],
    })
    const policy = resources[0]?.configEntries[0]?.configValue
    if (policy !== 'compact') {
      throw new StoreError(`topic ${topic}: expected cleanup.policy compact, got ${policy}`, {
        hint: `kafka-configs --alter --topic ${topic} --add-config cleanup.policy=compact: else what it holds is forgotten`,
      })
    }
  }

  function onRecord({ fold }: Reading, record: StateRecord): void {
    const { key, accepted, outdated } = fold.apply(record)
    if (key === null) return
    const done = waiting.get(record.key)
    waiting.delete(record.key)
    if (!accepted) {
      // Our own that came too late is of no more use; others take away theirs.
      if (done) takeAway([record.key])
      done?.(false)
      return
    }
    if (done) takeAway(outdated)
    const version = fold.version(key)
    if (version > (told.get(key) ?? 0)) {
      told.set(key, version)
      for (const watcher of watchers) if (key.startsWith(watcher.prefix)) tell(watcher, key, fold.get(key))
    }
    done?.(true)
  }

  function tell(
    watcher: { onChange(key: string, entry: StateEntry | null): void },
    key: string,
    entry: StateEntry | null,
  ): void {
    try {
      watcher.onChange(key, entry)
    } catch (error) {
      logger.error({ key, err: error }, 'a change of the state was not taken up')
    }
  }

  /** Failing costs room in the topic, no more. */
  function takeAway(keys: readonly string[]): void {
    if (keys.length === 0) return
    void send(keys.map(key => ({ key, value: null }))).catch(error =>
      logger.debug({ err: error }, 'outdated records of the state stay'),
    )
  }

  /** One after the other: an idempotent producer knows its order. */
  function send(messages: readonly StateRecord[]): Promise<void> {
    const sent = sending.then(async () => {
      if (!producer) {
        producer = openProducer()
        await producer.connect()
      }
      try {
        await producer.send({ topic, acks: -1, messages: [...messages] })
      } catch (error) {
        // What became of it is unknown: that it is there twice is seen when it is read.
        void producer.disconnect().catch(() => {})
        producer = null
        throw error
      }
    })
    sending = sent.catch(() => {})
    return sent
  }

  async function end(): Promise<bigint> {
    const [offsets] = await admin.fetchTopicOffsets(topic)
    return BigInt(offsets?.high ?? 0)
  }

  /** Reads everything from the first record on, under a name that nobody else has. */
  async function startReading(): Promise<void> {
    const consumer = kafka.consumer({ groupId: `${prefix}state-${randomUUID()}`, sessionTimeout: 30_000 })
    const own: Reading = { consumer, fold: createStateFold(), next: 0n }
    reading = own
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        if (reading !== own) return
        for (const { key, value, offset } of batch.messages) {
          if (BigInt(offset) < own.next) continue
          advance(own, BigInt(offset) + 1n)
          onRecord(own, { key: key?.toString() ?? '', value: value?.toString() ?? null })
        }
        // The last records of a batch may have been compacted away.
        advance(own, BigInt(batch.lastOffset()) + 1n)
      },
    })
  }

  function advance(own: Reading, next: bigint): void {
    if (next > own.next) own.next = next
    if (own.next >= (shown?.next ?? 0n)) shown = own
  }

  const position = () => reading?.next ?? 0n

  async function stopReading(): Promise<void> {
    const old = reading
    reading = null
    await old?.consumer.disconnect().catch(error => logger.debug({ err: error }, 'reader of the state'))
  }

  /** A reader that stands still behind the end is begun anew: consumers were seen to stop without a word. */
  async function watchReader(): Promise<void> {
    let stoodAt = -1n
    while (!isClosed) {
      await pause(LOOK_MS)
      if (isClosed) return
      try {
        const next = position()
        const isBehind = (await end()) > next
        if (isBehind && stoodAt === next) {
          logger.warn({ topic, next: String(next) }, 'the reader of the state stood still, it is begun anew')
          await stopReading()
          await startReading()
        }
        stoodAt = isBehind ? next : -1n
      } catch (error) {
        logger.warn({ topic, problem: describeError(error) }, 'the state cannot be looked at')
      }
    }
  }

  let stopPause = () => {}
  function pause(ms: number): Promise<void> {
    return new Promise(done => {
      const timer = setTimeout(done, ms)
      stopPause = () => {
        clearTimeout(timer)
        done()
      }
    })
  }

  async function propose(key: string, version: number, value: unknown): Promise<boolean> {
    const record = proposal(key, version, value)
    const seen = new Promise<boolean>((done, fail) => {
      const timer = setTimeout(() => {
        waiting.delete(record.key)
        fail(
          new StoreError(`state ${key}: what was sent was not read back within ${PATIENCE_MS / 1000} s`, {
            retryable: true,
            hint: 'are the Kafka brokers well?',
          }),
        )
      }, PATIENCE_MS)
      waiting.set(record.key, accepted => {
        clearTimeout(timer)
        done(accepted)
      })
    })
    const [outcome] = await Promise.all([seen, send([record])])
    return outcome
  }

  const target = await end()
  await startReading()
  const deadline = Date.now() + OPEN_MS
  while (position() < target) {
    if (Date.now() > deadline) {
      await Promise.allSettled([stopReading(), producer?.disconnect(), admin.disconnect()])
      throw new StoreError(`topic ${topic} could not be read up to ${target}`, {
        retryable: true,
        hint: 'are the Kafka brokers well?',
      })
    }
    await pause(20)
  }
  const watching = watchReader()
  const facts = () => (shown ?? reading!).fold

  return {
    get: key => facts().get(key),
    list(begin) {
      const fold = facts()
      return fold
        .keys()
        .filter(key => key.startsWith(begin))
        .flatMap(key => {
          const entry = fold.get(key)
          return entry ? [[key, entry] as [string, StateEntry]] : []
        })
    },
    async put(key, value, expected) {
      for (;;) {
        const fold = facts()
        const entry = fold.get(key)
        if (expected !== undefined && (entry?.version ?? 0) !== expected) return false
        if (await propose(key, fold.version(key) + 1, value ?? null)) return true
        if (expected !== undefined) return false
      }
    },
    watch(begin, onChange) {
      const watcher = { prefix: begin, onChange }
      watchers.add(watcher)
      return () => void watchers.delete(watcher)
    },
    async close() {
      isClosed = true
      stopPause()
      await watching
      await sending
      await stopReading()
      await Promise.allSettled([producer?.disconnect(), admin.disconnect()])
    },
  }
}
