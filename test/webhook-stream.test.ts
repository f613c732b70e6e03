import { connect } from 'node:net'
import { serve } from '@hono/node-server'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AnnouncementHub, createAnnouncementHub } from '../api/announcement-hub.ts'
import { type Api, createApi } from '../api/server.ts'
import type { WebhookDesk } from '../api/webhooks/contract.ts'
import { createOutbox, makeEvent } from '../api/webhooks/outbox.ts'
import { openTestStore, type TestStore } from './harness.ts'
import { openTestDesk, type TestDesk } from './webhook-desk.ts'

/** Events of webhooks as a stream over HTTP, and the schema of their bodies. */

let store: TestStore
let managed: TestDesk
let desk: WebhookDesk
let hub: AnnouncementHub
let api: Api
let url: string
let stop: () => Promise<unknown>
const logged: object[] = []

beforeAll(async () => {
  store = await openTestStore()
  managed = openTestDesk(store.sql, ['evm-local'])
  desk = managed.desk
  hub = createAnnouncementHub()
  api = createApi({
    sql: store.sql,
    status: { follows: () => [] },
    feed: hub,
    logger: { error: facts => logged.push(facts) },
    version: '0.0.0-test',
    desk,
    adminToken: null,
    streams: { readersOfOne: 2, heartbeatMs: 200 },
  })
  const server = serve({ fetch: api.app.fetch, port: 0, hostname: '127.0.0.1' })
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  stop = () =>
    new Promise(resolve => {
      server.close(resolve)
      if ('closeAllConnections' in server) server.closeAllConnections()
    })
}, 120_000)
afterAll(async () => {
  await stop?.()
  await api?.close()
  await managed?.close()
  await store?.close()
})

async function newWebhook(): Promise<{ id: string; secret: string }> {
  const { webhook, secret } = await desk.add({ url: null, chains: ['evm-local'], events: ['block.added'] })
  return { id: webhook.id, secret }
}

const hashOf = (height: number) => `0x${height.toString(16).padStart(64, '0')}`

/** Events as the worker stores them. */
function eventsOf(webhook: string, from: number, to: number, padding = '') {
  return Array.from({ length: to - from + 1 }, (_, at) => {
    const height = from + at
    const data = { parentHash: hashOf(height - 1) + padding, transactionCount: height }
    return makeEvent(
      'evm-local',
      {
        webhook,
        type: 'block.added',
        height,
        hash: hashOf(height),
        time: 1_700_000_000 + height,
        data,
        undoes: 0,
      },
      height,
      { lane: 'blocks', position: { next: height + 1, hash: hashOf(height) } },
    )
  })
}

async function make(webhook: string, from: number, to: number, padding = ''): Promise<string[]> {
  const events = eventsOf(webhook, from, to, padding)
  await createOutbox(store.sql).store(events, null)
  return events.map(event => event.body)
}

function announce(height: number): void {
  hub.publish({
    id: `a${height}`,
    type: 'block.added',
    chain: 'evm-local',
    height,
    parentHash: hashOf(height - 1),
    hash: hashOf(height),
    time: 1_700_000_000,
    transactionCount: 0,
    history: false,
  })
}

interface Frame {
  id: string | null
  event: string | null
  data: string | null
  comment: boolean
}

interface Reading {
  response: Response
  /** The next event; comments are passed over. */
  next(): Promise<Frame | null>
  /** The next frame whatever it is. */
  frame(): Promise<Frame | null>
  leave(): void
}

async function read(
  id: string,
  secret: string,
  headers: Record<string, string> = {},
  query = '',
): Promise<Reading> {
  const leaving = new AbortController()
  const response = await fetch(`${url}/webhooks/${id}/events${query}`, {
    headers: { authorization: `Bearer ${secret}`, ...headers },
    signal: leaving.signal,
  })
  const frames = framesOf(response)
  const frame = async () => (await frames.next()).value ?? null
  return {
    response,
    frame,
    async next() {
      for (;;) {
        const found = await frame()
        if (found === null || found.data !== null) return found
      }
    },
    leave: () => leaving.abort(),
  }
}

async function* framesOf(response: Response): AsyncGenerator<Frame, null> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const frame = text.slice(0, end)
      text = text.slice(end + 2)
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1] ?? null
      yield { id: field('id'), event: field('event'), data: field('data'), comment: frame.startsWith(':') }
    }
  }
  return null
}

async function until(holds: () => boolean): Promise<void> {
  for (let rounds = 0; rounds < 500; rounds++) {
    if (holds()) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error('did not come about')
}

describe('the stream of a webhook', () => {
  test('has the same bodies in the same order, and goes on after the last that was read', async () => {
    const { id, secret } = await newWebhook()
    const bodies = await make(id, 1, 50)
    const reading = await read(id, secret)
    expect(reading.response.headers.get('content-type')).toMatch(/^text\/event-stream/)
    for (const [at, body] of bodies.entries()) {
      expect(await reading.next()).toMatchObject({ id: `${at + 1}`, event: 'block.added', data: body })
    }
    // What comes later is told to who is there.
    const [later] = await make(id, 51, 51)
    announce(51)
    expect(await reading.next()).toMatchObject({ id: '51', data: later })
    // Also where nobody announces it.
    const [unannounced] = await make(id, 52, 52)
    expect(await reading.next()).toMatchObject({ id: '52', data: unannounced })
    reading.leave()

    for (const [headers, query] of [
      [{ 'last-event-id': '50' }, ''],
      [{}, '?after=50'],
      [{ 'last-event-id': '50' }, '?after=3'],
    ] as const) {
      const again = await read(id, secret, headers, query)
      expect(await again.next()).toMatchObject({ id: '51', data: later })
      expect(await again.next()).toMatchObject({ id: '52', data: unannounced })
      again.leave()
      await until(() => hub.listeners === 0)
    }
  })

  test('is for who has a secret of it; nothing tells whether there is such a webhook', async () => {
    const { id, secret } = await newWebhook()
    const other = await newWebhook()
    await make(id, 1, 1)
    const answers = []
    for (const [name, token] of [
      [id, other.secret],
      [id, `${secret}x`],
      [id, ''],
      ['wh_nobody', secret],
      [id, null],
    ] as const) {
      const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
      const response = await fetch(`${url}/webhooks/${name}/events?after=0`, { headers })
      answers.push(`${response.status} ${await response.text()}`)
    }
    expect(new Set(answers).size).toBe(1)
    expect(answers[0]).toMatch(/^401 .*UNAUTHORIZED/)

    for (const after of ['-1', '1.5', 'x', '1e3', '9'.repeat(16)]) {
      const response = await fetch(`${url}/webhooks/${id}/events?after=${after}`, {
        headers: { authorization: `Bearer ${secret}` },
      })
      expect([after, response.status]).toEqual([after, 400])
      expect(await response.text()).toContain('expected the sequence of an event')
    }
  })

  test('ends when its secret is not valid any more, or the webhook is removed', async () => {
    for (const end of [(id: string) => desk.rotate(id, 0), (id: string) => desk.remove(id)]) {
      const { id, secret } = await newWebhook()
      const [body] = await make(id, 1, 1)
      const reading = await read(id, secret)
      expect(await reading.next()).toMatchObject({ data: body })
      await end(id)
      expect(await reading.next()).toBeNull()
      await until(() => hub.listeners === 0)
    }
  })

  test('says now and then that it lives', async () => {
    const { id, secret } = await newWebhook()
    const reading = await read(id, secret)
    let comments = 0
    for (let frames = 0; frames < 5 && comments < 2; frames++) {
      if ((await reading.frame())?.comment) comments++
    }
    expect(comments).toBe(2)
    reading.leave()
    await until(() => hub.listeners === 0)
  })

  test('has so many readers and no more; who goes makes room', async () => {
    const { id, secret } = await newWebhook()
    const readers = [await read(id, secret), await read(id, secret)]
    const refused = await read(id, secret)
    expect([refused.response.status, refused.response.headers.get('retry-after')]).toEqual([503, '5'])
    readers[0]!.leave()
    await until(() => hub.listeners === 1)
    const third = await read(id, secret)
    expect(third.response.status).toBe(200)
    third.leave()
    readers[1]!.leave()
    await until(() => hub.listeners === 0)
  })

  test('reads no more from the store than its reader takes', async () => {
    const { id, secret } = await newWebhook()
    // 40 MB: more than the buffers of both sides of a connection hold.
    const padding = 'x'.repeat(400_000)
    for (let from = 1; from <= 100; from += 10) await make(id, from, from + 9, padding)
    let given = 0
    const events = desk.events
    desk.events = async (...args) => {
      const found = await events(...args)
      if (args[0] === id) given = Math.max(given, found.at(-1)?.sequence ?? 0)
      return found
    }
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port) })
    socket.pause()
    try {
      socket.write(
        `GET /webhooks/${id}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\r\n\r\n`,
      )
      await until(() => given > 0)
      // Nothing is read: what is given comes to rest below the end.
      let [before, quiet] = [0, 0]
      for (let rounds = 0; rounds < 200 && quiet < 20; rounds++) {
        await new Promise(resolve => setTimeout(resolve, 50))
        quiet = given === before ? quiet + 1 : 0
        before = given
      }
      expect(given).toBeLessThan(100)
      // Once it is read, the rest comes.
      socket.resume()
      await until(() => given === 100)
    } finally {
      desk.events = events
      socket.destroy()
    }
    await until(() => hub.listeners === 0)
  })
})

test('the schema of the bodies is published, and events are of it', async () => {
  const response = await fetch(`${url}/webhooks/schema.json`)
  expect(response.headers.get('content-type')).toBe('application/schema+json')
  expect(response.headers.get('access-control-allow-origin')).toBe('*')
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(
    (await response.json()) as object,
  )
  const [event] = eventsOf('wh_a', 7, 7)
  const body = JSON.parse(event!.body) as object
  expect([validate(body), validate.errors]).toEqual([true, null])
  for (const wrong of [
    { ...body, sequence: 0 },
    { ...body, type: 'block.moved' },
    { ...body, extra: 1 },
  ]) {
    expect(validate(wrong)).toBe(false)
  }
})

test('when the product stops, streams end', async () => {
  const { id, secret } = await newWebhook()
  const reading = await read(id, secret)
  await until(() => hub.listeners === 1)
  await api.close()
  expect(await reading.next()).toBeNull()
  expect(logged).toEqual([])
})
