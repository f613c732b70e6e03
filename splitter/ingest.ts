import type { BlockRef } from '../schema/block.ts'
import { equalBytes, formatHex } from '../schema/bytes.ts'
import type { ChainModule, ChainSource, KnownOutput } from '../schema/chain.ts'
import { AppError, describeError, FencedError, ProofError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { heightsAbove, includesHeight } from '../schema/ranges.ts'
import { createOutputLookup, findResolvable } from './outputs.ts'
import { type PreparedBlock, prepareBlock } from './prepare.ts'
import { readArchive, readLinks, readUnlinked } from './stored.ts'
import { type Batch, tablePartition, type Writer } from './writer.ts'

/** A block that was not stored, and why. */
export interface FailedBlock {
  height: number
  reason: string
  code: string
}

export interface IngestDeps<Raw> {
  sql: Sql
  chain: ChainModule<Raw>
  writer: Writer
  /** Asked for spent outputs that no stored block created. */
  source?: Pick<ChainSource<Raw>, 'attachPrevious'>
  /** Blocks in one batch at most. */
  batchBlocks?: number | undefined
}

/** A fetched block that waits to be written. */
export interface PendingBlock<Raw> {
  height: number
  raw: Raw
  /** Where it comes from a log: it is passed over when it is stored already, and refused when another block is. */
  logged?: { hash: Uint8Array; offset: bigint }
}

/** Blocks in one batch unless told otherwise, and bytes of their archive form after which a batch is closed. */
const BATCH_BLOCKS = 250
const BATCH_BYTES = 16 * 1024 * 1024

/** Collects fetched blocks into batches, proves and splits them, and writes them. */
export interface Ingest<Raw> {
  /** @returns blocks that were refused; the others of the batch are stored. */
  add(block: PendingBlock<Raw>): Promise<FailedBlock[]>
  /**
   * Stored blocks above the common ancestor have left the chain: they are cancelled in the same batch that adds the
   * blocks that come next, so that no reader sees the chain without either.
   */
  revert(to: BlockRef, offset: bigint): Promise<FailedBlock[]>
  /** Writes what is left. */
  flush(): Promise<FailedBlock[]>
  /** Transactions of the blocks that were written since the last call: for progress. */
  takeTransactions(): number
  /** Writes blocks anew whose open inputs can be resolved by now. @returns their heights. */
  resolveInputs(): Promise<number[]>
  /** Writes blocks anew whose parent was stored after them: then the link is proven too. @returns their heights. */
  linkParents(): Promise<number[]>
}

export function createIngest<Raw>(deps: IngestDeps<Raw>): Ingest<Raw> {
  const { sql, chain, writer, source } = deps
  const slug = chain.definition.slug
  const lookup = createOutputLookup(sql, slug)
  const batchBlocks = Math.max(1, deps.batchBlocks ?? BATCH_BLOCKS)
  let pending: PendingBlock<Raw>[] = []
  let pendingBytes = 0
  let reverted: { to: BlockRef; offset: bigint } | null = null
  let written = 0
  /** Blocks that may lack the proof of their parent; null until somebody asks. */
  let unlinked: Set<number> | null = null

  async function add(block: PendingBlock<Raw>): Promise<FailedBlock[]> {
    const failed =
      pending.length > 0 && tablePartition(pending[0]!.height) !== tablePartition(block.height)
        ? await flush()
        : []
    pending.push(block)
    pendingBytes += chain.sizeOf(block.raw)
    if (pending.length < batchBlocks && pendingBytes < BATCH_BYTES) return failed
    return [...failed, ...(await flush())]
  }

  async function revert(to: BlockRef, offset: bigint): Promise<FailedBlock[]> {
    const failed = await flush()
    reverted = { to, offset }
    return failed
  }

  async function flush(): Promise<FailedBlock[]> {
    const [blocks, reorg] = [pending, reverted]
    pending = []
    pendingBytes = 0
    reverted = null
    if (blocks.length === 0 && reorg === null) return []
    const cancel = reorg === null ? [] : await leavingAbove(reorg.to)
    const { fresh, failed } = await leaveOutStored(blocks, cancel)
    const attached = (await attachStored(fresh)).map(({ block }) => block)
    const prepared = await prepareAll(attached, { askNode: true, cancel })
    const { ready } = prepared
    if (ready.length + cancel.length > 0) {
      const offsets = offsetsOf(blocks, reorg)
      const together = await cancelElsewhere(ready, cancel)
      await writeFenced({ add: ready, cancel: together, reorg: reorg !== null, ...(offsets && { offsets }) })
    }
    for (const { verified, linked } of ready) {
      if (!linked && verified.height > 0) unlinked?.add(verified.height)
    }
    written += ready.reduce((sum, block) => sum + block.verified.transactionCount, 0)
    return [...failed, ...prepared.failed]
  }

  /**
   * A batch stays within one table partition: where a reorg crosses its border, blocks of the others go first, from the
   * highest down. @returns the heights that go together with `add`.
   */
  async function cancelElsewhere(
    add: readonly PreparedBlock[],
    cancel: readonly number[],
  ): Promise<readonly number[]> {
    const home = tablePartition(add[0]?.verified.height ?? cancel[0]!)
    const elsewhere = cancel.filter(height => tablePartition(height) !== home)
    for (const group of groupByPartition(elsewhere).reverse()) {
      await writeFenced({ add: [], cancel: group, reorg: true })
    }
    return elsewhere.length === 0 ? cancel : cancel.filter(height => tablePartition(height) === home)
  }

  /** @throws ProofError unless the ancestor is the block that is stored at its height, or nothing is. */
  async function leavingAbove(ancestor: BlockRef): Promise<number[]> {
    const stored = (await readLinks(sql, slug, [ancestor.height])).get(ancestor.height)
    if (stored && !equalBytes(stored.hash, ancestor.hash)) {
      throw new ProofError(
        'parent',
        `${slug}: cannot go back to ${ancestor.height} ${chain.formatHash(ancestor.hash)}, stored there is ` +
          chain.formatHash(stored.hash),
      )
    }
    return heightsAbove(writer.published(), ancestor.height)
  }

  /** What a log delivers twice is stored once; a block beside a stored one needs a revert first. */
  async function leaveOutStored(
    blocks: readonly PendingBlock<Raw>[],
    cancel: readonly number[],
  ): Promise<{ fresh: PendingBlock<Raw>[]; failed: FailedBlock[] }> {
    const logged = blocks.filter(block => block.logged)
    if (logged.length === 0) return { fresh: [...blocks], failed: [] }
    const going = new Set(cancel)
    const links = await readLinks(
      sql,
      slug,
      logged.map(block => block.height),
    )
    const failed: FailedBlock[] = []
    const fresh = blocks.filter(({ height, logged }) => {
      const stored = links.get(height)
      if (!logged || !stored || going.has(height)) return true
      if (!equalBytes(stored.hash, logged.hash)) {
        const [got, expected] = [logged.hash, stored.hash].map(chain.formatHash)
        const reason = `block ${height} ${got}: stored at this height is ${expected}, and nothing said that it left the chain`
        failed.push({ height, reason, code: 'PROOF' })
      }
      return false
    })
    return { fresh, failed }
  }

  /** Spent outputs that stored blocks created, in one look-up for all blocks; `changed` where one was found. */
  async function attachStored(
    blocks: readonly PendingBlock<Raw>[],
  ): Promise<{ block: PendingBlock<Raw>; changed: boolean }[]> {
    const { outputs } = chain
    if (!outputs) return blocks.map(block => ({ block, changed: false }))
    const open = blocks.map(block => outputs.open(block.raw))
    const found = await lookup(open.flat())
    let at = 0
    return blocks.map((block, place) => {
      const ofBlock = found.slice(at, at + open[place]!.length)
      at += ofBlock.length
      if (!ofBlock.some(output => output !== null)) return { block, changed: false }
      return { block: { ...block, raw: outputs.attach(block.raw, ofBlock) }, changed: true }
    })
  }

  /** Spent outputs that earlier blocks of the same batch created, then what the node tells. */
  async function attachRecent(
    raw: Raw,
    recent: ReadonlyMap<string, KnownOutput>,
    askNode: boolean,
  ): Promise<Raw> {
    const { outputs } = chain
    if (!outputs) return raw
    const open = outputs.open(raw)
    if (open.length === 0) return raw
    const known = open.map(outpoint => recent.get(outpointKey(outpoint)) ?? null)
    const attached = outputs.attach(raw, known)
    if (!askNode || !source?.attachPrevious || known.every(output => output !== null)) return attached
    return source.attachPrevious(attached)
  }

  async function prepareAll(
    blocks: readonly PendingBlock<Raw>[],
    { askNode, cancel = [] }: { askNode: boolean; cancel?: readonly number[] },
  ): Promise<{ ready: PreparedBlock[]; failed: FailedBlock[] }> {
    const links = await readLinks(
      sql,
      slug,
      blocks.flatMap(block => [block.height - 1, block.height + 1]),
    )
    for (const height of cancel) links.delete(height)
    const recent = new Map<string, KnownOutput>()
    const ready: PreparedBlock[] = []
    const failed: FailedBlock[] = []
    for (const { height, raw } of blocks) {
      try {
        const whole = await attachRecent(raw, recent, askNode)
        const prepared = prepareBlock(chain, whole, links.get(height - 1)?.hash ?? null)
        checkChild(prepared, links.get(height + 1)?.parentHash)
        const { hash, parentHash } = prepared.verified
        links.set(height, { hash, parentHash, linked: prepared.linked })
        for (const { outpoint, output } of chain.outputs?.created(whole) ?? []) {
          recent.set(outpointKey(outpoint), output)
        }
        ready.push(prepared)
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        failed.push({ height, reason: describeError(error), code: error.code })
      }
    }
    return { ready, failed }
  }

  function checkChild(prepared: PreparedBlock, childsParent: Uint8Array | undefined): void {
    const { hash, height } = prepared.verified
    if (childsParent === undefined || equalBytes(childsParent, hash)) return
    throw new ProofError(
      'parent',
      `block ${height} is ${chain.formatHash(hash)}, the stored block above it names ${chain.formatHash(childsParent)}`,
    )
  }

  /** Another writer of the same chain may come first: theirs is carried out, then ours is tried again. */
  async function writeFenced(batch: Batch): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const left = attempt === 0 ? batch : await withoutStored(batch)
      if (left.add.length + (left.cancel?.length ?? 0) === 0) return
      try {
        await writer.write(left)
        return
      } catch (error) {
        if (!(error instanceof FencedError) || attempt >= 20) throw error
        await writer.recover()
      }
    }
  }

  /** What is left of a batch after another writer carried out theirs, which may have been the same. */
  async function withoutStored(batch: Batch): Promise<Batch> {
    const links = await readLinks(sql, slug, [
      ...batch.add.map(block => block.verified.height),
      ...(batch.cancel ?? []),
    ])
    const isThere = ({ height, hash }: BlockRef) => {
      const stored = links.get(height)
      return stored !== undefined && (batch.reorg ? equalBytes(stored.hash, hash) : !cancelled.has(height))
    }
    const cancelled = new Set(batch.cancel ?? [])
    const coming = new Map(batch.add.map(({ verified }) => [verified.height, verified]))
    return {
      ...batch,
      add: batch.add.filter(block => !isThere(block.verified)),
      cancel: [...cancelled].filter(height => {
        const next = coming.get(height)
        return links.has(height) && !(batch.reorg && next && isThere(next))
      }),
    }
  }

  async function resolveInputs(): Promise<number[]> {
    if (!chain.outputs) return []
    const resolved: number[] = []
    const own = writer.published()
    const heights = (await findResolvable(sql, slug)).filter(height => includesHeight(own, height))
    for (const group of groupByPartition(heights)) {
      const archived = await readBlocks(group)
      const changed = (await attachStored(archived)).flatMap(({ block, changed }) => (changed ? [block] : []))
      resolved.push(...(await writeAnew(changed)))
    }
    return resolved
  }

  async function linkParents(): Promise<number[]> {
    unlinked ??= new Set(await readUnlinked(sql, slug))
    const own = writer.published()
    const heights = [...unlinked].filter(height => includesHeight(own, height))
    const links = await readLinks(
      sql,
      slug,
      heights.flatMap(height => [height - 1, height]),
    )
    const linkable = heights.filter(height => links.get(height)?.linked === false && links.has(height - 1))
    for (const height of heights) if (links.get(height)?.linked !== false) unlinked.delete(height)
    const linked: number[] = []
    for (const group of groupByPartition(linkable.sort((a, b) => a - b))) {
      linked.push(...(await writeAnew(await readBlocks(group))))
    }
    for (const height of linked) unlinked.delete(height)
    return linked
  }

  async function readBlocks(heights: readonly number[]): Promise<PendingBlock<Raw>[]> {
    const archive = await readArchive(sql, slug, heights)
    return [...archive].map(([height, payload]) => ({ height, raw: chain.decode(payload) }))
  }

  /** Replaces stored blocks, each by itself with more known about it. @returns their heights. */
  async function writeAnew(blocks: PendingBlock<Raw>[]): Promise<number[]> {
    if (blocks.length === 0) return []
    blocks.sort((a, b) => a.height - b.height)
    const { ready, failed } = await prepareAll(blocks, { askNode: false })
    if (failed[0]) throw new ProofError('parent', `block ${failed[0].height}: ${failed[0].reason}`)
    const heights = ready.map(block => block.verified.height)
    await writeFenced({ add: ready, cancel: heights })
    return heights
  }

  function takeTransactions(): number {
    const taken = written
    written = 0
    return taken
  }

  return { add, revert, flush, takeTransactions, resolveInputs, linkParents }
}

function outpointKey(outpoint: { hash: Uint8Array; index: number }): string {
  return `${formatHex(outpoint.hash)}:${outpoint.index}`
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

function groupByPartition(heights: readonly number[]): number[][] {
  const groups: number[][] = []
  for (const height of heights) {
    const last = groups.at(-1)
    if (last && last.length < BATCH_BLOCKS && tablePartition(last[0]!) === tablePartition(height))
      last.push(height)
    else groups.push([height])
  }
  return groups
}
