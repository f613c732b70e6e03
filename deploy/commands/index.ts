import type { Chain } from '../../crawlers/chain.ts'
import { fetchBlocks } from '../../crawlers/fetch.ts'
import type { ChainSource } from '../../schema/chain.ts'
import { AppError, ConfigError, describeError } from '../../schema/errors.ts'
import type { Sql } from '../../schema/ports.ts'
import { HEIGHTS_SQL, heightParams, includesHeight, mergeRanges, type Ranges } from '../../schema/ranges.ts'
import { blockTableNames } from '../../schema/tables.ts'
import { registerChain } from '../../splitter/chain-row.ts'
import { createIngest } from '../../splitter/ingest.ts'
import { readPublished } from '../../splitter/journal.ts'
import type { FailedBlock } from '../../splitter/prepare-batch.ts'
import { openWriter } from '../../splitter/writer.ts'
import { type CommandContext, EXIT, heightRange } from '../command.ts'
import { findChain } from '../config.ts'
import { withNode } from '../node.ts'
import { isGoneHere, ownerName } from '../pid.ts'
import { createProgress } from '../progress.ts'
import { withStore } from '../sql-session.ts'

export interface IndexOptions {
  node?: string[]
  from?: number
  to?: number
  heights?: number[]
  recorded?: boolean
  senders?: boolean
  /** Blocks written in one go. */
  batch?: number
}

/** The JSON line that ends the command. Counts are of the asked heights as they stand in the store. */
export interface IndexSummary {
  chain: string
  blocks: number
  transactions: number
  verified: number
  failed: FailedBlock[]
  rows: Record<string, number>
  seconds: number
  /** Blocks that were fetched by this run; the others were stored before. */
  fetched: number
  /** Stored blocks that were written anew because outputs they spend arrived. */
  resolved: number
}

/** One shot: fetch, verify, split, store. */
export async function runIndex(
  context: CommandContext,
  slug: string,
  options: IndexOptions,
): Promise<number> {
  const startedAt = Date.now()
  const settings = findChain(context.config, slug)
  const { chain } = settings
  return withNode(context, settings, options, async source => {
    const heights = await askedHeights(source, options)
    return withStore({ ...context.config, logger: context.logger }, async ({ sql }) => {
      await registerChain(sql, chain.definition)
      const run = await indexHeights({ ...context, sql, chain, source, batchBlocks: options.batch }, heights)
      const summary: IndexSummary = {
        chain: slug,
        ...(await countStored(sql, slug, mergeRanges(heights.map(height => [height, height] as const)))),
        ...run,
        seconds: Math.round((Date.now() - startedAt) / 10) / 100,
      }
      context.stdout.write(`${JSON.stringify(summary)}\n`)
      return summary.failed.length === 0 && summary.verified === heights.length ? EXIT.done : EXIT.incomplete
    })
  })
}

async function askedHeights(source: ChainSource<unknown>, options: IndexOptions): Promise<number[]> {
  const ways = [options.heights, options.recorded, options.from ?? options.to].filter(
    way => way !== undefined,
  )
  if (ways.length !== 1)
    throw new ConfigError('expected one of --from H --to H, --heights a,b,c and --recorded')
  if (options.heights) return options.heights
  if (options.recorded) {
    const recorded = await source.recordedHeights()
    if (recorded === null) throw new ConfigError('--recorded: no endpoint is a recording (file:DIR)')
    return recorded
  }
  if (options.from === undefined || options.to === undefined) {
    throw new ConfigError('--from and --to belong together')
  }
  return heightRange(options.from, options.to)
}

interface IndexDeps extends CommandContext {
  sql: Sql
  chain: Chain
  source: ChainSource<unknown>
  batchBlocks: number | undefined
}

async function indexHeights(
  deps: IndexDeps,
  heights: readonly number[],
): Promise<Pick<IndexSummary, 'failed' | 'fetched' | 'resolved'>> {
  const { sql, chain, source, logger } = deps
  const writer = await openWriter({ sql, chain, owner: ownerName(), isGone: isGoneHere })
  const published = await readPublished(sql, chain.definition.slug)
  const missing = heights.filter(height => !includesHeight(published, height))
  const ingest = createIngest({ sql, chain, writer, source, batchBlocks: deps.batchBlocks })
  const progress = createProgress({ total: missing.length, logger, terminal: deps.terminal })
  const failed: FailedBlock[] = []
  const fail = (blocks: readonly FailedBlock[]) => {
    for (const block of blocks) logger.error(block, 'block refused')
    failed.push(...blocks)
  }
  let fetched = 0
  for await (const block of fetchBlocks(source, missing)) {
    if ('error' in block) {
      if (!(block.error instanceof AppError)) throw block.error
      fail([{ height: block.height, reason: describeError(block.error), code: block.error.code }])
      continue
    }
    fetched++
    fail(await ingest.add(block))
    progress.advance(1, ingest.takeTransactions())
  }
  fail(await ingest.flush())
  const resolved = await ingest.resolveInputs()
  progress.done()
  if (resolved.length > 0) logger.info({ blocks: resolved.length }, 'inputs resolved, blocks written anew')
  failed.sort((a, b) => a.height - b.height)
  return { failed, fetched, resolved: resolved.length }
}

type Counts = Pick<IndexSummary, 'blocks' | 'transactions' | 'verified' | 'rows'>

/** What the outsiders' views hold at the asked heights. */
async function countStored(sql: Sql, chain: string, ranges: Ranges): Promise<Counts> {
  if (ranges.length === 0) return { blocks: 0, transactions: 0, verified: 0, rows: {} }
  const params = { chain, ...heightParams(ranges) }
  const where = `chain = {chain:String} AND height IN (${HEIGHTS_SQL})`
  const [blocks] = await sql.rows<{ blocks: string; transactions: string; verified: string }>(
    `SELECT count() AS blocks, sum(transaction_count) AS transactions,
      countIf(has(proofs, 'hash') AND has(proofs, 'txRoot')) AS verified FROM blocks WHERE ${where}`,
    params,
  )
  const rows: Record<string, number> = {}
  const tables = blockTableNames.filter(name => name !== 'block_assets')
  for (const table of tables) {
    const [counted] = await sql.rows<{ rows: string }>(
      `SELECT count() AS rows FROM ${table} WHERE ${where}`,
      params,
    )
    if (Number(counted?.rows) > 0) rows[table] = Number(counted?.rows)
  }
  return {
    blocks: Number(blocks?.blocks),
    transactions: Number(blocks?.transactions),
    verified: Number(blocks?.verified),
    rows,
  }
}
