import {
  ConfigError,
  EndpointError,
  MalformedAnswerError,
  NotAvailableError,
  RpcError,
} from '../schema/errors.ts'
import type { ParseJson, Recording } from './recording.ts'

export interface CallOptions {
  parse?: ParseJson
}

export interface Call {
  method: string
  params: readonly unknown[]
}

/** One node, or a recording of one. */
export interface Endpoint {
  /** Without credentials: safe to log. */
  name: string
  /** The recording behind a `file:` endpoint. */
  recording: Recording | null
  /**
   * @throws EndpointError when it cannot be reached or is overloaded (retryable; `details.retryAfterMs` where it says
   * for how long), NotAvailableError when it does not have the method or the file, RpcError when it refuses.
   */
  call(call: Call, options?: CallOptions): Promise<unknown>
  /**
   * Makes the subscribing call and calls `wake` when it stands, and then for each notice. Ends when `signal` is aborted.
   * Only endpoints that keep a connection have it.
   * @throws EndpointError when the connection is lost; as `call` does when the subscription is refused.
   */
  watch?(call: Call, signal: AbortSignal, wake: () => void): Promise<void>
  close(): Promise<void>
}

export interface EndpointSettings {
  url: string
  headers?: Readonly<Record<string, string>>
  /** Never asked more often than that. */
  callsPerSecond?: number
}

/** The longest answer that is taken from a node. */
export const MAX_ANSWER_BYTES = 512 * 1024 * 1024

/** Where to connect and what to send along; credentials of the address are in the headers. */
export interface Address {
  url: URL
  /** Without credentials: safe to log. */
  name: string
  headers: Record<string, string>
}

const PROTOCOLS = ['http:', 'https:', 'ws:', 'wss:']

/** @throws ConfigError for an address that is not understood. */
export function parseAddress({ url: text, headers: given }: EndpointSettings): Address {
  const url = parseUrl(text)
  url.hash = ''
  const name = endpointName(url)
  const headers: Record<string, string> = { ...given }
  if (url.username || url.password) {
    const credentials = `${decodeCredential(url.username)}:${decodeCredential(url.password)}`
    headers.authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
    url.username = ''
    url.password = ''
  }
  return { url, name, headers }
}

function parseUrl(text: string): URL {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw notAnEndpoint(text)
  }
  if (!PROTOCOLS.includes(url.protocol)) throw notAnEndpoint(text)
  return url
}

/** Without a cause: that of `new URL` holds the whole address. */
function notAnEndpoint(text: string): ConfigError {
  return new ConfigError(
    `endpoint: expected http(s)://…, ws(s)://… or file:DIR, got ${JSON.stringify(hideCredentials(text))}`,
  )
}

/** Text that may hold addresses, safe to log: user and password are left out. */
export function hideCredentials(text: string): string {
  return text.replace(/\/\/[^\s"]*@/g, '//…@')
}

/** Providers take keys as a part of the path: what is too long for a word is not shown. */
function endpointName(url: URL): string {
  const path = url.pathname.replace(/[^/]{20,}/g, '…')
  return `${url.protocol}//${url.host}${path}`
}

/** A password may hold a percent sign that encodes nothing. */
function decodeCredential(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export function refusedCredentials(name: string, status: number): ConfigError {
  return new ConfigError(`${name}: refused the credentials (HTTP ${status})`, {
    hint: 'put user and password into the address (http://user:password@host) or a header into the configuration',
  })
}

/** `Retry-After` of RFC 9110: seconds or a date → milliseconds from now; null when it is not given or not readable. */
export function readRetryAfter(header: string | string[] | undefined): number | null {
  const text = (Array.isArray(header) ? header[0] : header)?.trim()
  if (!text) return null
  if (/^\d+$/.test(text)) return Number(text) * 1000
  const at = Date.parse(text)
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now())
}

const METHOD_NOT_FOUND = -32601
const TOO_MANY_REQUESTS = 429
const PASSING_STATUSES = [408, TOO_MANY_REQUESTS, 502, 503, 504]
/**
 * Trouble of the node, not an answer: bitcoind that still starts (-28), an internal error (-32603), a resource that is
 * not there at the moment (-32002). Taken for "absent" it would make incomplete blocks.
 */
const PASSING_CODES = [-28, -32002, -32603]
/** A provider's limit (EIP-1474). */
const LIMIT_EXCEEDED = -32005
/** Providers that limit with a code of their own and HTTP 200. */
const LIMIT_WORDS = /\brate.?limit|too many requests|request limit|limit exceeded for/i

/** What an endpoint answered, before it is understood. */
export interface Answered {
  name: string
  method: string
  /** 200 where the transport has none. */
  status: number
  body: string
  /** As its header says. */
  retryAfterMs: number | null
}

/** The `result` of an answer; what is not one is thrown as the error that it is. */
export function readAnswer(answered: Answered, parse: ParseJson): unknown {
  const { name, method, status, body, retryAfterMs } = answered
  const trouble = (text: string, cause?: unknown, tooOften = status === TOO_MANY_REQUESTS) =>
    new EndpointError(text, {
      cause,
      details: { ...(retryAfterMs !== null && { retryAfterMs }), ...(tooOften && { tooOften }) },
    })
  let answer: { result?: unknown; error?: { code?: unknown; message?: unknown } | string | null }
  try {
    answer = parse(body) as typeof answer
  } catch (cause) {
    const start = JSON.stringify(body.slice(0, 80))
    throw trouble(`${name}: ${method} answered HTTP ${status} with ${start}, expected JSON`, cause)
  }
  if (typeof answer !== 'object' || answer === null) {
    throw new MalformedAnswerError(
      `${name}: ${method}: expected a JSON-RPC answer, got ${JSON.stringify(answer)}`,
    )
  }
  const { error } = answer
  if (error !== undefined && error !== null) {
    // Gateways in front of a node put a bare text there.
    const { code: told, message } = typeof error === 'object' ? error : { code: 0, message: error }
    const code = Number(told)
    const said = String(message ?? 'no message')
    const text = `${name}: ${method}: ${said} (code ${code})`
    if (code === METHOD_NOT_FOUND) throw new NotAvailableError(text)
    if (code === LIMIT_EXCEEDED || LIMIT_WORDS.test(said)) throw trouble(text, undefined, true)
    if (PASSING_STATUSES.includes(status) || PASSING_CODES.includes(code)) throw trouble(text)
    throw new RpcError(text, code)
  }
  if (status >= 400) throw trouble(`${name}: ${method} answered HTTP ${status}`)
  if (answer.result === undefined) {
    throw new MalformedAnswerError(`${name}: ${method}: neither result nor error in the answer`)
  }
  return answer.result
}
