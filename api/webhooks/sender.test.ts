import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createTargetGuard } from './guard.ts'
import { createSender, type Sender } from './sender.ts'

const opened: (() => unknown)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  opened.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const serve = (answer: (request: IncomingMessage, response: ServerResponse) => void) =>
  listen(createServer(answer))
const serveBytes = (answer: (socket: Socket) => void) => listen(createTcpServer(answer))

function open(): Sender {
  const sender = createSender({
    guard: createTargetGuard({ allow: [] }),
    version: '1',
    connectMs: 500,
    answerMs: 700,
  })
  opened.push(() => sender.close())
  return sender
}

const send = (url: string, sender = open()) =>
  sender.send({
    url,
    allowPrivate: true,
    headers: { 'webhook-id': 'one' },
    body: Buffer.from('{"a":1}'),
    signal: new AbortController().signal,
  })

test('what is sent is a POST of exactly these bytes', async () => {
  let got = ''
  const url = await serve(async (request, response) => {
    for await (const chunk of request) got += chunk
    got += ` ${request.method} ${request.headers['content-type']} ${request.headers['user-agent']} ${request.headers['webhook-id']}`
    response.writeHead(202, { 'x-answer': 'yes' }).end('thanks')
  })
  expect(await send(url)).toMatchObject({
    ok: true,
    status: 202,
    error: null,
    responseBody: 'thanks',
    responseHead: { 'x-answer': 'yes' },
  })
  expect(got).toBe('{"a":1} POST application/json wanlian-webhooks/1 one')
})

test.each([
  [500, 'answered 500, expected 2xx'],
  [302, 'answered 302: redirects are not followed'],
  [410, 'answered 410: gone'],
])('an answer of %i is a failure', async (status, error) => {
  let asked = 0
  const url = await serve((_, response) => {
    asked++
    response.writeHead(status, { location: '/elsewhere', 'retry-after': '7' }).end()
  })
  expect(await send(url)).toMatchObject({ ok: false, status, error, retryAfterMs: 7_000 })
  expect(asked).toBe(1)
})

test('a date to come back at is understood, nonsense is not', async () => {
  let value = new Date(Date.now() + 60_000).toUTCString()
  const url = await serve((_, response) => response.writeHead(503, { 'retry-after': value }).end())
  const { retryAfterMs } = await send(url)
  expect([retryAfterMs! > 50_000, retryAfterMs! <= 60_000]).toEqual([true, true])
  value = 'soon'
  expect((await send(url)).retryAfterMs).toBeNull()
})

test('of an endless answer the beginning is read, and no more', async () => {
  let written = 0
  const url = await serve((_, response) => {
    response.writeHead(200)
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536))) written += 65_536
    }
    response.on('drain', more)
    more()
  })
  const outcome = await send(url)
  expect([outcome.ok, outcome.responseBody.length]).toEqual([true, 4_096])
  expect(written).toBeLessThan(64 * 1024 * 1024)
})

test.each([
  ['says nothing', () => {}],
  ['stops in its head', (socket: Socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-')],
  [
    'stops in its body',
    (socket: Socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
  ],
  [
    'sends heads without end',
    (socket: Socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const more = setInterval(() => socket.write(`x-${Math.random()}: ${'y'.repeat(2_000)}\r\n`), 5)
      socket.on('close', () => clearInterval(more))
    },
  ],
  [
    'drips',
    (socket: Socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n')
      const more = setInterval(() => socket.write('z'), 20)
      socket.on('close', () => clearInterval(more))
    },
  ],
  ['hangs up', (socket: Socket) => void socket.destroy()],
  ['speaks another language', (socket: Socket) => void socket.end('220 mail.example ESMTP\r\n')],
])('an endpoint that %s fails in time, with a reason', async (_, answer) => {
  const outcome = await send(await serveBytes(answer))
  expect([outcome.ok, outcome.error]).toEqual([false, expect.stringMatching(/\S/)])
})

test('nobody there, a certificate of nobody', async () => {
  expect(await send('http://127.0.0.1:1/')).toMatchObject({
    ok: false,
    status: null,
    error: expect.stringMatching(/ECONNREFUSED/),
  })
  const url = await serve((_, response) => response.end())
  expect((await send(url.replace('http:', 'https:'))).ok).toBe(false)
})

test('endpoints that hang keep nobody from his own, not even at the same address', async () => {
  const url = await serve((request, response) => {
    if (request.url !== '/hang') response.writeHead(204).end()
  })
  const sender = open()
  const hanging = Array.from({ length: 200 }, () => send(`${url}hang`, sender))
  const answers = await Promise.all(Array.from({ length: 20 }, () => send(url, sender)))
  expect(answers.map(({ ok }) => ok)).toEqual(Array(20).fill(true))
  expect((await Promise.all(hanging)).every(({ ok }) => !ok)).toBe(true)
})
