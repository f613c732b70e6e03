import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buildSchema, isObjectType, parse, TypeInfo, visit, visitWithTypeInfo } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { WebhookDesk } from '../api/webhooks/contract.ts'
import { createOutbox, makeEvent } from '../api/webhooks/outbox.ts'
import { type ApiWorld, type Data, openApiWorld } from './api-world.ts'

/** What GraphQL says of webhooks, and to whom. */

const TOKEN = 'the-token-of-the-operator'
const schema = buildSchema(readFileSync(new URL('../schema/api.graphql', import.meta.url), 'utf8'))
const asked = new Set<string>()
let world: ApiWorld
let desk: WebhookDesk

beforeAll(async () => {
  world = await openApiWorld({}, {}, { chains: ['evm-local', 'bitcoin-regtest'], adminToken: TOKEN })
  desk = world.managed!.desk
}, 120_000)
afterAll(() => world?.close())

interface Answered {
  status: number
  data: Data
  errors: { message: string; extensions: { code?: string; hint?: string } }[]
}

/** Over HTTP, as anybody would. */
async function post(document: string, variables: object, headers: Record<string, string>): Promise<Answered> {
  const response = await world.api.app.request('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query: document, variables }),
  })
  const { data = null, errors = [] } = (await response.json()) as Partial<Answered>
  return { status: response.status, data, errors }
}

/** As the operator, without errors; what is asked for is remembered. */
async function ask(document: string, variables: object = {}): Promise<Data> {
  const info = new TypeInfo(schema)
  visit(
    parse(document),
    visitWithTypeInfo(info, {
      Field() {
        asked.add(`${info.getParentType()?.name}.${info.getFieldDef()?.name}`)
      },
    }),
  )
  const { data, errors } = await post(document, variables, { authorization: `Bearer ${TOKEN}` })
  expect(errors).toEqual([])
  return data
}

async function refusal(document: string, variables: object = {}): Promise<string> {
  const { errors } = await post(document, variables, { authorization: `Bearer ${TOKEN}` })
  expect(errors.map(error => error.extensions.code)).toEqual(['BAD_REQUEST'])
  return errors[0]!.message
}

const ADD = 'mutation ($input: WebhookInput!) { addWebhook(input: $input) { secret webhook { id } } }'
const URL_OF_MINE = 'https://hooks.example.org/a-private-path'

async function add(more: object = {}): Promise<{ id: string; secret: string }> {
  const input = { url: URL_OF_MINE, chains: ['evm-local'], events: ['BLOCK_ADDED'], ...more }
  const { addWebhook } = await ask(ADD, { input })
  return { id: addWebhook.webhook.id, secret: addWebhook.secret }
}

describe('only the operator', () => {
  test('is told of webhooks or changes them; nobody else is told anything', async () => {
    const { id } = await add()
    const documents = [
      '{ webhooks { id url } }',
      `{ webhook(id: "${id}") { url } }`,
      `{ webhook(id: "nonsense") { url } }`,
      `mutation { addWebhook(input: { url: "https://a.example", chains: ["evm-local"], events: [REORG] }) { secret } }`,
      ...['pauseWebhook', 'resumeWebhook'].map(name => `mutation { ${name}(id: "${id}") { url } }`),
      `mutation { removeWebhook(id: "${id}") }`,
      `mutation { testWebhook(id: "${id}") { ok } }`,
      `mutation { rotateWebhookSecret(id: "${id}", keepHours: 9999) }`,
      `mutation { replayWebhook(id: "${id}", input: {}) { from } }`,
    ]
    const strangers = [
      {},
      { authorization: '' },
      { authorization: TOKEN },
      { authorization: 'Bearer' },
      { authorization: 'Bearer ' },
      { authorization: `Bearer ${TOKEN}x` },
      { authorization: `Bearer ${TOKEN.slice(0, -1)}` },
      { authorization: `Basic ${btoa(`operator:${TOKEN}`)}` },
      { cookie: `token=${TOKEN}; operator=${TOKEN}` },
    ]
    const before = JSON.stringify(await desk.list())
    for (const headers of strangers) {
      for (const document of documents) {
        const answer = await post(document, {}, headers as Record<string, string>)
        expect(
          answer.errors.map(error => error.extensions.code),
          document,
        ).toEqual(['UNAUTHORIZED'])
        const told = JSON.stringify(answer)
        expect(told).not.toContain('hooks.example.org')
        expect(told).not.toContain(TOKEN)
      }
    }
    expect(JSON.stringify(await desk.list())).toBe(before)
    const inProcess = await world.api.gql.run('{ webhooks { id } }')
    expect(inProcess.errors.map(error => error.code)).toEqual(['UNAUTHORIZED'])
    const byToken = await world.api.gql.run<Data>('{ webhooks { id } }', {}, TOKEN)
    expect(byToken).toEqual({ data: { webhooks: [{ id }] }, errors: [] })
  })

  test('nothing is changed by GET, and no page of elsewhere is given credentials', async () => {
    const document = 'mutation { addWebhook(input: { chains: ["evm-local"], events: [REORG] }) { secret } }'
    const before = await desk.list()
    const got = await world.api.app.request(`/graphql?query=${encodeURIComponent(document)}`, {
      headers: { authorization: `Bearer ${TOKEN}`, accept: 'application/json' },
    })
    expect(got.status).toBe(405)
    expect(await desk.list()).toEqual(before)
    const preflight = await world.api.app.request('/graphql', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://elsewhere.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type',
      },
    })
    expect(preflight.headers.get('access-control-allow-credentials')).not.toBe('true')
  })

  test('sends as many addresses as a webhook may have; others may not send so much', async () => {
    const addresses = Array.from({ length: 100_000 }, (_, at) => `0x${at.toString(16).padStart(40, '0')}`)
    const { id } = await add({ filters: { addresses } })
    const { webhook } = await ask('query ($id: ID!) { webhook(id: $id) { filters { addresses } } }', { id })
    expect(webhook).toEqual({ filters: { addresses: 100_000 } })
    const input = { chains: ['evm-local'], events: ['TRANSFER'], filters: { addresses } }
    const refused = await post(ADD, { input }, { authorization: 'Bearer somebody-else' })
    expect([refused.status, refused.errors[0]?.extensions.code]).toEqual([413, 'TOO_LARGE'])
  })
})

describe('a webhook', () => {
  const WHOLE = `id url description chains events when confirmations payload giveUp allowPrivate status createdAt
    filters { addresses assets topics minimumAmount } start { height time sequence } failingSince nextAttemptAt
    lastError sequence delivered positions { chain height hash }`

  test('is told as it was asked for', async () => {
    const topic = `0x${'ab'.repeat(32)}`
    const { id, secret } = await add({
      description: 'payments of the shop',
      chains: ['evm-local', 'bitcoin-regtest'],
      events: ['TRANSFER', 'CONTRACT_EVENT', 'ADDRESS_ACTIVITY'],
      filters: {
        addresses: ['0xaa', '0xbb'],
        assets: ['native'],
        topics: [[topic], []],
        minimumAmount: '123456789012345678901234567890',
      },
      when: 'CONFIRMATIONS',
      confirmations: 6,
      payload: 'FULL',
      start: { height: 12, sequence: 400 },
      giveUp: 'SKIP',
    })
    expect(secret).toMatch(/^whsec_/)
    const { webhook } = await ask(`query ($id: ID!) { webhook(id: $id) { ${WHOLE} } }`, { id })
    expect(webhook).toEqual({
      id,
      url: URL_OF_MINE,
      description: 'payments of the shop',
      chains: ['evm-local', 'bitcoin-regtest'],
      events: ['TRANSFER', 'CONTRACT_EVENT', 'ADDRESS_ACTIVITY'],
      filters: {
        addresses: 2,
        assets: ['native'],
        topics: [[topic], []],
        minimumAmount: '123456789012345678901234567890',
      },
      when: 'CONFIRMATIONS',
      confirmations: 6,
      payload: 'FULL',
      start: { height: 12, time: null, sequence: 400 },
      giveUp: 'SKIP',
      allowPrivate: false,
      status: 'UNVERIFIED',
      createdAt: expect.stringMatching(/^\d{4}-/),
      failingSince: null,
      nextAttemptAt: null,
      lastError: null,
      sequence: 399,
      delivered: 399,
      positions: expect.any(Array),
    })
    const { webhooks } = await ask(`{ webhooks { ${WHOLE} } }`)
    expect(webhooks).toContainEqual(webhook)
    expect(JSON.stringify(webhooks)).not.toContain(secret)
    expect(await ask('{ webhook(id: "nobody") { id } }')).toEqual({ webhook: null })
  })

  test('has defaults where nothing is said, and may be a stream only', async () => {
    const { id } = await add({ url: null })
    const { webhook } = await ask(`query ($id: ID!) { webhook(id: $id) { ${WHOLE} } }`, { id })
    expect(webhook).toMatchObject({
      url: null,
      description: '',
      when: 'TIP',
      confirmations: null,
      payload: 'SUMMARY',
      giveUp: 'STOP',
      start: null,
      filters: { addresses: 0, assets: [], topics: [], minimumAmount: null },
    })
  })

  test('is refused in words where it cannot be', async () => {
    const base = { url: URL_OF_MINE, chains: ['evm-local'], events: ['REORG'] }
    const one = (more: object) => refusal(ADD, { input: { ...base, ...more } })
    expect(await one({ when: 'CONFIRMATIONS' })).toContain('`confirmations`')
    expect(await one({ confirmations: 3 })).toContain('`confirmations`')
    expect(await one({ start: {} })).toContain('`height` or by `time`')
    expect(await one({ start: { height: 1, time: '2026-01-01T00:00:00Z' } })).toContain('one of the two')
    expect(await one({ start: { time: 'yesterday' } })).toContain('start')
    expect(await one({ chains: [] })).toContain('chains')
    expect(await one({ filters: { topics: [['0x12']] } })).toContain('topics')
    const inGraphql = async (more: object) =>
      (await post(ADD, { input: { ...base, ...more } }, { authorization: `Bearer ${TOKEN}` })).errors[0]
        ?.message
    expect(await inGraphql({ events: ['PING'] })).toContain('PING')
    expect(await inGraphql({ allowPrivate: true })).toContain('allowPrivate')
    expect(await inGraphql({ filters: { minimumAmount: 5 } })).toContain('digits in a string')
    expect(await inGraphql({ start: { height: -1 } })).toContain('expected a height')
  })

  test('is paused, resumed, tried, given a new secret, replayed and removed', async () => {
    const endpoint = createServer((request, response) => {
      request.resume().once('end', () => response.writeHead(500, { 'x-why': 'no' }).end('not today'))
    })
    endpoint.listen(0, '127.0.0.1')
    await once(endpoint, 'listening')
    const { port } = endpoint.address() as AddressInfo
    const { id, secret } = await add({ url: `http://127.0.0.1:${port}/hook`, events: ['BLOCK_ADDED'] })
    const { pauseWebhook } = await ask('mutation ($id: ID!) { pauseWebhook(id: $id) { status } }', { id })
    expect(pauseWebhook.status).toBe('PAUSED')
    const { resumeWebhook } = await ask('mutation ($id: ID!) { resumeWebhook(id: $id) { status } }', { id })
    expect(resumeWebhook.status).toBe('UNVERIFIED')

    const delivery = `webhook sequence eventId type time attempt origin ok status error durationMs
      requestHeaders { name value } requestBody responseHeaders { name value } responseBody`
    const { testWebhook } = await ask(`mutation ($id: ID!) { testWebhook(id: $id) { ${delivery} } }`, { id })
    endpoint.closeAllConnections()
    endpoint.close()
    expect(testWebhook).toMatchObject({
      webhook: id,
      type: 'TEST',
      origin: 'TEST',
      sequence: 0,
      attempt: 1,
      ok: false,
      status: 500,
      responseBody: 'not today',
    })
    expect(testWebhook.responseHeaders).toContainEqual({ name: 'x-why', value: 'no' })
    expect(JSON.parse(testWebhook.requestBody)).toMatchObject({ type: 'test', data: { webhook: id } })
    expect(JSON.stringify(testWebhook)).not.toContain(secret)

    const attempts = async (args: string) => {
      const { webhook } = await ask(
        `query ($id: ID!) { webhook(id: $id) { deliveries(${args}) { ${delivery} } skipped { sequence eventId type time reason } } }`,
        { id },
      )
      expect(webhook.skipped).toEqual([])
      return webhook.deliveries
    }
    expect(await attempts('first: 5, before: "2999-01-01T00:00:00Z", failed: true')).toEqual([
      { ...testWebhook, durationMs: Math.round(testWebhook.durationMs) },
    ])
    expect(await attempts('first: 5, before: "2020-01-01T00:00:00Z"')).toEqual([])
    expect(await refusal(`{ webhook(id: "${id}") { deliveries(first: 101) { ok } } }`)).toContain('1 to 100')

    const rotated = await ask('mutation ($id: ID!) { rotateWebhookSecret(id: $id, keepHours: 2) }', { id })
    expect(rotated.rotateWebhookSecret).toMatch(/^whsec_/)
    expect(await desk.isSecret(id, rotated.rotateWebhookSecret)).toBe(true)
    expect(await desk.isSecret(id, secret)).toBe(true)
    await ask('mutation ($id: ID!) { rotateWebhookSecret(id: $id, keepHours: 0) }', { id })
    expect(await desk.isSecret(id, secret)).toBe(false)
    expect(await refusal(`mutation { rotateWebhookSecret(id: "${id}", keepHours: 721) }`)).toContain('720')

    await createOutbox(world.sql).store(
      Array.from({ length: 9 }, (_, at) =>
        makeEvent(
          'evm-local',
          {
            webhook: id,
            type: 'block.added',
            height: 100 + at,
            hash: `0x${'0'.repeat(62)}${10 + at}`,
            time: 1_700_000_000 + at,
            data: { parentHash: '0x00' },
            undoes: 0,
          },
          at + 1,
          { lane: 'blocks', position: { next: 101 + at, hash: '' } },
        ),
      ),
      null,
    )
    const REPLAY =
      'mutation ($id: ID!, $input: WebhookReplayInput!) { replayWebhook(id: $id, input: $input) { from to } }'
    for (const [input, expected] of [
      [
        { fromSequence: 3, toSequence: 5 },
        { from: 3, to: 5 },
      ],
      [
        { fromHeight: 105, chain: 'evm-local', perSecond: 0.5 },
        { from: 6, to: 9 },
      ],
      [{ fromTime: '2023-11-14T22:13:22Z' }, { from: 3, to: 9 }],
    ]) {
      expect((await ask(REPLAY, { id, input })).replayWebhook).toEqual(expected)
    }
    for (const input of [
      {},
      { fromSequence: 1, fromHeight: 2 },
      { fromSequence: 1, chain: 'evm-local' },
      { fromSequence: 10 },
      { fromSequence: 1, perSecond: -1 },
    ]) {
      await refusal(REPLAY, { id, input })
    }

    expect(await ask('mutation ($id: ID!) { removeWebhook(id: $id) }', { id })).toEqual({ removeWebhook: id })
    expect(await ask('query ($id: ID!) { webhook(id: $id) { id } }', { id })).toEqual({ webhook: null })
    for (const name of ['pauseWebhook', 'resumeWebhook']) {
      expect(await refusal(`mutation { ${name}(id: "${id}") { id } }`)).toContain('no webhook')
    }
  })
})

test('every field of what webhooks are was asked for', () => {
  const missing = Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .filter(({ name }) => /Webhook|^Mutation$|^HttpHeader$/.test(name))
    .flatMap(type => Object.keys(type.getFields()).map(field => `${type.name}.${field}`))
    .filter(field => !asked.has(field))
  expect(missing).toEqual([])
})
