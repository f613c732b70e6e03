import { equalBytes, formatHex } from '../schema/bytes.ts'
import type { ChainModule, ChainSource, KnownOutput } from '../schema/chain.ts'
import { AppError, describeError, FencedError, ProofError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { createOutputLookup, findResolvable } from './outputs.ts'
import { type PreparedBlock, prepareBlock } from './prepare.ts'
import { readArchive, readLinks } from './stored.ts'
import { type Batch, tablePartition, type Writer } from './writer.ts'

/** A block that was not stored, and why. */
export interface FailedBlock {
  height: number
  reason: string
}

export interface IngestDeps<Raw> {
  sql: Sql
  chain: ChainModule<Raw>
  writer: Writer
  source: Pick<ChainSource<Raw>, 'attachPrevious'>
  /** Blocks in one batch at most. */
  batchBlocks?: number | undefined
}

/** A fetched block that waits to be written. */
export interface PendingBlock<Raw> {
  height: number
  raw: Raw
}

/** Blocks in one batch unless told otherwise, and bytes of their archive form after which a batch is closed. */
const BATCH_BLOCKS = 250
const BATCH_BYTES = 16 * 1024 * 1024

/** Collects fetched blocks into batches, proves and splits them, and writes them. */
export interface Ingest<Raw> {
  /** @returns blocks that were refused; the others of the batch are stored. */
  add(block: PendingBlock<Raw>): Promise<FailedBlock[]>
  /** Writes what is left. */
  flush(): Promise<FailedBlock[]>
  /** Transactions of the blocks that were written since the last call: for progress. */
  takeTransactions(): number
  /** Writes blocks anew whose open inputs can be resolved by now. @returns their heights. */
  resolveInputs(): Promise<number[]>
}

export function createIngest<Raw>(deps: IngestDeps<Raw>): Ingest<Raw> {
  const { sql, chain, writer, source } = deps
  const slug = chain.definition.slug
  const lookup = createOutputLookup(sql, slug)
  const batchBlocks = Math.max(1, deps.batchBlocks ?? BATCH_BLOCKS)
  let pending: PendingBlock<Raw>[] = []
  let pendingBytes = 0
  let written = 0

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

  async function flush(): Promise<FailedBlock[]> {
    const blocks = pending
    pending = []
    pendingBytes = 0
    if (blocks.length === 0) return []
    const attached = (await attachStored(blocks)).map(({ block }) => block)
    const { ready, failed } = await prepareAll(attached, true)
    if (ready.length > 0) await writeFenced({ add: ready })
    written += ready.reduce((sum, block) => sum + block.verified.transactionCount, 0)
    return failed
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
    if (!askNode || !source.attachPrevious || known.every(output => output !== null)) return attached
    return source.attachPrevious(attached)
  }

  async function prepareAll(
    blocks: readonly PendingBlock<Raw>[],
    askNode: boolean,
  ): Promise<{ ready: PreparedBlock[]; failed: FailedBlock[] }> {
    const links = await readLinks(
      sql,
      slug,
      blocks.flatMap(block => [block.height - 1, block.height + 1]),
    )
    const recent = new Map<string, KnownOutput>()
    const ready: PreparedBlock[] = []
    const failed: FailedBlock[] = []
    for (const { height, raw } of blocks) {
      try {
        const whole = await attachRecent(raw, recent, askNode)
        const prepared = prepareBlock(chain, whole, links.get(height - 1)?.hash ?? null)
        checkChild(prepared, links.get(height + 1)?.parentHash)
        links.set(height, { hash: prepared.verified.hash, parentHash: prepared.verified.parentHash })
        for (const { outpoint, output } of chain.outputs?.created(whole) ?? []) {
          recent.set(outpointKey(outpoint), output)
        }
        ready.push(prepared)
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        failed.push({ height, reason: describeError(error) })
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
      if (left.add.length === 0) return
      try {
        await writer.write(left)
        return
      } catch (error) {
        if (!(error instanceof FencedError) || attempt >= 20) throw error
        await writer.recover()
      }
    }
  }

  async function withoutStored(batch: Batch): Promise<Batch> {
    const cancelled = new Set(batch.cancel ?? [])
    const links = await readLinks(
      sql,
      slug,
      batch.add.map(block => block.verified.height),
    )
    return {
      ...batch,
      add: batch.add.filter(
        block => cancelled.has(block.verified.height) || !links.has(block.verified.height),
      ),
    }
  }

  async function resolveInputs(): Promise<number[]> {
    if (!chain.outputs) return []
    const resolved: number[] = []
    for (const group of groupByPartition(await findResolvable(sql, slug))) {
      const archive = await readArchive(sql, slug, group)
      const archived = [...archive].map(([height, payload]) => ({ height, raw: chain.decode(payload) }))
      const changed = (await attachStored(archived)).flatMap(({ block, changed }) => (changed ? [block] : []))
      if (changed.length === 0) continue
      changed.sort((a, b) => a.height - b.height)
      const { ready, failed } = await prepareAll(changed, false)
      if (failed[0]) throw new ProofError('inputs', `block ${failed[0].height}: ${failed[0].reason}`)
      await writeFenced({ add: ready, cancel: ready.map(block => block.verified.height) })
      resolved.push(...ready.map(block => block.verified.height))
    }
    return resolved
  }

  function takeTransactions(): number {
    const taken = written
    written = 0
    return taken
  }

  return { add, flush, takeTransactions, resolveInputs }
}

function outpointKey(outpoint: { hash: Uint8Array; index: number }): string {
  return `${formatHex(outpoint.hash)}:${outpoint.index}`
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
