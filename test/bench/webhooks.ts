import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { createRegistry } from '../../api/webhooks/registry.ts'
import { openWebhookWorld, type Receiver, startReceiver, until, type WebhookWorld } from '../webhook-world.ts'

/**
 * `npm run bench:webhooks -- [--webhooks 1000] [--addresses 100000] [--blocks 20]`: what it costs to find out whom a block
 * concerns, how long it takes from a block that can be read to the requests that tell of it, and what an endpoint
 * that hangs does to the others. Milliseconds of this machine; compare the lines of one run with each other.
 */
const { values } = parseArgs({
  options: {
    webhooks: { type: 'string', default: '1000' },
    addresses: { type: 'string', default: '100000' },
    blocks: { type: 'string', default: '20' },
  },
})
const [webhooks, addresses, blocks] = [values.webhooks, values.addresses, values.blocks].map(Number) as [
  number,
  number,
  number,
]

const say = (facts: object) => process.stdout.write(`${JSON.stringify(facts)}\n`)
const round = (value: number) => Math.round(value * 10) / 10
const MB = 1024 * 1024

function share(sorted: readonly number[], part: number): number {
  return round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN)
}

/** Resident memory of a process, in MB (Linux: `/proc/PID/status`). */
async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}

/** Whom 1,000 addresses of a block concern, among very many that are watched. */
async function measureMatching(world: WebhookWorld): Promise<void> {
  const { sql } = world.store
  const registry = createRegistry(sql)
  const block = Array.from({ length: 1_000 }, (_, at) => `0x${(at * 7_919).toString(16).padStart(40, '0')}`)
  for (const watched of [0, 0.01, 1].map(part => Math.round(part * webhooks))) {
    if (watched > 0) {
      const startedAt = performance.now()
      const rows = watched * addresses
      await sql.command(
        `INSERT INTO wanlian.webhook_addresses (chain, height, time, address, webhook)
        SELECT '', 0, now64(3), concat('0x', leftPad(lower(hex(number)), 40, '0')), concat('wh_', toString(number % ${watched}))
        FROM numbers(${rows})`,
      )
      say({ what: 'addresses written', rows, seconds: round((performance.now() - startedAt) / 1000) })
    }
    const times: number[] = []
    let found = 0
    for (let run = 0; run < 20; run++) {
      const startedAt = performance.now()
      found = (await registry.watchersOf(block)).size
      times.push(performance.now() - startedAt)
    }
    times.sort((a, b) => a - b)
    say({
      what: 'a block of 1,000 addresses matched',
      webhooks: watched,
      addressesEach: addresses,
      found,
      p50: share(times, 0.5),
      p95: share(times, 0.95),
      memoryHere: Math.round(process.memoryUsage().rss / MB),
      memoryOfStore: await memoryOf(world.store.store.pid()),
    })
  }
}

/** From the block that can be read to each request's arrival. */
async function measureLatency(world: WebhookWorld, receiver: Receiver, what: string): Promise<void> {
  const readableAt = new Map<number, number>()
  const latencies: number[] = []
  receiver.answer = ({ body }) => {
    const since = readableAt.get(body.height ?? -1)
    if (since !== undefined) latencies.push(performance.now() - since)
    return 204
  }
  const expected = (await world.desk.list()).filter(({ url }) => url === receiver.url).length
  for (let block = 0; block < blocks; block++) {
    // Told within `grow` after it can be read: the time before is the writer's.
    readableAt.set(world.height() + 1, Number.POSITIVE_INFINITY)
    world.onReadable = height => readableAt.set(height, performance.now())
    await world.grow(1)
    await until('all of them', () => latencies.length === expected * (block + 1))
  }
  latencies.sort((a, b) => a - b)
  say({
    what,
    webhooks: expected,
    blocks,
    p50: share(latencies, 0.5),
    p95: share(latencies, 0.95),
    most: share(latencies, 1),
  })
}

const world = await openWebhookWorld('paper-bench')
const [receiver, hanging] = [await startReceiver(), await startReceiver()]
hanging.answer = () => new Promise(() => {})
try {
  await world.grow(3)
  for (let at = 0; at < webhooks; at++) {
    await world.desk.add({
      url: receiver.url,
      chains: [world.slug],
      events: ['block.added'],
      start: 'now',
      allowPrivate: true,
    })
  }
  world.start()
  await until('every ping', () => receiver.taken().length >= webhooks, 24_000)
  await measureLatency(world, receiver, 'from readable to requested')
  for (let at = 0; at < 10; at++) {
    await world.desk.add({
      url: hanging.url,
      chains: [world.slug],
      events: ['block.added'],
      allowPrivate: true,
    })
  }
  await new Promise(resolve => setTimeout(resolve, 3_000))
  await measureLatency(world, receiver, 'the same while 10 endpoints hang')
  await measureMatching(world)
} finally {
  await world.close()
  await receiver.close()
  await hanging.close()
}
