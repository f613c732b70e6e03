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
import { bearerToken, createOperatorCheck } from './operator.ts'
import { readChains } from './queries-chain.ts'
import { createReader, type Reader } from './reader.ts'
import { eventJsonSchema, type WebhookDesk } from './webhooks/contract.ts'
import { createEventStreams, type StreamLimits } from './webhooks/stream.ts'

export interface ApiDeps {
  sql: Sql
  status: StatusBoard
  feed: AnnouncementFeed
  logger: ErrorLog
  version: string
  /** Null where webhooks are not served. */
  desk: WebhookDesk | null
  /** What the operator proves himself with; null when nobody can. */
  adminToken: string | null
  limits?: Partial<Limits>
  streams?: Partial<StreamLimits>
}

export interface Api {
  /** Routes `/graphql`, `/health`, `/ready`, `/metrics`, `/webhooks/schema.json`, `/webhooks/:id/events`. */
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
  const { sql, status, feed, logger, version, desk } = deps
  const limits = { ...defaultLimits, ...deps.limits }
  const maxSeconds = Math.max(1, Math.floor((limits.timeMs / 1000) * STATEMENT_SHARE))
  const quiet = createReader(sql, { maxSeconds })
  const metrics = createMetrics(quiet, status)
  const read = createReader(sql, { maxSeconds, onStatement: metrics.onStatement })
  const startedAt = Math.floor(Date.now() / 1000)
  const isOperator = createOperatorCheck(deps.adminToken)
  const { yoga, gql } = createGraphql({
    read,
    status,
    feed,
    version,
    startedAt,
    desk,
    isOperator,
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
  const upTo = (maxSize: number) => bodyLimit({ maxSize, onError: context => context.json(TOO_LARGE, 413) })
  const [ofAnybody, ofOperator] = [upTo(limits.bodyBytes), upTo(limits.operatorBodyBytes)]
  app.use(GRAPHQL_PATH, (context, next) => {
    const isOperators = isOperator(bearerToken(context.req.header('authorization')))
    return (isOperators ? ofOperator : ofAnybody)(context, next)
  })
  app.get('/webhooks/schema.json', context => {
    context.header('access-control-allow-origin', '*')
    context.header('cache-control', 'public, max-age=3600')
    return context.body(BODY_SCHEMA, 200, { 'content-type': 'application/schema+json' })
  })
  const streams = desk === null ? null : createEventStreams({ desk, feed, logger, ...deps.streams })
  if (streams !== null)
    app.get('/webhooks/:id/events', context => streams.open(context.req.param('id'), context.req.raw))
  app.on(['GET', 'POST', 'OPTIONS'], GRAPHQL_PATH, context => yoga.fetch(context.req.raw, {}))

  return {
    app,
    gql,
    registry: metrics.registry,
    async close() {
      streams?.close()
      metrics.registry.clear()
      await yoga.dispose()
    },
  }
}

const BODY_SCHEMA = JSON.stringify(eventJsonSchema(), null, 2)

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
