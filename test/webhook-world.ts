import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAnnouncementHub } from '../api/announcement-hub.ts'
import type { EventBody, WebhookDesk } from '../api/webhooks/contract.ts'
import { startWebhookWorker, type WebhookWorker, type WorkerDeps } from '../api/webhooks/worker.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { createIngest } from '../splitter/ingest.ts'
import { openWriter } from '../splitter/writer.ts'
import { openTestStore, silent, type TestStore } from './harness.ts'
import { type PaperBlock, paperBlocks, paperChain, paperHash } from './paper-chain.ts'
import { openTestSending, SECRET_KEY } from './webhook-desk.ts'

/** A request that came, and what became of it. */
export interface Received {
  headers: IncomingMessage['headers']
  text: string
  body: EventBody
  /** Null where the connection was dropped. */
  status: number | null
}

export interface Receiver {
  url: string
  /** In the order of their arrival. */
  requests: Received[]
  /** What is taken: bodies that were answered with 2xx, in order, each id once. */
  taken(): EventBody[]
  /** Decides each answer: a status, or null to drop the connection. */
  answer: (request: Omit<Received, 'status'>) => number | null | Promise<number | null>
  close(): Promise<void>
}

/** An endpoint of the test's own, on loopback. */
export async function startReceiver(): Promise<Receiver> {
  const requests: Received[] = []
  const receiver: Receiver = {
    url: '',
    requests,
    taken() {
      const seen = new Set<string>()
      return requests.flatMap(({ body, status }) => {
        if (status === null || status >= 300 || seen.has(body.id)) return []
        seen.add(body.id)
        return [body]
      })
    },
    answer: () => 204,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const came = { headers: request.headers, text, body: JSON.parse(text) as EventBody }
    const status = await receiver.answer(came)
    requests.push({ ...came, status })
    if (status === null) request.socket.destroy()
    else response.writeHead(status).end()
  }
  const server: Server = createServer((request, response) => {
    // Who goes away is not answered.
    serve(request, response).catch(() => request.socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  return receiver
}

/** A chain on paper in a real store, with webhooks on it. */
export interface WebhookWorld<Store extends WorldStore = TestStore> {
  store: Store
  desk: WebhookDesk
  slug: string
  /** Blocks of a fork on top of what is stored. */
  grow(count: number, fork?: number): Promise<void>
  /** Takes the newest blocks off and puts as many and some more of another fork there. */
  reorg(depth: number, fork: number, more?: number): Promise<void>
  hashAt(height: number): string
  height(): number
  /** Told of the newest height once it can be read, before anybody else is. */
  onReadable: ((height: number) => void) | null
  start(settings?: Partial<WorkerDeps>): WebhookWorker
  close(): Promise<void>
}

/** Where a world's rows are; closed with it. */
export type WorldStore = Pick<TestStore, 'sql' | 'close'>

export async function openWebhookWorld(slug = 'paper'): Promise<WebhookWorld> {
  return openWebhookWorldIn(await openTestStore(), slug)
}

/** The same in a store that is there already. */
export async function openWebhookWorldIn<Store extends WorldStore>(
  store: Store,
  slug: string,
): Promise<WebhookWorld<Store>> {
  const { sql } = store
  const chain = paperChain(slug)
  await registerChain(sql, chain.definition)
  const writer = await openWriter({ sql, chain, owner: 'test:1' })
  const ingest = createIngest({ sql, chain, writer, batchBlocks: 5 })
  const forks: number[] = []
  let offset = 0n
  const hub = createAnnouncementHub()
  const sending = openTestSending(SECRET_KEY)
  const workers: WebhookWorker[] = []

  async function put(blocks: readonly PaperBlock[]): Promise<void> {
    for (const raw of blocks) {
      const logged = { hash: paperHash(raw.height, raw.fork), offset: ++offset }
      const failed = await ingest.add({ height: raw.height, raw, logged })
      if (failed.length > 0) throw new Error('a paper block was refused')
      forks[raw.height] = raw.fork
    }
    await ingest.flush()
    world.onReadable?.(forks.length - 1)
    hub.publish({
      id: '',
      type: 'block.added',
      chain: slug,
      height: forks.length - 1,
      hash: '',
      parentHash: '',
      time: 0,
      transactionCount: 0,
      history: false,
    })
  }
  const hashAt = (height: number) => paperHash(height, forks[height]!).toString('hex')

  const world: WebhookWorld<Store> = {
    store,
    slug,
    desk: sending.desk({ sql, chains: new Set([slug]) }),
    hashAt,
    onReadable: null,
    height: () => forks.length - 1,
    grow: (count, fork = forks.at(-1) ?? 0) =>
      put(paperBlocks(forks.length, forks.length + count - 1, fork, forks.at(-1) ?? fork)),
    async reorg(depth, fork, more = 0) {
      const to = forks.length - 1 - depth
      await ingest.revert({ height: to, hash: paperHash(to, forks[to]!) }, ++offset)
      forks.length = to + 1
      await put(paperBlocks(to + 1, to + depth + more, fork, forks[to]!))
    },
    start(settings = {}) {
      const worker = startWebhookWorker({
        sql,
        feed: hub,
        logger: silent,
        share: { index: 0, of: 1 },
        ...sending.worker,
        ...settings,
      })
      workers.push(worker)
      return worker
    },
    async close() {
      for (const worker of workers) await worker.stop()
      await sending.close()
      await store.close()
    },
  }
  return world
}

/**
 * The blocks of a chain as someone has them who believed every event in its order. Fails where an event cannot be: out of
 * order, a block beside one of the same height or not on top of the one below, the end of one that is not the highest.
 */
export function foldBlocks(taken: readonly EventBody[]): Map<number, EventBody> {
  const held = new Map<number, EventBody>()
  for (const [at, body] of taken.entries()) {
    const { height, hash, sequence, type, data } = body
    if (sequence !== at) throw new Error(`expected event ${at}, got ${sequence}`)
    if (height === null || hash === null) continue
    const wrong = (reason: string) => new Error(`${sequence} ${type} ${height} ${hash}: ${reason}`)
    if (type === 'block.added') {
      if (held.has(height)) throw wrong(`${held.get(height)!.hash} stands there`)
      const below = held.get(height - 1)
      if (below ? below.hash !== data.parentHash : held.size > 0) throw wrong('it is not on top')
      held.set(height, body)
    } else if (type === 'block.removed') {
      const added = held.get(height)
      if (added?.hash !== hash || held.has(height + 1)) throw wrong('it is not the highest')
      if (data.undoes !== added.sequence || data.oldHash !== hash) throw wrong('it undoes another')
      held.delete(height)
    }
  }
  return held
}

export async function until(
  what: string,
  done: () => boolean | Promise<boolean>,
  rounds = 2_400,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    if (await done()) return
    await new Promise(resolve => setTimeout(resolve, 25))
  }
  throw new Error(`waited in vain for: ${what}`)
}
