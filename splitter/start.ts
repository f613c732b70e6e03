import { equalBytes } from '../schema/bytes.ts'
import type { ChainModule } from '../schema/chain.ts'
import { type Columns, count, name, uint64 } from '../schema/columns.ts'
import {
  AppError,
  describeError,
  FencedError,
  InputError,
  InvariantError,
  LogGapError,
  MalformedAnswerError,
  ProofError,
} from '../schema/errors.ts'
import { type BlockEvent, blockEvents, decodeEvent, SPLITTER_GROUP, TIP_PARTITION } from '../schema/events.ts'
import { insertRows } from '../schema/insert.ts'
import { pausable, pause } from '../schema/pause.ts'
import type { BlockLog, Logger, LogMessage, Sql } from '../schema/ports.ts'
import { openAnnouncer, readLogPlace } from './announce.ts'
import { resolveStored, setAside } from './dead-letters.ts'
import { createIngest, type Ingest } from './ingest.ts'
import type { FailedBlock } from './prepare-batch.ts'
import { readLinks } from './stored.ts'
import { openWriter, type WriterOptions } from './writer.ts'

export interface SplitterDeps extends Pick<WriterOptions, 'owner' | 'isGone' | 'takeOverMs'> {
  chain: ChainModule
  /** Of the chain's block events. */
  partition: number
  log: BlockLog
  sql: Sql
  logger: Logger
  /** How often it is looked whether what came late completes what is stored, in milliseconds. */
  settleMs?: number
}

/** Writes one partition of a chain's block events into the tables until its signal is aborted. */
export interface Splitter {
  /** One sentence when it cannot go on at the moment; it tries again by itself. */
  problem(): string | null
  /** Returns once the batch under way is written. */
  done: Promise<void>
}

const READ = { maxMessages: 250, maxBytes: 16 * 1024 * 1024 }
const LONGEST_PAUSE_MS = 15_000
/** What another splitter of the same partition is given to go on. */
const TURN_MS = 250
const SETTLE_MS = 10_000

const finalityColumns: Columns = { chain: name, safe: count, final: count, version: uint64 }

/** Starts to read where the tables stand, whatever was read before. */
export function startSplitter(deps: SplitterDeps, signal: AbortSignal): Splitter {
  const { chain, partition, log, sql, logger } = deps
  const slug = chain.definition.slug
  const place = blockEvents(slug, partition)
  let problem: string | null = null
  /** An event said something of the chain that is not so in the tables: only what follows on them is taken up then. */
  let astray: { reason: string; passedOver: number } | null = null

  async function run(): Promise<void> {
    let wait = 250
    while (!signal.aborted) {
      try {
        await consume(() => {
          problem = null
          wait = 250
        })
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof FencedError) {
          logger.info({ chain: slug, partition }, 'another splitter came first, going on after it')
          await pause(TURN_MS, signal)
          continue
        }
        problem = describeError(error)
        logger.error({ chain: slug, partition, err: error }, 'the splitter stopped, it goes on soon')
        await pause(wait, signal)
        wait = Math.min(LONGEST_PAUSE_MS, wait * 2)
      }
    }
  }

  async function consume(onProgress: () => void): Promise<void> {
    // In this order: what stands in the log as done is in the tables then, and what the writer knows of the tables is
    // what was done up to that place, even while another splitter of the same partition goes on.
    const done = await log.committed(place, SPLITTER_GROUP)
    const writer = await openWriter({ ...deps, partition })
    let messages: LogMessage[] = []
    const onRefused = async (failed: readonly FailedBlock[]) => {
      for (const block of failed) await keep(findMessage(messages, block), block)
    }
    const ingest = createIngest({ sql, chain, writer, fromLog: true, onRefused })
    const announcer = await openAnnouncer(deps, partition)
    let next = later(done, await readLogPlace(sql, slug, partition, writer.committed()))
    await announcer.announce()
    await log.commit(place, SPLITTER_GROUP, next)
    onProgress()
    let isSettled = false
    while (!signal.aborted) {
      messages = await readFrom(next)
      const last = messages.at(-1)
      if (last) {
        await writeAll(ingest, messages)
        await announcer.announce()
        next = last.offset + 1n
        await log.commit(place, SPLITTER_GROUP, next)
        onProgress()
        isSettled = false
      } else if (!isSettled) {
        await settle(ingest)
        isSettled = true
      } else {
        // History and tip complete each other: what the other partition wrote may settle something here.
        isSettled = (await resplit(ingest)) || (await waitFor(next))
      }
    }
  }

  /** @returns whether there is news in this partition, and not only time that went by. */
  async function waitFor(next: bigint): Promise<boolean> {
    const waiting = new AbortController()
    const limit = pausable(deps.settleMs ?? SETTLE_MS, signal)
    void limit.done.then(() => waiting.abort())
    const isThere = await log.wait(place, next, waiting.signal)
    limit.end()
    return isThere
  }

  async function readFrom(next: bigint): Promise<LogMessage[]> {
    try {
      return await log.read(place, next, READ)
    } catch (error) {
      if (!(error instanceof LogGapError)) throw error
      logger.error(
        { chain: slug, partition, err: error },
        'block events are gone, going on with those there are',
      )
      return log.read(place, 0n, READ)
    }
  }

  async function settle(ingest: Ingest<unknown>): Promise<void> {
    const resolved = await ingest.resolveInputs()
    const linked = await ingest.linkParents()
    const letters = await resolveStored(sql, chain)
    if (letters > 0) logger.info({ chain: slug, letters }, 'dead letters whose blocks are stored now')
    if (resolved.length + linked.length === 0) return
    logger.info({ chain: slug, resolved: resolved.length, linked: linked.length }, 'blocks written anew')
  }

  /** A few blocks that an earlier version of this program split. @returns whether there were any. */
  async function resplit(ingest: Ingest<unknown>): Promise<boolean> {
    const { written, failed, left } = await ingest.resplit()
    for (const block of failed) logger.error({ chain: slug, ...block }, 'not split anew, it stays as it was')
    if (written.length === 0) return failed.length > 0
    const [from, to] = [written[0], written.at(-1)]
    logger.info({ chain: slug, partition, from, to, left }, 'split anew by this version')
    return true
  }

  async function writeAll(ingest: Ingest<unknown>, messages: readonly LogMessage[]): Promise<void> {
    const failed: FailedBlock[] = []
    for (const message of messages) {
      try {
        const event = decodeEvent(message.value)
        if (astray && event.kind === 'block') {
          failed.push(...(await ingest.flush()))
          if (!(await follows(event))) {
            astray.passedOver++
            continue
          }
        }
        failed.push(...(await apply(ingest, event, message.offset)))
        if (event.kind === 'revert') astray = null
      } catch (error) {
        if (!isAboutContent(error)) throw error
        await keep(message, error)
        refuse(message, error)
      }
    }
    failed.push(...(await ingest.flush()))
    for (const block of failed) refuse(findMessage(messages, block), block)
  }

  /** Whether the block stands in a place of its own, right above a stored one or right below. */
  async function follows({
    height,
    hash,
    parentHash,
  }: Extract<BlockEvent, { kind: 'block' }>): Promise<boolean> {
    const links = await readLinks(sql, slug, [height - 1, height, height + 1])
    if (links.has(height)) return false
    const [parent, named] = [links.get(height - 1)?.hash, links.get(height + 1)?.parentHash]
    if (parent && !equalBytes(parent, parentHash)) return false
    return parent !== undefined || (named !== undefined && equalBytes(named, hash))
  }

  async function apply(
    ingest: Ingest<unknown>,
    event: BlockEvent,
    offset: bigint,
  ): Promise<readonly FailedBlock[]> {
    switch (event.kind) {
      case 'block': {
        const logged = { hash: event.hash, offset }
        return ingest.add({ height: event.height, raw: chain.decode(event.payload), logged })
      }
      case 'revert':
        return ingest.revert(event.to, offset)
      case 'finalize': {
        const row = { chain: slug, safe: event.safe, final: event.final, version: offset }
        await insertRows(sql, 'finality', finalityColumns, [row], { token: null })
        return []
      }
    }
  }

  /** The message is kept with the reason. Again, it is the same letter. */
  async function keep(message: LogMessage, problem: AppError | FailedBlock): Promise<void> {
    const event = readable(message)
    await setAside(sql, {
      chain: slug,
      partition,
      height: heightOf(event),
      hash: event?.kind === 'block' ? chain.formatHash(event.hash) : '',
      code: problem.code,
      reason: reasonOf(problem),
      payload: message.value,
      offset: message.offset,
    })
  }

  /**
   * After a block that is at fault by itself the chain goes on: the height stays missing, and is seen to be. After one
   * that contradicts what is stored, and after what may have been a revert, it goes on only with what follows on the
   * tables.
   */
  function refuse(message: LogMessage, problem: AppError | FailedBlock): void {
    const event = readable(message)
    const reason = reasonOf(problem)
    const isContradiction = problem instanceof AppError ? event?.kind !== 'block' : problem.contradicts
    logger.error({ chain: slug, height: heightOf(event), code: problem.code, reason }, 'event set aside')
    // History is asked for height by height, from the tables: it never goes astray.
    if (partition === TIP_PARTITION && isContradiction && event?.kind !== 'finalize') {
      astray ??= { reason, passedOver: 0 }
    }
  }

  function sentence(): string | null {
    if (problem !== null || astray === null) return problem
    return (
      `an event does not fit what is stored, ${astray.passedOver} blocks after it were passed over: ${astray.reason} ` +
      '(stop up and start it again: following goes on from what is stored)'
    )
  }

  return { problem: sentence, done: run() }
}

/** The message is at fault, and would be however often it is tried. */
function isAboutContent(error: unknown): error is AppError {
  return [InputError, MalformedAnswerError, ProofError, InvariantError].some(kind => error instanceof kind)
}

function readable(message: LogMessage): BlockEvent | null {
  try {
    return decodeEvent(message.value)
  } catch {
    return null
  }
}

function heightOf(event: BlockEvent | null): number {
  return event?.kind === 'block' ? event.height : 0
}

function reasonOf(problem: AppError | FailedBlock): string {
  return problem instanceof AppError ? describeError(problem) : problem.reason
}

/** By its place: there may be two events of a height, where one was refused and left with a revert. */
function findMessage(messages: readonly LogMessage[], { height, offset }: FailedBlock): LogMessage {
  const message = messages.find(candidate => candidate.offset === offset)
  if (!message) throw new Error(`block ${height} was refused and is not among what was read`)
  return message
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
