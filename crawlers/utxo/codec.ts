import { InputError } from '../../schema/errors.ts'
import { ByteReader } from './byte-reader.ts'
import { sizeBytes, sizedBytes, uint32Bytes, uint64Bytes } from './byte-writer.ts'
import type { SpentOutput, UtxoRaw } from './raw.ts'

/**
 * The archive form of a block, version 1: version, flags, height (4 bytes), hash, facts that the flags announce, block,
 * attached transactions (each once), spent outputs. Numbers are little-endian, lengths are `CompactSize`.
 */
const VERSION = 1
const HAS_MEDIAN_TIME = 1
const HAS_CHAIN_WORK = 2

/** A spent output's first byte: its place in this list; 0 is an open one. */
const SOURCES = ['open', 'block', 'stored', 'transaction', 'node'] as const
/** The first byte alone, for an open one. */
const SMALLEST_SPENT = 1

function workBytes(work: bigint): Buffer {
  return Buffer.from(work.toString(16).padStart(64, '0'), 'hex')
}

function encodeHead(raw: UtxoRaw): Buffer[] {
  if (raw.hash.length !== 32) throw new InputError(`expected a hash of 32 bytes, got ${raw.hash.length}`)
  const { medianTime, chainWork } = raw
  const flags = (medianTime === null ? 0 : HAS_MEDIAN_TIME) | (chainWork === null ? 0 : HAS_CHAIN_WORK)
  return [
    Buffer.of(VERSION, flags),
    uint32Bytes(raw.height),
    raw.hash,
    ...(medianTime === null ? [] : [uint32Bytes(medianTime)]),
    ...(chainWork === null ? [] : [workBytes(chainWork)]),
  ]
}

/** Attached transactions in the order of their first use. */
function attachedTransactions(raw: UtxoRaw): Map<Buffer, number> {
  const places = new Map<Buffer, number>()
  for (const output of raw.spent) {
    if (output?.source !== 'transaction' || places.has(output.transaction)) continue
    places.set(output.transaction, places.size)
  }
  return places
}

function encodeSpent(output: SpentOutput | null, places: ReadonlyMap<Buffer, number>): Buffer[] {
  if (!output) return [Buffer.of(0)]
  const facts = [
    Buffer.of(SOURCES.indexOf(output.source)),
    uint64Bytes(output.amount),
    sizeBytes(output.script.length),
    output.script,
  ]
  return output.source === 'transaction' ? [...facts, sizeBytes(places.get(output.transaction)!)] : facts
}

/** One payload with everything that `verify` and `split` take. */
export function encodeRaw(raw: UtxoRaw): Buffer {
  const places = attachedTransactions(raw)
  return Buffer.concat([
    ...encodeHead(raw),
    sizeBytes(raw.bytes.length),
    raw.bytes,
    sizeBytes(places.size),
    ...[...places.keys()].map(sizedBytes),
    sizeBytes(raw.spent.length),
    ...raw.spent.flatMap(output => encodeSpent(output, places)),
  ])
}

function decodeSpent(
  reader: ByteReader,
  transactions: readonly Buffer[],
  used: Set<number>,
): SpentOutput | null {
  const source = SOURCES[reader.uint8()]
  if (source === undefined) throw reader.malformed('unknown kind of spent output')
  if (source === 'open') return null
  const facts = { amount: reader.uint64(), script: reader.sized() }
  if (source !== 'transaction') return { ...facts, source }
  const place = reader.size()
  const transaction = transactions[place]
  if (!transaction || place > used.size) throw reader.malformed(`no attached transaction ${place}`)
  used.add(place)
  return { ...facts, source, transaction }
}

/** @throws MalformedAnswerError when it is not exactly what `encodeRaw` writes. */
export function decodeRaw(bytes: Uint8Array): UtxoRaw {
  const reader = new ByteReader(bytes, 'archived block')
  const version = reader.uint8()
  if (version !== VERSION) throw reader.malformed(`expected archive version ${VERSION}, got ${version}`)
  const flags = reader.uint8()
  if (flags > (HAS_MEDIAN_TIME | HAS_CHAIN_WORK)) throw reader.malformed(`unknown flags ${flags}`)
  const height = reader.uint32()
  const hash = reader.take(32)
  const medianTime = flags & HAS_MEDIAN_TIME ? reader.uint32() : null
  const chainWork = flags & HAS_CHAIN_WORK ? BigInt(`0x${reader.take(32).toString('hex')}`) : null
  const block = reader.sized()
  const transactions = reader.list(1, 'attached transactions', () => reader.sized())
  const used = new Set<number>()
  const spent = reader.list(SMALLEST_SPENT, 'spent outputs', () => decodeSpent(reader, transactions, used))
  if (used.size !== transactions.length) throw reader.malformed('an attached transaction is not used')
  reader.end()
  return { height, hash, bytes: block, spent, medianTime, chainWork }
}
