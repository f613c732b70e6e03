import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRandomness, type Randomness } from '../deploy/dev/randomness.ts'
import { SECRET_KEY } from './webhook-desk.ts'
import {
  foldBlocks,
  openWebhookWorld,
  type Receiver,
  startReceiver,
  until,
  type WebhookWorld,
} from './webhook-world.ts'

/** `WANLIAN_SEEDS=200` for the long run; `WANLIAN_SEED=5` runs that one again. */
const chosen = process.env.WANLIAN_SEED
const SEEDS =
  chosen === undefined
    ? Array.from({ length: Number(process.env.WANLIAN_SEEDS ?? 4) }, (_, seed) => seed)
    : [Number(chosen)]
const ROUNDS = 10

let world: WebhookWorld
let fork = 0
beforeAll(async () => {
  world = await openWebhookWorld('paper-kills')
  await world.grow(20)
})
afterAll(() => world?.close())

function startChild(): ChildProcess {
  const { url, username, password, headers } = world.store.store
  const script = fileURLToPath(new URL('./webhook-child.ts', import.meta.url))
  const argument = JSON.stringify([{ url, username, password, headers }, SECRET_KEY.toString('hex')])
  return spawn(process.execPath, ['--import', 'tsx', script, argument], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Whoever sends finds that out by himself; who writes blocks waits until it is there again. */
async function killStore(): Promise<void> {
  const { sql, store } = world.store
  const pid = store.pid()
  process.kill(pid, 'SIGKILL')
  await until('another store', async () => store.pid() !== pid && (await isThere(sql)))
}

const isThere = (sql: WebhookWorld['store']['sql']) =>
  sql.rows('SELECT 1').then(
    () => true,
    () => false,
  )

/** Fails, drops, answers late; sometimes takes an event and does not say so. */
function trouble(receiver: Receiver, random: Randomness): void {
  receiver.answer = async () => {
    const what = random.integer(10)
    if (what < 2) return 500
    if (what === 2) return null
    if (what === 3) await pause(random.integer(80))
    return 204
  }
}

test.each(SEEDS)(
  'seed %i: sender and store are killed again and again, blocks come and go, the endpoint fails: nothing is lost, doubled or out of order',
  async seed => {
    const random = createRandomness(`webhooks/${seed}`)
    const receiver = await startReceiver()
    let child = startChild()
    try {
      trouble(receiver, random)
      const from = world.height() - random.integer(10)
      await world.desk.add({
        url: receiver.url,
        chains: [world.slug],
        events: ['block.added', 'block.removed'],
        start: { height: from },
        allowPrivate: true,
      })
      for (let round = 0; round < ROUNDS; round++) {
        await pause(random.integer(600))
        if (random.integer(3) > 0) {
          await kill(child)
          child = startChild()
        }
        if (random.integer(8) === 0) await killStore()
        if (random.integer(2) === 0) await world.grow(1 + random.integer(4))
        else await world.reorg(1 + random.integer(6), ++fork, random.integer(3))
      }
      receiver.answer = () => 204
      await until('the tip', () => receiver.taken().at(-1)?.hash === world.hashAt(world.height()))
      const stored = await world.store.sql.rows<{ height: string; hash: string }>(
        'SELECT height, hash FROM blocks WHERE chain = {chain:String} AND height >= {from:UInt64} ORDER BY height',
        { chain: world.slug, from },
      )
      const held = [...foldBlocks(receiver.taken())].map(([height, { hash }]) => [height, hash])
      expect(held).toEqual(stored.map(({ height, hash }) => [Number(height), hash]))
      const texts = new Map<string, Set<string>>()
      for (const { body, text } of receiver.requests)
        texts.set(body.id, (texts.get(body.id) ?? new Set()).add(text))
      expect([...texts.values()].filter(different => different.size > 1)).toEqual([])
      for (const { id } of await world.desk.list()) await world.desk.remove(id)
    } finally {
      await kill(child)
      await receiver.close()
    }
  },
)
