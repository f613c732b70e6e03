import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { Gql } from '../schema/ports.ts'
import * as documents from './data/webhooks.ts'
import { WebhookPage } from './pages/webhook.tsx'
import { type Attempt, SecretPage, WebhooksDoor, WebhooksPage } from './pages/webhooks.tsx'
import { urls } from './urls.ts'
import type { View } from './view.ts'

export interface WebhookRoutesDeps {
  gql: Gql
  viewOf(c: Context): View
  /** What a page says where there is no such webhook. */
  notFound(c: Context, name: string): Promise<Response>
}

const COOKIE = 'operator'
const ALL = `${urls.webhooks}/*`
const HOURS = 12
/** 100,000 addresses, as a form writes them. */
const MOST_BYTES = 32_000_000
const LONGEST_TOKEN = 4_096

/** The graph refuses: told to the operator, who corrects it. */
class Refused extends Error {}
/** Who asks has not proven himself. */
class Unproven extends Error {}

/**
 * Pages of the operator for webhooks. He proves himself by the token in a cookie that only these paths get, and whatever
 * changes something is a POST of this very site.
 */
export function webhookRoutes({ gql, viewOf, notFound }: WebhookRoutesDeps): Hono {
  const app = new Hono()
  const tokenOf = (c: Context) => getCookie(c, COOKIE) ?? ''

  async function ask<Data>(
    c: Context,
    document: string,
    variables: object = {},
    token = tokenOf(c),
  ): Promise<Data> {
    const { data, errors } = await gql.run<Data>(document, { ...variables }, token)
    const [error] = errors
    if (error?.code === 'UNAUTHORIZED') throw new Unproven()
    if (error?.code === 'BAD_REQUEST' || error?.code === 'TOO_LARGE') throw new Refused(error.message)
    if (error !== undefined || data === null) throw new Error(error?.message ?? 'no data')
    return data
  }

  app.post(ALL, async (c, next) => {
    if (isOwn(c)) return next()
    const { webhooks } = viewOf(c).text
    return c.text(webhooks.foreign, 403)
  })
  app.post(urls.webhooksEnter, bodyLimit({ maxSize: 16_000 }))
  app.post(ALL, async (c, next) => {
    if (c.req.path === urls.webhooksEnter) return next()
    // Before anything is read of what a stranger may send.
    await ask(c, documents.operatorDocument)
    return next()
  })
  app.post(ALL, bodyLimit({ maxSize: MOST_BYTES }))

  app.get(urls.webhooks, async c => list(c))

  async function list(c: Context, attempt?: Attempt): Promise<Response> {
    const data = await ask<documents.WebhooksData>(c, documents.webhooksDocument)
    const page = <WebhooksPage view={viewOf(c)} data={data} {...(attempt && { attempt })} />
    return answer(c, page, attempt === undefined ? 200 : 400)
  }

  app.post(urls.webhooksEnter, async c => {
    const token = ((await formOf(c)).get('token') ?? '').trim()
    try {
      if (token === '' || token.length > LONGEST_TOKEN) throw new Unproven()
      await ask(c, documents.operatorDocument, {}, token)
    } catch (error) {
      if (!(error instanceof Unproven)) throw error
      return answer(c, <WebhooksDoor view={viewOf(c)} wrong />, 401)
    }
    setCookie(c, COOKIE, token, {
      path: urls.webhooks,
      httpOnly: true,
      sameSite: 'Strict',
      secure: viewOf(c).origin.startsWith('https:'),
      maxAge: HOURS * 3_600,
    })
    return c.redirect(urls.webhooks, 303)
  })

  app.post(urls.webhooksLeave, c => {
    deleteCookie(c, COOKIE, { path: urls.webhooks })
    return c.redirect(urls.webhooks, 303)
  })

  app.post(urls.webhooks, async c => {
    const form = await formOf(c)
    try {
      const { addWebhook } = await ask<documents.AddedData>(c, documents.addDocument, {
        input: inputOf(form),
      })
      const { secret, webhook } = addWebhook
      return answer(c, <SecretPage view={viewOf(c)} id={webhook.id} secret={secret} />)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return list(c, { reason: error.message, form })
    }
  })

  app.get(`${urls.webhooks}/:id`, async c => one(c, c.req.param('id')))

  async function one(c: Context, id: string, refused?: string): Promise<Response> {
    const view = viewOf(c)
    const { webhook } = await ask<documents.WebhookData>(c, documents.webhookDocument, {
      id,
      failed: view.query.get('failed') === '1',
      before: view.query.get('before') || null,
    })
    if (webhook === null) return notFound(c, id)
    const done = DONE.find(what => what === view.query.get('done')) ?? null
    const page = (
      <WebhookPage view={view} webhook={webhook} done={done} {...(refused !== undefined && { refused })} />
    )
    return answer(c, page, refused === undefined ? 200 : 400)
  }

  /** What is done to one webhook; what is refused is told on its page. */
  function act(name: string, run: (c: Context, id: string, form: URLSearchParams) => Promise<Response>) {
    app.post(`${urls.webhooks}/:id/${name}`, async c => {
      const id = c.req.param('id')
      try {
        return await run(c, id, await formOf(c))
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        return one(c, id, error.message)
      }
    })
  }

  const back = (c: Context, id: string, done: (typeof DONE)[number], fragment = '') =>
    c.redirect(`${urls.webhook(id)}?done=${done}${fragment}`, 303)
  act('pause', async (c, id) => {
    await ask(c, documents.pauseDocument, { id })
    return back(c, id, 'pause')
  })
  act('resume', async (c, id) => {
    await ask(c, documents.resumeDocument, { id })
    return back(c, id, 'resume')
  })
  act('test', async (c, id) => {
    const { testWebhook } = await ask<{ testWebhook: { ok: boolean } }>(c, documents.testDocument, { id })
    return back(c, id, testWebhook.ok ? 'test' : 'untaken')
  })
  act('remove', async (c, id) => {
    await ask(c, documents.removeDocument, { id })
    return c.redirect(urls.webhooks, 303)
  })
  act('rotate', async (c, id, form) => {
    const { rotateWebhookSecret } = await ask<{ rotateWebhookSecret: string }>(c, documents.rotateDocument, {
      id,
      keepHours: whole(form, 'keepHours') ?? 24,
    })
    return answer(c, <SecretPage view={viewOf(c)} id={id} secret={rotateWebhookSecret} />)
  })
  act('replay', async (c, id, form) => {
    await ask(c, documents.replayDocument, { id, input: replayOf(form) })
    return back(c, id, 'replay')
  })

  app.onError(async (error, c) => {
    if (!(error instanceof Unproven)) throw error
    return answer(c, <WebhooksDoor view={viewOf(c)} />, c.req.method === 'GET' ? 200 : 401)
  })
  return app
}

const DONE = ['pause', 'resume', 'test', 'untaken', 'replay'] as const

/**
 * Whether a form was sent by a page of this site: browsers name the origin of every POST (Fetch §3.1), or say that it is
 * the same.
 */
function isOwn(c: Context): boolean {
  const origin = c.req.header('origin')
  if (origin === undefined) return c.req.header('sec-fetch-site') === 'same-origin'
  // A proxy may speak another scheme with us than with the browser: host and port are what it was asked for.
  return URL.canParse(origin) && new URL(origin).host === (c.req.header('host') ?? new URL(c.req.url).host)
}

async function formOf(c: Context): Promise<URLSearchParams> {
  const type = c.req.header('content-type') ?? ''
  if (!type.startsWith('application/x-www-form-urlencoded')) return new URLSearchParams()
  return new URLSearchParams(await c.req.text())
}

const partsOf = (text: string | null, between: RegExp) =>
  (text ?? '')
    .split(between)
    .map(part => part.trim())
    .filter(part => part !== '')

/** A whole number of a form; null where nothing was typed. */
function whole(form: URLSearchParams, name: string): number | null {
  const text = (form.get(name) ?? '').trim()
  if (text === '') return null
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new Refused(`${name}: ${text.slice(0, 40)}`)
}

/** Browsers send the time of `datetime-local` without a zone: the page asks for UTC. */
function timeOf(form: URLSearchParams): string | null {
  const text = (form.get('fromTime') ?? '').trim()
  if (text === '') return null
  const at = Date.parse(`${text}Z`)
  if (Number.isNaN(at)) throw new Refused(`fromTime: ${text.slice(0, 40)}`)
  return new Date(at).toISOString()
}

function inputOf(form: URLSearchParams): Record<string, unknown> {
  const text = (name: string) => (form.get(name) ?? '').trim()
  const [height, time] = [whole(form, 'fromHeight'), timeOf(form)]
  const topics = text('topics')
  return {
    url: text('url') || null,
    description: text('description'),
    chains: form.getAll('chain'),
    events: oneOfAll(form.getAll('event'), Object.keys(documents.EVENT_NAMES)),
    filters: {
      addresses: partsOf(form.get('addresses'), /[\s,]+/),
      assets: partsOf(form.get('assets'), /[\s,]+/),
      topics:
        topics === ''
          ? []
          : topics.split('\n').map(line => (line.trim() === '*' ? [] : partsOf(line, /[\s,]+/))),
      minimumAmount: minimumOf(text('minimum')),
    },
    when: oneOfAll([text('when') || 'TIP'], ['TIP', 'CONFIRMATIONS', 'FINAL'])[0],
    confirmations: whole(form, 'confirmations'),
    payload: oneOfAll([text('payload') || 'SUMMARY'], ['REFERENCE', 'SUMMARY', 'FULL'])[0],
    giveUp: oneOfAll([text('giveUp') || 'STOP'], ['STOP', 'SKIP'])[0],
    start: height === null && time === null ? null : { height, time },
  }
}

function minimumOf(text: string): string | null {
  if (text === '' || /^\d{1,78}$/.test(text)) return text || null
  throw new Refused(`minimum: ${text.slice(0, 90)}`)
}

/** What a page of ours can send. */
function oneOfAll(given: readonly string[], known: readonly string[]): readonly string[] {
  const wrong = given.find(one => !known.includes(one))
  if (wrong === undefined) return given
  throw new Refused(`${known.join(', ')}: ${wrong.slice(0, 40)}`)
}

function replayOf(form: URLSearchParams): Record<string, unknown> {
  const speed = (form.get('perSecond') ?? '').trim()
  if (speed !== '' && !/^\d{1,6}(\.\d{1,3})?$/.test(speed))
    throw new Refused(`perSecond: ${speed.slice(0, 40)}`)
  return {
    fromSequence: whole(form, 'fromSequence'),
    fromHeight: whole(form, 'fromHeight'),
    chain: form.get('chain') || null,
    fromTime: timeOf(form),
    toSequence: whole(form, 'toSequence'),
    perSecond: speed === '' ? null : Number(speed),
  }
}

/** Kept by nobody: these pages are of one reader and hold secrets. */
async function answer(c: Context, page: Child, status: 200 | 400 | 401 = 200): Promise<Response> {
  c.header('cache-control', 'no-store')
  return c.html(String(await html`<!doctype html>${page}`), status)
}
