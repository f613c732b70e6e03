import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { rootCertificates } from 'node:tls'
import { type ClickHouseClient, ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { FencedError, StoreError } from '../schema/errors.ts'
import type { RowsToInsert, Sql, SqlParams } from '../schema/ports.ts'
import type { StoreAddress } from './store/supervisor.ts'

export interface SqlClient extends Sql {
  /** The raw answer of any statement in any format, as it arrives. */
  stream(sql: string, format: string): Promise<Readable>
  /** Runs an `INSERT … FORMAT …` with rows as another store gave them: one block, once under its token. */
  copy(statement: string, bytes: Uint8Array, token: string): Promise<void>
  close(): Promise<void>
}

export interface SqlSettings {
  /** Rounds through the addresses before a statement is given up while the store cannot be reached. */
  attempts?: number
  /** Deadline of one request, in milliseconds. */
  requestTimeoutMs?: number
  /** Of the engine, for every statement. */
  engine?: Readonly<Record<string, string | number>>
}

/** Statements that name no database speak about the outsiders' views. */
const DATABASE = 'default'

/** Rows of one insert stay one block (and so one deduplicated unit) below these sizes: callers send far less. */
const ONE_BLOCK = {
  max_threads: 1,
  max_insert_threads: '1',
  max_insert_block_size: '1000000',
  min_insert_block_size_rows: '0',
  min_insert_block_size_bytes: '0',
}

/** Up to here an answer waits for its end in memory. */
const SMALL_ANSWER_BYTES = '1048576'

/** Speaks to a ClickHouse: the embedded store process or servers, it makes no difference. */
export function createSql(address: StoreAddress, settings: SqlSettings = {}): SqlClient {
  const clients = [address.url, ...(address.otherUrls ?? [])].map(url => connect(url, address, settings))
  /** The server that answered last. */
  let current = 0
  const attempts = settings.attempts ?? 12

  /** Each round asks every server once; a token makes an insert that arrives twice the same one. */
  async function repeat<T>(run: (client: ClickHouseClient, attempt: number) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const at = current
      try {
        return await run(clients[at] as ClickHouseClient, attempt)
      } catch (error) {
        const known = asStoreError(error)
        const round = Math.ceil(attempt / clients.length)
        if (!known.retryable || (round >= attempts && attempt % clients.length === 0)) throw known
        if (at === current) current = (at + 1) % clients.length
        if (attempt % clients.length === 0) {
          await new Promise(resolve => setTimeout(resolve, Math.min(2_000, 50 * 2 ** round)))
        }
      }
    }
  }

  function send(
    statement: string,
    bytes: Uint8Array,
    token: string,
    params?: SqlParams,
  ): Promise<{ repeated: boolean }> {
    return repeat(async (client, attempt) => {
      const { stream } = await client.exec({
        query: statement,
        values: Readable.from([bytes], { objectMode: false }),
        clickhouse_settings: {
          ...ONE_BLOCK,
          insert_deduplicate: 1,
          insert_deduplication_token: token,
          deduplicate_blocks_in_dependent_materialized_views: 1,
        },
        ...withParams(params),
      })
      await collect(stream)
      return { repeated: attempt > 1 }
    })
  }

  return {
    rows: <T>(sql: string, params?: SqlParams) =>
      repeat(async client => {
        const answer = await client.query({ query: sql, format: 'JSONEachRow', ...withParams(params) })
        return (await answer.json()) as T[]
      }),
    bytes: (sql, params) =>
      repeat(async client => {
        const { stream } = await client.exec({ query: sql, ...withParams(params) })
        return collect(stream)
      }),
    insert: (rows, { token, fence }) =>
      // The engine takes equal rows for a repetition even where `insert_deduplicate` is 0; a token of their own tells them apart.
      send(insertStatement(rows, fence?.expression), rows.bytes, token ?? randomUUID(), fence?.params),
    async copy(statement, bytes, token) {
      await send(statement, bytes, token)
    },
    command: (sql, params) =>
      repeat(async client => {
        await client.command({ query: sql, ...withParams(params) })
      }),
    stream: (sql, format) => repeat(client => streamAnswer(client, sql, format)),
    async close() {
      await Promise.all(clients.map(client => client.close()))
    },
  }
}

function connect(url: string, address: StoreAddress, settings: SqlSettings): ClickHouseClient {
  return createClient({
    url,
    username: address.username,
    password: address.password,
    http_headers: address.headers,
    database: DATABASE,
    request_timeout: settings.requestTimeoutMs ?? 120_000,
    // Errors are thrown and told once, by whoever asked.
    log: { level: ClickHouseLogLevel.OFF },
    keep_alive: { enabled: true, idle_socket_ttl: 2_000 },
    ...(address.ca !== undefined && {
      tls: { ca_cert: Buffer.from([...rootCertificates, address.ca].join('\n')) },
    }),
    compression: { request: address.compress === true, response: address.compress === true },
    // Long lists travel in the body, not in the address line.
    use_multipart_params_auto: true,
    clickhouse_settings: {
      output_format_json_quote_64bit_integers: 1,
      async_insert: 0,
      // A statement that changes rows is done when it says so, on every copy.
      mutations_sync: '2',
      alter_sync: '2',
      wait_end_of_query: 1,
      // Most answers are small: neither a file nor more threads for each of them.
      http_response_buffer_size: SMALL_ANSWER_BYTES,
      output_format_parallel_formatting: 0,
      ...(settings.engine as Record<string, never>),
    },
  })
}

const FENCED = 'the fence is closed'

/** Read through `input()`, the rows come with a condition that is evaluated before the first of them. */
function insertStatement({ table, columns }: RowsToInsert, fence: string | undefined): string {
  const list = Object.keys(columns)
    .map(column => `\`${column}\``)
    .join(', ')
  if (fence === undefined) return `INSERT INTO ${table} (${list}) FORMAT RowBinary`
  const structure = Object.entries(columns)
    .map(([column, { type }]) => `\`${column}\` ${type}`)
    .join(', ')
  return `INSERT INTO ${table} (${list}) SELECT ${list} FROM input('${structure.replaceAll("'", "\\'")}')
    WHERE throwIf((${fence}) != 0, '${FENCED}') = 0 FORMAT RowBinary`
}

function withParams(params: SqlParams | undefined): { query_params?: Record<string, unknown> } {
  return params === undefined ? {} : { query_params: { ...params } }
}

async function streamAnswer(client: ClickHouseClient, sql: string, format: string): Promise<Readable> {
  const { stream } = await client.exec({
    query: sql,
    clickhouse_settings: {
      default_format: format,
      wait_end_of_query: 0,
      http_response_buffer_size: '0',
    } as Record<string, string | number>,
  })
  return stream
}

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Codes that pass by themselves: timeouts, a busy store, an insert whose outcome is not known (repeat by token). */
const PASSING_CODES = new Set([
  '159',
  '202',
  '209',
  '210',
  '236',
  '241',
  '242',
  '252',
  '279',
  '285',
  '286',
  '289',
  '319',
  '394',
  '425',
  '999',
])

function asStoreError(error: unknown): StoreError | FencedError {
  if (error instanceof StoreError || error instanceof FencedError) return error
  if (error instanceof ClickHouseError) {
    if (error.message.includes(FENCED))
      return new FencedError('another writer has gone on', { cause: error, retryable: false })
    return new StoreError(`ClickHouse ${error.code} ${error.type ?? ''}: ${error.message}`, {
      retryable: PASSING_CODES.has(error.code),
      cause: error,
      details: { code: error.code, type: error.type },
    })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new StoreError(`the store could not be reached: ${message}`, { retryable: true, cause: error })
}
