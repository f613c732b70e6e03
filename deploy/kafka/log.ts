import type { Kafka } from 'kafkajs'
import { StoreError } from '../../schema/errors.ts'
import type { BlockLog, Logger, TopicPartition } from '../../schema/ports.ts'
import type { KafkaSettings } from '../servers.ts'
import { openBroker } from './broker.ts'
import { createClient } from './client.ts'
import { openCursors } from './cursors.ts'
import { joinGroup, type Membership } from './groups.ts'
import { createPublisher, type Publisher } from './publisher.ts'
import { openReader } from './reader.ts'
import { createWriter } from './writer.ts'

export interface KafkaLog extends BlockLog {
  /** Topics (port names such as blocks.bitcoin) with so many partitions are there afterwards, with documented settings. */
  ensureTopics(topics: readonly { topic: string; partitions: number }[]): Promise<void>
  /**
   * Takes part in sharing out the places of topics among all processes that do so under the same name. Again under the
   * same name: instead of what was shared before.
   * @param onShare is told the places that are this process's, again whenever that changes (also none)
   */
  share(
    group: string,
    topics: readonly string[],
    onShare: (mine: readonly TopicPartition[]) => void,
  ): Promise<{ close(): Promise<void> }>
  /** Writes plain records for programs of others into a topic that nobody appends to. */
  publish: Publisher['publish']
  /** Records that a group has before it in a place. */
  lag(place: TopicPartition, group: string): Promise<bigint>
}

export interface KafkaLogDeps {
  logger: Logger
  now?: () => number
  /** Wraps the client: how a test gets at its consumers. */
  wrapClient?: (kafka: Kafka) => Kafka
  /** How long a consumer may say nothing before another takes its place, in milliseconds. */
  silenceMs?: number
}

/** Places of these topics are no messages but numbers that somebody remembers: how far the journal was told. */
const CURSORS = /^journal\./

/**
 * The log on Apache Kafka. An outward offset is the one in Kafka plus the place's base, which stands in every record:
 * the clock when the partition was begun, so that no offset comes twice. A message is one record or several; where it
 * stands is where the last of them stands. Which records count is said in `record.ts`.
 * @throws ConfigError for settings that cannot be right, StoreError when no broker can be reached
 */
export async function openKafkaLog(settings: KafkaSettings, deps: KafkaLogDeps): Promise<KafkaLog> {
  const { logger, now = Date.now, wrapClient = kafka => kafka } = deps
  const { prefix } = settings
  const silence = deps.silenceMs === undefined ? {} : { silenceMs: deps.silenceMs }
  const closing = new AbortController()
  const kafka = wrapClient(await createClient(settings, logger))
  const broker = await openBroker(kafka, settings, logger, closing.signal)
  const shared = { kafka, broker, logger, closing: closing.signal, ...silence }
  const reader = openReader({ ...shared, prefix, onPassedOver: movePast })
  const writer = createWriter({ ...shared, reader, now })
  const publisher = createPublisher(kafka)
  const cursors = openCursors({ kafka, broker, reader, topic: `${prefix}cursors` })
  const memberships = new Map<string, Membership>()
  /** Where groups are, as far as this process committed it. */
  const places = new Map<string, { place: TopicPartition; group: string; next: bigint }>()

  const inKafka = ({ topic, partition }: TopicPartition) => ({ topic: prefix + topic, partition })
  const keyOf = ({ topic, partition }: TopicPartition, group: string) => `${topic}/${partition} ${group}`

  /** Groups that stand right before what is no message stand behind it: they have read everything before. */
  async function movePast(place: TopicPartition, from: bigint, to: bigint): Promise<void> {
    for (const { place: own, group, next } of [...places.values()]) {
      const stands =
        next >= from && next < to && prefix + own.topic === place.topic && own.partition === place.partition
      if (stands) await commit(own, group, to)
    }
  }

  function membership(group: string): Membership {
    const known = memberships.get(group)
    if (known) return known
    const fresh = joinGroup({ ...shared, group: prefix + group, shared: null })
    memberships.set(group, fresh)
    return fresh
  }

  async function commit(place: TopicPartition, group: string, next: bigint): Promise<void> {
    if (CURSORS.test(place.topic)) return cursors.put(keyOf(place, group), next)
    const base = await reader.base(inKafka(place))
    const offset = base === null || next < base ? 0n : next - base
    const member = membership(group)
    member.addTopic(inKafka(place).topic)
    await member.commit(inKafka(place), offset, JSON.stringify({ next: String(next) }))
    places.set(keyOf(place, group), { place, group, next })
  }

  async function committed(place: TopicPartition, group: string): Promise<bigint> {
    if (CURSORS.test(place.topic)) return cursors.get(keyOf(place, group))
    const found = await broker.groupOffset(prefix + group, inKafka(place))
    if (!found) return 0n
    const noted = readNote(found.metadata)
    if (noted !== null) return noted
    // Somebody set it with Kafka's own tools.
    return found.offset + ((await reader.base(inKafka(place))) ?? 0n)
  }

  return {
    claim: place => writer.claim(inKafka(place)),
    append: async (place, values) => {
      if (values.length === 0) throw new StoreError('Kafka: expected messages to append, got none')
      return writer.append(inKafka(place), values)
    },
    read: (place, from, limits = {}) => reader.read(inKafka(place), from, limits),
    wait: (place, from, signal) => reader.wait(inKafka(place), from, signal),
    async end(place) {
      const base = await reader.base(inKafka(place))
      const extent = base === null ? null : await broker.extent(inKafka(place))
      return base === null || !extent ? 0n : base + extent.high
    },
    committed,
    commit,
    ensureTopics: topics =>
      broker.ensure(topics.map(({ topic, partitions }) => ({ topic: prefix + topic, partitions }))),
    async share(group, topics, onShare) {
      const before = memberships.get(group)?.close()
      const outward = ({ topic, partition }: TopicPartition) => ({
        topic: topic.slice(prefix.length),
        partition,
      })
      const member = joinGroup({
        ...shared,
        group: prefix + group,
        shared: {
          topics: topics.map(topic => prefix + topic),
          onShare: mine => onShare(mine.map(outward)),
        },
        ...(before && { after: before }),
      })
      memberships.set(group, member)
      return {
        async close() {
          if (memberships.get(group) === member) memberships.delete(group)
          await member.close()
        },
      }
    },
    publish: (place, records) => publisher.publish(inKafka(place), records),
    async lag(place, group) {
      const extent = await broker.extent(inKafka(place))
      if (!extent) return 0n
      const found = await broker.groupOffset(prefix + group, inKafka(place))
      const at = found && found.offset > extent.low ? found.offset : extent.low
      return extent.high > at ? extent.high - at : 0n
    },
    async close() {
      closing.abort()
      await Promise.all([...memberships.values()].map(member => member.close()))
      await Promise.all([writer.close(), publisher.close(), cursors.close(), reader.close()])
      await broker.close()
    },
  }
}

function readNote(metadata: string | null): bigint | null {
  try {
    return BigInt(JSON.parse(metadata ?? '').next)
  } catch {
    return null
  }
}
