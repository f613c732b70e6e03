import type { BlockRef } from '../schema/block.ts'
import { equalBytes } from '../schema/bytes.ts'
import type { ChainModule, ChainSource } from '../schema/chain.ts'
import { FencedError, ProofError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { heightsAbove, includesHeight } from '../schema/ranges.ts'
import { findResolvable } from './outputs.ts'
import { createPreparer, type FailedBlock, type PendingBlock, type PreparedBlocks } from './prepare-batch.ts'
import { RESPLIT_BLOCKS, readOutdated } from './resplit.ts'
import { readArchive, readLinks, readUnlinked } from './stored.ts'
import { type Batch, type BlockToWrite, groupByPartition, tablePartition, type Writer } from './writer.ts'

export interface IngestDeps<Raw> {
  sql: Sql
  chain: ChainModule<Raw>
  writer: Writer
  /** Asked for spent outputs that no stored block created. */
  source?: Pick<ChainSource<Raw>, 'attachPrevious'>
  /** Blocks in one batch at most. */
  batchBlocks?: number | undefined
  /**
   * What is added has its place in a log: when another writer of the same log came first, FencedError is thrown, and the
   * caller goes on from where the tables stand then. Without a log theirs is carried out and what is left is written.
   */
  fromLog?: boolean
  /**
   * Keeps what was refused. Waited for before the batch is announced: once its entry stands, its whole part of the log
   * counts as done and nobody reads the refused blocks there again.
   */
  onRefused?(failed: readonly FailedBlock[]): Promise<void>
}

/** Blocks in one batch unless told otherwise, and bytes of their archive form after which a batch is closed. */
const BATCH_BLOCKS = 250
const BATCH_BYTES = 32 * 1024 * 1024

/**
 * Collects fetched blocks into batches, proves and splits them, and writes them. While a batch is being written the next
 * one is collected and prepared; batches are written one at a time and in order.
 */
export interface Ingest<Raw> {
  /**
   * @returns blocks that were refused; the others of their batch are being written. An error of the batch before is thrown
   * here or by `flush`, and what was added since is dropped: go on from what is published.
   */
  add(block: PendingBlock<Raw>): Promise<FailedBlock[]>
  /**
   * Stored blocks above the common ancestor have left the chain: they are cancelled in the same batch that adds the
   * blocks that come next, so that no reader sees the chain without either.
   * @throws ProofError unless the ancestor is the block that is stored at its height, or nothing is.
   */
  revert(to: BlockRef, offset: bigint): Promise<FailedBlock[]>
  /** Writes what is left; everything that was added and not refused is stored then. */
  flush(): Promise<FailedBlock[]>
  /** Transactions of the blocks that were written since the last call: for progress. */
  takeTransactions(): number
  /** Writes blocks anew whose open inputs can be resolved by now. @returns their heights. */
  resolveInputs(): Promise<number[]>
  /** Writes blocks anew whose parent was stored after them: then the link is proven too. @returns their heights. */
  linkParents(): Promise<number[]>
  /**
   * Writes a few blocks anew whose rows another version of this program made; the others are served meanwhile.
   * @returns how many are left, and those that this version refuses: they stay as they are.
   */
  resplit(): Promise<{ written: number[]; failed: FailedBlock[]; left: number }>
}

/** A batch on its way into the store. Contested: another writer came first, so what stands there may be theirs. */
interface Writing {
  batch: PreparedBlocks
  /** Stored heights that it takes away and puts nothing at: they may still be read for a while. */
  leaving: readonly number[]
  contested: Promise<boolean>
}

export function createIngest<Raw>(deps: IngestDeps<Raw>): Ingest<Raw> {
  const { sql, chain, writer } = deps
  const slug = chain.definition.slug
  const preparer = createPreparer(deps)
  /** Nobody is asked for what stored blocks are to be completed with. */
  const completer = createPreparer({ sql, chain })
  const batchBlocks = Math.max(1, deps.batchBlocks ?? BATCH_BLOCKS)
  let pending: PendingBlock<Raw>[] = []
  let pendingBytes = 0
  let reverted: { to: BlockRef; offset: bigint } | null = null
  let written = 0
  let writing: Writing | null = null
  /** Blocks that may lack the proof of their parent; null until somebody asks. */
  let unlinked: Set<number> | null = null
  /** Blocks that another version of this program split; null until somebody asks. */
  let outdated: number[] | null = null

  async function add(block: PendingBlock<Raw>): Promise<FailedBlock[]> {
    const failed =
      pending.length > 0 && tablePartition(pending[0]!.height) !== tablePartition(block.height)
        ? await closeBatch()
        : []
    pending.push(block)
    pendingBytes += chain.sizeOf(block.raw)
    if (pending.length < batchBlocks && pendingBytes < BATCH_BYTES) return failed
    return [...failed, ...(await closeBatch())]
  }

  async function revert(to: BlockRef, offset: bigint): Promise<FailedBlock[]> {
    const failed = await flush()
    // Refused here it is the event that is at fault, and not the batch that would carry it out.
    await leavingAbove(to)
    reverted = { to, offset }
    return failed
  }

  async function flush(): Promise<FailedBlock[]> {
    const failed = await closeBatch()
    await settled()
    return failed
  }

  /** Prepares what is pending beside the batch that is being written, and begins to write it after that one. */
  async function closeBatch(): Promise<FailedBlock[]> {
    const [blocks, reorg] = [pending, reverted]
    pending = []
    pendingBytes = 0
    reverted = null
    if (blocks.length === 0 && reorg === null) return []
    const cancel = reorg === null ? [] : await leavingAbove(reorg.to)
    let prepared: PreparedBlocks
    let contested: boolean
    try {
      const leaving = [...cancel, ...(writing?.leaving ?? [])]
      prepared = await preparer.prepare(blocks, { before: writing?.batch ?? null, cancel: leaving })
      if (deps.fromLog) await checkNotOvertaken(prepared)
    } finally {
      contested = await settled()
    }
    // The links that this batch was proven against may not be what is stored.
    if (contested) prepared = await preparer.prepare(blocks, { cancel })
    if (prepared.failed.length > 0) await deps.onRefused?.(prepared.failed)
    if (prepared.ready.length + cancel.length > 0) {
      const together = await cancelElsewhere(prepared.ready, cancel)
      const offsets = offsetsOf(blocks, reorg)
      startWriting(prepared, { cancel: together, reorg: reorg !== null, ...(offsets && { offsets }) })
    }
    return prepared.failed
  }

  /** What is there already, or does not fit, may be so because another writer is further in the log. */
  async function checkNotOvertaken({ stored, failed }: PreparedBlocks): Promise<void> {
    const known = (height: number) =>
      includesHeight(writer.published(), height) || writing?.batch.links.has(height)
    if (failed.length === 0 && stored.every(known)) return
    if (await writer.overtaken()) throw overtaken()
  }

  function overtaken(): FencedError {
    return new FencedError(`${slug}: another writer of the same log has gone on`)
  }

  function startWriting(batch: PreparedBlocks, rest: Omit<Batch, 'add'>): void {
    const contested = writeFenced({ ...rest, add: batch.ready }).then(was => {
      for (const { verified, linked } of batch.ready) {
        written += verified.transactionCount
        if (!linked && verified.height > 0) unlinked?.add(verified.height)
      }
      return was
    })
    // Whoever waits for it gets the error; until then it is nobody's.
    contested.catch(() => {})
    const leaving = (rest.cancel ?? []).filter(height => !batch.links.has(height))
    writing = { batch, leaving, contested }
  }

  /** Waits for the batch that is being written. @returns whether it was contested. */
  async function settled(): Promise<boolean> {
    const contested = writing?.contested
    writing = null
    return contested ?? false
  }

  /** @throws ProofError unless the ancestor is the block that is stored at its height, or nothing is. */
  async function leavingAbove(ancestor: BlockRef): Promise<number[]> {
    const stored = (await readLinks(sql, slug, [ancestor.height])).get(ancestor.height)
    if (stored && !equalBytes(stored.hash, ancestor.hash)) {
      if (deps.fromLog && (await writer.overtaken())) throw overtaken()
      throw new ProofError(
        'parent',
        `${slug}: cannot go back to ${ancestor.height} ${chain.formatHash(ancestor.hash)}, stored there is ` +
          chain.formatHash(stored.hash),
      )
    }
    return heightsAbove(writer.published(), ancestor.height)
  }

  /**
   * A batch stays within one table partition: where a reorg crosses its border, blocks of the others go first, from the
   * highest down. @returns the heights that go together with `add`.
   */
  async function cancelElsewhere(
    add: readonly BlockToWrite[],
    cancel: readonly number[],
  ): Promise<readonly number[]> {
    const home = tablePartition(add[0]?.verified.height ?? cancel[0]!)
    const elsewhere = cancel.filter(height => tablePartition(height) !== home)
    for (const group of groupByPartition(elsewhere, BATCH_BLOCKS).reverse()) {
      await writeFenced({ add: [], cancel: group, reorg: true })
    }
    return elsewhere.length === 0 ? cancel : cancel.filter(height => tablePartition(height) === home)
  }

  /**
   * Another writer of the same chain may come first: theirs is carried out, then what is left of ours is tried again.
   * @returns whether that happened.
   * @throws FencedError instead where the batch was made from what was stored before.
   */
  async function writeFenced(batch: Batch): Promise<boolean> {
    for (let left = batch, attempt = 0; ; attempt++) {
      if (left.add.length + (left.cancel?.length ?? 0) === 0) return true
      try {
        await writer.write(left)
        return attempt > 0
      } catch (error) {
        const isFinal = deps.fromLog || (batch.cancel?.length ?? 0) > 0 || attempt >= 20
        if (!(error instanceof FencedError) || isFinal) throw error
        await writer.recover()
        left = { ...batch, add: await withoutStored(batch.add) }
      }
    }
  }

  async function withoutStored(blocks: readonly BlockToWrite[]): Promise<BlockToWrite[]> {
    const links = await readLinks(
      sql,
      slug,
      blocks.map(block => block.verified.height),
    )
    return blocks.filter(block => !links.has(block.verified.height))
  }

  async function resolveInputs(): Promise<number[]> {
    if (!chain.outputs) return []
    await settled()
    const resolved: number[] = []
    const own = writer.published()
    const heights = (await findResolvable(sql, slug)).filter(height => includesHeight(own, height))
    for (const group of groupByPartition(heights, BATCH_BLOCKS)) {
      resolved.push(...(await complete(await completer.attachable(await readBlocks(group)))))
    }
    return resolved
  }

  async function linkParents(): Promise<number[]> {
    await settled()
    unlinked ??= new Set(await readUnlinked(sql, slug))
    const own = writer.published()
    const heights = [...unlinked].filter(height => includesHeight(own, height)).sort((a, b) => a - b)
    const links = await readLinks(
      sql,
      slug,
      heights.flatMap(height => [height - 1, height]),
    )
    for (const height of heights) if (links.get(height)?.linked !== false) unlinked.delete(height)
    const linkable = heights.filter(height => unlinked?.has(height) && links.has(height - 1))
    const linked: number[] = []
    for (const group of groupByPartition(linkable, BATCH_BLOCKS)) {
      linked.push(...(await complete(await readBlocks(group))))
    }
    for (const height of linked) unlinked.delete(height)
    return linked
  }

  async function resplit(): Promise<{ written: number[]; failed: FailedBlock[]; left: number }> {
    await settled()
    outdated ??= await readOutdated(sql, slug)
    const own = outdated.filter(height => includesHeight(writer.published(), height))
    const [group = []] = groupByPartition(own.slice(0, RESPLIT_BLOCKS), RESPLIT_BLOCKS)
    const { written, failed } = await writeAnew(await readBlocks(group))
    outdated = own.slice(group.length)
    return { written, failed, left: outdated.length }
  }

  async function readBlocks(heights: readonly number[]): Promise<PendingBlock<Raw>[]> {
    const archive = await readArchive(sql, slug, heights)
    const blocks = [...archive].map(([height, payload]) => ({ height, raw: chain.decode(payload) }))
    return blocks.sort((a, b) => a.height - b.height)
  }

  /** Replaces stored blocks, each by itself, with what is known and done about it now. */
  async function writeAnew(
    blocks: readonly PendingBlock<Raw>[],
  ): Promise<{ written: number[]; failed: FailedBlock[] }> {
    if (blocks.length === 0) return { written: [], failed: [] }
    const { ready, failed } = await completer.prepare(blocks)
    const heights = ready.map(block => block.verified.height)
    try {
      await writeFenced({ add: ready, cancel: heights })
      return { written: heights, failed }
    } catch (error) {
      // What was read may not be what stands there now: it is looked at again another time.
      if (!(error instanceof FencedError) || deps.fromLog) throw error
      await writer.recover()
      return { written: [], failed }
    }
  }

  /** @throws ProofError for a stored block that does not fit any more. */
  async function complete(blocks: readonly PendingBlock<Raw>[]): Promise<number[]> {
    const { written, failed } = await writeAnew(blocks)
    if (failed[0]) throw new ProofError('parent', `block ${failed[0].height}: ${failed[0].reason}`)
    return written
  }

  function takeTransactions(): number {
    const taken = written
    written = 0
    return taken
  }

  return { add, revert, flush, takeTransactions, resolveInputs, linkParents, resplit }
}

/** The part of the log that a batch stands for. */
function offsetsOf<Raw>(
  blocks: readonly PendingBlock<Raw>[],
  reorg: { offset: bigint } | null,
): Batch['offsets'] {
  const offsets = [...(reorg ? [reorg.offset] : []), ...blocks.flatMap(block => block.logged?.offset ?? [])]
  const [from, to] = [offsets[0], offsets.at(-1)]
  return from === undefined || to === undefined ? undefined : { from, to }
}
