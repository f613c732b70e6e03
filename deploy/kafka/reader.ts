import { randomUUID } from 'node:crypto'
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs'
import { LogGapError, StoreError } from '../../schema/errors.ts'
import { pausable } from '../../schema/pause.ts'
import type { Logger, LogMessage, ReadLimits, TopicPartition } from '../../schema/ports.ts'
import type { Broker } from './broker.ts'
import { openGuarded } from './consumer.ts'
import { findMessages, fromMessage, fromParts, isInPlace, type Stored } from './record.ts'

/** Reads places (names in Kafka) from wherever it is asked to. */
export interface Reader {
  read(place: TopicPartition, from: bigint, limits: ReadLimits): Promise<LogMessage[]>
  wait(place: TopicPartition, from: bigint, signal: AbortSignal): Promise<boolean>
  /** What is added to an offset in Kafka; null while nothing is in the place. */
  base(place: TopicPartition): Promise<bigint | null>
  /** Records as they are, from an offset in Kafka up to below another. */
  records(place: TopicPartition, from: bigint, to: bigint): Promise<Stored[]>
  /** The place is not what it was: what is known of it is forgotten. */
  forget(place: TopicPartition): void
  close(): Promise<void>
}

/** What is held of a place: records that follow each other. */
interface Stream {
  place: TopicPartition
  base: bigint | null
  /** Whether it was claimed before the first held record. */
  claimed: boolean
  records: Stored[]
  bytes: number
  /** In Kafka: of the record that comes next, and from where on messages are wanted. */
  next: bigint
  start: bigint
  /** Whether more is wanted, and whether the consumer was told so. */
  wanted: boolean
  isFlowing: boolean
  /** Fetching stands elsewhere. */
  isLost: boolean
  /** When something came last or was asked for, and how far the place goes as far as is known. */
  movedAt: number
  usedAt: number
  high: bigint
  /** Somebody at a time moves it. */
  turn: Promise<unknown>
  listeners: Set<() => void>
}

const READ_MESSAGES = 1_000
const READ_BYTES = 16 * 1024 * 1024
/** Bytes of records, as they came, that are held of a place; more only for a message that is larger. */
const HELD_BYTES = 8 * 1024 * 1024
const FETCH_BYTES = 2 * 1024 * 1024
/** How long a broker waits with an empty answer: what is newly asked for waits as long. */
const FETCH_WAIT_MS = 200
const SILENCE_MS = 15_000
/** A place that nobody asked for is let go. */
const IDLE_MS = 60_000
const LOOK_MS = 2_000

export interface ReaderOptions {
  kafka: Kafka
  broker: Broker
  logger: Logger
  prefix: string
  closing: AbortSignal
  /** There is no message from `from` up to below `to` (outward). */
  onPassedOver(place: TopicPartition, from: bigint, to: bigint): Promise<void>
  silenceMs?: number
}

/**
 * One consumer under a name of its own for all places that are read. It never takes part in sharing out: where it reads
 * depends on nobody else, and what it holds of each place is bounded by pausing that place.
 */
export function openReader(options: ReaderOptions): Reader {
  const { kafka, broker, logger, closing } = options
  const silenceMs = options.silenceMs ?? SILENCE_MS
  const streams = new Map<string, Stream>()
  const topics = new Set<string>()
  let consumed: readonly string[] = []

  const guarded = openGuarded({
    kafka,
    logger,
    silenceMs,
    config: () => ({
      // Another name each time: what became of the one before need not be waited for.
      groupId: `${options.prefix}reader.${randomUUID()}`,
      allowAutoTopicCreation: false,
      readUncommitted: false,
      maxBytesPerPartition: FETCH_BYTES,
      maxBytes: 4 * FETCH_BYTES,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      sessionTimeout: 30_000,
      heartbeatInterval: 3_000,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4, restartOnFailure: async () => false },
    }),
    async topics() {
      consumed = topics.size === 0 ? [] : await broker.existing([...topics])
      return consumed
    },
    onJoin(consumer, places) {
      for (const place of places) {
        consumer.pause([{ topic: place.topic, partitions: [place.partition] }])
        const stream = streams.get(keyOf(place))
        if (!stream) continue
        stream.isFlowing = false
        seek(consumer, stream)
        steer(stream)
      }
    },
    onBatch: async payload => take(payload),
    complaint() {
      const now = Date.now()
      for (const stream of streams.values()) {
        if (stream.wanted && now - stream.usedAt > IDLE_MS && stream.listeners.size === 0) {
          Object.assign(stream, { wanted: false, records: [], bytes: 0, isLost: true })
          steer(stream)
        }
        if (stream.isFlowing && stream.next < stream.high && now - stream.movedAt > silenceMs) {
          stream.movedAt = now
          return `it is behind in ${keyOf(stream.place)} and nothing comes`
        }
      }
      return null
    },
  })

  function streamOf(place: TopicPartition): Stream {
    const known = streams.get(keyOf(place))
    if (known) return known
    const fresh: Stream = {
      place,
      base: null,
      claimed: false,
      records: [],
      bytes: 0,
      next: 0n,
      start: 0n,
      wanted: false,
      isFlowing: false,
      isLost: true,
      movedAt: 0,
      usedAt: 0,
      high: 0n,
      turn: Promise.resolve(),
      listeners: new Set(),
    }
    streams.set(keyOf(place), fresh)
    if (!topics.has(place.topic)) topics.add(place.topic)
    return fresh
  }

  function seek(consumer: Consumer, { place, next }: Stream): void {
    consumer.seek({ ...place, offset: String(next) })
  }

  /** Lets records come or keeps them away, as is wanted. */
  function steer(stream: Stream): void {
    const consumer = guarded.current()
    if (!consumer) return
    const shall = stream.wanted && !stream.isLost && !isFull(stream)
    if (shall === stream.isFlowing) return
    stream.isFlowing = shall
    stream.movedAt = Date.now()
    const at = [{ topic: stream.place.topic, partitions: [stream.place.partition] }]
    if (shall) consumer.resume(at)
    else consumer.pause(at)
  }

  function take({ batch }: EachBatchPayload): void {
    const stream = streams.get(keyOf(batch))
    if (!stream || stream.isLost) return
    stream.high = BigInt(batch.highWatermark)
    const fetchedFrom = BigInt((batch as unknown as { fetchedOffset: string }).fetchedOffset)
    for (const message of batch.messages) {
      const record = fromMessage(message)
      if (record.offset < stream.next) continue
      // Offsets have holes where a foreign hand wrote; a batch that was under way to another place has one too.
      if (record.offset > stream.next && fetchedFrom > stream.next) {
        stream.isLost = true
        break
      }
      const base = record.stamp?.base
      if (base !== undefined && base !== stream.base && isInPlace(record)) {
        if (stream.base !== null && base > stream.base && record.offset > 0n && stream.records.length === 0) {
          // The topic was deleted and begun anew meanwhile: this is the middle of the new one.
          Object.assign(stream, { base, isLost: true })
          break
        }
        stream.base = base
      }
      stream.records.push(record)
      stream.bytes += record.value.length
      stream.next = record.offset + 1n
    }
    stream.movedAt = Date.now()
    steer(stream)
    for (const listener of stream.listeners) listener()
  }

  function isFull(stream: Stream): boolean {
    if (stream.bytes < HELD_BYTES) return false
    const { found } = findMessages(stream.records, stream.claimed)
    return found.some(({ offset }) => offset >= stream.start)
  }

  /** Something came, or a while went by. */
  async function change(stream: Stream, signal: AbortSignal, ms = LOOK_MS): Promise<void> {
    const limit = pausable(ms, signal)
    stream.listeners.add(limit.end)
    await limit.done
    stream.listeners.delete(limit.end)
  }

  /** Fetching goes on at an offset in Kafka. */
  function move(stream: Stream, offset: bigint): void {
    Object.assign(stream, { records: [], bytes: 0, claimed: false, next: offset, isLost: false })
    stream.wanted = true
    stream.movedAt = Date.now()
    const consumer = guarded.current()
    if (!consumer || !consumed.includes(stream.place.topic)) {
      if (consumer) guarded.reopen('another topic is read')
      return
    }
    if (stream.isFlowing) {
      consumer.pause([{ topic: stream.place.topic, partitions: [stream.place.partition] }])
      stream.isFlowing = false
    }
    seek(consumer, stream)
    steer(stream)
  }

  /** Brings records from `offset` (in Kafka) on; the one before it says whether the place was claimed. */
  function position(stream: Stream, offset: bigint, low: bigint): void {
    stream.usedAt = Date.now()
    const first = stream.records[0]?.offset ?? stream.next
    const isHeld = !stream.isLost && stream.wanted && offset >= first && offset <= stream.next
    if (!isHeld) {
      move(stream, offset > low ? offset - 1n : offset)
      return
    }
    // What was read is let go, but for the record before.
    const keep = stream.records.findIndex(record => record.offset + 1n >= offset)
    if (keep > 0) {
      const gone = stream.records.splice(0, keep)
      stream.bytes -= gone.reduce((sum, record) => sum + record.value.length, 0)
      stream.claimed ||= gone.some(record => record.stamp?.claim !== undefined && isInPlace(record))
    }
    steer(stream)
  }

  /** Holds everything up to below `to`, or as much as may be held. */
  async function fill(stream: Stream, to: bigint, signal: AbortSignal, enough: () => boolean): Promise<void> {
    while (stream.next < to && !stream.isLost && !enough()) {
      if (closing.aborted) throw new StoreError('Kafka: the log is closed')
      if (signal.aborted) return
      steer(stream)
      await change(stream, signal)
    }
  }

  function inTurn<Result>(stream: Stream, step: () => Promise<Result>): Promise<Result> {
    const mine = stream.turn.then(step, step)
    stream.turn = mine.catch(() => {})
    return mine
  }

  /** The place's base from its oldest records. */
  async function readBase(stream: Stream, low: bigint, high: bigint): Promise<bigint | null> {
    for (let tries = 0; stream.base === null && tries < 10; tries++) {
      position(stream, low, low)
      await fill(stream, high, closing, () => stream.base !== null)
      if (!stream.isLost) break
    }
    return stream.base
  }

  interface Look {
    found: ReturnType<typeof findMessages>['found']
    /** Where reading began (in Kafka), and what is no message right after it. */
    start: bigint
    passed: bigint
    base: bigint
  }

  /** Messages at or above `from`; null when the place is empty. */
  async function look(
    stream: Stream,
    from: bigint,
    limits: { messages: number; bytes: number },
    signal: AbortSignal,
  ): Promise<Look | null> {
    for (;;) {
      const held = heldFrom(stream, from)
      if (held && isEnough(held.found, limits)) return held
      const extent = await broker.extent(stream.place)
      if (!extent || extent.high === extent.low) {
        if (extent === null || extent.high === 0n) stream.base = null
        return null
      }
      const { low, high } = extent
      stream.high = high
      if (stream.base !== null && stream.next > high) forgetStream(stream)
      const base = await readBase(stream, low, high)
      if (base === null) return null
      let start = from < base ? low : from - base
      if (start < low) throw gap(stream.place, from, base + low)
      if (start > high) start = high
      stream.start = start
      const head = headOf(stream, start)
      if (head < low && from >= base) throw gap(stream.place, from, base + low)
      position(stream, head < low ? start : head, low)
      const isMidway = () => {
        const beginning = headOf(stream, start)
        return beginning >= low && beginning < (stream.records[0]?.offset ?? beginning)
      }
      await fill(stream, high, signal, () => {
        if (stream.base !== base || isMidway() || isFull(stream)) return true
        const now = heldFrom(stream, from)
        return now !== null && isEnough(now.found, limits)
      })
      if (signal.aborted && stream.next < high) return heldFrom(stream, from)
      if (stream.isLost || stream.base !== base || isMidway()) continue
      return heldFrom(stream, from)
    }
  }

  /** Where the message begins that the record at `start` belongs to, if that is held. */
  function headOf({ records }: Stream, start: bigint): bigint {
    const record = records.find(({ offset }) => offset === start)
    return record && isInPlace(record) ? start - BigInt(record.stamp?.part?.index ?? 0) : start
  }

  function heldFrom(stream: Stream, from: bigint): Look | null {
    const { base, records } = stream
    if (base === null || stream.isLost || !stream.wanted) return null
    const first = records[0]?.offset ?? stream.next
    const start = from < base ? first : from - base
    if (start < first || start > stream.next) return null
    const all = findMessages(records, stream.claimed)
    const found = all.found.filter(({ offset }) => offset >= start)
    const passed = found[0] ? found[0].parts[0]!.offset : (all.open ?? stream.next)
    return { found, start, passed, base }
  }

  function forgetStream(stream: Stream): void {
    Object.assign(stream, { base: null, isLost: true, records: [], bytes: 0 })
  }

  async function noteWhatWasPassed(place: TopicPartition, from: bigint, seen: Look): Promise<void> {
    if (seen.passed > seen.start) await options.onPassedOver(place, from, seen.base + seen.passed)
  }

  return {
    async read(place, from, limits) {
      const stream = streamOf(place)
      const wanted = { messages: limits.maxMessages ?? READ_MESSAGES, bytes: limits.maxBytes ?? READ_BYTES }
      const { seen, messages } = await inTurn(stream, async () => {
        const seen = await look(stream, from, wanted, closing)
        if (closing.aborted) throw new StoreError('Kafka: the log is closed')
        const messages: LogMessage[] = []
        let bytes = 0
        for (const { parts, offset, size } of seen?.found ?? []) {
          if (messages.length === wanted.messages) break
          if (messages.length > 0 && bytes + size > wanted.bytes) break
          bytes += size
          messages.push({ offset: seen!.base + offset, value: await fromParts(parts) })
        }
        return { seen, messages }
      })
      // After the turn: who moves a group on asks this reader.
      if (seen) await noteWhatWasPassed(place, from, seen)
      return messages
    },
    async wait(place, from, signal) {
      const stream = streamOf(place)
      const both = AbortSignal.any([signal, closing])
      while (!both.aborted) {
        const seen = await inTurn(stream, () => look(stream, from, { messages: 1, bytes: 1 }, both))
        if (seen && seen.found.length > 0) return true
        if (seen) await noteWhatWasPassed(place, from, seen)
        stream.usedAt = Date.now()
        await change(stream, both, seen ? LOOK_MS : FETCH_WAIT_MS)
      }
      return false
    },
    base(place) {
      const stream = streamOf(place)
      if (stream.base !== null) return Promise.resolve(stream.base)
      return inTurn(stream, async () => {
        const extent = await broker.extent(place)
        return extent && extent.high > extent.low ? readBase(stream, extent.low, extent.high) : null
      })
    },
    records(place, from, to) {
      const stream = streamOf(place)
      return inTurn(stream, async () => {
        const found = new Map<bigint, Stored>()
        for (let at = from; at < to; ) {
          const extent = await broker.extent(place)
          if (!extent) break
          if (at < extent.low) at = extent.low
          if (to > extent.high) to = extent.high
          if (at >= to) break
          position(stream, at, at)
          await fill(stream, to, closing, () => stream.bytes >= HELD_BYTES)
          for (const record of stream.records) {
            if (record.offset < at || record.offset >= to) continue
            found.set(record.offset, record)
          }
          if (!stream.isLost) at = stream.next
        }
        return [...found.values()]
      })
    },
    forget: place => forgetStream(streamOf(place)),
    close: () => guarded.close(),
  }
}

function isEnough(found: readonly { size: number }[], limits: { messages: number; bytes: number }): boolean {
  if (found.length >= limits.messages) return true
  return found.reduce((sum, { size }) => sum + size, 0) >= limits.bytes
}

function gap({ topic, partition }: TopicPartition, from: bigint, first: bigint): LogGapError {
  return new LogGapError(`${topic}/${partition}: asked for ${from}, kept from ${first}`, {
    hint: 'the reader was away for too long; what it missed is fetched again from the nodes',
    details: { first: String(first) },
  })
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
