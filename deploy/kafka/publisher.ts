import kafkajs, { type Kafka, type Message, type Producer } from 'kafkajs'
import type { TopicPartition } from '../../schema/ports.ts'

/** A record that programs of others read: its value is what they get, and nothing around it. */
export interface PublishedRecord {
  key: string
  value: string
  headers: Readonly<Record<string, string>>
}

/** Writes records for others; what the log itself reads is written by its writer. */
export interface Publisher {
  /**
   * Behind each other, in this order. Returns once the brokers have all of them; when it throws they may have some, and
   * the same are to be published again.
   */
  publish(place: TopicPartition, records: readonly PublishedRecord[]): Promise<void>
  close(): Promise<void>
}

/** What a stock broker takes at once is 1,048,588 bytes, with what stands around the values. */
const REQUEST = { bytes: 900_000, records: 2_000 }
const AROUND_BYTES = 200

export function createPublisher(kafka: Kafka): Publisher {
  let producer: Promise<Producer> | null = null

  async function connect(): Promise<Producer> {
    const fresh = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
    })
    try {
      await fresh.connect()
      return fresh
    } catch (error) {
      await fresh.disconnect().catch(() => {})
      throw error
    }
  }

  async function dismiss(): Promise<void> {
    const old = producer
    producer = null
    const open = await old?.catch(() => null)
    await open?.disconnect().catch(() => {})
  }

  return {
    async publish({ topic, partition }, records) {
      const messages = records.map(({ key, value, headers }) => ({
        key,
        value,
        headers: { ...headers },
        partition,
      }))
      try {
        for (let at = 0; at < messages.length; ) {
          const some = takeRequest(messages, at)
          producer ??= connect()
          const ready = await producer
          await ready.send({ topic, messages: some, acks: -1, compression: kafkajs.CompressionTypes.GZIP })
          at += some.length
        }
      } catch (error) {
        // What became of the request is unknown: its number in the producer's sequence is of no use any more.
        await dismiss()
        throw error
      }
    },
    close: dismiss,
  }
}

/** Records for one request, the first at least. */
function takeRequest(messages: readonly Message[], from: number): Message[] {
  const some: Message[] = []
  let bytes = 0
  for (let at = from; at < messages.length && some.length < REQUEST.records; at++) {
    bytes += Buffer.byteLength(messages[at]!.value as string) + AROUND_BYTES
    if (some.length > 0 && bytes > REQUEST.bytes) break
    some.push(messages[at]!)
  }
  return some
}
