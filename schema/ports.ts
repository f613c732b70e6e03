/** Values for `{name:Type}` placeholders of a statement. */
export type SqlParams = Readonly<Record<string, unknown>>

export interface InsertOptions {
  /**
   * Deduplication token: the same rows sent again under it are stored once, in views too. Never used for other rows:
   * the store would silently drop them.
   */
  token: string
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
  /** Inserts RowBinary rows; one call is one atomic block (callers keep to 500,000 rows). */
  insert(table: string, columns: readonly string[], rows: Uint8Array, options: InsertOptions): Promise<void>
  /** A statement without an answer that is safe to repeat. */
  command(sql: string, params?: SqlParams): Promise<void>
}
