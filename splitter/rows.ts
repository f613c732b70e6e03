import { createXXHash128 } from 'hash-wasm'
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
  /**
   * XXH3 (128 bits) over the pieces: what the journal remembers. It tells whether the same archive still gives the same
   * rows; nobody gains by making two that collide.
   */
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

/** A block's rows as bytes, made before it is known under which version they are written. */
export interface EncodedBlock {
  encoded: ReadonlyMap<TableName, readonly Piece[]>
}

/** Some rows of one table. The last bytes before each end are its sign and version. */
interface Piece {
  bytes: Buffer
  ends: Uint32Array
}

export function tableOf(name: TableName): Table {
  return blockTables[name]
}

/**
 * Rows of one block as bytes; `encodeBlocks` puts the version in.
 * @param out where the rows are written first; one for many blocks has grown to their size.
 */
export function encodeBlock({ shared, rows }: BlockToEncode, out = new RowWriter()): EncodedBlock {
  const encoded = new Map<TableName, readonly Piece[]>()
  for (const name of blockTableNames) {
    const own = rows[name]
    if (!own || own.length === 0) continue
    const table = tableOf(name)
    // What the rows of a block share is encoded once.
    const prefix = encodeOne(name, table.shared, shared as unknown as Record<string, unknown>)
    encoded.set(name, collectPieces(out, name, Object.entries(table.columns), own, prefix, NO_VERSION))
  }
  return { encoded }
}

/**
 * Rows of several blocks, table by table in writing order, added under a version. Tables without rows are left out.
 * A block that comes as bytes is stamped with the version where it lies.
 */
export function encodeBlocks(
  blocks: readonly (BlockToEncode | EncodedBlock)[],
  version: bigint,
): EncodedRows[] {
  const encoded = blocks.map(block => ('encoded' in block ? block : encodeBlock(block)).encoded)
  return blockTableNames.flatMap(table => {
    const pieces = encoded.flatMap(of => of.get(table) ?? [])
    for (const piece of pieces) stamp(piece, version)
    return pieces.length > 0 ? [joinPieces(table, pieces)] : []
  })
}

/** Rows of one table as they are given, for example cancellations of stored rows. */
export function encodeStored(name: TableName, rows: Iterable<StoredRow>): EncodedRows {
  const columns = Object.entries(allColumns(tableOf(name)))
  return joinPieces(name, collectPieces(new RowWriter(), name, columns, rows, NOTHING, NOTHING))
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
const VERSION_BYTES = 8
const NO_VERSION = encodeOne('blocks', versionColumns, { row_sign: 1, row_version: 0n })

function stamp({ bytes, ends }: Piece, version: bigint): void {
  const numbers = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (const end of ends) numbers.setBigUint64(end - VERSION_BYTES, version, true)
}

/** Every row between what stands before and behind it, in pieces that one insert may hold. */
function collectPieces(
  out: RowWriter,
  name: TableName,
  columns: ColumnEntries,
  rows: Iterable<Record<string, unknown>>,
  prefix: Uint8Array,
  suffix: Uint8Array,
): Piece[] {
  const pieces: Piece[] = []
  let ends: number[] = []
  const close = () => {
    if (ends.length > 0) pieces.push({ bytes: Buffer.from(out.view()), ends: Uint32Array.from(ends) })
    out.clear()
    ends = []
  }
  out.clear()
  for (const row of rows) {
    out.raw(prefix)
    writeColumns(out, name, columns, row)
    out.raw(suffix)
    ends.push(out.length)
    if (ends.length >= MAX_INSERT_ROWS || out.length >= MAX_INSERT_BYTES) close()
  }
  close()
  return pieces
}

const hasher = await createXXHash128()

/** Pieces put together to inserts that are as large as they may be. */
function joinPieces(table: TableName, pieces: readonly Piece[]): EncodedRows {
  const chunks: Uint8Array[] = []
  let [open, rows, size, count]: [Buffer[], number, number, number] = [[], 0, 0, 0]
  hasher.init()
  const close = () => {
    if (open.length === 0) return
    const chunk = open.length === 1 ? open[0]! : Buffer.concat(open)
    hasher.update(chunk)
    chunks.push(chunk)
    ;[open, rows, size] = [[], 0, 0]
  }
  for (const { bytes, ends } of pieces) {
    if (rows + ends.length > MAX_INSERT_ROWS || size + bytes.length > MAX_INSERT_BYTES) close()
    open.push(bytes)
    rows += ends.length
    size += bytes.length
    count += ends.length
  }
  close()
  return { table, count, chunks, digest: hasher.digest('hex') }
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
