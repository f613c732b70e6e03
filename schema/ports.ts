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
   * the store would silently drop them. Null for rows that are stored even if the same were sent before.
   */
  token: string | null
  /**
   * A scalar expression that the store evaluates as the insert arrives: when it is not 0 nothing is written. A writer
   * that slept between its last look and the insert is caught here, which no look of its own could do.
   * @throws FencedError
   */
  fence?: { expression: string; params: SqlParams }
}

/**
 * The store. Reads and inserts are repeated while the store restarts; both are safe to repeat.
 * @throws StoreError with the store's own code in `details.code`.
 */
export interface Sql {
  /** Rows of a statement; 64-bit and wider integers come as decimal strings. */
  rows<T = Record<string, unknown>>(sql: string, params?: SqlParams): Promise<T[]>
  /** The answer of a statement that ends in `FORMAT RowBinary`. */
  bytes(sql: string, params?: SqlParams): Promise<Buffer>
  /**
   * @returns whether the store went away under way, so that it was repeated. It may have noted the token then and lost
   * the rows: look whether they are there.
   */
  insert(rows: RowsToInsert, options: InsertOptions): Promise<{ repeated: boolean }>
  /** A statement without an answer that is safe to repeat. */
  command(sql: string, params?: SqlParams): Promise<void>
}

/** Runs one GraphQL document: how pages ask, in the same process or over HTTP. */
export interface Gql {
  /** @param token what a visitor proved himself the operator with. */
  run<Data>(
    document: string,
    variables?: Readonly<Record<string, unknown>>,
    token?: string,
  ): Promise<GqlAnswer<Data>>
}

export interface GqlAnswer<Data> {
  /** Null when the document could not be run at all. */
  data: Data | null
  errors: readonly { message: string; code: string | null; path: readonly (string | number)[] | null }[]
}

/** One ordered sequence of messages. */
export interface TopicPartition {
  topic: string
  partition: number
}

/** Offsets ascend but need not be dense; no offset is given twice, not even after a log was deleted and begun anew. */
export interface LogMessage {
  offset: bigint
  value: Uint8Array
}

export interface ReadLimits {
  maxMessages?: number
  /** Of values; one message is given whatever its size. */
  maxBytes?: number
}

/** The log between crawlers, splitters and readers. A group is a reader that remembers how far it came. */
export interface BlockLog {
  /**
   * From now on only this writer's messages count in a place: what others append there later is passed over by every
   * reader. Of two processes that take themselves for the writer of a chain, the one that claimed last is.
   */
  claim(place: TopicPartition): Promise<void>
  /** Durable once it returns; the messages follow each other. @returns the offset of the last. */
  append(place: TopicPartition, values: readonly Uint8Array[]): Promise<bigint>
  /**
   * Messages from an offset on; none at the end.
   * @throws LogGapError when messages from there on are not kept any more.
   */
  read(place: TopicPartition, from: bigint, limits?: ReadLimits): Promise<LogMessage[]>
  /** Returns true when there is a message at or after `from`, false when `signal` is aborted before. */
  wait(place: TopicPartition, from: bigint, signal: AbortSignal): Promise<boolean>
  /** Offset that is above every message now. */
  end(place: TopicPartition): Promise<bigint>
  /** Where a group goes on: 0 at first. */
  committed(place: TopicPartition, group: string): Promise<bigint>
  /** The group is done with everything below `next`; durable once it returns. */
  commit(place: TopicPartition, group: string, next: bigint): Promise<void>
  close(): Promise<void>
}

/** What stands under a key; the version grows with every change of it. */
export interface StateEntry {
  value: unknown
  version: number
}

/** Small facts that all processes of an installation share: what is paused, what was learned, who is how far. */
export interface State {
  get(key: string): StateEntry | null
  /** Keys that begin so, in order. */
  list(prefix: string): [key: string, entry: StateEntry][]
  /**
   * Durable, and seen by `get` here, once it returns.
   * @param value as JSON; null takes the key away.
   * @param expected version that is replaced, 0 where there is none; without it whatever stands there is.
   * @returns false when another came first: nothing has changed then.
   */
  put(key: string, value: unknown, expected?: number): Promise<boolean>
  /** Tells of changes, those of other processes included, until it is called off. */
  watch(prefix: string, onChange: (key: string, entry: StateEntry | null) => void): () => void
  close(): Promise<void>
}

/** Facts and a sentence, for the operator. */
export interface Logger {
  debug(facts: object, message: string): void
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}
