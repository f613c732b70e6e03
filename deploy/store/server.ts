import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import {
  type ClientRequest,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as openRequest,
  type Server,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { refuseBrokenRequests } from '../../api/broken-requests.ts'
import { StatementRefusedError } from '../../api/sql-refusal.ts'
import type { Store } from './supervisor.ts'

/** The outsiders' user of a store that is reached by URL. */
export const OUTSIDER = 'outsider'

/** Both ends know the operator's password, so both know this one; it tells nothing about the other. */
export function outsiderPassword(password: string): string {
  return createHmac('sha256', password).update('wanlian: read-only user of outsiders').digest('hex')
}

export interface StoreServer {
  /** @returns the port, for when 0 was asked. */
  listen(port: number, host: string): Promise<number>
  /** Takes no more requests, lets what runs end within the grace, then cuts it. */
  close(graceMs?: number): Promise<void>
}

export interface StoreServerDeps {
  store: Store
  /** Of user `default`. */
  password: string
  /** How long a request waits for a store process that restarts. */
  restartMs?: number
  onTrouble?(error: unknown): void
}

interface User {
  name: string
  password: string
  /** Who that is for the store process. */
  inside: { username: string; password: string }
  /** The engine itself cancels what a read-only user no longer waits for. */
  cancelled: 'by the engine' | 'by us'
}

const PATHS = new Set(['/', '/ping', '/replicas_status'])
const ALLOWED = 'GET, HEAD, OPTIONS, POST'

/** What is between two machines only, and what we say ourselves. */
const NOT_PASSED_ON = new Set([
  'authorization',
  'connection',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-clickhouse-key',
  'x-clickhouse-user',
])

/**
 * The embedded engine as a server for other machines. Its own listener ends with the whole engine when a request comes
 * half (and knows no users of ours): here a head is read whole before anything goes on, in a connection that is
 * already open. Bodies and answers flow through at the pace of the slower side.
 */
export function createStoreServer(deps: StoreServerDeps): StoreServer {
  const { store, restartMs = 10_000 } = deps
  const onTrouble = deps.onTrouble ?? (() => {})
  const users: User[] = [
    { name: 'default', password: deps.password, inside: store, cancelled: 'by us' },
    {
      name: OUTSIDER,
      password: outsiderPassword(deps.password),
      inside: store.outsider,
      cancelled: 'by the engine',
    },
  ]
  const origin = new URL(store.url)

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    try {
      const { path, fields } = readTarget(request.url ?? '')
      if (request.method === 'OPTIONS') return void response.writeHead(204, { Allow: ALLOWED }).end()
      if (!['GET', 'HEAD', 'POST'].includes(request.method ?? '')) {
        throw new StatementRefusedError('UNSUPPORTED_METHOD', `Method ${request.method} is not supported`)
      }
      if (!PATHS.has(path)) {
        return sendText(request, response, 404, 'There is nothing at this path. Expected / or /ping.\n')
      }
      if (path !== '/') {
        await passOn(request, response, { path: '/ping', headers: store.headers }, gone.signal)
        return
      }
      const user = findUser(users, request.headers, fields)
      const given = fields.find(([name]) => name === 'query_id')
      const queryId = given ? decode(given[1].slice('query_id='.length)) : randomUUID()
      const kept = fields.filter(([name]) => name !== 'user' && name !== 'password').map(([, text]) => text)
      if (!given) kept.push(`query_id=${queryId}`)
      const headers = headersFor(request.headers, user)
      const passed = await passOn(request, response, { path: `/?${kept.join('&')}`, headers }, gone.signal)
      if (passed === 'caller gone' && user.cancelled === 'by us') await cancel(queryId)
    } catch (error) {
      refuse(request, response, error)
    }
  }

  function headersFor(asked: IncomingHttpHeaders, user: User): OutgoingHttpHeaders {
    return {
      ...withoutOurs(asked),
      ...store.headers,
      'X-ClickHouse-User': user.inside.username,
      'X-ClickHouse-Key': user.inside.password,
    }
  }

  /** One whole request to the store process, and its answer back. Nothing is sent twice. */
  async function passOn(
    request: IncomingMessage,
    response: ServerResponse,
    target: { path: string; headers: OutgoingHttpHeaders },
    gone: AbortSignal,
  ): Promise<'done' | 'caller gone'> {
    const socket = await reach(origin, Date.now() + restartMs, gone)
    if (socket === null) return 'caller gone'
    const upstream = openRequest({
      createConnection: () => socket,
      method: request.method,
      path: target.path,
      headers: { ...target.headers, ...bodyHeaders(request), host: origin.host, connection: 'close' },
    })
    const abort = () => upstream.destroy()
    gone.addEventListener('abort', abort)
    try {
      const answer = await sendBody(request, upstream)
      response.writeHead(answer.statusCode ?? 502, withoutOurs(answer.headers))
      response.flushHeaders()
      await pipeline(answer, response)
      return 'done'
    } catch (error) {
      if (gone.aborted) return 'caller gone'
      throw error
    } finally {
      gone.removeEventListener('abort', abort)
      upstream.destroy()
    }
  }

  /** The engine goes on with what the operator's user asked, though nobody waits for it. What writes is left alone. */
  async function cancel(queryId: string): Promise<void> {
    const query = "KILL QUERY WHERE query_id = {id:String} AND query_kind = 'Select' ASYNC"
    const address = new URL(store.url)
    address.search = new URLSearchParams({ query, param_id: queryId }).toString()
    const headers = {
      ...store.headers,
      'X-ClickHouse-User': store.username,
      'X-ClickHouse-Key': store.password,
      connection: 'close',
    }
    const answer = await fetch(address, { method: 'POST', headers, signal: AbortSignal.timeout(10_000) })
    await answer.arrayBuffer()
  }

  function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (response.destroyed) return
    // An answer that broke off must not look like a whole one.
    if (response.headersSent) return void response.destroy()
    if (error instanceof StatementRefusedError) {
      return void sendText(request, response, error.status, error.text, error.number)
    }
    onTrouble(error)
    response.setHeader('Retry-After', '1')
    const busy = new StatementRefusedError('NETWORK_ERROR', 'The store is not there at the moment')
    sendText(request, response, busy.status, busy.text, busy.number)
  }

  const server = openServer((request, response) => void handle(request, response).catch(onTrouble))
  return {
    async listen(port, host) {
      server.listen(port, host)
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    },
    async close(graceMs = 5_000) {
      const closed = server.listening ? once(server, 'close') : Promise.resolve()
      server.close()
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearTimeout(timer)
    },
  }
}

function openServer(serve: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const server = createServer({
    // As much as the engine takes in an address line.
    maxHeaderSize: 1_100_000,
    headersTimeout: 10_000,
    // An insert may take as long as its rows come.
    requestTimeout: 0,
    keepAliveTimeout: 10_000,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    insecureHTTPParser: false,
  })
  server.maxConnections = 1_024
  server.timeout = 0
  server.on('request', serve)
  refuseBrokenRequests(server)
  return server
}

/** Fields of the address stay as they were written: a statement may hold any bytes. */
function readTarget(target: string): { path: string; fields: (readonly [name: string, text: string])[] } {
  const at = target.indexOf('?')
  const path = at < 0 ? target : target.slice(0, at)
  const texts = at < 0 ? [] : target.slice(at + 1).split('&')
  return {
    path,
    fields: texts.filter(text => text !== '').map(text => [decode(text.split('=', 1)[0] ?? ''), text]),
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

/** @throws StatementRefusedError, with the same words whatever is wrong. */
function findUser(
  users: readonly User[],
  headers: IncomingHttpHeaders,
  fields: readonly (readonly [string, string])[],
): User {
  const { name, password } = readCredentials(headers, fields)
  let found: User | null = null
  for (const user of users) {
    const fits = equal(user.name, name)
    if (equal(user.password, password) && fits) found = user
  }
  if (found) return found
  throw new StatementRefusedError(
    'AUTHENTICATION_FAILED',
    `${name}: Authentication failed: password is incorrect, or there is no user with such name`,
  )
}

function readCredentials(
  headers: IncomingHttpHeaders,
  fields: readonly (readonly [string, string])[],
): { name: string; password: string } {
  const field = (wanted: string) => {
    const found = fields.find(([name]) => name === wanted)
    return found && decode(found[1].slice(found[1].indexOf('=') + 1 || found[1].length))
  }
  const header = (name: string) => headers[name] as string | undefined
  const inFields = { name: field('user'), password: field('password') }
  const inHeaders = { name: header('x-clickhouse-user'), password: header('x-clickhouse-key') }
  const given = [inFields, inHeaders].filter(way => way.name !== undefined || way.password !== undefined)
  const authorization = headers.authorization
  if (authorization !== undefined) {
    const [, encoded] = /^basic\s+(\S+)$/i.exec(authorization) ?? []
    const text = Buffer.from(encoded ?? '', 'base64').toString('utf8')
    const colon = text.indexOf(':')
    if (encoded === undefined || colon < 0) {
      throw new StatementRefusedError('AUTHENTICATION_FAILED', 'Expected basic authorization')
    }
    given.push({ name: text.slice(0, colon), password: text.slice(colon + 1) })
  }
  if (given.length > 1) {
    throw new StatementRefusedError(
      'AUTHENTICATION_FAILED',
      'Expected user and password in one way, got more',
    )
  }
  return { name: given[0]?.name || 'default', password: given[0]?.password ?? '' }
}

/** In a time that says nothing about how much of it is right. */
function equal(expected: string, got: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(expected), digest(got))
}

function withoutOurs(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name, value]) => value !== undefined && !NOT_PASSED_ON.has(name) && !name.startsWith('x-wanlian-'),
    ),
  )
}

/** A request without a body says so: some engines wait for one. */
function bodyHeaders(request: IncomingMessage): OutgoingHttpHeaders {
  if (request.headers['transfer-encoding'] !== undefined) return { 'transfer-encoding': 'chunked' }
  if (request.headers['content-length'] !== undefined || request.method !== 'POST') return {}
  return { 'content-length': 0 }
}

/** A connection to the store process, waited for while it restarts. @returns null when the caller is gone. */
async function reach(origin: URL, deadline: number, gone: AbortSignal): Promise<Socket | null> {
  for (;;) {
    if (gone.aborted) return null
    const socket = connect({ host: origin.hostname, port: Number(origin.port), noDelay: true })
    try {
      await once(socket, 'connect')
      return socket
    } catch (error) {
      socket.destroy()
      if (Date.now() > deadline) throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

/** @returns the answer, which may come before the end of the body. */
function sendBody(request: IncomingMessage, upstream: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    upstream.once('response', resolve)
    // Also after an answer has come: the rest of a body that the engine does not want.
    upstream.on('error', error => {
      request.unpipe(upstream)
      reject(error)
    })
    upstream.once('close', () => reject(new Error('the store went away before it answered')))
    // A body that breaks off is broken off there too, never ended as if it were whole.
    request.once('close', () => {
      if (!request.complete) upstream.destroy()
    })
    request.pipe(upstream)
  })
}

function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  code?: number,
): void {
  if (code !== undefined) response.setHeader('X-ClickHouse-Exception-Code', String(code))
  // The rest of a body that nobody reads.
  if (!request.complete) response.setHeader('Connection', 'close')
  if (status === 405) response.setHeader('Allow', ALLOWED)
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=UTF-8',
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(text)
}
