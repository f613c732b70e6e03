import { equalBytes, formatHex } from '../schema/bytes.ts'
import type { ChainModule, Verified } from '../schema/chain.ts'
import { AppError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { mergeRanges, type Ranges } from '../schema/ranges.ts'
import { blockTableNames } from '../schema/tables.ts'
import { batchesOf, checkBatch, checkEntry } from './check-journal.ts'
import { checkOrphans } from './check-orphans.ts'
import { compareBlock, type Difference, type RowsByTable } from './check-rows.ts'
import { checkTotals } from './check-totals.ts'
import { readCheckpoints, readPublished } from './journal.ts'
import { createOutputLookup } from './outputs.ts'
import { checksumOf, type PreparedBlock, prepareLinked } from './prepare.ts'
import type { StoredRow } from './rows.ts'
import { readBlockVersions, readLinks, readRows } from './stored.ts'

export interface CheckReport {
  blocks: number
  /** Blocks whose archived bytes were proven again. */
  proven: number
  differences: Difference[]
}

/** What was found at a published height. */
export interface Examined<Raw> {
  height: number
  differences: readonly Difference[]
  /** The archived block; null where it is missing, proves nothing, or is not what was archived once. */
  raw: Raw | null
  /** What the archived bytes prove; null where they do not. */
  verified: Verified | null
  /** Whether its own rows or its entry in the journal are wrong, and not only something that it depends on. */
  isDamaged: boolean
}

interface CheckDeps<Raw> {
  sql: Sql
  chain: ChainModule<Raw>
}

/** Blocks that are looked at in one go, unless they were written as one batch. */
const GROUP = 100
const LONGEST_RUN = 1_000
const MOST_DIFFERENCES = 1_000
/** Long enough for a batch that is being written to be there as a whole. */
const LOOK_AGAIN_MS = 1_000

/**
 * Proves archived blocks again and compares every stored row with what the bytes split into, and with what the journal
 * said would be written; then the second order of effects, the sums, links, orphaned blocks and published heights. What
 * differs only because the chain is being written at this moment is looked at again.
 */
export async function checkChain<Raw>(
  deps: CheckDeps<Raw> & { onProgress?: (blocks: number) => void },
  asked: { from?: number; to?: number } = {},
): Promise<CheckReport> {
  const { sql, chain } = deps
  const slug = chain.definition.slug
  const published = clip(await readPublished(sql, slug), asked)
  const report: CheckReport = { blocks: 0, proven: 0, differences: [] }
  for await (const group of groupsOf(sql, slug, published)) {
    const examined = await examineTwice(deps, group)
    report.blocks += examined.length
    report.proven += examined.filter(block => block.verified !== null).length
    report.differences.push(...examined.flatMap(block => block.differences))
    deps.onProgress?.(report.blocks)
    if (report.differences.length >= MOST_DIFFERENCES) return report
  }
  report.differences.push(...(await checkRest(deps, published)))
  return report
}

/** A block that differs is looked at once more, unless it has left the published heights meanwhile. */
async function examineTwice<Raw>(
  deps: CheckDeps<Raw>,
  heights: readonly number[],
): Promise<readonly Examined<Raw>[]> {
  const first = await examineBlocks(deps, heights)
  if (first.every(block => block.differences.length === 0)) return first
  const still = new Set(heightsOf(await readPublished(deps.sql, deps.chain.definition.slug), heights))
  return examineBlocks(
    deps,
    heights.filter(height => still.has(height)),
  )
}

function heightsOf(ranges: Ranges, among: readonly number[]): number[] {
  return among.filter(height => ranges.some(([from, to]) => from <= height && height <= to))
}

/** What belongs to no single published block. */
export async function checkRest(deps: CheckDeps<unknown>, published: Ranges): Promise<Difference[]> {
  const { sql, chain } = deps
  const look = async () => [
    ...(await checkTotals(sql, chain.definition, published)),
    ...(await checkOrphans(sql, chain)),
  ]
  const places = async () =>
    [...(await readCheckpoints(sql, chain.definition.slug)).values()].map(({ version }) => version).join()
  const before = await places()
  const first = await look()
  if (first.length === 0 || before === (await places())) return first
  await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS))
  const again = new Set((await look()).map(difference => JSON.stringify(difference)))
  return first.filter(difference => again.has(JSON.stringify(difference)))
}

export function clip(
  ranges: Ranges,
  { from = 0, to = Number.MAX_SAFE_INTEGER }: { from?: number; to?: number },
): Ranges {
  return mergeRanges(
    ranges.flatMap(([first, last]) => {
      const clipped = [Math.max(first, from), Math.min(last, to)] as const
      return clipped[0] <= clipped[1] ? [clipped] : []
    }),
  )
}

/** Heights a few at a time; those that one batch wrote stay together. */
export async function* groupsOf(sql: Sql, chain: string, ranges: Ranges): AsyncGenerator<number[]> {
  let group: number[] = []
  let run: number[] = []
  let version: bigint | undefined
  const close = (): number[] => {
    const full = group.length > 0 && group.length + run.length > GROUP ? group : []
    group = full.length > 0 ? run : [...group, ...run]
    run = []
    return full
  }
  for (const chunk of chunksOf(ranges)) {
    const versions = await readBlockVersions(sql, chain, chunk)
    for (const height of chunk) {
      if (run.length > 0 && (versions.get(height) !== version || run.length >= LONGEST_RUN)) {
        const full = close()
        if (full.length > 0) yield full
      }
      version = versions.get(height)
      run.push(height)
    }
  }
  const full = close()
  if (full.length > 0) yield full
  if (group.length > 0) yield group
}

/** Heights of ranges, some at a time. */
export function* chunksOf(ranges: Ranges): Generator<number[]> {
  for (const [from, to] of ranges) {
    for (let first = from; first <= to; first += LONGEST_RUN) {
      yield Array.from({ length: Math.min(LONGEST_RUN, to - first + 1) }, (_, at) => first + at)
    }
  }
}

/** Looks at published heights, ascending: archive, links, journal, and every row. */
export async function examineBlocks<Raw>(
  { sql, chain }: CheckDeps<Raw>,
  heights: readonly number[],
): Promise<readonly Examined<Raw>[]> {
  const slug = chain.definition.slug
  const below = heights.map(height => height - 1)
  const [links, stored] = await Promise.all([readLinks(sql, slug, below), readGroup(sql, slug, heights)])
  const batches = await batchesOf(sql, slug, stored)
  const examined: Examined<Raw>[] = []
  const prepared = new Map<number, PreparedBlock>()
  for (const height of heights) {
    const rows = stored.get(height) ?? new Map<string, StoredRow[]>()
    const ofBlock = examineArchive(chain, height, rows)
    const differences = [...ofBlock.differences]
    const block = ofBlock.prepared
    if (block) {
      prepared.set(height, block)
      const entry = checkEntry(block, rows, batches)
      const [own, link] = [compareBlock(block, rows), checkLink(block, links.get(height - 1)?.hash)]
      const spent = await checkStoredOutputs(sql, chain, ofBlock.raw!, height)
      const isDamaged = differences.length + own.length + entry.length > 0
      // A wrong checksum alone says nothing about bytes that everything else agrees with.
      const agreed = own.every(({ table }) => table === 'raw_blocks')
      const raw = ofBlock.isAsArchived || agreed ? ofBlock.raw : null
      differences.push(...own, ...entry, ...link, ...spent)
      examined.push({ height, differences, raw, verified: block.verified, isDamaged })
    } else examined.push({ height, differences, raw: null, verified: null, isDamaged: true })
  }
  const wrong = batches.flatMap(batch => checkBatch(batch, prepared, stored))
  if (wrong.length === 0) return examined
  return examined.map(block => {
    const ofBatch = wrong.filter(({ heights }) => heights.includes(block.height))
    const named = ofBatch.filter(({ heights }) => heights[0] === block.height)
    return {
      ...block,
      isDamaged: block.isDamaged || ofBatch.length > 0,
      differences: [
        ...block.differences,
        ...named.map(({ difference }) => ({ height: block.height, table: 'journal', difference })),
      ],
    }
  })
}

interface ExaminedArchive<Raw> {
  raw: Raw | null
  prepared: PreparedBlock | null
  /** Whether the bytes are those whose checksum was noted. */
  isAsArchived: boolean
  differences: Difference[]
}

/** Proves the archived bytes again, with all that can be proven. */
function examineArchive<Raw>(
  chain: ChainModule<Raw>,
  height: number,
  rows: RowsByTable,
): ExaminedArchive<Raw> {
  const nothing = { raw: null, prepared: null, isAsArchived: false }
  const wrong = (difference: string) => ({ height, table: 'raw_blocks', difference })
  const archived = rows.get('raw_blocks')?.[0]
  if (!archived) return { ...nothing, differences: [wrong('expected the archived block, got none')] }
  const payload = archived.payload as Uint8Array
  const isAsArchived = equalBytes(checksumOf(payload), archived.checksum as Uint8Array)
  const differences = isAsArchived
    ? []
    : [wrong('the archived bytes do not have the checksum that was noted')]
  const proofs = rows.get('blocks')?.[0]?.proofs
  const linked = Array.isArray(proofs) && proofs.includes('parent')
  try {
    const raw = chain.decode(payload)
    if (chain.thorough) chain.verify(chain.thorough(raw))
    const prepared = prepareLinked(chain, raw, linked)
    if (prepared.verified.height === height) return { raw, prepared, isAsArchived, differences }
    const found = `expected the archived block ${height}, got block ${prepared.verified.height}`
    return { ...nothing, differences: [...differences, wrong(found)] }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { ...nothing, differences: [...differences, wrong(error.message)] }
  }
}

/** Live rows of several heights, by height and table. `effects_by_address` has the columns of `effects`. */
async function readGroup(
  sql: Sql,
  chain: string,
  heights: readonly number[],
): Promise<Map<number, Map<string, StoredRow[]>>> {
  const byHeight = new Map<number, Map<string, StoredRow[]>>()
  const sortIn = (name: string, rows: readonly StoredRow[]) => {
    for (const row of rows) {
      const height = row.height as number
      const tables = byHeight.get(height) ?? new Map<string, StoredRow[]>()
      byHeight.set(height, tables)
      const ofTable = tables.get(name) ?? []
      tables.set(name, ofTable)
      ofTable.push(row)
    }
  }
  for (const table of blockTableNames) sortIn(table, await readRows(sql, chain, table, { heights }))
  const from = 'effects_by_address'
  sortIn(from, await readRows(sql, chain, 'effects', { heights, from }))
  return byHeight
}

/** The row that names the parent as proven must still be right about it. */
function checkLink({ verified, linked }: PreparedBlock, parentHash: Uint8Array | undefined): Difference[] {
  if (parentHash ? equalBytes(parentHash, verified.parentHash) : !linked) return []
  const { height, parentHash: named } = verified
  const got = parentHash ? formatHex(parentHash) : 'none'
  const difference = `parent: expected ${formatHex(named)} stored at height ${height - 1}, got ${got}`
  return [{ height, table: 'blocks', difference }]
}

/** What came from stored blocks must still stand there. */
async function checkStoredOutputs<Raw>(
  sql: Sql,
  chain: ChainModule<Raw>,
  raw: Raw,
  height: number,
): Promise<Difference[]> {
  const attached = chain.outputs?.stored(raw) ?? []
  if (attached.length === 0) return []
  const found = await createOutputLookup(sql, chain.definition.slug)(attached.map(item => item.outpoint))
  return attached.flatMap(({ outpoint, output }, at) => {
    const stored = found[at]
    if (stored && stored.amount === output.amount && equalBytes(stored.script, output.script)) return []
    const difference =
      `the output ${formatHex(outpoint.hash)}:${outpoint.index} that this block spends: expected ${output.amount}, ` +
      `got ${stored ? String(stored.amount) : 'none'}`
    return [{ height, table: 'utxo_outputs', difference }]
  })
}
