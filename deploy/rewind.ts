import { createAppender } from '../crawlers/appender.ts'
import type { BlockRef } from '../schema/block.ts'
import type { ChainModule } from '../schema/chain.ts'
import { AppError, InputError } from '../schema/errors.ts'
import { HISTORY_PARTITION, TIP_PARTITION } from '../schema/events.ts'
import { pause } from '../schema/pause.ts'
import type { BlockLog, Sql } from '../schema/ports.ts'
import { heightsAbove, includesHeight } from '../schema/ranges.ts'
import { readHeld } from '../splitter/journal.ts'
import type { Splitter } from '../splitter/start.ts'
import { readFinality, readLinks } from '../splitter/stored.ts'

export interface RewindDeps {
  chain: ChainModule
  sql: Sql
  log: BlockLog
  /** Of both partitions, running. */
  splitters: readonly Splitter[]
}

/** How many blocks left the tables, and how many that should have are still there. */
export interface Rewound {
  blocks: number
  remaining: number
}

/** Blocks that leave with one batch at most. */
const STEP = 250
const LOOK_MS = 100
const MOST_LOOKS = 300

/**
 * Takes a chain back to a stored block: what is above it leaves the tables as in a reorg. Nobody else may append to the
 * chain's log meanwhile.
 * @throws InputError when no block is stored at the height; AppError when the splitters cannot go on.
 */
export async function rewindChain(
  { chain, sql, log, splitters }: RewindDeps,
  height: number,
  signal: AbortSignal,
): Promise<Rewound> {
  const { slug } = chain.definition
  const [tipLog, historyLog] = [TIP_PARTITION, HISTORY_PARTITION].map(partition =>
    createAppender(log, slug, partition, Number.POSITIVE_INFINITY, signal),
  ) as [ReturnType<typeof createAppender>, ReturnType<typeof createAppender>]
  const logs = [tipLog, historyLog]
  const handOn = (to: BlockRef) => Promise.all(logs.map(one => one.append([{ kind: 'revert', to }])))

  async function stored(): Promise<void> {
    while (!(await Promise.all(logs.map(one => one.isDrained()))).every(Boolean)) {
      signal.throwIfAborted()
      const trouble = splitters.map(splitter => splitter.problem()).find(problem => problem !== null)
      if (trouble)
        throw new AppError('REWIND', `${slug}: ${trouble}`, { hint: 'see `wanlian doctor`', retryable: true })
      await pause(LOOK_MS, signal)
    }
  }

  // What was handed on before stands in the tables first.
  await stored()
  const left = heightsAbove(await readHeld(sql, slug), height)
  const to = await readBlock(sql, chain, height, signal)
  for (let end = left.length - STEP; end > 0; end -= STEP) {
    await handOn(await readBlock(sql, chain, left[end - 1]!, signal))
    await stored()
  }
  await handOn(to)
  const told = await readFinality(sql, slug)
  if (told && told.safe > height) {
    await tipLog.append([{ kind: 'finalize', safe: height, final: Math.min(told.final, height) }])
  }
  await stored()
  const remaining = heightsAbove(await readHeld(sql, slug), height).length
  return { blocks: left.length - remaining, remaining }
}

/** A block that is being written anew is waited for. @throws InputError when none is stored at the height. */
export async function readBlock(
  sql: Sql,
  chain: ChainModule,
  height: number,
  signal: AbortSignal,
): Promise<BlockRef> {
  const { slug } = chain.definition
  for (let look = 0; look < MOST_LOOKS; look++) {
    const link = (await readLinks(sql, slug, [height])).get(height)
    if (link) return { height, hash: link.hash }
    if (!includesHeight(await readHeld(sql, slug), height)) break
    signal.throwIfAborted()
    await pause(LOOK_MS, signal)
  }
  throw new InputError(
    `${slug}: expected the height of a stored block, got ${height}: nothing is stored there`,
    {
      hint: `wanlian sql "SELECT ranges FROM chains WHERE chain = '${slug}'" tells what is stored`,
    },
  )
}
