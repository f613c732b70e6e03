import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Registry } from 'prom-client'
import type { AnnouncementFeed } from '../schema/events.ts'
import type { Gql, Sql } from '../schema/ports.ts'
import type { StatusBoard } from '../schema/status.ts'
import { createGraphql, type ErrorLog, GRAPHQL_PATH } from './graphql.ts'
import { tipOf } from './heights.ts'
import { defaultLimits, type Limits } from './limits.ts'
import { createMetrics } from './metrics.ts'
import { readChains } from './queries-chain.ts'
import { createReader, type Reader } from './reader.ts'

export interface ApiDeps {
  sql: Sql
  status: StatusBoard
  feed: AnnouncementFeed
  logger: ErrorLog
  version: string
  limits?: Partial<Limits>
}

export interface Api {
  /** Routes `/graphql`, `/health`, `/ready`, `/metrics`. */
  app: Hono
  /** The same schema for pages in this process. */
  gql: Gql
  /** For measurements of other parts. */
  registry: Registry
  close(): Promise<void>
}

/** Statements are given up by the store a little before the question is. */
const STATEMENT_SHARE = 0.9

/** Answers whatever outsiders ask of the store. */
export function createApi(deps: ApiDeps): Api {
  const { sql, status, feed, logger, version } = deps
  const limits = { ...defaultLimits, ...deps.limits }
  const maxSeconds = Math.max(1, Math.floor((limits.timeMs / 1000) * STATEMENT_SHARE))
  const quiet = createReader(sql, { maxSeconds })
  const metrics = createMetrics(quiet, status)
  const read = createReader(sql, { maxSeconds, onStatement: metrics.onStatement })
  const startedAt = Math.floor(Date.now() / 1000)
  const { yoga, gql } = createGraphql({
    read,
    status,
    feed,
    version,
    startedAt,
    logger,
    limits,
    onAnswer: metrics.onAnswer,
  })

  const app = new Hono()
  app.use(async (context, next) => {
    const began = performance.now()
    await next()
    metrics.onRequest(context.req.routePath, context.res.status, (performance.now() - began) / 1000)
  })
  app.get('/health', context => context.json({ status: 'ok', version }))
  app.get('/ready', async context => {
    const reasons = await whyNotReady(quiet, status)
    return context.json({ ready: reasons.length === 0, reasons }, reasons.length === 0 ? 200 : 503)
  })
  app.get('/metrics', async context => {
    const text = await metrics.scrape()
    return context.text(text, 200, { 'Content-Type': metrics.registry.contentType })
  })
  app.use(
    GRAPHQL_PATH,
    bodyLimit({ maxSize: limits.bodyBytes, onError: context => context.json(TOO_LARGE, 413) }),
  )
  app.on(['GET', 'POST', 'OPTIONS'], GRAPHQL_PATH, context => yoga.fetch(context.req.raw, {}))

  return {
    app,
    gql,
    registry: metrics.registry,
    async close() {
      metrics.registry.clear()
      await yoga.dispose()
    },
  }
}

const TOO_LARGE = {
  errors: [{ message: 'the request is larger than a question may be', extensions: { code: 'TOO_LARGE' } }],
}

interface Reason {
  chain: string | null
  reason: string
}

/** The store answers, and each followed chain has published something or says why it has not. */
async function whyNotReady(read: Reader, status: StatusBoard): Promise<Reason[]> {
  try {
    const tips = new Map((await readChains(read)).map(chain => [chain.slug, tipOf(chain)]))
    return status.follows().flatMap(({ chain, state, problem }) => {
      if ((tips.get(chain) ?? null) !== null || problem !== null) return []
      return [{ chain, reason: `no block is stored yet (${state})` }]
    })
  } catch {
    return [{ chain: null, reason: 'the store does not answer' }]
  }
}
