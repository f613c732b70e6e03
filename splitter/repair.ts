import { equalBytes } from '../schema/bytes.ts'
import type { ChainModule, ChainSource } from '../schema/chain.ts'
import { AppError, describeError, NotAvailableError } from '../schema/errors.ts'
import type { Logger, Sql } from '../schema/ports.ts'
import { includesHeight, type Ranges } from '../schema/ranges.ts'
import { registerChain } from './chain-row.ts'
import { checkRest, clip, type Examined, examineBlocks, groupsOf } from './check.ts'
import type { Difference } from './check-rows.ts'
import { readCheckpoints, readPublished } from './journal.ts'
import { mendAllSums } from './mend.ts'
import { COPIES } from './orphans.ts'
import { prepareLinked } from './prepare.ts'
import { createPreparer } from './prepare-batch.ts'
import { mendCheckpoints, mendFinality, mendJournal } from './repair-journal.ts'
import { mendOrphans } from './repair-orphans.ts'
import { mendSeals } from './seals.ts'
import { readLinks } from './stored.ts'
import { type BlockToWrite, openWriter, tablePartition, type Writer, type WriterOptions } from './writer.ts'

export interface RepairDeps<Raw> extends Pick<WriterOptions, 'owner' | 'isGone'> {
  sql: Sql
  chain: ChainModule<Raw>
  /** Asked only for blocks that the archive does not have any more; null where there is no node. */
  openSource(): Promise<ChainSource<Raw> | null>
  logger: Logger
}

/** What was done, by heights, and what `check` still finds. */
export interface RepairReport {
  /** Differences that were found at first. */
  found: number
  /** Blocks that were written anew from their archive. */
  rewritten: number[]
  /** Blocks that were fetched again, proven, and written. */
  fetched: number[]
  /** Heights whose rows belonged to no block of the chain and were taken away. */
  cleared: number[]
  /** Heights that no reader sees any more, because no node had their block: `up` or `index` fills them in. */
  unpublished: number[]
  /** Books that were put right: `checkpoints`, `journal`, `finality`, `dead_letters`, `sums`, `orphans`, `chains`. */
  books: string[]
  /** Blocks that could not be mended, and why. */
  failed: { height: number; reason: string }[]
  left: Difference[]
}

/** What one round mends may show what another has to. */
const ROUNDS = 4
const WRITE_BLOCKS = 100

/**
 * Mends what `checkChain` finds: nobody else may write the chain meanwhile. Every block goes through the journal like
 * any other, so it may be stopped or killed at any moment and repeated.
 * @throws StoreError
 */
export async function repairChain<Raw>(
  deps: RepairDeps<Raw>,
  asked: { from?: number; to?: number } = {},
): Promise<RepairReport> {
  const report: RepairReport = {
    found: 0,
    rewritten: [],
    fetched: [],
    cleared: [],
    unpublished: [],
    books: [],
    failed: [],
    left: [],
  }
  for (let round = 0; round < ROUNDS; round++) {
    report.failed = []
    report.left = await mendOnce(deps, asked, report)
    if (round === 0) report.found = report.left.length
    if (report.left.length === 0) break
  }
  for (const list of [report.rewritten, report.fetched, report.cleared, report.unpublished]) {
    const ascending = [...new Set(list)].sort((a, b) => a - b)
    list.splice(0, list.length, ...ascending)
  }
  return report
}

/** Looks at everything once and mends what is wrong. @returns what was found. */
async function mendOnce<Raw>(
  deps: RepairDeps<Raw>,
  asked: { from?: number; to?: number },
  report: RepairReport,
): Promise<Difference[]> {
  const { sql, chain, openSource } = deps
  const slug = chain.definition.slug
  const book = (name: string, isMended: boolean) => {
    if (isMended && !report.books.includes(name)) report.books.push(name)
  }
  const rest = await checkRest(deps, clip(await readPublished(sql, slug), asked))
  const isWrong = (table: string) => rest.some(found => found.table === table)
  if (isWrong('chains')) await registerChain(sql, chain.definition)
  book('chains', isWrong('chains'))
  const sealed = await mendSeals(sql, chain as ChainModule)
  for (const table of sealed) book(table, true)
  if (isWrong('journal')) book('journal', await mendJournal(sql, slug))
  if (isWrong('checkpoints')) book('checkpoints', await mendCheckpoints(sql, slug))
  const published = clip(await readPublished(sql, slug), asked)
  const repair = await openRepair(deps, report)
  const found: Difference[] = []
  for await (const group of groupsOf(sql, slug, published)) found.push(...(await repair.published(group)))
  await repair.fetch()
  await repair.unpublished(rest, published)
  const sums = isWrong('balance_sums') || isWrong('chain_sums')
  if (sums) await mendAllSums(sql, slug)
  book('sums', sums)
  if (Object.keys(COPIES).some(isWrong)) book('orphans', await mendOrphans(sql, chain, openSource))
  if (isWrong('finality')) book('finality', await mendFinality(sql, chain.definition))
  return [...rest, ...found]
}

/** One round over the blocks. */
interface Repair {
  /** Writes anew what is damaged and still archived; what is not is noted for `fetch`. @returns what was found. */
  published(heights: readonly number[]): Promise<Difference[]>
  /** Blocks that the archive does not prove any more, from nodes. */
  fetch(): Promise<void>
  /** Rows where no block is published, and published heights without a block. */
  unpublished(found: readonly Difference[], published: Ranges): Promise<void>
}

async function openRepair<Raw>(deps: RepairDeps<Raw>, report: RepairReport): Promise<Repair> {
  const { sql, chain, logger, openSource } = deps
  const slug = chain.definition.slug
  const writers = new Map<number, Writer>()
  for (const partition of new Set([0, ...(await readCheckpoints(sql, slug)).keys()])) {
    writers.set(partition, await openWriter({ ...deps, partition }))
  }
  const lost = new Set<number>()
  /** Hashes that archives prove: rows that say otherwise are what is to be mended. */
  const proven = new Map<number, Uint8Array>()

  function writerOf(height: number): Writer {
    const owner = [...writers.values()].find(writer => includesHeight(writer.published(), height))
    return owner ?? writers.get(0)!
  }

  /** Blocks of one writer and table partition at a time; whatever else stands at their heights goes. */
  async function replace(blocks: readonly { height: number; block: BlockToWrite | null }[]): Promise<void> {
    const groups = new Map<string, typeof blocks>()
    for (const block of blocks) {
      const partition = [...writers.values()].indexOf(writerOf(block.height))
      const key = `${partition}:${tablePartition(block.height)}`
      groups.set(key, [...(groups.get(key) ?? []), block])
    }
    for (const group of groups.values()) {
      for (let at = 0; at < group.length; at += WRITE_BLOCKS) {
        const some = group.slice(at, at + WRITE_BLOCKS)
        await writerOf(some[0]!.height).write({
          add: some.flatMap(({ block }) => block ?? []),
          cancel: some.map(({ height }) => height),
          damaged: true,
        })
      }
    }
  }

  async function published(heights: readonly number[]): Promise<Difference[]> {
    const examined = await examineBlocks({ sql, chain }, heights)
    for (const { height, verified, raw } of examined) {
      if (verified && raw) proven.set(height, verified.hash)
    }
    await rewrite(examined.filter(block => block.isDamaged))
    for (const height of proven.keys()) if (height < (heights.at(-1) ?? 0)) proven.delete(height)
    return examined.flatMap(block => block.differences)
  }

  async function rewrite(damaged: readonly Examined<Raw>[]): Promise<void> {
    const links = await readLinks(
      sql,
      slug,
      damaged.map(({ height }) => height - 1),
    )
    const ready: { height: number; block: BlockToWrite }[] = []
    for (const { height, raw, verified } of damaged) {
      if (raw === null || verified === null) {
        lost.add(height)
        continue
      }
      const parent = proven.get(height - 1) ?? links.get(height - 1)?.hash
      if (parent && !equalBytes(parent, verified.parentHash)) {
        const named = chain.formatHash(verified.parentHash)
        const reason = `it names ${named} as its parent, stored is ${chain.formatHash(parent)}`
        report.failed.push({ height, reason })
        continue
      }
      ready.push({ height, block: prepareLinked(chain, raw, parent !== undefined) })
    }
    if (ready.length === 0) return
    await replace(ready)
    const heights = ready.map(({ height }) => height)
    report.rewritten.push(...heights)
    logger.info({ chain: slug, heights }, 'written anew from the archive')
  }

  async function fetch(): Promise<void> {
    if (lost.size === 0) return
    const [source, reason] = await sourceOrReason()
    const preparer = createPreparer({ sql, chain, ...(source && { source }) })
    for (const height of [...lost].sort((a, b) => a - b)) {
      try {
        if (!source) throw new NotAvailableError(reason)
        const raw = await fetchAs(source, height)
        const { ready, failed } = await preparer.prepare([{ height, raw }])
        if (failed[0]) throw new AppError(failed[0].code, failed[0].reason)
        await replace([{ height, block: ready[0]! }])
        report.fetched.push(height)
        logger.info({ chain: slug, height }, 'fetched again and written anew')
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        await giveUp(height, describeError(error))
      }
    }
  }

  async function sourceOrReason(): Promise<[ChainSource<Raw> | null, string]> {
    const lost = 'the archive does not prove it any more, and'
    try {
      return [await openSource(), `${lost} no node was named: give --node`]
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return [null, `${lost} ${describeError(error)}`]
    }
  }

  /** The block that stands there or stood there: another one would be a reorg, which is not for repairs. */
  async function fetchAs(source: ChainSource<Raw>, height: number): Promise<Raw> {
    const raw = await source.blockAt(height)
    const above = (await readLinks(sql, slug, [height + 1])).get(height + 1)?.parentHash
    const { hash } = chain.verify(raw)
    if (!above || equalBytes(hash, above)) return raw
    return source.blockByHash(chain.formatHash(above))
  }

  /** A height without any block is hidden; what is damaged and cannot be had stays as it is, and is told. */
  async function giveUp(height: number, reason: string): Promise<void> {
    report.failed.push({ height, reason })
    logger.error({ chain: slug, height, reason }, 'cannot be repaired')
    if ((await readLinks(sql, slug, [height])).has(height)) return
    await replace([{ height, block: null }])
    report.unpublished.push(height)
  }

  async function unpublished(found: readonly Difference[], visible: Ranges): Promise<void> {
    const heights = new Set(found.flatMap(({ height }) => height ?? []))
    const isHidden = (height: number) =>
      found.some(difference => difference.height === height && difference.table === 'checkpoints')
    const strays = [...heights].filter(
      height =>
        !includesHeight(visible, height) &&
        found.some(difference => difference.height === height && isOfBlocks(difference.table)),
    )
    for (const height of strays) {
      const [block] = isHidden(height) ? await examineBlocks({ sql, chain }, [height]) : []
      if (block?.raw) {
        await rewrite([block])
        continue
      }
      await replace([{ height, block: null }])
      report.cleared.push(height)
      logger.info({ chain: slug, height }, 'rows of no block taken away')
    }
  }

  return { published, fetch, unpublished }
}

/** Tables whose rows belong to blocks, and what says which are published; copies of orphaned blocks are not. */
function isOfBlocks(table: string): boolean {
  return ![
    'journal',
    'reorgs',
    'orphaned_blocks',
    'orphaned_transactions',
    'finality',
    'dead_letters',
    'chains',
  ].includes(table)
}
