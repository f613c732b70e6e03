import { randomUUID } from 'node:crypto'
import kafkajs, { type Kafka, type Message, type Producer } from 'kafkajs'
import { describeError, FencedError, StoreError } from '../../schema/errors.ts'
import { pause } from '../../schema/pause.ts'
import type { Logger, TopicPartition } from '../../schema/ports.ts'
import type { Broker } from './broker.ts'
import type { Reader } from './reader.ts'
import { MAX_PART_BYTES, type Part, type Stamp, toMessage, toParts } from './record.ts'

/** Appends to places (names in Kafka). */
export interface Writer {
  claim(place: TopicPartition): Promise<void>
  /** @throws FencedError when another has claimed the place */
  append(place: TopicPartition, values: readonly Uint8Array[]): Promise<bigint>
  close(): Promise<void>
}

/** What is known of a place that this process writes to. */
interface Desk {
  place: TopicPartition
  producer: Producer | null
  base: bigint
  /** Null for a place that several may append to. */
  claim: string | null
  /** In Kafka, where the next record is to stand, as far as this process knows. */
  next: bigint
}

/** Bytes and number of records of one request; each has something around its value. */
const REQUEST_BYTES = MAX_PART_BYTES + 10_000
const REQUEST_RECORDS = 2_000
const AROUND_BYTES = 400
const LONGEST_PAUSE_MS = 5_000

export function createWriter(deps: {
  kafka: Kafka
  broker: Broker
  reader: Reader
  logger: Logger
  now: () => number
  closing: AbortSignal
}): Writer {
  const { kafka, broker, reader, logger, now, closing } = deps
  const desks = new Map<string, Desk>()
  /** Places that this process had claimed when another did: it appends there no more unless it claims them again. */
  const lost = new Set<string>()
  const turns = new Map<string, Promise<unknown>>()

  function inTurn<Result>(place: TopicPartition, step: () => Promise<Result>): Promise<Result> {
    const key = keyOf(place)
    const mine = (turns.get(key) ?? Promise.resolve()).then(step, step)
    turns.set(
      key,
      mine.catch(() => {}),
    )
    return mine
  }

  /** Sends once (kafkajs repeats what is safe to repeat). @returns the offset in Kafka of the first record */
  async function send(desk: Desk, messages: Message[]): Promise<bigint> {
    const { topic } = desk.place
    if (!desk.producer) {
      const producer = kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
        retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
      })
      try {
        await producer.connect()
      } catch (error) {
        await producer.disconnect().catch(() => {})
        throw error
      }
      desk.producer = producer
    }
    try {
      const [answer] = await desk.producer.send({ topic, messages, acks: -1 })
      if (answer?.baseOffset === undefined || BigInt(answer.baseOffset) < 0n) {
        throw new StoreError(`Kafka: expected an offset for what was appended to ${topic}, got none`)
      }
      return BigInt(answer.baseOffset)
    } catch (error) {
      // What became of it is unknown: its number in the sequence is of no use any more.
      await dismiss(desk)
      throw error
    }
  }

  async function dismiss(desk: Desk): Promise<void> {
    const { producer } = desk
    desk.producer = null
    await producer?.disconnect().catch(() => {})
  }

  /** Sends a record that is no message until it stands. */
  function note(desk: Desk, kind: Stamp['kind'], at?: bigint): Promise<bigint> {
    const stamp: Stamp = {
      kind,
      base: desk.base,
      ...(desk.claim === null ? {} : { claim: desk.claim }),
      ...(at === undefined ? {} : { at }),
    }
    const message = toMessage(desk.place, stamp, Buffer.alloc(0))
    return broker.persist(`write to ${keyOf(desk.place)}`, () => send(desk, [message]))
  }

  /** A desk at a place, which is begun if nobody did before. */
  async function sitDown(place: TopicPartition, claim: string | null): Promise<Desk> {
    const desk: Desk = { place, producer: null, base: 0n, claim, next: 0n }
    for (;;) {
      const known = await reader.base(place)
      if (known !== null) return { ...desk, base: known }
      const extent = await broker.persist(`find ${keyOf(place)}`, async () => {
        const found = await broker.extent(place)
        if (!found) {
          throw new StoreError(
            `Kafka: expected the topic ${place.topic} with a partition ${place.partition}, got none`,
          )
        }
        return found
      })
      // Of two that begin it at once, one record stands where it was meant to.
      const opening: Desk = { ...desk, claim: null, base: BigInt(now()) * 1_000n }
      await note(opening, 'open', extent.high)
      await dismiss(opening)
      reader.forget(place)
    }
  }

  async function claim(place: TopicPartition): Promise<void> {
    const before = desks.get(keyOf(place))
    desks.delete(keyOf(place))
    if (before) await dismiss(before)
    const desk = await sitDown(place, randomUUID())
    desk.next = (await note(desk, 'claim')) + 1n
    lost.delete(keyOf(place))
    // What follows comes from a producer that never sent anything else.
    await dismiss(desk)
    desks.set(keyOf(place), desk)
  }

  async function deskOf(place: TopicPartition): Promise<Desk> {
    const known = desks.get(keyOf(place))
    if (known) return known
    if (lost.has(keyOf(place))) throw fenced(place)
    const desk = await sitDown(place, null)
    const { high } = (await broker.extent(place))!
    const [last] = await reader.records(place, high - 1n, high)
    if (last?.stamp?.claim !== undefined && last.stamp.base === desk.base) throw fenced(place)
    desk.next = high
    desks.set(keyOf(place), desk)
    return desk
  }

  /** @throws FencedError when another claimed the place between two offsets in Kafka */
  async function look(desk: Desk, from: bigint, to: bigint) {
    const records = await reader.records(desk.place, from, to)
    const other = records.find(record => record.stamp?.kind === 'claim' && record.stamp.claim !== desk.claim)
    if (other) throw leave(desk)
    return records
  }

  function leave(desk: Desk): FencedError {
    desks.delete(keyOf(desk.place))
    lost.add(keyOf(desk.place))
    void dismiss(desk)
    return fenced(desk.place)
  }

  /**
   * After an append of which nobody knows what became: a note is put behind it, so that a copy that arrives late stands
   * in the wrong place. @returns how many of the records stand
   */
  async function settle(desk: Desk, count: number): Promise<number> {
    const from = desk.next
    const noted = await note(desk, 'mark')
    if (noted < from) throw begunAnew(desk)
    const records = await look(desk, from, noted)
    desk.next = noted + 1n
    let standing = 0
    for (const { offset, stamp } of records) {
      const isMine = stamp?.kind === 'data' && stamp.claim === desk.claim && stamp.at === offset
      if (!isMine || offset !== from + BigInt(standing) || standing === count) break
      standing++
    }
    return standing
  }

  function begunAnew(desk: Desk): StoreError {
    desks.delete(keyOf(desk.place))
    reader.forget(desk.place)
    void dismiss(desk)
    return new StoreError(`${keyOf(desk.place)} was deleted and begun anew, the append is to be repeated`, {
      retryable: true,
    })
  }

  async function append(place: TopicPartition, values: readonly Uint8Array[]): Promise<bigint> {
    const parts = (await Promise.all(values.map(toParts))).flat()
    const desk = await deskOf(place)
    let last = -1n
    /** Records sent so far, and where the one stands that was sent last. */
    let sent = 0
    let wait = 100
    /** A message whose records do not follow each other is sent again from its first. */
    const startAgain = () => {
      while (sent > 0 && sent < parts.length && parts[sent - 1]!.message === parts[sent]!.message) sent--
    }
    while (sent < parts.length) {
      const some = takeRequest(parts, sent)
      const expected = desk.next
      const messages = some.map((part, at) => {
        const own =
          desk.claim === null ? { after: expected - 1n } : { claim: desk.claim, at: expected + BigInt(at) }
        return toMessage(place, { kind: 'data', base: desk.base, ...own, ...part.stamp }, part.value)
      })
      let first: bigint
      try {
        first = await send(desk, messages)
      } catch (error) {
        if (isRefused(error)) throw error
        logger.warn({ problem: describeError(error), place }, 'kafka: an append failed, going on with it')
        await pause(wait, closing)
        wait = Math.min(LONGEST_PAUSE_MS, wait * 2)
        if (desk.claim === null) {
          // Again as a whole: who appends here beside others may tell something twice.
          desk.next = (await note(desk, 'mark')) + 1n
        } else {
          const standing = await settle(desk, some.length)
          sent += standing
          if (standing > 0) last = expected + BigInt(standing) - 1n
        }
        startAgain()
        continue
      }
      wait = 100
      if (first < expected) throw begunAnew(desk)
      const isFollowing = first === expected
      if (!isFollowing && desk.claim !== null) await look(desk, expected, first)
      desk.next = first + BigInt(some.length)
      if (isFollowing || desk.claim === null) {
        const isCut = !isFollowing && sent > 0 && parts[sent - 1]!.message === parts[sent]!.message
        if (!isCut) {
          sent += some.length
          last = desk.next - 1n
          continue
        }
      }
      startAgain()
    }
    return desk.base + last
  }

  return {
    claim: place => inTurn(place, () => claim(place)),
    append: (place, values) => inTurn(place, () => append(place, values)),
    async close() {
      await Promise.all([...desks.values()].map(dismiss))
      desks.clear()
    },
  }
}

/** Records for one request, the first at least. */
function takeRequest(parts: readonly Part[], from: number): Part[] {
  const some: Part[] = []
  let bytes = 0
  for (let at = from; at < parts.length && some.length < REQUEST_RECORDS; at++) {
    bytes += parts[at]!.value.length + AROUND_BYTES
    if (some.length > 0 && bytes > REQUEST_BYTES) break
    some.push(parts[at]!)
  }
  return some
}

/** However often it is tried. */
function isRefused(error: unknown): boolean {
  const { type } = error as { type?: string }
  return type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE'
}

function fenced(place: TopicPartition): FencedError {
  return new FencedError(`${keyOf(place)}: another writer has claimed it`)
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
