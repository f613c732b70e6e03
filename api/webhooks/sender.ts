import { Agent, request } from 'undici'
import { AppError } from '../../schema/errors.ts'
import type { Post, PostOutcome } from './courier.ts'
import type { TargetGuard } from './guard.ts'

export interface SenderSettings {
  guard: TargetGuard
  version: string
  connectMs?: number
  /** For the whole answer. */
  answerMs?: number
}

export interface Sender extends Post {
  close(): Promise<void>
}

const CONNECT_MS = 5_000
const ANSWER_MS = 15_000
/** Of an answer so much is read; of that the beginning is kept. */
const READ_BYTES = 64 * 1024
const KEPT_BYTES = 4_096
const MAX_HEADER_BYTES = 16 * 1024
const KEEP_ALIVE_MS = 10_000

/**
 * Sends requests to endpoints that nobody vouches for: checked addresses, short patience, redirects not followed. No
 * number of hanging requests keeps another from its connection.
 */
export function createSender(settings: SenderSettings): Sender {
  const { guard, version } = settings
  const answerMs = settings.answerMs ?? ANSWER_MS
  const agentOf = (allowPrivate: boolean) =>
    new Agent({
      connect: { timeout: settings.connectMs ?? CONNECT_MS, lookup: guard.lookup({ allowPrivate }) },
      headersTimeout: answerMs,
      bodyTimeout: answerMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      pipelining: 1,
    })
  const agents = { public: agentOf(false), private: agentOf(true) }

  return {
    async send({ url, allowPrivate, headers, body, signal }) {
      const startedAt = performance.now()
      const outcome = (facts: Partial<PostOutcome>): PostOutcome => ({
        ok: false,
        status: null,
        error: null,
        retryAfterMs: null,
        durationMs: performance.now() - startedAt,
        responseHead: {},
        responseBody: '',
        ...facts,
      })
      try {
        // A URL that was right when it was given may not be so by the rules of today.
        const target = guard.check(url, { allowPrivate })
        const limit = AbortSignal.timeout(answerMs)
        const answer = await request(target, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'user-agent': `wanlian-webhooks/${version}`,
            ...headers,
          },
          body,
          dispatcher: allowPrivate ? agents.private : agents.public,
          signal: AbortSignal.any([signal, limit]),
        })
        const responseBody = await readSome(answer.body)
        const status = answer.statusCode
        const ok = status >= 200 && status < 300
        return outcome({
          ok,
          status,
          error: ok ? null : describeStatus(status),
          retryAfterMs: retryAfter(answer.headers['retry-after']),
          responseHead: headOf(answer.headers),
          responseBody,
        })
      } catch (error) {
        return outcome({ error: describe(error, answerMs) })
      }
    },
    async close() {
      await Promise.all([agents.public.destroy(), agents.private.destroy()])
    },
  }
}

/** The beginning of an answer; the rest is not waited for. */
async function readSome(body: AsyncIterable<Buffer> & { destroy(): unknown }): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of body) {
      if (bytes < KEPT_BYTES) chunks.push(chunk)
      bytes += chunk.length
      if (bytes > READ_BYTES) break
    }
  } finally {
    body.destroy()
  }
  return Buffer.concat(chunks).subarray(0, KEPT_BYTES).toString('utf8')
}

type Head = Record<string, string | string[] | undefined>

function headOf(headers: Head): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .slice(0, 50)
      .map(([name, value]) => [name, String(value).slice(0, 500)]),
  )
}

/** Seconds, or a date (RFC 9110 §10.2.3). */
function retryAfter(value: string | string[] | undefined): number | null {
  const text = [value].flat()[0]?.trim()
  if (text === undefined || text === '') return null
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isFinite(ms) && ms > 0 ? ms : null
}

function describeStatus(status: number): string {
  if (status >= 300 && status < 400) return `answered ${status}: redirects are not followed`
  if (status === 410) return 'answered 410: gone'
  return `answered ${status}, expected 2xx`
}

/** One sentence without anything that was sent. */
function describe(error: unknown, answerMs: number): string {
  if (error instanceof AppError) return error.message
  const { name, code, message, cause } = error as {
    name?: string
    code?: string
    message?: string
    cause?: unknown
  }
  if (cause instanceof AppError) return cause.message
  if (name === 'TimeoutError') return `no whole answer within ${answerMs / 1000} s`
  if (name === 'AbortError') return 'broken off'
  return code === undefined ? (message ?? 'failed') : `${code}: ${message ?? ''}`
}
