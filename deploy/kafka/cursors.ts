import kafkajs, { type Kafka, type Message, type Producer } from 'kafkajs'
import type { TopicPartition } from '../../schema/ports.ts'
import type { Broker } from './broker.ts'
import type { Reader } from './reader.ts'

/** Numbers by name, kept for good: a group's offsets go when nobody was there for a week. */
export interface Cursors {
  get(name: string): Promise<bigint>
  put(name: string, value: bigint): Promise<void>
  close(): Promise<void>
}

/** Opens the cursors in a compacted topic of one partition, which is made when the first is asked for. */
export function openCursors(deps: { kafka: Kafka; broker: Broker; reader: Reader; topic: string }): Cursors {
  const { kafka, broker, reader, topic } = deps
  const place: TopicPartition = { topic, partition: 0 }
  const values = new Map<string, bigint>()
  let seen = 0n
  let ready: Promise<void> | null = null
  let producer: Producer | null = null
  let turn: Promise<unknown> = Promise.resolve()

  function inTurn<Result>(step: () => Promise<Result>): Promise<Result> {
    const mine = turn.then(step, step)
    turn = mine.catch(() => {})
    return mine
  }

  async function catchUp(): Promise<void> {
    ready ??= broker.ensureCursors(topic)
    await ready
    const extent = await broker.extent(place)
    if (!extent || extent.high <= seen) return
    for (const { key, value } of await reader.records(place, seen, extent.high)) {
      values.set(key, BigInt(String(value)))
    }
    seen = extent.high
  }

  async function send(message: Message): Promise<void> {
    try {
      if (!producer) {
        producer = kafka.producer({
          idempotent: true,
          maxInFlightRequests: 1,
          allowAutoTopicCreation: false,
          createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
          retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
        })
        await producer.connect()
      }
      await producer.send({ topic, messages: [message], acks: -1 })
    } catch (error) {
      const failed = producer
      producer = null
      await failed?.disconnect().catch(() => {})
      throw error
    }
  }

  return {
    get: name =>
      inTurn(async () => {
        await catchUp()
        return values.get(name) ?? 0n
      }),
    put: (name, value) =>
      inTurn(async () => {
        ready ??= broker.ensureCursors(topic)
        await ready
        const message = { partition: 0, key: name, value: String(value) }
        await broker.persist(`note ${name}`, () => send(message))
      }),
    async close() {
      await producer?.disconnect().catch(() => {})
    },
  }
}
