import type { IncomingMessage } from 'node:http'
import { type RawData, WebSocket } from 'ws'
import { type AppError, describeError, EndpointError } from '../schema/errors.ts'
import {
  type Address,
  type Call,
  type CallOptions,
  type Endpoint,
  type EndpointSettings,
  MAX_ANSWER_BYTES,
  parseAddress,
  readAnswer,
  readRetryAfter,
  refusedCredentials,
} from './endpoint.ts'
import type { ParseJson } from './recording.ts'

/** A connection that says nothing for this long is asked for a sign of life, and given up after as long again. */
const QUIET_MS = 30_000

interface Pending {
  parse: ParseJson
  method: string
  resolve(result: unknown): void
  reject(error: unknown): void
}

interface Connection {
  ask(call: Call, options: CallOptions | undefined): Promise<unknown>
  /** Calls `wake` for each notice of the subscription until the returned function is called. */
  listen(subscription: unknown, wake: () => void): () => void
  /** Settles when the connection is gone. */
  gone: Promise<AppError>
}

/**
 * JSON-RPC 2.0 over a WebSocket. The connection is made by the first call, and again by the first after it was lost;
 * calls that are under way then fail as retryable.
 */
export function openWsEndpoint(settings: EndpointSettings, timeoutMs: number): Endpoint {
  const address = parseAddress(settings)
  const { name } = address
  const closing = new AbortController()
  let current: Promise<Connection> | null = null

  function connection(): Promise<Connection> {
    if (current) return current
    const opening = connect(address, timeoutMs, closing.signal)
    current = opening
    const forget = () => {
      if (current === opening) current = null
    }
    opening.then(opened => opened.gone.then(forget), forget)
    return opening
  }

  return {
    name,
    recording: null,
    async call(call, options) {
      return (await connection()).ask(call, options)
    },
    async watch(call, signal, wake) {
      const opened = await connection()
      const subscription = await opened.ask(call, undefined)
      if (signal.aborted) return
      const stop = opened.listen(subscription, wake)
      let aborted = () => {}
      const abortion = new Promise<null>(resolve => {
        aborted = () => resolve(null)
        signal.addEventListener('abort', aborted, { once: true })
      })
      wake()
      const lost = await Promise.race([opened.gone, abortion])
      signal.removeEventListener('abort', aborted)
      stop()
      if (lost) throw lost
    },
    async close() {
      closing.abort()
      const opened = await current?.catch(() => null)
      await opened?.gone
    },
  }
}

function connect(
  { url, name, headers }: Address,
  timeoutMs: number,
  closing: AbortSignal,
): Promise<Connection> {
  if (closing.aborted) return Promise.reject(new EndpointError(`${name}: closed`))
  const socket = new WebSocket(url, {
    headers,
    handshakeTimeout: timeoutMs,
    maxPayload: MAX_ANSWER_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
  })
  const end = () => socket.terminate()
  closing.addEventListener('abort', end, { once: true })
  socket.once('close', () => closing.removeEventListener('abort', end))
  return new Promise((resolve, reject) => {
    let refusal: AppError | null = null
    let reason = ''
    socket.on('unexpected-response', (request, response) => {
      refusal = readRefusal(name, response)
      request.destroy()
      reject(refusal)
    })
    // What closes a socket comes as an error first; the error after a refusal is of our own making.
    socket.on('error', error => {
      reason = describeError(error)
      reject(refusal ?? new EndpointError(`${name}: no connection: ${reason}`, { cause: error }))
    })
    socket.once('open', () => resolve(converse(socket, name, timeoutMs, () => reason)))
  })
}

function readRefusal(name: string, response: IncomingMessage): AppError {
  const status = response.statusCode ?? 0
  if (status === 401 || status === 403) return refusedCredentials(name, status)
  const retryAfterMs = readRetryAfter(response.headers['retry-after'])
  return new EndpointError(`${name}: expected a WebSocket, got HTTP ${status}`, {
    details: retryAfterMs === null ? {} : { retryAfterMs },
  })
}

function converse(socket: WebSocket, name: string, timeoutMs: number, reason: () => string): Connection {
  const pending = new Map<number, Pending>()
  const listeners = new Map<unknown, () => void>()
  let nextId = 1
  let problem = ''

  const gone = new Promise<AppError>(resolve => {
    socket.once('close', code => {
      clearInterval(pulse)
      const why = problem || reason() || `closed with code ${code}`
      const lost = new EndpointError(`${name}: connection lost: ${why}`)
      for (const { method, reject } of pending.values()) {
        reject(new EndpointError(`${name}: ${method} failed: connection lost: ${why}`))
      }
      pending.clear()
      resolve(lost)
    })
  })

  let heard = true
  socket.on('pong', () => {
    heard = true
  })
  const pulse = setInterval(() => {
    if (!heard) {
      problem = `silent for ${QUIET_MS / 1000} s`
      socket.terminate()
    }
    heard = false
    socket.ping()
  }, QUIET_MS)
  pulse.unref()

  socket.on('message', data => {
    heard = true
    const problemFound = receive(asText(data))
    if (problemFound === null) return
    problem = problemFound
    socket.terminate()
  })

  /** @returns what is wrong with a message that nobody can have sent in good faith. */
  function receive(body: string): string | null {
    let message: { id?: unknown; params?: { subscription?: unknown } } | null
    try {
      message = JSON.parse(body)
    } catch {
      return `expected JSON, got ${JSON.stringify(body.slice(0, 80))}`
    }
    if (typeof message !== 'object' || message === null) return 'expected a JSON-RPC message'
    if (message.id === undefined || message.id === null) {
      listeners.get(message.params?.subscription)?.()
      return null
    }
    const asked = pending.get(Number(message.id))
    if (!asked) return null
    pending.delete(Number(message.id))
    const { method, parse, resolve, reject } = asked
    try {
      const reader: ParseJson = parse === JSON.parse ? () => message : parse
      resolve(readAnswer({ name, method, status: 200, body, retryAfterMs: null }, reader))
    } catch (error) {
      reject(error)
    }
    return null
  }

  return {
    gone,
    ask: ({ method, params }, options) =>
      new Promise((resolve, reject) => {
        const id = nextId++
        const timer = setTimeout(() => {
          pending.delete(id)
          reject(new EndpointError(`${name}: ${method} failed: no answer within ${timeoutMs} ms`))
        }, timeoutMs)
        const settle =
          <Value>(settled: (value: Value) => void) =>
          (value: Value) => {
            clearTimeout(timer)
            settled(value)
          }
        const parse = options?.parse ?? JSON.parse
        pending.set(id, { method, parse, resolve: settle(resolve), reject: settle(reject) })
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }), error => {
          if (!error || !pending.delete(id)) return
          settle(reject)(new EndpointError(`${name}: ${method} failed: ${describeError(error)}`))
        })
      }),
    listen(subscription, wake) {
      listeners.set(subscription, wake)
      return () => listeners.delete(subscription)
    },
  }
}

function asText(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString()
  return (Buffer.isBuffer(data) ? data : Buffer.from(data)).toString()
}
