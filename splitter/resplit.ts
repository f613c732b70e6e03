import { equalBytes, formatHex } from '../schema/bytes.ts'
import type { ChainModule, ChainSource } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { AppError, describeError, LogGapError } from '../schema/errors.ts'
import { blockEvents, decodeEvent } from '../schema/events.ts'
import type { BlockLog, Logger, Sql, TopicPartition } from '../schema/ports.ts'
import { chunksOf, clip } from './check.ts'
import { readCheckpoints } from './journal.ts'
import { mendAllSums } from './mend.ts'
import { type EncodedPreparedBlock, SPLIT_VERSION } from './prepare.ts'
import { createPreparer, type PendingBlock } from './prepare-batch.ts'
import { readArchive, readLinks } from './stored.ts'
import { groupByPartition, openWriter, type Writer, type WriterOptions } from './writer.ts'

/** Blocks that are out of readers' sight at the same time, for as long as they are written anew. */
export const RESPLIT_BLOCKS = 25

/** Where a stored block can be had from when its archived bytes are gone. */
export interface Origin<Raw> {
  name: 'log' | 'recording' | 'node'
  /** Null where it is not to be had from there. */
  block(height: number, hash: Uint8Array): Promise<Raw | null>
}

export interface ResplitDeps<Raw> extends Pick<WriterOptions, 'owner' | 'isGone'> {
  sql: Sql
  chain: ChainModule<Raw>
  /** Asked one after the other for blocks that the archive does not prove any more. */
  origins: readonly Origin<Raw>[]
  logger: Logger
}

export interface ResplitReport {
  /** Blocks whose rows were made anew, and of what. */
  blocks: number
  from: Partial<Record<'archive' | Origin<unknown>['name'], number>>
  /** Blocks that stay as they are, and why. */
  failed: { height: number; reason: string }[]
}

/**
 * Makes all rows of stored blocks anew, as this version splits them, from the archive or else from `origins`. Every group
 * of blocks goes through the journal: it may be stopped or killed at any moment, and all other blocks are served
 * meanwhile. Nobody else may write the chain.
 * @throws StoreError
 */
export async function resplitChain<Raw>(
  deps: ResplitDeps<Raw>,
  asked: { from?: number; to?: number } = {},
): Promise<ResplitReport> {
  const { sql, chain, logger } = deps
  const { slug } = chain.definition
  const report: ResplitReport = { blocks: 0, from: {}, failed: [] }
  const preparer = createPreparer({ sql, chain })

  async function resplit(writer: Writer, heights: readonly number[]): Promise<void> {
    const [links, archive] = await Promise.all([
      readLinks(sql, slug, heights),
      readArchive(sql, slug, heights),
    ])
    const ready = new Map<number, EncodedPreparedBlock>()
    const reasons = new Map<number, string[]>(heights.map(height => [height, []]))

    /** Keeps those that are proven to be the stored blocks. */
    async function take(name: keyof ResplitReport['from'], blocks: PendingBlock<Raw>[]): Promise<void> {
      const prepared = await preparer.prepare(blocks)
      for (const { height, reason } of prepared.failed) reasons.get(height)!.push(`${name}: ${reason}`)
      for (const block of prepared.ready) {
        const { height, hash } = block.verified
        const stored = links.get(height)?.hash
        if (stored && equalBytes(hash, stored)) {
          ready.set(height, block)
          report.from[name] = (report.from[name] ?? 0) + 1
        } else {
          reasons.get(height)?.push(`${name}: another block than the one that is stored`)
        }
      }
    }

    async function read(name: string, height: number, block: () => Promise<Raw | null>): Promise<Raw | null> {
      try {
        const raw = await block()
        if (raw === null) reasons.get(height)!.push(`${name}: not there`)
        return raw
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        reasons.get(height)!.push(`${name}: ${describeError(error)}`)
        return null
      }
    }

    const archived: PendingBlock<Raw>[] = []
    for (const height of heights) {
      const payload = archive.get(height)
      const raw = await read('archive', height, async () => (payload ? chain.decode(payload) : null))
      if (raw !== null) archived.push({ height, raw })
    }
    await take('archive', archived)
    for (const { name, block } of deps.origins) {
      for (const height of heights) {
        const hash = links.get(height)?.hash
        if (ready.has(height) || !hash) continue
        const raw = await read(name, height, () => block(height, hash))
        if (raw !== null) await take(name, [{ height, raw }])
      }
    }
    for (const height of heights.filter(height => !ready.has(height))) {
      const reason = reasons.get(height)!.join('; ')
      report.failed.push({ height, reason })
      logger.error({ chain: slug, height, reason }, 'not split anew')
    }
    if (ready.size === 0) return
    const add = [...ready.values()].sort((a, b) => a.verified.height - b.verified.height)
    await writer.write({ add, cancel: [...ready.keys()] })
    report.blocks += ready.size
    logger.info({ chain: slug, from: heights[0], to: heights.at(-1), blocks: report.blocks }, 'split anew')
  }

  for (const partition of (await readCheckpoints(sql, slug)).keys()) {
    const writer = await openWriter({ ...deps, partition })
    for (const heights of chunksOf(clip(writer.published(), asked))) {
      for (const group of groupByPartition(heights, RESPLIT_BLOCKS)) await resplit(writer, group)
    }
  }
  // What is summed may be summed otherwise than before.
  await mendAllSums(sql, slug)
  return report
}

/** Blocks whose rows another version of this program made, ascending. */
export async function readOutdated(sql: Sql, chain: string): Promise<number[]> {
  const rows = await sql.rows<{ height: string }>(
    `SELECT height FROM ${BASE_DATABASE}.blocks FINAL
    WHERE chain = {chain:String} AND (bitShiftRight(row_version, 10), bitAnd(row_version, 1023)) IN (
      SELECT batch, partition FROM ${BASE_DATABASE}.journal
      WHERE chain = {chain:String} AND split_version != {split:UInt32})
    ORDER BY height`,
    { chain, split: SPLIT_VERSION },
  )
  return rows.map(({ height }) => Number(height))
}

/** Blocks as the log delivered them, for as long as it keeps them. */
export function logOrigin<Raw>(sql: Sql, chain: ChainModule<Raw>, log: BlockLog): Origin<Raw> {
  const { slug } = chain.definition

  async function find(
    place: TopicPartition,
    from: bigint,
    to: bigint,
    hash: Uint8Array,
  ): Promise<Raw | null> {
    for (let next = from; next <= to; ) {
      const messages = await log.read(place, next, { maxMessages: 50 })
      for (const { value } of messages) {
        const event = decodeEvent(value)
        if (event.kind === 'block' && equalBytes(event.hash, hash)) return chain.decode(event.payload)
      }
      const last = messages.at(-1)
      if (!last) return null
      next = last.offset + 1n
    }
    return null
  }

  return {
    name: 'log',
    async block(_height, hash) {
      const [entry] = await sql.rows<{ partition: number; offset_from: string; offset_to: string }>(
        `SELECT partition, offset_from, offset_to FROM ${BASE_DATABASE}.journal
        WHERE chain = {chain:String} AND offset_to > 0 AND has(blocks.hash, unhex({hash:String}))
        ORDER BY time DESC LIMIT 1`,
        { chain: slug, hash: formatHex(hash) },
      )
      if (!entry) return null
      const [from, to] = [BigInt(entry.offset_from), BigInt(entry.offset_to)]
      try {
        return await find(blockEvents(slug, entry.partition), from, to, hash)
      } catch (error) {
        if (error instanceof LogGapError) return null
        throw error
      }
    },
  }
}

/** Blocks as nodes, or their recorded answers, give them; asked for when the first is wanted. */
export function sourceOrigin<Raw>(
  chain: ChainModule<Raw>,
  name: 'recording' | 'node',
  open: () => Promise<ChainSource<Raw> | null>,
): Origin<Raw> {
  return {
    name,
    async block(_height, hash) {
      const source = await open()
      if (!source) return null
      const raw = await source.blockByHash(chain.formatHash(hash))
      return source.attachPrevious ? source.attachPrevious(raw) : raw
    },
  }
}
