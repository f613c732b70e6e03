import { equalBytes, formatHex } from '../schema/bytes.ts'
import type { ChainModule, ChainSource, KnownOutput } from '../schema/chain.ts'
import { AppError, describeError, FencedError, ProofError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { createOutputLookup, findResolvable } from './outputs.ts'
import { type EncodedPreparedBlock, encodePrepared, type PreparedBlock, prepareBlock } from './prepare.ts'
import { readArchive, readLinks, type StoredLink } from './stored.ts'
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
  /** Writes what is left; everything that was added and not refused is stored then. */
  flush(): Promise<FailedBlock[]>
  /** Transactions of the blocks that were written since the last call: for progress. */
  takeTransactions(): number
  /** Writes blocks anew whose open inputs can be resolved by now. @returns their heights. */
  resolveInputs(): Promise<number[]>
}

/** A batch that was proven and split, and what the next one must know of it before it is stored. */
interface PreparedBatch {
  ready: EncodedPreparedBlock[]
  failed: FailedBlock[]
  links: ReadonlyMap<number, StoredLink>
  created: ReadonlyMap<string, KnownOutput>
}

/** A batch on its way into the store. Contested: another writer came first, so what stands there may be theirs. */
interface Writing {
  batch: PreparedBatch
  contested: Promise<boolean>
}

export function createIngest<Raw>(deps: IngestDeps<Raw>): Ingest<Raw> {
  const { sql, chain, writer, source } = deps
  const slug = chain.definition.slug
  const lookup = createOutputLookup(sql, slug)
  const batchBlocks = Math.max(1, deps.batchBlocks ?? BATCH_BLOCKS)
  let pending: PendingBlock<Raw>[] = []
  let pendingBytes = 0
  let written = 0
  let writing: Writing | null = null

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

  async function flush(): Promise<FailedBlock[]> {
    const failed = await closeBatch()
    await settled()
    return failed
  }

  /** Prepares what is pending beside the batch that is being written, and begins to write it after that one. */
  async function closeBatch(): Promise<FailedBlock[]> {
    const blocks = pending
    pending = []
    pendingBytes = 0
    if (blocks.length === 0) return []
    let batch: PreparedBatch
    let contested: boolean
    try {
      batch = await prepareBatch(blocks, writing?.batch ?? null)
    } finally {
      contested = await settled()
    }
    // The links that this batch was proven against may not be what is stored.
    if (contested) batch = await prepareBatch(blocks, null)
    if (batch.ready.length > 0) startWriting(batch)
    return batch.failed
  }

  function startWriting(batch: PreparedBatch): void {
    const contested = writeFenced({ add: batch.ready }).then(was => {
      written += batch.ready.reduce((sum, block) => sum + block.verified.transactionCount, 0)
      return was
    })
    // Whoever waits for it gets the error; until then it is nobody's.
    contested.catch(() => {})
    writing = { batch, contested }
  }

  /** Waits for the batch that is being written. @returns whether it was contested. */
  async function settled(): Promise<boolean> {
    const contested = writing?.contested
    writing = null
    return contested ?? false
  }

  async function prepareBatch(
    blocks: readonly PendingBlock<Raw>[],
    before: PreparedBatch | null,
  ): Promise<PreparedBatch> {
    const attached = (await attachStored(blocks)).map(({ block }) => block)
    return prepareAll(attached, true, before)
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

  /** Spent outputs that earlier blocks of the same batch and of the one before created, then what the node tells. */
  async function attachRecent(
    raw: Raw,
    recent: (outpoint: string) => KnownOutput | undefined,
    askNode: boolean,
  ): Promise<Raw> {
    const { outputs } = chain
    if (!outputs) return raw
    const open = outputs.open(raw)
    if (open.length === 0) return raw
    const known = open.map(outpoint => recent(outpointKey(outpoint)) ?? null)
    const attached = outputs.attach(raw, known)
    if (!askNode || !source.attachPrevious || known.every(output => output !== null)) return attached
    return source.attachPrevious(attached)
  }

  async function prepareAll(
    blocks: readonly PendingBlock<Raw>[],
    askNode: boolean,
    before: PreparedBatch | null,
  ): Promise<PreparedBatch> {
    const stored = await readLinks(
      sql,
      slug,
      blocks.flatMap(block => [block.height - 1, block.height + 1]),
    )
    const links = new Map([...stored, ...(before?.links ?? [])])
    const created = new Map<string, KnownOutput>()
    const ready: EncodedPreparedBlock[] = []
    const failed: FailedBlock[] = []
    const own = new Map<number, StoredLink>()
    for (const { height, raw } of blocks) {
      // The batch before is being written meanwhile: its bytes need a turn now and then.
      await new Promise(setImmediate)
      try {
        const whole = await attachRecent(raw, key => created.get(key) ?? before?.created.get(key), askNode)
        const prepared = prepareBlock(chain, whole, links.get(height - 1)?.hash ?? null)
        checkChild(prepared, links.get(height + 1)?.parentHash)
        const link = { hash: prepared.verified.hash, parentHash: prepared.verified.parentHash }
        links.set(height, link)
        own.set(height, link)
        for (const { outpoint, output } of chain.outputs?.created(whole) ?? []) {
          created.set(outpointKey(outpoint), output)
        }
        ready.push(encodePrepared(prepared))
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        failed.push({ height, reason: describeError(error) })
      }
    }
    return { ready, failed, links: own, created }
  }

  function checkChild(prepared: PreparedBlock, childsParent: Uint8Array | undefined): void {
    const { hash, height } = prepared.verified
    if (childsParent === undefined || equalBytes(childsParent, hash)) return
    throw new ProofError(
      'parent',
      `block ${height} is ${chain.formatHash(hash)}, the stored block above it names ${chain.formatHash(childsParent)}`,
    )
  }

  /**
   * Another writer of the same chain may come first: theirs is carried out, then ours is tried again.
   * @returns whether that happened.
   */
  async function writeFenced(batch: Batch): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      const left = attempt === 0 ? batch : await withoutStored(batch)
      if (left.add.length === 0) return true
      try {
        await writer.write(left)
        return attempt > 0
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
    await settled()
    const resolved: number[] = []
    for (const group of groupByPartition(await findResolvable(sql, slug))) {
      const archive = await readArchive(sql, slug, group)
      const archived = [...archive].map(([height, payload]) => ({ height, raw: chain.decode(payload) }))
      const changed = (await attachStored(archived)).flatMap(({ block, changed }) => (changed ? [block] : []))
      if (changed.length === 0) continue
      changed.sort((a, b) => a.height - b.height)
      const { ready, failed } = await prepareAll(changed, false, null)
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
