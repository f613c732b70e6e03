import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createAppender } from '../../crawlers/appender.ts'
import type { BlockRef } from '../../schema/block.ts'
import type { ChainModule } from '../../schema/chain.ts'
import { AppError, InputError } from '../../schema/errors.ts'
import { HISTORY_PARTITION, TIP_PARTITION } from '../../schema/events.ts'
import type { Sql } from '../../schema/ports.ts'
import { heightsAbove } from '../../schema/ranges.ts'
import { readPublished } from '../../splitter/journal.ts'
import { startSplitter } from '../../splitter/start.ts'
import { readFinality, readLinks } from '../../splitter/stored.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { findChain } from '../config.ts'
import { openEmbeddedLog } from '../log-embedded.ts'
import { isGoneHere, ownerName } from '../pid.ts'
import { withLockedStore } from '../sql-session.ts'

/** The tip's first. */
const PARTITIONS = [TIP_PARTITION, HISTORY_PARTITION]
/** Blocks that leave with one batch at most. */
const STEP = 250

/**
 * Takes a chain back to a stored block: what is above it leaves the tables as in a reorg, and stays readable as orphaned.
 * `up` goes on from there. Ends with one JSON line.
 */
export async function runRewind(context: CommandContext, slug: string, height: number): Promise<number> {
  const { config, logger } = context
  const { chain } = findChain(config, slug)
  return withLockedStore({ dataDirectory: config.dataDirectory, logger }, async ({ sql }) => {
    const log = await openEmbeddedLog({ directory: join(config.dataDirectory, 'log') })
    const splitting = new AbortController()
    const splitters = PARTITIONS.map(partition =>
      startSplitter(
        { chain, partition, log, sql, logger, owner: ownerName(), isGone: isGoneHere },
        splitting.signal,
      ),
    )
    const logs = PARTITIONS.map(partition =>
      createAppender(log, slug, partition, Number.POSITIVE_INFINITY, splitting.signal),
    )
    const handOn = (to: BlockRef) => Promise.all(logs.map(one => one.append([{ kind: 'revert', to }])))
    const stored = async () => {
      for (;;) {
        const trouble = splitters.map(splitter => splitter.problem()).find(problem => problem !== null)
        if (trouble) throw new AppError('REWIND', `${slug}: ${trouble}`, { hint: 'see `wanlian doctor`' })
        if ((await Promise.all(logs.map(one => one.isDrained()))).every(Boolean)) return
        await setTimeout(100)
      }
    }
    try {
      // What was handed on before stands in the tables first.
      await stored()
      const left = heightsAbove(await readPublished(sql, slug), height)
      const to = await readBlock(sql, chain, height)
      for (let end = left.length - STEP; end > 0; end -= STEP) {
        await handOn(await readBlock(sql, chain, left[end - 1]!))
        await stored()
      }
      await handOn(to)
      const told = await readFinality(sql, slug)
      if (told && told.safe > height) {
        const final = Math.min(told.final, height)
        await logs[0]!.append([{ kind: 'finalize', safe: height, final }])
      }
      await stored()
      const blocks = left.length - heightsAbove(await readPublished(sql, slug), height).length
      context.stdout.write(`${JSON.stringify({ chain: slug, height, blocks })}\n`)
      return blocks === left.length ? EXIT.done : EXIT.incomplete
    } finally {
      splitting.abort()
      await Promise.all(splitters.map(splitter => splitter.done))
      await log.close()
    }
  })
}

/** @throws InputError when no block is stored there. */
async function readBlock(sql: Sql, chain: ChainModule, height: number): Promise<BlockRef> {
  const { slug } = chain.definition
  const link = (await readLinks(sql, slug, [height])).get(height)
  if (link) return { height, hash: link.hash }
  throw new InputError(
    `${slug}: expected the height of a stored block, got ${height}: nothing is stored there`,
    {
      hint: `wanlian sql "SELECT ranges FROM chains WHERE chain = '${slug}'" tells what is stored`,
    },
  )
}
