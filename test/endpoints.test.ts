import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { bitcoinRegtest } from '../crawlers/chains/bitcoin-regtest.ts'
import { evmLocal } from '../crawlers/chains/evm-local.ts'
import { type Nodes, openNodes } from '../crawlers/nodes.ts'
import { openRpc, type RpcPool, type RpcSettings } from '../crawlers/rpc.ts'
import { createRegtestChain, type RegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { type Anvil, startAnvil } from '../deploy/dev/evm-local.ts'
import { type RegtestNode, startRegtestNode } from '../deploy/dev/regtest-node.ts'
import { ConfigError, describeError, EndpointError, NotAvailableError, RpcError } from '../schema/errors.ts'
import { type Front, startFront as openFront, type Trouble } from './front.ts'

/** Real nodes on loopback, with a server in front of them where something has to go wrong. */
const QUICK: RpcSettings = { attempts: 3, backoffMs: 20, timeoutMs: 1_000 }

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

function keep<T extends { close(): unknown }>(one: T): T {
  opened.push(one)
  return one
}

/** Waits for something that other processes bring about; the test's own time limit is the bound. */
async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 2_000; round++) {
    if (await what()) return
    await pause(10)
  }
  throw new Error(`never came true: ${what}`)
}

/** Closed after the test. */
const startFront = async (...args: Parameters<typeof openFront>) => keep(await openFront(...args))

function stop(server: Server): void {
  server.close()
  server.closeAllConnections()
}

const drops: Trouble = response => void response.destroy()
const garbage: Trouble = response => void response.end('<html>Just a moment…</html>')
const busy: Trouble = response => void response.writeHead(429, { 'retry-after': '600' }).end('slow down')
const broken: Trouble = response => void response.writeHead(500).end('')
const silent: Trouble = () => {}
const nonsense: Trouble = response => void response.end('{"jsonrpc":"2.0","id":1}')
const truncated: Trouble = async (response, _, good) => {
  const answer = await good()
  response.writeHead(200, { 'content-length': answer.length }).write(answer.slice(0, answer.length >> 1))
  setTimeout(() => response.destroy(), 20)
}
/** One byte of each block's bytes is another. */
const tampers: Trouble = async (response, { method, params }, good) => {
  const answer = await good()
  if (method !== 'getblock' || params[1] !== 0) return void response.end(answer)
  const { result } = JSON.parse(answer) as { result: string }
  const at = result.length - 12
  const other = result[at] === '0' ? '1' : '0'
  response.end(JSON.stringify({ result: result.slice(0, at) + other + result.slice(at + 1), error: null }))
}

const IDENTIFYING = ['getblockhash 0', 'getblockchaininfo ']
const beyondIdentity = (front: Front) =>
  front.asked.filter(({ method, params }) => !IDENTIFYING.includes(`${method} ${params.join(' ')}`))

let chain: RegtestChain
let node: RegtestNode
let anvil: Anvil
let http: RpcPool

beforeAll(async () => {
  chain = createRegtestChain({ seed: 'endpoints' })
  for (let n = 0; n < 101; n++) chain.mine()
  for (let n = 0; n < 4; n++) chain.mineVaried()
  node = await startRegtestNode(chain)
  anvil = await startAnvil()
  http = await openRpc([{ url: anvil.url }])
})

afterAll(async () => {
  await http?.close()
  await anvil?.close()
  await node?.close()
})

/** The last blocks of the chain as the nodes give them, several at once; each is proven. */
async function readBlocks(nodes: Nodes<unknown>, count = 20): Promise<string[]> {
  const heights = Array.from({ length: count }, (_, at) => chain.head.height - at)
  const blocks = await Promise.all(
    heights.map(height =>
      nodes.take({ height }, async (raw, source) =>
        bitcoinRegtest.verify((await source.attachPrevious!(raw as never)) as never),
      ),
    ),
  )
  for (const { proofs } of blocks) expect(proofs).toEqual(expect.arrayContaining(['txRoot', 'pow', 'inputs']))
  return blocks.map(block => bitcoinRegtest.formatHash(block.hash))
}

const expectedHashes = (count = 20) =>
  Array.from({ length: count }, (_, at) => chain.blockAt(chain.head.height - at)!.hash)

describe('a node in trouble, and one that is well', () => {
  test.each<[string, Trouble]>([
    ['drops connections', drops],
    ['answers garbage', garbage],
    ['is busy for ten minutes', busy],
    ['fails', broken],
    ['never answers', silent],
    ['answers by halves', truncated],
    ['leaves out the result', nonsense],
    ['changes blocks', tampers],
  ])('%s: every block is had all the same, and the first is left alone', async (_, trouble) => {
    const front = await startFront(node.url, null)
    const nodes = keep(
      await openNodes(bitcoinRegtest, [{ url: front.url }, { url: node.url }], { rpc: QUICK }),
    )
    await nodes.identify()
    front.trouble = trouble
    expect(await readBlocks(nodes)).toEqual(expectedHashes())
    const [first, second] = nodes.status()
    expect(first).toMatchObject({ reachable: false, lastError: expect.stringMatching(/\S/) })
    expect(first!.errors).toBeGreaterThan(0)
    expect(second).toMatchObject({ reachable: true, errors: 0, lastError: null })
    expect(second!.latencyMs).toBeGreaterThan(0)
    // What was under way when the trouble began, and a look now and then: not a call for each part of each block.
    expect(front.asked.length).toBeLessThan(60)
    expect(second!.calls).toBeGreaterThan(40)
  })

  test('comes back by itself, and is the first to be asked again', async () => {
    const front = await startFront(node.url, drops)
    const nodes = keep(
      await openNodes(bitcoinRegtest, [{ url: front.url }, { url: node.url }], { rpc: QUICK }),
    )
    expect(await nodes.head()).toBe(chain.head.height)
    expect(nodes.status().map(status => status.reachable)).toEqual([false, true])
    front.trouble = null
    await until(async () => {
      await nodes.blockAt(3)
      return beyondIdentity(front).length > 0
    })
    expect(nodes.status()[0]).toMatchObject({ reachable: true })
    const before = nodes.status()[1]!.calls
    await nodes.blockAt(4)
    expect(nodes.status()[1]!.calls).toBe(before)
  })

  test('alone: it is not asked before the time that it named', async () => {
    let refused = 0
    const front = await startFront(node.url, (response, _, good) => {
      if (refused++ === 0) return void response.writeHead(429, { 'retry-after': '1' }).end()
      return good().then(answer => void response.end(answer))
    })
    const rpc = keep(await openRpc([{ url: front.url }], QUICK))
    expect(await Promise.all([1, 2].map(height => rpc.call('getblockhash', [height])))).toEqual([
      chain.blockAt(1)!.hash,
      chain.blockAt(2)!.hash,
    ])
    expect(front.asked.length).toBe(3)
    front.trouble = busy
    const error = await rpc.call('getblockcount', []).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(EndpointError)
    const later = await rpc.call('getblockcount', []).catch((thrown: unknown) => thrown)
    expect(describeError(later)).toMatch(/left alone for (599|600) s after: .*429/)
    expect(front.asked.length).toBe(4)
  })

  test('what one node lacks the other gives, but not while the other is only in trouble', async () => {
    const lacks: Trouble = (response, { method }, good) =>
      method === 'getrawtransaction'
        ? void response
            .writeHead(404)
            .end('{"result":null,"error":{"code":-32601,"message":"Method not found"}}')
        : good().then(answer => void response.end(answer))
    const front = await startFront(node.url, lacks)
    const other = await startFront(node.url, null)
    const rpc = keep(await openRpc([{ url: front.url }, { url: other.url }], QUICK))
    const txid = chain.head.transactions[1]!.getId()
    const asked = () => rpc.call('getrawtransaction', [txid, 0]).catch((thrown: unknown) => thrown)
    expect(await asked()).toBe(chain.head.transactions[1]!.toHex())
    other.trouble = drops
    expect(await asked()).toBeInstanceOf(EndpointError)
    // A node that stays away does not hold up the others for ever.
    await until(async () => (await asked()) instanceof NotAvailableError)
    expect(await rpc.call('getblockcount', [])).toBe(chain.head.height)
  })
})

describe('a node of another chain', () => {
  test('that was away at the beginning is never asked for a block', async () => {
    const front = await startFront(node.url, null)
    const { port } = new URL(front.url)
    front.close()
    const nodes = keep(
      await openNodes(bitcoinRegtest, [{ url: front.url }, { url: node.url }], { rpc: QUICK }),
    )
    expect(await nodes.identify()).toEqual({ checked: ['genesisHash', 'network'], unchecked: [] })
    expect(await nodes.identifyEach()).toEqual([expect.any(EndpointError), expect.anything()])
    const other = await startFront(
      node.url,
      (response, { method }, good) =>
        method === 'getblockhash'
          ? void response.end(JSON.stringify({ result: 'ab'.repeat(32), error: null }))
          : good().then(answer => void response.end(answer)),
      Number(port),
    )
    await until(async () => {
      expect(await readBlocks(nodes, 3)).toEqual(expectedHashes(3))
      return other.asked.length > 0
    })
    expect(await readBlocks(nodes, 10)).toEqual(expectedHashes(10))
    expect(beyondIdentity(other)).toEqual([])
    const [first] = nodes.status()
    expect(first).toMatchObject({
      reachable: false,
      lastError: expect.stringMatching(/expected 0f9188f1.*abab/),
    })
    await expect(nodes.identify()).rejects.toMatchObject({ code: 'WRONG_CHAIN' })
  })

  test('alone gives its error to every call', async () => {
    const nodes = keep(await openNodes(evmLocal, [{ url: node.url }], { rpc: QUICK }))
    const rightful = keep(await openNodes(bitcoinRegtest, [{ url: anvil.url }], { rpc: QUICK }))
    // A node that knows none of the family's calls is unknown, not of another chain.
    expect(await nodes.identify()).toEqual({ checked: [], unchecked: ['chainId', 'genesisHash'] })
    expect((await rightful.identify()).checked).toEqual([])
    const wrong = keep(await startAnvil({ chainId: 4242 }))
    const strange = keep(await openNodes(evmLocal, [{ url: wrong.url }], { rpc: QUICK }))
    for (const ask of [() => strange.head(), () => strange.blockAt(0), () => strange.finalized()]) {
      await expect(ask()).rejects.toMatchObject({ code: 'WRONG_CHAIN' })
    }
  })
})

describe('heads', () => {
  test('the highest counts, and who is behind is asked last', async () => {
    const behind = await startFront(node.url, async (response, { method, params }, good) => {
      const answer = JSON.parse(await good())
      if (method === 'getblockcount') answer.result -= 3
      const missing = method === 'getblockhash' && Number(params[0]) > chain.head.height - 3
      if (!missing) return void response.end(JSON.stringify(answer))
      const error = { code: -8, message: 'Block height out of range' }
      response.writeHead(500).end(JSON.stringify({ result: null, error }))
    })
    const nodes = keep(
      await openNodes(bitcoinRegtest, [{ url: behind.url }, { url: node.url }], { rpc: QUICK }),
    )
    expect(await nodes.head()).toBe(chain.head.height)
    expect(nodes.status().map(status => status.head)).toEqual([chain.head.height - 3, chain.head.height])
    behind.asked.length = 0
    await nodes.blockAt(chain.head.height)
    expect(behind.asked).toEqual([])
    // What it has may be of a branch that the others have left.
    await nodes.blockAt(1)
    expect(behind.asked).toEqual([])
  })

  test('one that cannot be shown does not lead for long', async () => {
    const liar = await startFront(node.url, async (response, { method }, good) => {
      const answer = JSON.parse(await good())
      if (method === 'getblockcount') answer.result = 1_000_000
      response.end(JSON.stringify(answer))
    })
    const nodes = keep(
      await openNodes(bitcoinRegtest, [{ url: liar.url }, { url: node.url }], {
        rpc: { ...QUICK, backoffMs: 5_000 },
      }),
    )
    expect(await nodes.head()).toBe(1_000_000)
    await expect(nodes.blockAt(1_000_000)).rejects.toBeInstanceOf(NotAvailableError)
    expect(await nodes.head()).toBe(chain.head.height)
    await nodes.blockAt(chain.head.height)
  })
})

describe('over a WebSocket', () => {
  const wsUrl = () => anvil.url.replace('http', 'ws')

  test('a node gives the same blocks as over HTTP', async () => {
    for (let n = 0; n < 3; n++) await http.call('evm_mine', [])
    const [ws, plain] = await Promise.all(
      [wsUrl(), anvil.url].map(async url => keep(await openNodes(evmLocal, [{ url }], { rpc: QUICK }))),
    )
    expect(await ws!.identify()).toEqual(await plain!.identify())
    const head = await plain!.head()
    expect(await ws!.head()).toBe(head)
    const heights = Array.from({ length: head + 1 }, (_, height) => height)
    const read = (nodes: Nodes<unknown>) => Promise.all(heights.map(height => nodes.blockAt(height)))
    expect(await read(ws!)).toEqual(await read(plain!))
    await expect(ws!.blockAt(head + 1)).rejects.toBeInstanceOf(NotAvailableError)
    expect(ws!.status()[0]).toMatchObject({ reachable: true, head, errors: 0, name: `${wsUrl()}/` })
  })

  test('new heads wake, also after the node was away', async () => {
    let own = await startAnvil()
    const { port } = new URL(own.url)
    try {
      const nodes = keep(
        await openNodes(evmLocal, [{ url: own.url }, { url: `ws://127.0.0.1:${port}` }], { rpc: QUICK }),
      )
      const stopped = new AbortController()
      let wakes = 0
      const watching = nodes.watchHead!(stopped.signal, () => wakes++)
      const wakesAgain = async (cause: () => Promise<unknown>) => {
        const before = wakes
        await cause()
        await until(() => wakes > before)
      }
      await until(() => wakes === 1)
      const mine = async () => {
        const rpc = await openRpc([{ url: own.url }])
        await rpc.call('evm_mine', [])
        await rpc.close()
      }
      await wakesAgain(mine)
      // No block since: it wakes because heads may have been missed.
      await wakesAgain(async () => {
        await own.close()
        own = await startAnvil({ port: Number(port) })
      })
      await wakesAgain(mine)
      expect(await nodes.head()).toBe(1)
      stopped.abort()
      await watching
      const after = wakes
      await mine()
      expect(wakes).toBe(after)
    } finally {
      await own.close()
    }
  })

  test('where no endpoint keeps a connection there is nothing to watch, and who refuses is not asked again', async () => {
    const plain = keep(await openNodes(evmLocal, [{ url: anvil.url }]))
    expect(plain.watchHead).toBeUndefined()
    const rpc = keep(await openRpc([{ url: wsUrl() }], QUICK))
    let wakes = 0
    const call = { method: 'eth_subscribe', params: ['oldHeads'] }
    await rpc.watch!(call, new AbortController().signal, () => wakes++)
    expect(wakes).toBe(0)
  })
})

type Script = (socket: WebSocket, call: { id: number; method: string }) => void

/** A server on loopback that does with a call what its script says, one entry for each call, the last for all others. */
async function startScripted(
  ...script: Script[]
): Promise<{ url: string; seen: string[]; headers: object[] }> {
  const seen: string[] = []
  const headers: object[] = []
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', (socket, request) => {
    headers.push(request.headers)
    socket.on('message', data => {
      const call = JSON.parse(String(data))
      seen.push(call.method)
      script[Math.min(seen.length, script.length) - 1]!(socket, call)
    })
  })
  await new Promise(resolve => server.once('listening', resolve))
  keep({
    close: () => {
      for (const client of server.clients) client.terminate()
      server.close()
    },
  })
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, seen, headers }
}

describe('a hostile WebSocket', () => {
  const good: Script = (socket, { id }) => socket.send(JSON.stringify({ jsonrpc: '2.0', id, result: 'good' }))
  const noise: Script = (socket, call) => {
    socket.send(JSON.stringify({ id: 4711, result: 'bad' }))
    socket.send(JSON.stringify({ id: null, error: { code: -32700, message: 'what?' } }))
    socket.send(JSON.stringify({ method: 'eth_subscription', params: { subscription: '0x1' } }))
    good(socket, call)
    good(socket, call)
  }

  test.each<[string, Script]>([
    ['closes instead of answering', socket => socket.close()],
    ['breaks off', socket => socket.terminate()],
    ['sends no JSON', socket => socket.send('<html>')],
    ['sends bytes', socket => socket.send(Buffer.from([0xff, 0xfe]))],
    ['sends a bare null', socket => socket.send('null')],
    ['never answers', () => {}],
    [
      'breaks the protocol',
      socket => void (socket as unknown as { _socket: Socket })._socket.write('\xff\xff'),
    ],
  ])('%s: the call is made again', async (_, trouble) => {
    const node = await startScripted(trouble, noise)
    const rpc = keep(await openRpc([{ url: node.url }], { ...QUICK, timeoutMs: 300 }))
    expect(await rpc.call('getthing', [])).toBe('good')
    expect(node.seen.length).toBe(2)
    const never = await startScripted(trouble)
    const other = keep(await openRpc([{ url: never.url }], { ...QUICK, timeoutMs: 300, attempts: 2 }))
    const error = await other.call('getthing', []).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(EndpointError)
    expect(describeError(error)).toContain(never.url)
    expect(describeError(error)).toMatch(/getthing failed/)
    expect(never.seen.length).toBe(2)
  })

  test('calls that are under way when the connection is lost all fail as retryable, and are made again', async () => {
    const node = await startScripted(
      () => {},
      () => {},
      socket => socket.terminate(),
      good,
    )
    const rpc = keep(await openRpc([{ url: node.url }], QUICK))
    const answers = await rpc.callMany(['a', 'b', 'c'].map(method => ({ method, params: [] })))
    expect(answers).toEqual(['good', 'good', 'good'])
    expect(node.headers.length).toBe(2)
  })

  test('errors are those of any endpoint, headers and credentials are sent, and told to nobody', async () => {
    const node = await startScripted(
      (socket, { id }) => socket.send(JSON.stringify({ id, error: { code: -32601, message: 'no such' } })),
      (socket, { id }) => socket.send(JSON.stringify({ id, error: { code: -32000, message: 'refused' } })),
      (socket, { id }) => socket.send(`{"id":${id},"result":1.50}`),
    )
    const url = node.url.replace('//', '//alice:hush-hush@')
    const rpc = keep(await openRpc([{ url, headers: { 'x-key': 'hush-hush' } }], QUICK))
    const error = await rpc.call('getthing', []).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(NotAvailableError)
    await expect(rpc.call('getthing', [])).rejects.toBeInstanceOf(RpcError)
    expect(await rpc.call('getthing', [], { parse: text => text.match(/1\.50/) && { result: '1.50' } })).toBe(
      '1.50',
    )
    const authorization = `Basic ${Buffer.from('alice:hush-hush').toString('base64')}`
    expect(node.headers).toEqual([expect.objectContaining({ authorization, 'x-key': 'hush-hush' })])
    const gone = keep(await openRpc([{ url: 'ws://alice:hush-hush@127.0.0.1:1/' }], QUICK))
    const unreachable = await gone.call('getthing', []).catch((thrown: unknown) => thrown)
    expect(unreachable).toBeInstanceOf(EndpointError)
    const told = [error, unreachable, gone.status(), rpc.status()]
      .map(one => inspect(one, { depth: 5 }))
      .join()
    expect(told).toContain('ECONNREFUSED')
    expect(told).not.toMatch(/hush|alice|YWxpY2U6/)
  })

  test.each<[number, abstract new (...args: never[]) => Error, RegExp]>([
    [401, ConfigError, /refused the credentials/],
    [429, EndpointError, /expected a WebSocket, got HTTP 429/],
    [200, EndpointError, /expected a WebSocket, got HTTP 200/],
    [302, EndpointError, /expected a WebSocket, got HTTP 302/],
  ])('HTTP %i instead of a connection', async (status, kind, message) => {
    const server = createServer()
    server.on('upgrade', (_, socket) => {
      socket.end(`HTTP/1.1 ${status} No\r\nlocation: ws://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n`)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    keep({ close: () => stop(server) })
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const rpc = keep(await openRpc([{ url }], { ...QUICK, attempts: 2 }))
    const error = await rpc.call('getthing', []).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(kind)
    expect(describeError(error)).toMatch(message)
  })

  test('closing does not wait for a server that does not let us in', async () => {
    const server = createServer()
    const sockets: { destroy(): void }[] = []
    server.on('upgrade', (_, socket) => void sockets.push(socket))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const rpc = await openRpc([{ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/` }])
    const call = rpc.call('getthing', []).catch((thrown: unknown) => thrown)
    await until(() => sockets.length === 1)
    await rpc.close()
    expect(await call).toBeInstanceOf(EndpointError)
    for (const socket of sockets) socket.destroy()
    stop(server)
  })
})
