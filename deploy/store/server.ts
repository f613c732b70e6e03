import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Logger } from 'pino'
import { Pool } from 'undici'
import { ConfigError } from '../../schema/errors.ts'
import { addressOf, portError } from '../http.ts'
import type { Store } from './supervisor.ts'

export interface StoreServerOptions {
  store: Store
  host: string
  port: number
  /** Of the user `default`, who may do everything. Empty only where nobody from elsewhere can connect. */
  password: string
  logger: Logger
}

export interface StoreServer {
  url: string
  close(): Promise<void>
}

/** The user that outsiders are for this server; their gateway stands in another process. */
export const OUTSIDER = 'outsider'

/** Both sides know it without being told. */
export function outsiderPassword(password: string): string {
  return createHmac('sha256', password).update('wanlian outsider').digest('hex')
}

const HEAD_BYTES = 65_536
const HEAD_MS = 30_000
/** A statement may think for long before its first byte. */
const SILENCE_MS = 600_000
const CONNECTIONS = 256

/** Of a request, what is about this connection or about who asks. */
const OWN_HEADERS = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'authorization',
  'x-clickhouse-user',
  'x-clickhouse-key',
  'x-wanlian-key',
  'expect',
])

/**
 * The embedded engine as a server for other processes: ClickHouse's HTTP interface with the users `default` and
 * `outsider`. Everything passes through: statements, settings, tokens, bodies and answers as they stream. Only whole
 * request heads go on to the engine: half of one would end it.
 * @throws ConfigError when others could connect and there is no password, or the port cannot be had.
 */
export async function startStoreServer(options: StoreServerOptions): Promise<StoreServer> {
  const { store, host, port, password, logger } = options
  if (password === '' && !isLoopback(host)) {
    throw new ConfigError(`store: expected a password where others can connect (${host}), got none`, {
      hint: 'set WANLIAN_CLICKHOUSE_PASSWORD, or let it listen on 127.0.0.1',
    })
  }
  const users = new Map([
    ['default', { password, username: store.username, key: store.password }],
    [
      OUTSIDER,
      {
        password: outsiderPassword(password),
        username: store.outsider.username,
        key: store.outsider.password,
      },
    ],
  ])
  const pool = new Pool(store.url, {
    connections: CONNECTIONS,
    pipelining: 1,
    keepAliveTimeout: 2_000,
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
    connect: { timeout: 2_000 },
  })
  const sockets = new Set<Socket>()

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://store')
    if (url.pathname === '/ping') {
      response.end('Ok.\n')
      return
    }
    const who = users.get(nameOf(request, url))
    if (!who || !isEqual(who.password, passwordOf(request, url))) {
      response.writeHead(403, { 'x-clickhouse-exception-code': '516' })
      response.end(
        'Code: 516. DB::Exception: Authentication failed: user or password is wrong. (AUTHENTICATION_FAILED)\n',
      )
      request.resume()
      return
    }
    for (const name of ['user', 'password']) url.searchParams.delete(name)
    const headers: Record<string, string | string[]> = {}
    for (const [name, value] of Object.entries(request.headers))
      if (value !== undefined && !OWN_HEADERS.has(name)) headers[name] = value
    Object.assign(headers, store.headers, { 'x-clickhouse-user': who.username, 'x-clickhouse-key': who.key })
    const gone = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) gone.abort()
    })
    const hasBody = request.method !== 'GET' && request.method !== 'HEAD'
    const answer = await pool.request({
      method: (request.method ?? 'GET') as 'GET',
      path: `${url.pathname}${url.search}`,
      headers,
      body: hasBody ? request : null,
      signal: gone.signal,
    })
    const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...passed } = answer.headers
    response.writeHead(answer.statusCode, passed as Record<string, string | string[]>)
    await pipeline(answer.body, response, { signal: gone.signal })
  }

  const server = createServer(
    { maxHeaderSize: HEAD_BYTES, headersTimeout: HEAD_MS, requestTimeout: 0 },
    (request, response) => {
      serve(request, response).catch(error => {
        // Who went away is told nothing; an answer that broke off breaks off here.
        if (response.headersSent || response.destroyed) {
          response.destroy()
          return
        }
        logger.debug({ err: error }, 'the store did not answer')
        response
          .writeHead(503, { 'retry-after': '1' })
          .end('the store is starting again, repeat the request\n')
        request.resume()
      })
    },
  )
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await listen(server, { host, port })
  return {
    url: addressOf(host, (server.address() as AddressInfo).port),
    async close() {
      const closed = new Promise<void>(done => server.close(() => done()))
      server.closeIdleConnections()
      const limit = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, 5_000)
      await closed
      clearTimeout(limit)
      await pool.destroy()
    },
  }
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', error => fail(portError(error, { host, port, option: '--port' })))
    server.listen(port, host, () => done())
  })
}

function nameOf({ headers }: IncomingMessage, url: URL): string {
  const own =
    headers['x-clickhouse-user'] ?? basic(headers.authorization)?.[0] ?? url.searchParams.get('user')
  return typeof own === 'string' && own !== '' ? own : 'default'
}

function passwordOf({ headers }: IncomingMessage, url: URL): string {
  const own =
    headers['x-clickhouse-key'] ?? basic(headers.authorization)?.[1] ?? url.searchParams.get('password')
  return typeof own === 'string' ? own : ''
}

function basic(header: string | undefined): [string, string] | null {
  const [, encoded] = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '') ?? []
  if (encoded === undefined) return null
  const text = Buffer.from(encoded, 'base64').toString()
  const at = text.indexOf(':')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

/** In a time that does not tell how much of it was right. */
function isEqual(expected: string, got: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compared').update(text).digest()
  return timingSafeEqual(digest(expected), digest(got))
}

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127\./.test(host)
