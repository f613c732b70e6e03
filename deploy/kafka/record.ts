import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { KafkaMessage, Message } from 'kafkajs'
import { MalformedAnswerError } from '../../schema/errors.ts'
import type { TopicPartition } from '../../schema/ports.ts'

const compress = promisify(gzip)
const uncompress = promisify(gunzip)

/** A stock broker takes 1,048,588 bytes at once, with everything around the value. */
export const MAX_PART_BYTES = 900_000
/** Smaller values gain nothing. */
const MIN_COMPRESSED_BYTES = 200
const HEADER = 'wanlian'

/**
 * What stands beside each record's value.
 *
 * A record of a claimed place carries the offset in Kafka that its writer expected it to get. It counts only where it
 * stands there: whatever another writer, or a late copy, put in between has moved it, and every reader sees that from
 * the record alone, wherever it began to read.
 */
export interface Stamp {
  /** `open` begins a place, `claim` and `mark` take it and note where its writer stands: none of them is a message. */
  kind: 'open' | 'claim' | 'mark' | 'data'
  /** What is added to an offset in Kafka: the clock in microseconds when the partition was begun. */
  base: bigint
  /** Of the writer that claimed the place. */
  claim?: string
  /** Where a claimed writer's record has to stand. */
  at?: bigint
  /** Where another writer's has to stand above: in a topic that was deleted and begun anew it does not. */
  after?: bigint
  /** Bytes of the whole message, and whether it is compressed. */
  size?: number
  gzip?: boolean
  /** Of a message that does not fit into one record. */
  part?: { of: string; index: number; count: number }
}

/** A record as it was read; `stamp` is null when somebody else's program wrote it. */
export interface Stored {
  offset: bigint
  stamp: Stamp | null
  key: string
  value: Buffer
}

/** A message's records before they are sent. */
export interface Part {
  /** Which of the messages to be appended. */
  message: number
  stamp: Pick<Stamp, 'size' | 'gzip' | 'part'>
  value: Buffer
}

export async function toParts(value: Uint8Array, message: number): Promise<Part[]> {
  const plain = Buffer.from(value.buffer, value.byteOffset, value.length)
  const packed = plain.length < MIN_COMPRESSED_BYTES ? plain : await compress(plain, { level: 3 })
  const isPacked = packed.length < plain.length
  const bytes = isPacked ? packed : plain
  const common = { size: plain.length, gzip: isPacked }
  const count = Math.max(1, Math.ceil(bytes.length / MAX_PART_BYTES))
  if (count === 1) return [{ message, stamp: common, value: bytes }]
  const of = randomBytes(8).toString('hex')
  return Array.from({ length: count }, (_, index) => ({
    message,
    stamp: { ...common, part: { of, index, count } },
    value: bytes.subarray(index * MAX_PART_BYTES, (index + 1) * MAX_PART_BYTES),
  }))
}

/** The value of a message from all its records. */
export async function fromParts(parts: readonly Stored[]): Promise<Buffer> {
  const { stamp, value } = parts[0]!
  const bytes = parts.length === 1 ? value : Buffer.concat(parts.map(part => part.value))
  if (!stamp?.gzip) return bytes
  const plain = await uncompress(bytes, { maxOutputLength: Math.max(1, stamp.size ?? 0) })
  if (plain.length !== stamp.size) {
    throw new MalformedAnswerError(
      `log: expected a message of ${stamp.size} bytes at ${parts[0]!.offset}, got ${plain.length}`,
    )
  }
  return plain
}

export function toMessage(place: TopicPartition, stamp: Stamp, value: Buffer): Message {
  const { at, after, base } = stamp
  const written = JSON.stringify({
    ...stamp,
    base: String(base),
    ...(at === undefined ? {} : { at: String(at) }),
    ...(after === undefined ? {} : { after: String(after) }),
  })
  return { partition: place.partition, key: place.topic, value, headers: { [HEADER]: written } }
}

export function fromMessage(message: Pick<KafkaMessage, 'offset' | 'headers' | 'key' | 'value'>): Stored {
  const header = message.headers?.[HEADER]
  const value = message.value ?? Buffer.alloc(0)
  const stamp = header ? readStamp(String(header)) : null
  return { offset: BigInt(message.offset), stamp, key: String(message.key ?? ''), value }
}

function readStamp(text: string): Stamp | null {
  try {
    const { base, at, after, ...rest } = JSON.parse(text)
    return {
      ...rest,
      base: BigInt(base),
      ...(at === undefined ? {} : { at: BigInt(at) }),
      ...(after === undefined ? {} : { after: BigInt(after) }),
    }
  } catch {
    return null
  }
}

/** Whether the record stands where its writer meant it to stand; one that does not says nothing of its place. */
export function isInPlace({ offset, stamp }: Stored): boolean {
  if (!stamp) return false
  if (stamp.at !== undefined) return stamp.at === offset
  return stamp.after === undefined || offset > stamp.after
}

/** A message in a row of records. */
export interface Found {
  parts: Stored[]
  /** In Kafka, of its last record: where the message stands. */
  offset: bigint
  size: number
}

/**
 * The whole messages among records that follow each other. A message of which a part is missing was cut by its writer's
 * end and is passed over.
 * @param isClaimed whether the place was claimed before these records: then only a claimed writer's count
 * @returns `open`: where a message begins that the last records are the first parts of
 */
export function findMessages(
  records: readonly Stored[],
  isClaimed: boolean,
): { found: Found[]; open: bigint | null } {
  const found: Found[] = []
  let parts: Stored[] = []
  let claimed = isClaimed
  for (const record of records) {
    const { stamp, offset } = record
    if (stamp?.claim !== undefined && isInPlace(record)) claimed = true
    if (stamp?.kind !== 'data' || !isInPlace(record) || (claimed && stamp.claim === undefined)) {
      parts = []
      continue
    }
    const { index, count, of } = stamp.part ?? { index: 0, count: 1, of: '' }
    const goesOn = index === parts.length && (index === 0 || parts[0]!.stamp!.part!.of === of)
    parts = goesOn ? [...parts, record] : index === 0 ? [record] : []
    if (parts.length < count) continue
    found.push({ parts, offset, size: stamp.size ?? record.value.length })
    parts = []
  }
  return { found, open: parts[0]?.offset ?? null }
}
