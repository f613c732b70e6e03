import { equalBytes } from '../schema/bytes.ts'
import type { ChainModule } from '../schema/chain.ts'
import {
  bytes,
  type Columns,
  count,
  name,
  nullable,
  seconds,
  text,
  uint16,
  uint32,
  uint64,
} from '../schema/columns.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { AppError, describeError } from '../schema/errors.ts'
import { type BlockEvent, decodeEvent } from '../schema/events.ts'
import { insertRows } from '../schema/insert.ts'
import type { Logger, Sql } from '../schema/ports.ts'
import { createIngest } from './ingest.ts'
import { readLinks } from './stored.ts'
import { openWriter, type Writer, type WriterOptions } from './writer.ts'

/** An event that was set aside. */
export interface DeadLetter {
  chain: string
  partition: number
  offset: bigint
  /** 0 where the event names no height. */
  height: number
  /** As the chain prints it; '' where the event could not be read. */
  hash: string
  code: string
  reason: string
  /** The message as it came. */
  payload: Uint8Array
}

const columns: Columns = {
  chain: name,
  partition: uint16,
  offset: uint64,
  height: count,
  time: seconds,
  hash: text,
  code: name,
  reason: text,
  payload: bytes,
  attempts: uint32,
  resolved_at: nullable(seconds),
  resolution: text,
}

const now = () => Math.floor(Date.now() / 1000)

/** Keeps what could not be stored, once however often it is tried. */
export async function setAside(sql: Sql, letter: DeadLetter): Promise<void> {
  const row = { ...letter, time: now(), attempts: 0, resolved_at: null, resolution: '' }
  await insertRows(sql, 'dead_letters', columns, [row], { token: null })
}

/** A letter that waits, as it stands. */
interface WaitingLetter extends DeadLetter {
  time: number
  attempts: number
}

/** Letters that wait, in the order of the log, from one place on. */
async function readWaiting(
  sql: Sql,
  chain: string,
  after: Pick<DeadLetter, 'partition' | 'offset'> | null,
  limit: number,
  heights?: readonly number[],
): Promise<WaitingLetter[]> {
  const rows = await sql.rows<Record<string, string> & { time: number; attempts: number; partition: number }>(
    `SELECT partition, offset, height, toUnixTimestamp(time) AS time, hash, code, reason, hex(payload) AS payload, attempts
    FROM ${BASE_DATABASE}.dead_letters FINAL
    WHERE chain = {chain:String} AND resolved_at IS NULL ${heights ? 'AND height IN {heights:Array(UInt64)}' : ''}
      AND ({first:UInt8} OR (partition, offset) > ({partition:UInt16}, {offset:UInt64}))
    ORDER BY partition, offset LIMIT ${limit}`,
    {
      chain,
      first: after === null ? 1 : 0,
      partition: after?.partition ?? 0,
      offset: after?.offset ?? 0n,
      ...(heights && { heights: [...heights] }),
    },
  )
  return rows.map(row => ({
    chain,
    partition: row.partition,
    offset: BigInt(row.offset!),
    height: Number(row.height),
    time: row.time,
    hash: row.hash!,
    code: row.code!,
    reason: row.reason!,
    payload: Buffer.from(row.payload!, 'hex'),
    attempts: row.attempts,
  }))
}

/** Why a letter waits no more, or why it still does. */
type Outcome = { resolution: string } | { code: string; reason: string }

async function noteOutcome(sql: Sql, letter: WaitingLetter, outcome: Outcome): Promise<void> {
  const attempts = letter.attempts + 1
  const end =
    'resolution' in outcome
      ? { ...outcome, resolved_at: now() }
      : { ...outcome, resolved_at: null, resolution: '' }
  await insertRows(sql, 'dead_letters', columns, [{ ...letter, attempts, ...end }], { token: null })
}

export const STORED_MEANWHILE = 'the block is stored'

/** Letters whose block came another way need nobody's attention any more. @returns how many. */
export async function resolveStored(sql: Sql, chain: ChainModule): Promise<number> {
  const { slug } = chain.definition
  const rows = await sql.rows<{ height: string }>(
    `SELECT DISTINCT height FROM ${BASE_DATABASE}.dead_letters FINAL
    WHERE chain = {chain:String} AND resolved_at IS NULL AND hash != '' LIMIT 1000`,
    { chain: slug },
  )
  const stored = await readLinks(
    sql,
    slug,
    rows.map(({ height }) => Number(height)),
  )
  if (stored.size === 0) return 0
  let settled = 0
  for (let after: WaitingLetter | null = null; ; ) {
    const letters: WaitingLetter[] = await readWaiting(sql, slug, after, AT_ONCE, [...stored.keys()])
    for (const letter of letters) {
      const { hash } = stored.get(letter.height)!
      if (chain.formatHash(hash) !== letter.hash) continue
      await noteOutcome(sql, letter, { resolution: STORED_MEANWHILE })
      settled++
    }
    const last = letters.at(-1)
    if (!last) return settled
    after = last
  }
}

/** Letters that are held in memory at the same time. */
const AT_ONCE = 20

export interface ReplayReport {
  replayed: number
  /** Written by this replay. */
  stored: number
  /** Settled without writing: stored already, or overtaken by later events. */
  settled: number
  /** What waits still, and why. */
  waiting: { partition: number; offset: string; height: number; code: string; reason: string }[]
}

/**
 * Tries every letter that waits again, through the same proofs and the same journal as any block. Nobody else may write
 * the chain meanwhile.
 */
export async function replayLetters<Raw>(
  deps: Pick<WriterOptions, 'owner' | 'isGone'> & { sql: Sql; chain: ChainModule<Raw>; logger: Logger },
): Promise<ReplayReport> {
  const { sql, chain, logger } = deps
  const { slug } = chain.definition
  const writers = new Map<number, Writer>()
  const report: ReplayReport = { replayed: 0, stored: 0, settled: 0, waiting: [] }

  async function writerOf(partition: number): Promise<Writer> {
    const writer = writers.get(partition) ?? (await openWriter({ ...deps, partition }))
    writers.set(partition, writer)
    return writer
  }

  async function replay(letter: WaitingLetter): Promise<Outcome> {
    let event: BlockEvent
    try {
      event = decodeEvent(letter.payload)
    } catch (error) {
      return refusal(error)
    }
    if (event.kind !== 'block') {
      // Whoever follows the chain goes by the tables, and has said since what was to be said.
      return { resolution: `a ${event.kind} event is not repeated: later ones stand` }
    }
    const { height, hash, payload } = event
    const stored = (await readLinks(sql, slug, [height])).get(height)
    if (stored) {
      if (equalBytes(stored.hash, hash)) return { resolution: STORED_MEANWHILE }
      return { resolution: `another block is stored at its height: ${chain.formatHash(stored.hash)}` }
    }
    try {
      const ingest = createIngest({ sql, chain, writer: await writerOf(letter.partition) })
      const raw = chain.decode(payload)
      const failed = [...(await ingest.add({ height, raw })), ...(await ingest.flush())]
      if (failed[0]) return failed[0]
      report.stored++
      return { resolution: 'stored by a replay' }
    } catch (error) {
      return refusal(error)
    }
  }

  for (let after: WaitingLetter | null = null; ; ) {
    const letters: WaitingLetter[] = await readWaiting(sql, slug, after, AT_ONCE)
    for (const letter of letters) {
      const storedBefore = report.stored
      const outcome = await replay(letter)
      await noteOutcome(sql, letter, outcome)
      report.replayed++
      const { partition, height } = letter
      const offset = String(letter.offset)
      logger.info({ chain: slug, partition, offset, height, ...outcome }, 'replayed')
      if (!('resolution' in outcome)) {
        const { code, reason } = outcome
        report.waiting.push({ partition, offset, height, code, reason })
      } else if (report.stored === storedBefore) report.settled++
    }
    const last = letters.at(-1)
    if (!last) return report
    after = last
  }
}

/** @throws what is no fault of the event. */
function refusal(error: unknown): Outcome {
  if (!(error instanceof AppError) || error.retryable) throw error
  return { code: error.code, reason: describeError(error) }
}
