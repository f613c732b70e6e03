import kafkajs, { type Admin, type ITopicConfig, type Kafka } from 'kafkajs'
import { ConfigError, describeError, StoreError } from '../../schema/errors.ts'
import { pause } from '../../schema/pause.ts'
import type { Logger, TopicPartition } from '../../schema/ports.ts'
import type { KafkaSettings } from '../servers.ts'

/** What is asked of the brokers besides messages. Everything is tried until it works or the log is closed. */
export interface Broker {
  /** Tries until it works. @throws StoreError once the log is closed */
  persist<Result>(what: string, step: () => Promise<Result>): Promise<Result>
  /** Offsets in Kafka of the oldest record and above the newest; null for a place that is not there. */
  extent(place: TopicPartition): Promise<Extent | null>
  /** Which of these topics (names in Kafka) are there. */
  existing(topics: readonly string[]): Promise<string[]>
  ensure(topics: readonly { topic: string; partitions: number }[]): Promise<void>
  ensureCursors(topic: string): Promise<void>
  /** The group's place in Kafka, with the note that was left there; null for none. */
  groupOffset(
    group: string,
    place: TopicPartition,
  ): Promise<{ offset: bigint; metadata: string | null } | null>
  close(): Promise<void>
}

export interface Extent {
  low: bigint
  high: bigint
}

const LONGEST_PAUSE_MS = 5_000
const GIB = 1024 ** 3

/** @throws ConfigError when the brokers refuse this program, StoreError when none can be reached */
export async function openBroker(
  kafka: Kafka,
  settings: KafkaSettings,
  logger: Logger,
  closing: AbortSignal,
): Promise<Broker> {
  const admin: Admin = kafka.admin()
  try {
    await admin.connect()
  } catch (error) {
    const facts = { cause: error, details: { brokers: settings.brokers } }
    const sentence = `Kafka: expected brokers at ${settings.brokers.join(', ')}, got: ${describeError(error)}`
    if (/SASL|[Aa]uth/.test(`${error}`)) throw new ConfigError(sentence, facts)
    throw new StoreError(sentence, { ...facts, retryable: true, hint: 'are they running?' })
  }

  async function persist<Result>(what: string, step: () => Promise<Result>): Promise<Result> {
    for (let wait = 100; ; wait = Math.min(LONGEST_PAUSE_MS, wait * 2)) {
      if (closing.aborted) throw new StoreError(`Kafka: the log was closed before it could ${what}`)
      try {
        return await step()
      } catch (error) {
        if (closing.aborted || (error instanceof Error && error.name.endsWith('FencedError'))) throw error
        const tell = wait > 400 ? logger.warn : logger.debug
        tell.call(logger, { problem: describeError(error) }, `kafka: could not ${what}, trying again`)
        await pause(wait, closing)
        await admin.connect().catch(() => {})
      }
    }
  }

  async function extent({ topic, partition }: TopicPartition): Promise<Extent | null> {
    return persist(`ask where ${topic} ends`, async () => {
      try {
        const all = await admin.fetchTopicOffsets(topic)
        const found = all.find(each => each.partition === partition)
        return found ? { low: BigInt(found.low), high: BigInt(found.high) } : null
      } catch (error) {
        if (await isMissing(topic)) return null
        throw error
      }
    })
  }

  const isMissing = async (topic: string) => !(await admin.listTopics()).includes(topic)

  async function existing(topics: readonly string[]): Promise<string[]> {
    const all = new Set(await persist('list topics', () => admin.listTopics()))
    return topics.filter(topic => all.has(topic))
  }

  /** Copies of a topic: what is set, else what the brokers give to topics that say nothing. */
  async function replication(): Promise<number> {
    if (settings.replication !== null) return settings.replication
    const { brokers } = await admin.describeCluster()
    const name = 'default.replication.factor'
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [
        { type: kafkajs.ConfigResourceTypes.BROKER, name: String(brokers[0]!.nodeId), configNames: [name] },
      ],
    })
    const value = resources[0]?.configEntries.find(entry => entry.configName === name)?.configValue
    return Number(value ?? 1)
  }

  /**
   * Topics that are missing are made, those with too few partitions get more. One that is there keeps its settings:
   * they are the operator's then.
   */
  async function make(topic: string, partitions: number, entries: Record<string, string>): Promise<void> {
    await persist(`make the topic ${topic}`, async () => {
      const copies = await replication()
      const config: ITopicConfig = {
        topic,
        numPartitions: partitions,
        replicationFactor: copies,
        configEntries: Object.entries({
          ...entries,
          // One copy may be away; what is acknowledged is on two.
          ...(copies >= 3 ? { 'min.insync.replicas': '2' } : {}),
          // Values come compressed.
          'compression.type': 'producer',
        }).map(([name, value]) => ({ name, value })),
      }
      if (await isMissing(topic)) {
        await admin.createTopics({ topics: [config], waitForLeaders: true }).catch(error => {
          if (error?.errors?.[0]?.type !== 'TOPIC_ALREADY_EXISTS') throw error
        })
      }
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      const there = topics[0]?.partitions.length ?? 0
      if (there < partitions) {
        await admin.createPartitions({ topicPartitions: [{ topic, count: partitions }] })
      }
    })
  }

  return {
    persist,
    extent,
    existing,
    async ensure(topics) {
      // Whole segments go: they are small enough for the bound to be kept about, large enough to be few.
      const segment = Math.max(16 * 1024 ** 2, Math.min(GIB, Math.floor(settings.retentionBytes / 8)))
      for (const { topic, partitions } of topics) {
        await make(topic, partitions, {
          'cleanup.policy': 'delete',
          // Bound by size alone: a message may wait for its reader as long as there is room.
          'retention.bytes': String(settings.retentionBytes),
          'retention.ms': '-1',
          'segment.bytes': String(segment),
        })
      }
    },
    ensureCursors: topic => make(topic, 1, { 'cleanup.policy': 'compact' }),
    groupOffset: (group, { topic, partition }) =>
      persist(`ask how far ${group} is`, async () => {
        let found: Awaited<ReturnType<Admin['fetchOffsets']>>[number] | undefined
        try {
          ;[found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
        } catch (error) {
          if (await isMissing(topic)) return null
          throw error
        }
        const place = found?.partitions.find(each => each.partition === partition)
        if (!place || BigInt(place.offset) < 0n) return null
        return { offset: BigInt(place.offset), metadata: place.metadata }
      }),
    async close() {
      // Nothing waits for an answer any more: what else is open is to be closed too.
      await admin
        .disconnect()
        .catch(error => logger.debug({ err: error }, 'kafka: the admin did not end well'))
    },
  }
}
