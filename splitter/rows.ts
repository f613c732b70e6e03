import { createHash } from 'node:crypto'
import type { BlockRows } from '../schema/block.ts'
import { RowReader, RowWriter } from '../schema/columns.ts'
import { InputError } from '../schema/errors.ts'
import {
  allColumns,
  blockTableNames,
  blockTables,
  type SharedValues,
  type Table,
  type TableName,
} from '../schema/tables.ts'

/** A stored row with every column: shared ones, own ones, `sign` and `version`. */
export type StoredRow = Record<string, unknown> & { sign: 1 | -1; version: bigint }

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
export const MAX_INSERT_ROWS = 500_000
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
  const collector = collectChunks(name)
  for (const { shared, rows } of blocks) {
    for (const row of rows[name] ?? []) collector.add({ ...shared, ...row, sign: 1, version })
  }
  return collector.finish()
}

/** Rows of one table as they are given, for example cancellations of stored rows. */
export function encodeStored(name: TableName, rows: Iterable<StoredRow>): EncodedRows {
  const collector = collectChunks(name)
  for (const row of rows) collector.add(row)
  return collector.finish()
}

function collectChunks(name: TableName) {
  const columns = Object.entries(allColumns(tableOf(name)))
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
    add(row: Record<string, unknown>): void {
      for (const [column, { write }] of columns) {
        try {
          write(out, row[column])
        } catch (cause) {
          const problem = cause instanceof Error ? cause.message : String(cause)
          throw new InputError(`${name}.${column} at height ${String(row.height)}: ${problem}`, { cause })
        }
      }
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
