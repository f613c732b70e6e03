import { createHash } from 'node:crypto'
import type { BlockRows } from '../schema/block.ts'
import { type Columns, RowReader, RowWriter } from '../schema/columns.ts'
import { InputError } from '../schema/errors.ts'
import {
  allColumns,
  blockTableNames,
  blockTables,
  type SharedValues,
  type Table,
  type TableName,
  versionColumns,
} from '../schema/tables.ts'

/** A stored row with every column: shared ones, own ones, `row_sign` and `row_version`. */
export type StoredRow = Record<string, unknown> & { row_sign: 1 | -1; row_version: bigint }

/** Rows of one table, encoded. */
export interface EncodedRows {
  table: TableName
  count: number
  /** RowBinary, in pieces of at most `MAX_INSERT_ROWS` rows; usually one. */
  chunks: readonly Uint8Array[]
  /** SHA-256 over the pieces: what the journal remembers. */
  digest: string
}

/** One insert is one atomic block up to here. */
const MAX_INSERT_ROWS = 500_000
const MAX_INSERT_BYTES = 64 * 1024 * 1024

/** A block's rows with what they share. */
export interface BlockToEncode {
  shared: SharedValues
  rows: BlockRows
}

export function tableOf(name: TableName): Table {
  return blockTables[name]
}

/** Rows of several blocks, table by table in writing order, added under a version. Tables without rows are left out. */
export function encodeBlocks(blocks: readonly BlockToEncode[], version: bigint): EncodedRows[] {
  return blockTableNames.flatMap(name => {
    const encoded = encodeTable(name, blocks, version)
    return encoded.count > 0 ? [encoded] : []
  })
}

function encodeTable(name: TableName, blocks: readonly BlockToEncode[], version: bigint): EncodedRows {
  const table = tableOf(name)
  const collector = collectChunks(name, table.columns)
  const suffix = encodeOne(name, versionColumns, { row_sign: 1, row_version: version })
  for (const { shared, rows } of blocks) {
    const own = rows[name]
    if (!own || own.length === 0) continue
    // What the rows of a block share is encoded once.
    const prefix = encodeOne(name, table.shared, shared as unknown as Record<string, unknown>)
    for (const row of own) collector.add(row, prefix, suffix)
  }
  return collector.finish()
}

/** Rows of one table as they are given, for example cancellations of stored rows. */
export function encodeStored(name: TableName, rows: Iterable<StoredRow>): EncodedRows {
  const collector = collectChunks(name, allColumns(tableOf(name)))
  for (const row of rows) collector.add(row)
  return collector.finish()
}

function encodeOne(table: TableName, columns: Columns, row: Record<string, unknown>): Uint8Array {
  const out = new RowWriter(256)
  writeColumns(out, table, Object.entries(columns), row)
  return out.view()
}

type ColumnEntries = readonly (readonly [string, Columns[string]])[]

function writeColumns(
  out: RowWriter,
  table: TableName,
  columns: ColumnEntries,
  row: Record<string, unknown>,
): void {
  let current = ''
  try {
    for (const [column, definition] of columns) {
      current = column
      definition.write(out, row[column])
    }
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new InputError(`${table}.${current}: ${problem}`, { cause })
  }
}

const NOTHING = new Uint8Array(0)

function collectChunks(name: TableName, columns: Columns) {
  const entries = Object.entries(columns)
  const chunks: Buffer[] = []
  const digest = createHash('sha256')
  let out = new RowWriter()
  let [count, inChunk] = [0, 0]

  function close(): void {
    if (inChunk === 0) return
    const chunk = out.view()
    digest.update(chunk)
    chunks.push(chunk)
    out = new RowWriter()
    inChunk = 0
  }

  return {
    add(row: Record<string, unknown>, prefix: Uint8Array = NOTHING, suffix: Uint8Array = NOTHING): void {
      out.raw(prefix)
      writeColumns(out, name, entries, row)
      out.raw(suffix)
      count++
      inChunk++
      if (inChunk >= MAX_INSERT_ROWS || out.length >= MAX_INSERT_BYTES) close()
    },
    finish(): EncodedRows {
      close()
      return { table: name, count, chunks, digest: digest.digest('hex') }
    },
  }
}

/** Column list of an insert or select, in stored order. */
export function columnNames(name: TableName): string[] {
  return Object.keys(allColumns(tableOf(name)))
}

export function decodeRows(name: TableName, bytes: Uint8Array): StoredRow[] {
  const columns = Object.entries(allColumns(tableOf(name)))
  const reader = new RowReader(bytes)
  const rows: StoredRow[] = []
  while (!reader.done) {
    const row: Record<string, unknown> = {}
    for (const [column, { read }] of columns) row[column] = read(reader)
    rows.push(row as StoredRow)
  }
  return rows
}
