import { StatementRefusedError } from './sql-refusal.ts'

/**
 * What a caller may set. Values are read here and passed on in our own writing; numbers beyond a bound are lowered to
 * it, as clients send their own defaults unasked. The store holds the same bounds (`deploy/store/users.xml`).
 */
const HONOURED: Record<string, (value: string) => string | null> = {
  max_execution_time: atMost(30),
  max_result_rows: atMost(1_000_000),
  max_result_bytes: atMost(Number.MAX_SAFE_INTEGER),
  max_block_size: atMost(65_536),
  result_overflow_mode: oneOf('throw', 'break'),
  extremes: oneOf('0', '1'),
  date_time_output_format: oneOf('simple', 'iso', 'unix_timestamp'),
}

/** What clients send without being asked, and what has no meaning here: dropped. */
const IGNORED = new Set([
  'add_http_cors_header',
  'buffer_size',
  'cancel_http_readonly_queries_on_client_close',
  'close_session',
  'enable_http_compression',
  'http_headers_progress_interval_ms',
  'http_response_buffer_size',
  'output_format_json_quote_64bit_integers',
  'quota_key',
  'send_progress_in_http_headers',
  'session_check',
  'session_id',
  'session_timeout',
  'stacktrace',
  'wait_end_of_query',
])

/**
 * Settings of the caller that go to the store, in the order given.
 * @throws StatementRefusedError for any that is neither honoured nor ignored, or has no value of its kind.
 */
export function readSettings(asked: Iterable<readonly [string, string]>): [string, string][] {
  const settings: [string, string][] = []
  for (const [name, value] of asked) {
    if (IGNORED.has(name)) continue
    const read = Object.hasOwn(HONOURED, name) ? HONOURED[name] : undefined
    if (read === undefined) {
      throw new StatementRefusedError('READONLY', `Cannot modify '${name}' setting in readonly mode`, {
        hint: `Only these can be set: ${Object.keys(HONOURED).join(', ')}`,
      })
    }
    const written = read(value)
    if (written === null) {
      throw new StatementRefusedError('BAD_ARGUMENTS', `setting ${name} has a wrong value`)
    }
    if (written !== '') settings.push([name, written])
  }
  return settings
}

/** A whole number; 0, which would mean no limit, leaves the limit as it is. */
function atMost(bound: number): (value: string) => string | null {
  return value => {
    if (!/^\d{1,20}$/.test(value)) return null
    const number = Math.min(Number(value), bound)
    return number === 0 ? '' : String(number)
  }
}

function oneOf(...values: string[]): (value: string) => string | null {
  return value => (values.includes(value) ? value : null)
}
