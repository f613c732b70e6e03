import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { parse as parseExact } from 'lossless-json'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  ConfigError,
  describeError,
  EndpointError,
  MalformedAnswerError,
  NotAvailableError,
  RpcError,
} from '../schema/errors.ts'
import { hideCredentials } from './endpoint.ts'
import { writeRecorded } from './recording.ts'
import { openRpc, type RpcSettings } from './rpc.ts'

interface Seen {
  headers: IncomingMessage['headers']
  call: { jsonrpc: string; id: number; method: string; params: unknown[] }
}

type Reply = (response: ServerResponse, seen: Seen) => void

/** A server on loopback that answers by a script: one reply for each request, the last one for all that follow. */
interface ScriptedNode {
  url: string
  host: string
  seen: Seen[]
  script: Reply[]
}

let servers: Server[] = []

async function startNode(...script: Reply[]): Promise<ScriptedNode> {
  const seen: Seen[] = []
  const node = { url: '', host: '', seen, script }
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    const one = { headers: request.headers, call: JSON.parse(body) }
    seen.push(one)
    node.script[Math.min(seen.length, node.script.length) - 1]!(response, one)
  })
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  node.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  node.url = `http://${node.host}/`
  return node
}

const text =
  (status: number, body: string): Reply =>
  response =>
    response.writeHead(status).end(body)
const json = (status: number, body: unknown) => text(status, JSON.stringify(body))
const good = (result: unknown) => json(200, { jsonrpc: '2.0', id: 1, result })
const refusal = (status: number, code: number, message = 'refused') =>
  json(status, { result: null, error: { code, message }, id: 1 })
const reset: Reply = response => response.destroy()
const silence: Reply = () => {}
const halfAnAnswer: Reply = response => {
  response.writeHead(200, { 'content-length': '100' }).write('{"result":')
}

const QUICK: RpcSettings = { attempts: 3, backoffMs: 1, timeoutMs: 300 }

/** Calls once, and what came of it. */
async function outcome(urls: string | string[], settings: RpcSettings = QUICK): Promise<unknown> {
  const rpc = await openRpc(
    [urls].flat().map(url => ({ url })),
    settings,
  )
  try {
    return await rpc.call('getthing', [1, 'two'])
  } catch (error) {
    return error
  } finally {
    await rpc.close()
  }
}

afterEach(() => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  servers = []
})

describe('a call', () => {
  test('is JSON-RPC with headers of our own, each under its number', async () => {
    const node = await startNode(good('first'), good({ second: true }))
    const rpc = await openRpc([{ url: node.url, headers: { 'x-api-key': 'k', 'User-Agent': 'wanlian' } }])
    expect(await rpc.call('getthing', [1, 'two', { three: null }])).toBe('first')
    expect(await rpc.call('other', [])).toEqual({ second: true })
    await rpc.close()
    expect(node.seen.map(one => one.call)).toEqual([
      { jsonrpc: '2.0', id: 1, method: 'getthing', params: [1, 'two', { three: null }] },
      { jsonrpc: '2.0', id: 2, method: 'other', params: [] },
    ])
    expect(node.seen[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'x-api-key': 'k',
      'user-agent': 'wanlian',
    })
    expect(node.seen[0]?.headers.authorization).toBeUndefined()
  })

  test.each<[string, string]>([
    ['user:secret@', 'user:secret'],
    ['user:p%40ss%3Aw%2F@', 'user:p@ss:w/'],
    ['user:100%@', 'user:100%'],
    ['__cookie__:abc@', '__cookie__:abc'],
    [':only@', ':only'],
  ])('takes credentials %s from the address', async (credentials, expected) => {
    const node = await startNode(good(1))
    expect(await outcome(`http://${credentials}${node.host}/`)).toBe(1)
    expect(node.seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from(expected).toString('base64')}`)
  })

  test('null is a result, and numbers keep their digits for who asks', async () => {
    const node = await startNode(good(null), text(200, '{"result":0.10000000,"error":null,"id":1}'))
    const rpc = await openRpc([{ url: node.url }])
    expect(await rpc.call('gettxout', [])).toBeNull()
    expect(String(await rpc.call('getamount', [], { parse: parseExact }))).toBe('0.10000000')
    await rpc.close()
  })

  test('text beyond ASCII, and none, arrive as they are', async () => {
    expect(await outcome((await startNode(good('revert: 万链 – ünfug 🦊'))).url)).toBe(
      'revert: 万链 – ünfug 🦊',
    )
    const told = { result: '' }
    expect(await outcome((await startNode(text(200, `\ufeff${JSON.stringify(told)}`))).url)).toBe('')
  })

  test('many calls have their own outcomes, in order, a few at a time', async () => {
    let [running, most] = [0, 0]
    const node = await startNode((response, { call }) => {
      most = Math.max(most, ++running)
      const [at] = call.params as [number]
      setTimeout(
        () => {
          running--
          if (at === 3) refusal(500, -5)(response, node.seen[0]!)
          else good(at)(response, node.seen[0]!)
        },
        (7 - at) * 5,
      )
    })
    const rpc = await openRpc([{ url: node.url }], { ...QUICK, concurrency: 3 })
    const answers = await rpc.callMany(
      Array.from({ length: 7 }, (_, at) => ({ method: 'getthing', params: [at] })),
    )
    await rpc.close()
    expect(answers[3]).toBeInstanceOf(RpcError)
    expect(answers.filter(answer => !(answer instanceof Error))).toEqual([0, 1, 2, 4, 5, 6])
    expect(most).toBe(3)
  })
})

describe('trouble that passes is waited for', () => {
  test.each<[string, Reply]>([
    ['HTTP 429', text(429, 'slow down')],
    ['HTTP 429 as JSON', refusal(429, -32000)],
    ['HTTP 503', json(503, { message: 'no backend' })],
    ['HTTP 504 with an error', refusal(504, -32000)],
    ['HTTP 500 without an answer', text(500, '')],
    ['a limit of the provider', refusal(200, -32005)],
    ['a node that still starts', refusal(500, -28, 'Loading block index…')],
    ['HTML instead of JSON', text(200, '<html><body>Just a moment…</body></html>')],
    ['nothing at all', text(200, '')],
    ['half of an answer', text(200, '{"result":')],
    ['a connection that is reset', reset],
    ['silence', silence],
    ['an answer that never ends', halfAnAnswer],
  ])('%s', async (_, trouble) => {
    const node = await startNode(trouble, trouble, good('at last'))
    expect(await outcome(node.url)).toBe('at last')
    expect(node.seen.length).toBe(3)
    node.script = [trouble]
    const error = await outcome(node.url, { ...QUICK, attempts: 2 })
    expect(error).toBeInstanceOf(EndpointError)
    expect(error).toMatchObject({ retryable: true })
    expect((error as Error).message).toMatch(new RegExp(`^http://${node.host}/: getthing:? .*\\S`))
    expect(node.seen.length).toBe(5)
  })

  test('nobody listens', async () => {
    const node = await startNode(good(1))
    servers[0]?.close()
    await new Promise(resolve => servers[0]?.once('close', resolve))
    const error = await outcome(node.url)
    expect(error).toBeInstanceOf(EndpointError)
    expect((error as Error).message).toContain('ECONNREFUSED')
  })
})

describe('an answer that will not change is not asked for again', () => {
  // biome-ignore lint/suspicious/noExplicitAny: constructors of errors differ
  test.each<[string, Reply, new (...args: any[]) => Error, string]>([
    ['bitcoind does not have it', refusal(500, -5, 'Block not found'), RpcError, 'Block not found (code -5)'],
    ['bitcoind does not know the method', refusal(404, -32601), NotAvailableError, 'code -32601'],
    ['geth does not know the method', refusal(200, -32601), NotAvailableError, 'code -32601'],
    ['geth refuses', refusal(200, -32602, 'bad hex'), RpcError, 'bad hex (code -32602)'],
    ['an error that is a text', json(200, { error: 'no such plan' }), RpcError, 'no such plan'],
    ['no result', json(200, { jsonrpc: '2.0', id: 1 }), MalformedAnswerError, 'neither result nor error'],
    ['a bare text', json(200, 'ok'), MalformedAnswerError, 'expected a JSON-RPC answer, got "ok"'],
    ['a bare null', json(200, null), MalformedAnswerError, 'got null'],
    [
      'more bytes than can be',
      response => response.writeHead(200, { 'content-length': '600000000' }).flushHeaders(),
      MalformedAnswerError,
      'announced 600000000 bytes',
    ],
    ['HTTP 401', text(401, ''), ConfigError, 'refused the credentials (HTTP 401)'],
    ['HTTP 403', text(403, 'no'), ConfigError, 'refused the credentials (HTTP 403)'],
  ])('%s', async (_, reply, kind, reason) => {
    const node = await startNode(reply)
    const error = await outcome(node.url)
    expect(error).toBeInstanceOf(kind)
    expect(error).toMatchObject({ retryable: false })
    expect((error as Error).message).toContain(reason)
    expect((error as Error).message).toContain(node.host)
    expect(node.seen.length).toBe(1)
    if (error instanceof RpcError && reason.includes('code')) expect(reason).toContain(String(error.rpcCode))
  })
})

describe('several endpoints', () => {
  const lost = refusal(500, -5)
  const unknown = refusal(404, -32601)
  const busy = text(429, '')

  test.each<[string, Reply]>([
    ['cannot be reached', reset],
    ['is busy', busy],
    ['does not have it', lost],
    ['does not know the method', unknown],
    ['refuses us', text(401, '')],
    ['talks nonsense', json(200, {})],
  ])('the second answers when the first %s', async (_, trouble) => {
    const [first, second] = [await startNode(trouble), await startNode(good('second'))]
    expect(await outcome([first.url, second.url])).toBe('second')
    expect([first.seen.length, second.seen.length]).toEqual([1, 1])
  })

  test('the first comes back', async () => {
    const [first, second] = [await startNode(busy, good('first')), await startNode(busy)]
    expect(await outcome([first.url, second.url])).toBe('first')
  })

  // biome-ignore lint/suspicious/noExplicitAny: constructors of errors differ
  test.each<[string, Reply, Reply, new (...args: any[]) => Error]>([
    ['one is busy, the other does not have it', busy, lost, EndpointError],
    ['one does not know the method, the other is busy', unknown, busy, EndpointError],
    ['one refuses us, the other does not have it', text(401, ''), lost, ConfigError],
    ['one does not have it, the other does not know the method', lost, unknown, RpcError],
    ['none knows the method', unknown, unknown, NotAvailableError],
  ])('"not there" is said only when all say so: %s', async (_, one, other, kind) => {
    const [first, second] = [await startNode(one), await startNode(other)]
    expect(await outcome([first.url, second.url], { ...QUICK, attempts: 2 })).toBeInstanceOf(kind)
    const rounds = kind === EndpointError ? 2 : 1
    expect([first.seen.length, second.seen.length]).toEqual([rounds, rounds])
  })
})

describe('addresses', () => {
  test('secrets are in no name, no message and no cause', async () => {
    const node = await startNode(reset)
    const key = '0123456789abcdef0123456789abcdef'
    for (const [address, shown] of [
      [`http://alice:hush-hush@${node.host}/`, `http://${node.host}/`],
      [`http://alice:hush-hush@${node.host}/v3/${key}?token=hush-hush`, `http://${node.host}/v3/…`],
      [`http://alice:hush-hush@${node.host}/ext/bc/C/rpc`, `http://${node.host}/ext/bc/C/rpc`],
    ] as const) {
      const rpc = await openRpc([{ url: address, headers: { 'x-key': 'hush-hush' } }], QUICK)
      expect(rpc.names).toEqual([shown])
      for (const reply of [reset, text(401, ''), text(200, '<'), refusal(500, -5), json(200, 1)]) {
        node.script = [reply]
        const error = await rpc.call('getthing', []).catch((thrown: unknown) => thrown)
        const told = inspect(error, { depth: 5 }) + describeError(error)
        expect(told).toContain(node.host)
        expect(told).not.toMatch(/hush|alice|YWxpY2U6|0123456789abcdef/)
      }
      await rpc.close()
    }
  })

  test.each<[string, string]>([
    ['ftp://alice:hush@host/', 'ftp://…@host/'],
    ['http://alice:hush@host:99999/', 'http://…@host:99999/'],
    ['http://alice:hu/sh@host/', 'http://…@host/'],
    ['localhost:8545', 'localhost:8545'],
    ['127.0.0.1:8545', '127.0.0.1:8545'],
    ['', ''],
  ])('%s is refused', async (address, shown) => {
    const error = await openRpc([{ url: address }]).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ConfigError)
    expect((error as Error).message).toContain(
      `expected http(s)://…, ws(s)://… or file:DIR, got ${JSON.stringify(shown)}`,
    )
    expect(inspect(error)).not.toMatch(/hush|hu\/sh/)
  })

  test('at least one is needed', async () => {
    await expect(openRpc([])).rejects.toBeInstanceOf(ConfigError)
  })

  test('credentials are hidden in any text', () => {
    expect(hideCredentials('["http://a:b@x","https://c:d@y/@z"]')).toBe('["http://…@x","https://…@z"]')
    expect(hideCredentials('no address, mail@example.org')).toBe('no address, mail@example.org')
  })
})

describe('a recording among the endpoints', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wanlian-rpc-'))
    await writeRecorded(directory, 'getthing', [1, 'two'], 'recorded')
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  test.each<[string]>([['file:'], ['file://']])('opens as %sDIR', async scheme => {
    const rpc = await openRpc([{ url: scheme + directory }])
    expect(await rpc.call('getthing', [1, 'two'])).toBe('recorded')
    expect([rpc.names, rpc.recordings.map(recording => recording.directory)]).toEqual([
      [`file:${directory}`],
      [directory],
    ])
    await expect(rpc.call('getthing', [2])).rejects.toBeInstanceOf(NotAvailableError)
    expect(await rpc.callMany([{ method: 'other', params: [] }])).toEqual([expect.any(NotAvailableError)])
  })

  test('steps in for a node, and a node for it', async () => {
    const node = await startNode(reset)
    expect(await outcome([node.url, `file:${directory}`])).toBe('recorded')
    node.script = [good('live')]
    await rm(join(directory, 'getthing'), { recursive: true })
    expect(await outcome([`file:${directory}`, node.url])).toBe('live')
  })

  test('that is not there is refused', async () => {
    await expect(openRpc([{ url: `file:${directory}/nothing` }])).rejects.toThrow(/expected a directory/)
  })
})
