import { AppError } from '../schema/errors.ts'

/** ClickHouse's names of errors with its number and the HTTP status that it answers with. */
const KNOWN = {
  UNSUPPORTED_METHOD: [1, 405],
  BAD_ARGUMENTS: [36, 400],
  SYNTAX_ERROR: [62, 400],
  UNKNOWN_FORMAT: [73, 400],
  UNKNOWN_DATABASE: [81, 404],
  READONLY: [164, 403],
  QUOTA_EXCEEDED: [201, 429],
  TOO_MANY_SIMULTANEOUS_QUERIES: [202, 429],
  NETWORK_ERROR: [210, 503],
  ACCESS_DENIED: [497, 403],
  UNKNOWN_ROLE: [511, 404],
  AUTHENTICATION_FAILED: [516, 403],
  MAX_QUERY_SIZE: [62, 413],
} as const satisfies Record<string, readonly [number, number]>

export type RefusalName = keyof typeof KNOWN

/** A request of an outsider that does not reach the store, told the way ClickHouse tells its errors. */
export class StatementRefusedError extends AppError {
  /** HTTP status of the answer. */
  readonly status: number
  /** Number of the error for `X-ClickHouse-Exception-Code`. */
  readonly number: number
  /** Text of the answer; clients read number, sentence and name out of it. */
  readonly text: string

  constructor(refusal: RefusalName, message: string, options: { hint?: string; retryable?: boolean } = {}) {
    super('STATEMENT_REFUSED', message, options)
    const [number, status] = KNOWN[refusal]
    this.number = number
    this.status = status
    const sentence = options.hint === undefined ? message : `${message}. ${options.hint}`
    const name = refusal === 'MAX_QUERY_SIZE' ? 'SYNTAX_ERROR' : refusal
    this.text = `Code: ${number}. DB::Exception: ${oneLine(sentence)}. (${name})\n`
  }
}

/** What a caller sent comes back in messages: never as more than one line, and not endlessly. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to go
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 2_000)
}
