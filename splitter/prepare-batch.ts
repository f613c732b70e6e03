import { equalBytes, formatHex } from '../schema/bytes.ts'
import type { ChainModule, ChainSource, KnownOutput, Outpoint } from '../schema/chain.ts'
import { RowWriter } from '../schema/columns.ts'
import { AppError, describeError, ProofError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { createOutputLookup } from './outputs.ts'
import { type EncodedPreparedBlock, encodePrepared, type PreparedBlock, prepareBlock } from './prepare.ts'
import { readLinks, type StoredLink } from './stored.ts'

/** A block that was not stored, and why. */
export interface FailedBlock {
  height: number
  reason: string
  code: string
  /** It says of the chain something else than what is stored: what follows on it does not belong there either. */
  contradicts?: boolean
  /** Its place in the log, where it comes from one. */
  offset?: bigint
}

/** A fetched block that waits to be written. */
export interface PendingBlock<Raw> {
  height: number
  raw: Raw
  /** Where it comes from a log: it is passed over when it is stored already, and refused when another block is. */
  logged?: { hash: Uint8Array; offset: bigint }
}

/** Blocks that were proven and split, and what the next batch must know of them before they are stored. */
export interface PreparedBlocks {
  ready: EncodedPreparedBlock[]
  failed: FailedBlock[]
  /** Heights that were passed over: just these blocks are stored. */
  stored: number[]
  links: ReadonlyMap<number, StoredLink>
  created: ReadonlyMap<string, KnownOutput>
}

export interface PrepareOptions {
  /** The batch that is being written meanwhile. */
  before?: PreparedBlocks | null
  /** Stored blocks that go in the same batch. */
  cancel?: readonly number[]
}

/** Proves and splits whole batches against what is stored. */
export interface Preparer<Raw> {
  prepare(blocks: readonly PendingBlock<Raw>[], options?: PrepareOptions): Promise<PreparedBlocks>
  /** Those of the blocks, by ascending height, to which a spent output could be attached from stored blocks. */
  attachable(blocks: readonly PendingBlock<Raw>[]): Promise<PendingBlock<Raw>[]>
}

export function createPreparer<Raw>(deps: {
  sql: Sql
  chain: ChainModule<Raw>
  source?: Pick<ChainSource<Raw>, 'attachPrevious'> | undefined
}): Preparer<Raw> {
  const { sql, chain, source } = deps
  const slug = chain.definition.slug
  const lookup = createOutputLookup(sql, slug)
  const out = new RowWriter()

  async function prepare(
    blocks: readonly PendingBlock<Raw>[],
    { before = null, cancel = [] }: PrepareOptions = {},
  ): Promise<PreparedBlocks> {
    const stored = await readLinks(
      sql,
      slug,
      blocks.flatMap(({ height }) => [height - 1, height, height + 1]),
    )
    const links = new Map([...stored, ...(before?.links ?? [])])
    for (const height of cancel) links.delete(height)
    const { fresh, failed, there } = leaveOutStored(blocks, links)
    const attached = (await attachStored(fresh)).map(({ block }) => block)
    const created = new Map<string, KnownOutput>()
    const ready: EncodedPreparedBlock[] = []
    const own = new Map<number, StoredLink>()
    const beside = new Set(blocks.filter(isRefused(failed)).map(({ logged }) => formatHex(logged!.hash)))
    for (const { height, raw, logged } of attached) {
      // A batch may be on its way to the store meanwhile: its bytes need a turn now and then.
      await new Promise(setImmediate)
      try {
        const whole = await attachRecent(raw, key => created.get(key) ?? before?.created.get(key))
        const prepared = prepareBlock(chain, whole, links.get(height - 1)?.hash ?? null)
        checkParent(prepared, beside)
        checkChild(prepared, links.get(height + 1)?.parentHash)
        const { hash, parentHash } = prepared.verified
        const link = { hash, parentHash, linked: prepared.linked }
        links.set(height, link)
        own.set(height, link)
        for (const { outpoint, output } of chain.outputs?.created(whole) ?? []) {
          created.set(outpointKey(outpoint), output)
        }
        ready.push(encodePrepared(prepared, out))
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        const contradicts = error instanceof ProofError && error.proof === 'parent'
        if (contradicts && logged) beside.add(formatHex(logged.hash))
        failed.push({
          height,
          reason: describeError(error),
          code: error.code,
          ...(contradicts && { contradicts }),
          ...(logged && { offset: logged.offset }),
        })
      }
    }
    return { ready, failed, stored: there, links: own, created }
  }

  /** What a log delivers twice is stored once; a block beside a stored one needs a revert first. */
  function leaveOutStored(
    blocks: readonly PendingBlock<Raw>[],
    links: ReadonlyMap<number, StoredLink>,
  ): { fresh: PendingBlock<Raw>[]; failed: FailedBlock[]; there: number[] } {
    const failed: FailedBlock[] = []
    const there: number[] = []
    const fresh = blocks.filter(({ height, logged }) => {
      const stored = links.get(height)
      if (!logged || !stored) return true
      if (!equalBytes(stored.hash, logged.hash)) {
        const [got, expected] = [logged.hash, stored.hash].map(chain.formatHash)
        const reason = `block ${height} ${got}: stored at this height is ${expected}, and nothing said that it left the chain`
        failed.push({ height, reason, code: 'PROOF', contradicts: true, offset: logged.offset })
      } else {
        there.push(height)
      }
      return false
    })
    return { fresh, failed, there }
  }

  function checkParent({ verified }: PreparedBlock, beside: ReadonlySet<string>): void {
    const parent = chain.formatHash(verified.parentHash)
    if (!beside.has(formatHex(verified.parentHash))) return
    throw new ProofError(
      'parent',
      `block ${verified.height} follows on ${parent}, which is not of the stored chain`,
    )
  }

  function checkChild(prepared: PreparedBlock, childsParent: Uint8Array | undefined): void {
    const { hash, height } = prepared.verified
    if (childsParent === undefined || equalBytes(childsParent, hash)) return
    throw new ProofError(
      'parent',
      `block ${height} is ${chain.formatHash(hash)}, the stored block above it names ${chain.formatHash(childsParent)}`,
    )
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
  async function attachRecent(raw: Raw, recent: (outpoint: string) => KnownOutput | undefined): Promise<Raw> {
    const { outputs } = chain
    if (!outputs) return raw
    const open = outputs.open(raw)
    if (open.length === 0) return raw
    const known = open.map(outpoint => recent(outpointKey(outpoint)) ?? null)
    const attached = outputs.attach(raw, known)
    if (!source?.attachPrevious || known.every(output => output !== null)) return attached
    return source.attachPrevious(attached)
  }

  return {
    prepare,
    async attachable(blocks) {
      const changed = (await attachStored(blocks)).filter(({ changed }) => changed)
      return changed.map(({ block }) => block).sort((a, b) => a.height - b.height)
    },
  }
}

function isRefused(failed: readonly FailedBlock[]): (block: PendingBlock<unknown>) => boolean {
  const heights = new Set(failed.map(({ height }) => height))
  return ({ height, logged }) => logged !== undefined && heights.has(height)
}

function outpointKey({ hash, index }: Outpoint): string {
  return `${formatHex(hash)}:${index}`
}
