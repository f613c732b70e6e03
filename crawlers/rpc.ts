import { isAscii } from 'node:buffer'
import PQueue from 'p-queue'
import { Agent, request } from 'undici'
import {
  ConfigError,
  describeError,
  EndpointError,
  MalformedAnswerError,
  NotAvailableError,
  RpcError,
} from '../schema/errors.ts'
import { openRecording, type ParseJson, type Recording } from './recording.ts'

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
   * @throws EndpointError when it cannot be reached or is overloaded (retryable),
   * NotAvailableError when it does not have the method or the file, RpcError when it refuses.
   */
  call(call: Call, options?: CallOptions): Promise<unknown>
  close(): Promise<void>
}

/** What families see of the endpoints: calls that are retried and fall over from one endpoint to the next. */
export interface Rpc {
  call(method: string, params: readonly unknown[], options?: CallOptions): Promise<unknown>
  /** Many calls at once, each with its own outcome, in the order of the calls. */
  callMany(calls: readonly Call[], options?: CallOptions): Promise<(unknown | Error)[]>
  /** The recordings among the endpoints. */
  recordings: readonly Recording[]
  /** Names of the endpoints, without credentials. */
  names: readonly string[]
  close(): Promise<void>
}

export interface EndpointSettings {
  url: string
  headers?: Readonly<Record<string, string>>
}

export interface RpcSettings {
  /** Calls in flight per endpoint. */
  concurrency?: number
  timeoutMs?: number
  /** Rounds over all endpoints before a call is given up. */
  attempts?: number
  /** Wait before the second round, doubled each time, in milliseconds. */
  backoffMs?: number
}

const MAX_ANSWER_BYTES = 512 * 1024 * 1024

/** Many calls out of single ones: a failed call is an answer like any other. */
export function callEach(call: Rpc['call']): Rpc['callMany'] {
  return (calls, options) =>
    Promise.all(
      calls.map(({ method, params }) =>
        call(method, params, options).catch((error: unknown) =>
          error instanceof Error ? error : new Error(String(error)),
        ),
      ),
    )
}

/** Opens the endpoints; nothing is called yet. @throws ConfigError for an address that is not understood. */
export async function openRpc(
  endpoints: readonly EndpointSettings[],
  settings: RpcSettings = {},
): Promise<Rpc> {
  if (endpoints.length === 0)
    throw new ConfigError('no endpoint: give --node or `endpoints` in the configuration')
  const opened = await Promise.all(endpoints.map(endpoint => openEndpoint(endpoint, settings)))
  const attempts = settings.attempts ?? 4
  const backoffMs = settings.backoffMs ?? 250

  async function call(method: string, params: readonly unknown[], options?: CallOptions): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      const errors: unknown[] = []
      for (const endpoint of opened) {
        try {
          return await endpoint.call({ method, params }, options)
        } catch (error) {
          errors.push(error)
        }
      }
      const told = mostTelling(errors)
      if (!(told instanceof EndpointError) || attempt >= attempts) throw told
      await new Promise(resolve => setTimeout(resolve, backoffMs * 2 ** (attempt - 1)))
    }
  }

  return {
    call,
    callMany: callEach(call),
    recordings: opened.flatMap(endpoint => endpoint.recording ?? []),
    names: opened.map(endpoint => endpoint.name),
    async close() {
      await Promise.all(opened.map(endpoint => endpoint.close()))
    },
  }
}

/**
 * Callers take "not there" and "refused" for answers. One endpoint alone must not give them while another, which may
 * well have it, is in trouble.
 */
function mostTelling(errors: readonly unknown[]): unknown {
  const rank = (error: unknown) => {
    if (error instanceof EndpointError) return 0
    if (error instanceof NotAvailableError) return 3
    return error instanceof RpcError ? 2 : 1
  }
  return [...errors].sort((a, b) => rank(a) - rank(b))[0]
}

async function openEndpoint(settings: EndpointSettings, options: RpcSettings): Promise<Endpoint> {
  if (settings.url.startsWith('file:')) {
    const recording = await openRecording(settings.url.slice('file:'.length).replace(/^\/\/(?=\/)/, ''))
    return {
      name: `file:${recording.directory}`,
      recording,
      call: ({ method, params }, callOptions) => recording.call(method, params, callOptions?.parse),
      close: async () => {},
    }
  }
  return openHttpEndpoint(settings, options)
}

function parseUrl(text: string): URL {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw notAnEndpoint(text)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw notAnEndpoint(text)
  return url
}

/** Without a cause: that of `new URL` holds the whole address. */
function notAnEndpoint(text: string): ConfigError {
  return new ConfigError(
    `endpoint: expected http(s)://… or file:DIR, got ${JSON.stringify(hideCredentials(text))}`,
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

/** JSON-RPC over HTTP: 2.0 as Ethereum nodes speak it, 1.0 as Bitcoin nodes do (errors come with status 404 or 500). */
function openHttpEndpoint(settings: EndpointSettings, options: RpcSettings): Endpoint {
  const url = parseUrl(settings.url)
  const name = endpointName(url)
  const headers: Record<string, string> = { 'content-type': 'application/json', ...settings.headers }
  if (url.username || url.password) {
    const credentials = `${decodeCredential(url.username)}:${decodeCredential(url.password)}`
    headers.authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
    url.username = ''
    url.password = ''
  }
  const timeoutMs = options.timeoutMs ?? 60_000
  const agent = new Agent({ keepAliveTimeout: 10_000, headersTimeout: timeoutMs, bodyTimeout: timeoutMs })
  const queue = new PQueue({ concurrency: options.concurrency ?? 8 })
  let nextId = 1

  async function send({ method, params }: Call, parse: ParseJson): Promise<unknown> {
    let status: number
    let body: string
    try {
      const answer = await request(url, {
        method: 'POST',
        headers,
        body: JSON.stringify({ jsonrpc: '2.0', id: nextId++, method, params }),
        dispatcher: agent,
        signal: AbortSignal.timeout(timeoutMs),
      })
      status = answer.statusCode
      const announced = Number(answer.headers['content-length'] ?? 0)
      if (announced > MAX_ANSWER_BYTES) {
        answer.body.destroy()
        throw new MalformedAnswerError(
          `${name}: ${method} announced ${announced} bytes, more than ${MAX_ANSWER_BYTES}`,
        )
      }
      body = decodeBody(await answer.body.arrayBuffer())
    } catch (cause) {
      if (cause instanceof MalformedAnswerError) throw cause
      throw new EndpointError(`${name}: ${method} failed: ${describeError(cause)}`, { cause })
    }
    if (status === 401 || status === 403) {
      throw new ConfigError(`${name}: refused the credentials (HTTP ${status})`, {
        hint: 'put user and password into the address (http://user:password@host) or a header into the configuration',
      })
    }
    return readAnswer(name, method, status, body, parse)
  }

  return {
    name,
    recording: null,
    call: (call, callOptions) => queue.add(() => send(call, callOptions?.parse ?? JSON.parse)),
    async close() {
      queue.clear()
      await agent.destroy()
    },
  }
}

/** Node answers are ASCII but for some texts in them: read as single bytes they are decoded and parsed in less time. */
function decodeBody(body: ArrayBuffer): string {
  return isAscii(body) ? Buffer.from(body).toString('latin1') : new TextDecoder().decode(body)
}

const METHOD_NOT_FOUND = -32601
const PASSING_STATUSES = [408, 429, 502, 503, 504]
/**
 * Trouble of the node, not an answer: bitcoind that still starts (-28), a provider's limit (-32005), an internal error
 * (-32603), a resource that is not there at the moment (-32002). Taken for "absent" it would make incomplete blocks.
 */
const PASSING_CODES = [-28, -32002, -32005, -32603]

function readAnswer(name: string, method: string, status: number, body: string, parse: ParseJson): unknown {
  let answer: { result?: unknown; error?: { code?: unknown; message?: unknown } | string | null }
  try {
    answer = parse(body) as typeof answer
  } catch (cause) {
    const start = JSON.stringify(body.slice(0, 80))
    throw new EndpointError(`${name}: ${method} answered HTTP ${status} with ${start}, expected JSON`, {
      cause,
    })
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
    const text = `${name}: ${method}: ${String(message ?? 'no message')} (code ${code})`
    if (code === METHOD_NOT_FOUND) throw new NotAvailableError(text)
    if (PASSING_STATUSES.includes(status) || PASSING_CODES.includes(code)) throw new EndpointError(text)
    throw new RpcError(text, code)
  }
  if (status >= 400) throw new EndpointError(`${name}: ${method} answered HTTP ${status}`)
  if (answer.result === undefined) {
    throw new MalformedAnswerError(`${name}: ${method}: neither result nor error in the answer`)
  }
  return answer.result
}
