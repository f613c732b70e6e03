import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { AppError } from '../schema/errors.ts'
import { refuseBrokenRequests } from './broken-requests.ts'
import { admitStatement } from './sql-gate.ts'
import { StatementRefusedError } from './sql-refusal.ts'
import { readSqlRequest, type SqlRequest, tooLarge } from './sql-request.ts'
import { createTurns, type Turns } from './sql-turns.ts'
import {
  createUpstream,
  type OutsiderAccess,
  type Receiver,
  type Upstream,
  type UpstreamHeaders,
} from './sql-upstream.ts'

export interface SqlGatewayLimits {
  /** Statement and request body, in bytes. */
  statementBytes: number
  /** Request line and headers together, in bytes. */
  headerBytes: number
  /** Time to send the header, and the whole request. */
  headerMs: number
  requestMs: number
  /** How long a connection with a statement may move no byte. */
  silenceMs: number
  connections: number
  connectionsOfCaller: number
  /** Statements at once: of all, and of one caller (an address). */
  statements: number
  statementsOfCaller: number
  /** Statements of one caller that wait for their turn, and for how long. */
  waitingOfCaller: number
  waitMs: number
  /** What one caller may use in a minute: statements, and the time they run added up. */
  statementsPerMinute: number
  busyMsPerMinute: number
  /** How long a statement waits for a store that restarts. */
  restartMs: number
}

export const GATEWAY_LIMITS: SqlGatewayLimits = {
  statementBytes: 262_144,
  headerBytes: 65_536,
  headerMs: 10_000,
  requestMs: 30_000,
  silenceMs: 60_000,
  connections: 512,
  connectionsOfCaller: 128,
  statements: 16,
  statementsOfCaller: 6,
  waitingOfCaller: 64,
  waitMs: 20_000,
  statementsPerMinute: 600,
  busyMsPerMinute: 120_000,
  restartMs: 10_000,
}

export interface SqlGatewayDeps {
  /** The store as its read-only user: the gateway needs and knows no more. */
  store: OutsiderAccess
  limits?: Partial<SqlGatewayLimits>
  /** Told of what is neither the caller's fault nor his business. */
  onTrouble?(error: unknown): void
}

export interface SqlGateway {
  /** @returns the port, for when 0 was asked. */
  listen(port: number, host?: string): Promise<number>
  /** Takes no more requests, lets what runs end within the grace, then cuts it. */
  close(graceMs?: number): Promise<void>
}

/** Everything that one request needs. */
interface Context {
  upstream: Upstream
  turns: Turns
  limits: SqlGatewayLimits
  onTrouble(error: unknown): void
}

const NAME = 'wanlian'
const OK_PATHS = new Set(['/ping', '/replicas_status'])

/** Headers of the store's answer that callers see. */
const PASSED_ON = [
  'content-type',
  'content-encoding',
  'x-clickhouse-exception-code',
  'x-clickhouse-exception-tag',
  'x-clickhouse-format',
  'x-clickhouse-summary',
  'x-clickhouse-timezone',
]

/**
 * ClickHouse's HTTP interface for outsiders, in front of the store: who connects is `default` without a password and
 * may read the public views. Of a request only statement, parameters, format and a few bounded settings go on, in a
 * request of our own. No CORS headers are sent: a page from elsewhere must not read what stands on this machine.
 */
export function createSqlGateway(deps: SqlGatewayDeps): SqlGateway {
  const limits = { ...GATEWAY_LIMITS, ...deps.limits }
  const context: Context = {
    limits,
    onTrouble: deps.onTrouble ?? (() => {}),
    // The check of one statement and the answer of another may be asked at once.
    upstream: createUpstream(deps.store, {
      connections: limits.statements * 2,
      restartMs: limits.restartMs,
      silenceMs: limits.silenceMs,
    }),
    turns: createTurns({
      running: limits.statements,
      runningOfCaller: limits.statementsOfCaller,
      waitingOfCaller: limits.waitingOfCaller,
      waitMs: limits.waitMs,
      statementsPerMinute: limits.statementsPerMinute,
      busyMsPerMinute: limits.busyMsPerMinute,
    }),
  }
  const server = openServer(context)
  return {
    async listen(port, host = '127.0.0.1') {
      server.listen(port, host)
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    },
    async close(graceMs = 2_000) {
      const closed = server.listening ? once(server, 'close') : Promise.resolve()
      server.close()
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearTimeout(timer)
      await context.upstream.close()
    },
  }
}

function openServer(context: Context): Server {
  const { limits } = context
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headerMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: Math.min(1_000, limits.headerMs),
    keepAliveTimeout: 10_000,
    insecureHTTPParser: false,
  })
  server.maxConnections = limits.connections
  server.timeout = limits.silenceMs
  limitCallers(server, limits.connectionsOfCaller)
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    void handle(context, request, response)
  }
  server.on('request', serve)
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (Number(request.headers['content-length'] ?? 0) <= limits.statementBytes) response.writeContinue()
    serve(request, response)
  })
  refuseBrokenRequests(server)
  return server
}

function limitCallers(server: Server, most: number): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const caller = callerOf(socket)
    const count = (open.get(caller) ?? 0) + 1
    open.set(caller, count)
    socket.once('close', () => {
      const left = (open.get(caller) ?? 1) - 1
      if (left === 0) open.delete(caller)
      else open.set(caller, left)
    })
    if (count > most) socket.destroy()
  })
}

/** Callers are told apart by address; of IPv6 by the 64 bits that one household has. */
export function callerOf(socket: Pick<Socket, 'remoteAddress'>): string {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
  if (!address.includes(':')) return address
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  if (tail !== undefined) while (groups.length + rest.length < 8) groups.push('0')
  return `${[...groups, ...rest].slice(0, 4).join(':')}::`
}

async function handle(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  response.setHeader('X-ClickHouse-Server-Display-Name', NAME)
  try {
    const target = request.url ?? ''
    const path = target.split('?', 1)[0] ?? ''
    if (request.method === 'OPTIONS') return void response.writeHead(204, { Allow: ALLOWED }).end()
    if (!['GET', 'HEAD', 'POST'].includes(request.method ?? '')) {
      response.setHeader('Allow', ALLOWED)
      throw new StatementRefusedError('UNSUPPORTED_METHOD', `Method ${request.method} is not supported`)
    }
    if (OK_PATHS.has(path)) return sendText(response, 200, 'Ok.\n')
    if (path !== '/') {
      return sendText(response, 404, 'There is nothing at this path. Expected / or /ping.\n')
    }
    const body = await collectBody(request, context.limits.statementBytes)
    const asked = await readSqlRequest({
      target,
      headers: request.headers,
      body,
      maxBytes: context.limits.statementBytes,
    })
    // HEAD is how tools look whether somebody is there: nothing is run for it.
    if (asked === null || request.method === 'HEAD') return sendText(response, 200, 'Ok.\n')
    await run(context, asked, callerOf(request.socket), response, gone.signal)
  } catch (error) {
    fail(context, error, response, gone.signal)
  }
}

const ALLOWED = 'GET, HEAD, OPTIONS, POST'

async function collectBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function run(
  context: Context,
  asked: SqlRequest,
  caller: string,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const { upstream, turns } = context
  const done = await turns.take(caller, signal)
  try {
    await admitStatement(
      statement => formatStatement(upstream, statement, caller, signal),
      asked.statement,
      asked.params,
    )
    const queryId = randomUUID()
    response.setHeader('X-ClickHouse-Query-Id', asked.queryId ?? queryId)
    await upstream.ask(
      {
        statement: asked.statement,
        fields: fieldsOf(asked, queryId),
        acceptEncoding: asked.acceptEncoding,
        quotaKey: caller,
      },
      streamTo(response),
      signal,
    )
    response.end()
  } finally {
    done()
  }
}

function fieldsOf(asked: SqlRequest, queryId: string): [string, string][] {
  const fields: [string, string][] = [['query_id', queryId]]
  for (const [name, value] of asked.params) fields.push([`param_${name}`, value])
  for (const [name, value] of asked.settings) fields.push([name, value])
  if (asked.format !== null) fields.push(['default_format', asked.format])
  if (asked.compress) fields.push(['compress', '1'])
  if (asked.protocolVersion !== null) fields.push(['client_protocol_version', asked.protocolVersion])
  return fields
}

/** Passes an answer on at the caller's pace. */
function streamTo(response: ServerResponse): Receiver {
  let goOn = () => {}
  response.on('drain', () => goOn())
  response.on('close', () => goOn())
  return {
    head(status, headers) {
      // The store does not know its own gateway: that is no answer for a caller.
      if (headers['x-clickhouse-exception-code'] === '516') throw new Error('the store refused the gateway')
      for (const name of PASSED_ON) {
        const value = headers[name]
        if (value !== undefined) response.setHeader(name, value)
      }
      response.writeHead(status)
      response.flushHeaders()
    },
    data(chunk) {
      if (response.write(chunk) || response.destroyed) return null
      return new Promise(resolve => {
        goOn = resolve
      })
    },
  }
}

/**
 * The statement as hexadecimal digits: what is formatted is byte for byte what will be run, without any rules of
 * quoting in between.
 */
async function formatStatement(
  upstream: Upstream,
  statement: string,
  caller: string,
  signal: AbortSignal,
): Promise<string> {
  const hex = Buffer.from(statement).toString('hex')
  const chunks: Buffer[] = []
  let head: { status: number; headers: UpstreamHeaders } = { status: 0, headers: {} }
  await upstream.ask(
    {
      statement: `SELECT formatQuerySingleLine(unhex('${hex}')) FORMAT RawBLOB`,
      fields: [],
      acceptEncoding: '',
      quotaKey: caller,
    },
    {
      head(status, headers) {
        head = { status, headers }
      },
      data(chunk) {
        chunks.push(chunk)
        return null
      },
    },
    signal,
  )
  const text = Buffer.concat(chunks).toString('utf8')
  if (head.status === 200) return text
  throw new CheckFailedError(head.status, String(head.headers['x-clickhouse-exception-code'] ?? ''), text)
}

/** What the store said when it was asked to format a statement: mostly that it cannot be parsed. */
class CheckFailedError extends AppError {
  readonly status: number
  readonly number: string
  constructor(status: number, number: string, text: string) {
    // Its own question is not the caller's.
    super('CHECK_FAILED', text.replace(/:? In scope SELECT formatQuerySingleLine\([\s\S]*?'\)\)/g, ''))
    this.status = status
    this.number = number
  }
}

function fail(context: Context, error: unknown, response: ServerResponse, signal: AbortSignal): void {
  if (response.destroyed || signal.aborted) return
  if (response.headersSent) {
    // What was sent goes out, then the connection ends without the mark of a complete answer.
    response.socket?.end()
    return
  }
  if (error instanceof StatementRefusedError) {
    // The rest of a body that nobody reads.
    if (!response.req.complete) response.setHeader('Connection', 'close')
    sendText(response, error.status, error.text, error.number)
    return
  }
  if (error instanceof CheckFailedError && error.number !== '516') {
    sendText(response, error.status, error.message, error.number)
    return
  }
  context.onTrouble(error)
  response.setHeader('Retry-After', '1')
  const busy = new StatementRefusedError('NETWORK_ERROR', 'The store is not there at the moment', {
    hint: 'Try again',
  })
  sendText(response, busy.status, busy.text, busy.number)
}

function sendText(response: ServerResponse, status: number, text: string, code?: number | string): void {
  if (code !== undefined) response.setHeader('X-ClickHouse-Exception-Code', String(code))
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=UTF-8',
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(text)
}
