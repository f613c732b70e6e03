import { formatHex } from '../schema/bytes.ts'
import {
  blockTableNames,
  blockTables,
  equalValues,
  type HashKind,
  hashKinds,
  type TableName,
  versionColumns,
} from '../schema/tables.ts'
import type { BlockToEncode } from './rows.ts'
import { columnNames, type StoredRow } from './rows.ts'

/** Something that is not as the archive's proven bytes say. */
export interface Difference {
  /** Null where the difference belongs to no single block. */
  height: number | null
  table: string
  /** What was expected and what came. */
  difference: string
}

/** Rows of one height by table; `effects_by_address` has the columns of `effects`. */
export type RowsByTable = ReadonlyMap<string, readonly StoredRow[]>

/** What stands of a block against what its archive splits into, row by row. */
export function compareBlock({ shared, rows }: BlockToEncode, stored: RowsByTable): Difference[] {
  const version = commonVersion(stored)
  return blockTableNames.flatMap(table => {
    const expected = sortRows(
      table,
      (rows[table] ?? []).map(row => ({ ...shared, ...row })),
    )
    const names = table === 'effects' ? [table, 'effects_by_address'] : [table]
    return names.flatMap(name => {
      const differences = compareTable(table, expected, stored.get(name) ?? [], version)
      return differences.map(difference => ({ height: shared.height, table: name, difference }))
    })
  })
}

/** The version that most tables have for the block: one that differs is the one that is wrong. */
function commonVersion(stored: RowsByTable): bigint | null {
  const votes = new Map<bigint, number>()
  for (const [row] of [stored.get('blocks') ?? [], ...stored.values()]) {
    if (row) votes.set(row.row_version, (votes.get(row.row_version) ?? 0) + 1)
  }
  const [most] = [...votes].sort(([, a], [, b]) => b - a)
  return most?.[0] ?? null
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
  table: TableName,
  expected: readonly Record<string, unknown>[],
  stored: readonly StoredRow[],
  version: bigint | null,
): string[] {
  if (expected.length !== stored.length) return [`expected ${expected.length} rows, got ${stored.length}`]
  return expected.flatMap((row, at) =>
    compareRow(columnsOf(table), { ...row, row_sign: 1, row_version: version }, stored[at]!).map(
      difference => `${rowPlace(table, row)}${difference}`,
    ),
  )
}

function columnsOf(table: TableName): string[] {
  return [...columnNames(table).filter(column => !(column in versionColumns)), ...Object.keys(versionColumns)]
}

/** Columns whose values differ, each with what was expected and what came. */
export function compareRow(
  columns: readonly string[],
  expected: Readonly<Record<string, unknown>>,
  got: Readonly<Record<string, unknown>>,
): string[] {
  return columns
    .filter(column => !equalValues(expected[column], got[column]))
    .map(column => `${column}: expected ${describe(expected[column])}, got ${describe(got[column])}`)
}

function rowPlace(table: TableName, row: Record<string, unknown>): string {
  const key = blockTables[table].orderBy.filter(column => column !== 'chain' && column !== 'height')
  return key.length === 0 ? '' : `row ${key.map(column => `${column} ${describe(row[column])}`).join(', ')}: `
}

/** A value in a sentence. */
export function describe(value: unknown): string {
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
