import type { Columns } from './columns.ts'

/** Values for `{name:Type}` placeholders of a statement. */
export type SqlParams = Readonly<Record<string, unknown>>

/** Rows that are inserted: RowBinary with these columns, in this order. */
export interface RowsToInsert {
  /** With its database. */
  table: string
  columns: Columns
  /** At most 500,000 rows: one call is one atomic block. */
  bytes: Uint8Array
}

export interface InsertOptions {
  /**
   * Deduplication token: the same rows sent again under it are stored once, in views too. Never used for other rows:
   * the store would silently drop them.
   */
  token: string
  /**
   * A scalar expression that the store evaluates as the insert arrives: when it is not 0 nothing is written. A writer
   * that slept between its last look and the insert is caught here, which no look of its own could do.
   * @throws FencedError
   */
  fence?: { expression: string; params: SqlParams }
}

/**
 * The store. Reads and tokened inserts are repeated while the store restarts; both are safe to repeat.
 * @throws StoreError with the store's own code in `details.code`.
 */
export interface Sql {
  /** Rows of a statement; 64-bit and wider integers come as decimal strings. */
  rows<T = Record<string, unknown>>(sql: string, params?: SqlParams): Promise<T[]>
  /** The answer of a statement that ends in `FORMAT RowBinary`. */
  bytes(sql: string, params?: SqlParams): Promise<Buffer>
  insert(rows: RowsToInsert, options: InsertOptions): Promise<void>
  /** A statement without an answer that is safe to repeat. */
  command(sql: string, params?: SqlParams): Promise<void>
}
