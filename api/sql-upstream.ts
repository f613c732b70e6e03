import { rootCertificates } from 'node:tls'
import { type Dispatcher, Pool } from 'undici'
import { StoreError } from '../schema/errors.ts'

/** The read-only user's way into the store. */
export interface OutsiderAccess {
  url: string
  /** Others that hold the same: asked in turn when one cannot be reached. */
  otherUrls?: readonly string[]
  /** Certificates that are trusted besides those of the system, as PEM. */
  ca?: string
  username: string
  password: string
  /** Sent with every request: the embedded store answers nobody without its key. */
  headers: Readonly<Record<string, string>>
}

export interface UpstreamRequest {
  statement: string
  /** Names and values of the address; all of them ours. */
  fields: readonly (readonly [string, string])[]
  acceptEncoding: string
  /** Whose quota it is. */
  quotaKey: string
}

export type UpstreamHeaders = Record<string, string | string[] | undefined>

/** Takes an answer as it arrives. */
export interface Receiver {
  head(status: number, headers: UpstreamHeaders): void
  /** @returns null to go on, or what to wait for before more is read from the store. */
  data(chunk: Buffer): Promise<void> | null
}

export interface Upstream {
  /**
   * One statement to the store. Repeated while the store restarts, as long as nothing of an answer has come.
   * Aborting closes the connection, upon which the store cancels the statement.
   * @throws StoreError (retryable) when the store cannot be reached or its answer breaks off.
   */
  ask(request: UpstreamRequest, receiver: Receiver, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

export interface UpstreamLimits {
  connections: number
  /** How long a statement waits for a store that is not there. */
  restartMs: number
  /** How long the store may be silent. */
  silenceMs: number
}

/** A connection that broke before the answer is tried once more: what ended the store must not end it again and again. */
const BROKEN_ATTEMPTS = 2
const NOT_THERE = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT', 'ENOENT'])

/** Speaks HTTP to the store, always in whole requests: a half-sent one ends the embedded store. */
export function createUpstream(access: OutsiderAccess, limits: UpstreamLimits): Upstream {
  const pools = [access.url, ...(access.otherUrls ?? [])].map(
    url =>
      new Pool(new URL(url).origin, {
        connections: limits.connections,
        pipelining: 1,
        keepAliveTimeout: 2_000,
        headersTimeout: limits.silenceMs,
        bodyTimeout: limits.silenceMs,
        connect: {
          timeout: 2_000,
          ...(access.ca !== undefined && { ca: [...rootCertificates, access.ca] }),
        },
      }),
  )
  /** The one that answered last. */
  let current = 0

  function headersOf(request: UpstreamRequest): Record<string, string> {
    return {
      ...access.headers,
      'X-ClickHouse-User': access.username,
      'X-ClickHouse-Key': access.password,
      'Content-Type': 'text/plain; charset=UTF-8',
      ...(request.acceptEncoding === '' ? {} : { 'Accept-Encoding': request.acceptEncoding }),
    }
  }

  return {
    async ask(request, receiver, signal) {
      const fields = [...request.fields, ['quota_key', request.quotaKey], ['database', 'default']]
      const options: Dispatcher.DispatchOptions = {
        method: 'POST',
        path: `/?${new URLSearchParams(fields as [string, string][])}`,
        headers: headersOf(request),
        body: Buffer.from(request.statement),
      }
      const deadline = Date.now() + limits.restartMs
      for (let broken = 0; ; ) {
        const at = current
        const failure = await dispatch(pools[at] as Pool, options, receiver, signal)
        if (failure === null) return
        signal.throwIfAborted()
        if (at === current) current = (at + 1) % pools.length
        const { code } = failure.error as NodeJS.ErrnoException
        if (!NOT_THERE.has(code ?? '')) broken++
        if (failure.begun || broken >= BROKEN_ATTEMPTS || Date.now() > deadline) {
          throw new StoreError('the store could not be reached', { retryable: true, cause: failure.error })
        }
        await new Promise(resolve => setTimeout(resolve, 100))
      }
    },
    async close() {
      await Promise.all(pools.map(pool => pool.destroy()))
    },
  }
}

interface Failure {
  error: Error
  /** Something of the answer has been passed on. */
  begun: boolean
}

function dispatch(
  pool: Pool,
  options: Dispatcher.DispatchOptions,
  receiver: Receiver,
  signal: AbortSignal,
): Promise<Failure | null> {
  return new Promise(resolve => {
    let begun = false
    let stop: (() => void) | undefined
    const abort = () => stop?.()
    const end = (failure: Failure | null) => {
      signal.removeEventListener('abort', abort)
      resolve(failure)
    }
    signal.addEventListener('abort', abort)
    pool.dispatch(options, {
      onRequestStart(controller) {
        stop = () => controller.abort(new Error('the caller is gone'))
        if (signal.aborted) stop()
      },
      onResponseStart(_, status, headers) {
        begun = true
        receiver.head(status, headers)
      },
      onResponseData(controller, chunk) {
        const pause = receiver.data(chunk)
        if (pause === null) return
        controller.pause()
        void pause.then(() => controller.resume())
      },
      onResponseEnd: () => end(null),
      onResponseError: (_, error) => end({ error, begun }),
    })
  })
}
