import { equalBytes, formatHex } from '../schema/bytes.ts'
import type { ChainModule } from '../schema/chain.ts'
import { AppError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { mergeRanges, type Ranges } from '../schema/ranges.ts'
import {
  blockTableNames,
  blockTables,
  equalValues,
  type HashKind,
  hashKinds,
  type TableName,
  versionColumns,
} from '../schema/tables.ts'
import { checkTotals, type Difference } from './check-totals.ts'
import { readPublished } from './journal.ts'
import { createOutputLookup } from './outputs.ts'
import { type PreparedBlock, prepareLinked } from './prepare.ts'
import { columnNames, type StoredRow } from './rows.ts'
import { readArchive, readLinks, readRows } from './stored.ts'

export interface CheckReport {
  blocks: number
  /** Blocks whose archived bytes were proven again. */
  proven: number
  differences: Difference[]
}

const GROUP = 100
const MOST_DIFFERENCES = 1_000

/**
 * Proves archived blocks again and compares every stored row with what the bytes split into; then the second order of
 * effects, the sums, links and published heights.
 */
export async function checkChain<Raw>(
  deps: { sql: Sql; chain: ChainModule<Raw>; onProgress?: (blocks: number) => void },
  asked: { from?: number; to?: number } = {},
): Promise<CheckReport> {
  const { sql, chain } = deps
  const slug = chain.definition.slug
  const published = clip(await readPublished(sql, slug), asked)
  const report: CheckReport = { blocks: 0, proven: 0, differences: [] }
  for (const group of groupsOf(published)) {
    await checkGroup(sql, chain, group, report)
    deps.onProgress?.(report.blocks)
    if (report.differences.length >= MOST_DIFFERENCES) return report
  }
  report.differences.push(...(await checkTotals(sql, chain.definition, published)))
  return report
}

function clip(
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

function* groupsOf(ranges: Ranges): Generator<number[]> {
  let group: number[] = []
  for (const [from, to] of ranges) {
    for (let height = from; height <= to; height++) {
      group.push(height)
      if (group.length === GROUP) {
        yield group
        group = []
      }
    }
  }
  if (group.length > 0) yield group
}

async function checkGroup<Raw>(
  sql: Sql,
  chain: ChainModule<Raw>,
  heights: readonly number[],
  report: CheckReport,
): Promise<void> {
  const slug = chain.definition.slug
  const [archive, links, stored] = await Promise.all([
    readArchive(sql, slug, heights),
    readLinks(
      sql,
      slug,
      heights.map(height => height - 1),
    ),
    readGroup(sql, slug, heights),
  ])
  for (const height of heights) {
    report.blocks++
    const rows = stored.get(height) ?? new Map<string, StoredRow[]>()
    const payload = archive.get(height)
    if (!payload) {
      report.differences.push({
        height,
        table: 'raw_blocks',
        difference: 'expected the archived block, got none',
      })
      continue
    }
    const proofs = rows.get('blocks')?.[0]?.proofs
    const linked = Array.isArray(proofs) && proofs.includes('parent')
    try {
      const raw = chain.decode(payload)
      if (chain.thorough) chain.verify(chain.thorough(raw))
      const prepared = prepareLinked(chain, raw, linked)
      await checkStoredOutputs(sql, chain, raw, height, report)
      report.proven++
      checkLink(prepared, links.get(height - 1)?.hash, report)
      compareBlock(prepared, rows, report)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      report.differences.push({ height, table: 'raw_blocks', difference: error.message })
    }
  }
}

type RowsByTable = Map<string, StoredRow[]>

/** Live rows of several heights, by height and table. `effects_by_address` has the columns of `effects`. */
async function readGroup(
  sql: Sql,
  chain: string,
  heights: readonly number[],
): Promise<Map<number, RowsByTable>> {
  const byHeight = new Map<number, RowsByTable>()
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
function checkLink(prepared: PreparedBlock, parentHash: Uint8Array | undefined, report: CheckReport): void {
  const { height, parentHash: named } = prepared.verified
  if (!parentHash || equalBytes(parentHash, named)) {
    if (parentHash || !prepared.linked) return
  }
  report.differences.push({
    height,
    table: 'blocks',
    difference: `parent: expected ${formatHex(named)} stored at height ${height - 1}, got ${parentHash ? formatHex(parentHash) : 'none'}`,
  })
}

/** What came from stored blocks must still stand there. */
async function checkStoredOutputs<Raw>(
  sql: Sql,
  chain: ChainModule<Raw>,
  raw: Raw,
  height: number,
  report: CheckReport,
): Promise<void> {
  const attached = chain.outputs?.stored(raw) ?? []
  if (attached.length === 0) return
  const found = await createOutputLookup(sql, chain.definition.slug)(attached.map(item => item.outpoint))
  attached.forEach(({ outpoint, output }, at) => {
    const stored = found[at]
    if (stored && stored.amount === output.amount && equalBytes(stored.script, output.script)) return
    report.differences.push({
      height,
      table: 'utxo_outputs',
      difference:
        `the output ${formatHex(outpoint.hash)}:${outpoint.index} that this block spends: expected ${output.amount}, ` +
        `got ${stored ? String(stored.amount) : 'none'}`,
    })
  })
}

function compareBlock(prepared: PreparedBlock, stored: RowsByTable, report: CheckReport): void {
  const { shared, rows } = prepared
  for (const table of blockTableNames) {
    const expected = sortRows(
      table,
      (rows[table] ?? []).map(row => ({ ...shared, ...row })),
    )
    compareTable(shared.height, table, table, expected, stored.get(table) ?? [], report)
    if (table === 'effects') {
      compareTable(
        shared.height,
        'effects_by_address',
        table,
        expected,
        stored.get('effects_by_address') ?? [],
        report,
      )
    }
  }
}

/** In the order of the table's key, as the store gives them. */
function sortRows(table: TableName, rows: Record<string, unknown>[]): Record<string, unknown>[] {
  const key = blockTables[table].orderBy
  return rows.sort((a, b) => {
    for (const column of key) {
      const order = compareValues(a[column], b[column], table, column)
      if (order !== 0) return order
    }
    return 0
  })
}

function compareValues(a: unknown, b: unknown, table: TableName, column: string): number {
  if (table === 'hashes' && column === 'kind')
    return hashKinds.indexOf(a as HashKind) - hashKinds.indexOf(b as HashKind)
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (a === b) return 0
  return (a as number | bigint) < (b as number | bigint) ? -1 : 1
}

function compareTable(
  height: number,
  name: string,
  table: TableName,
  expected: readonly Record<string, unknown>[],
  stored: readonly StoredRow[],
  report: CheckReport,
): void {
  if (expected.length !== stored.length) {
    const difference = `expected ${expected.length} rows, got ${stored.length}`
    report.differences.push({ height, table: name, difference })
    return
  }
  const columns = columnNames(table).filter(column => !(column in versionColumns))
  expected.forEach((row, at) => {
    const got = stored[at]!
    for (const column of columns) {
      if (equalValues(row[column], got[column])) continue
      const place = rowPlace(table, row)
      const difference = `${place}${column}: expected ${describe(row[column])}, got ${describe(got[column])}`
      report.differences.push({ height, table: name, difference })
    }
  })
}

function rowPlace(table: TableName, row: Record<string, unknown>): string {
  const key = blockTables[table].orderBy.filter(column => column !== 'chain' && column !== 'height')
  return key.length === 0 ? '' : `row ${key.map(column => `${column} ${describe(row[column])}`).join(', ')}: `
}

function describe(value: unknown): string {
  if (value instanceof Uint8Array) return clipText(formatHex(value))
  if (typeof value === 'bigint') return value.toString()
  return clipText(
    JSON.stringify(value, (_, item: unknown) => {
      if (typeof item === 'bigint') return item.toString()
      return item instanceof Uint8Array ? formatHex(item) : item
    }) ?? 'nothing',
  )
}

function clipText(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}
