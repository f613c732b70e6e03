import { afterEach, describe, expect, test } from 'vitest'
import { eventBodyShape, type WebhookRequest } from '../api/webhooks/contract.ts'
import { defaultSchedule, retryDelay } from '../api/webhooks/retry.ts'
import type { WorkerDeps } from '../api/webhooks/worker.ts'
import { createRandomness } from '../deploy/dev/randomness.ts'
import {
  foldBlocks,
  openWebhookWorld,
  type Receiver,
  startReceiver,
  until,
  type WebhookWorld,
} from './webhook-world.ts'

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

async function open(): Promise<{ world: WebhookWorld; receiver: Receiver }> {
  const world = await openWebhookWorld()
  opened.push(world)
  const receiver = await startReceiver()
  opened.push(receiver)
  return { world, receiver }
}

const blocks = (receiver: Receiver, world: WebhookWorld, request: Partial<WebhookRequest> = {}) =>
  world.desk.add({
    url: receiver.url,
    chains: [world.slug],
    events: ['block.added', 'block.removed'],
    allowPrivate: true,
    ...request,
  })

const brief = (receiver: Receiver) =>
  receiver.taken().map(({ type, height, sequence }) => `${sequence} ${type} ${height}`)

describe('a webhook', () => {
  test('from a height on: a ping, then every block in order, removals from the highest down, numbered without a gap', async () => {
    const { world, receiver } = await open()
    await world.grow(6)
    const { webhook, secret } = await blocks(receiver, world, { start: { height: 2 } })
    expect(secret).toMatch(/^whsec_/)
    world.start()
    await until('four blocks', () => receiver.taken().length === 5)
    await world.reorg(2, 1, 1)
    await until('the reorg', () => receiver.taken().length === 10)
    await world.grow(1)
    await until('one more', () => receiver.taken().length === 11)
    expect(brief(receiver)).toEqual([
      '0 ping null',
      '1 block.added 2',
      '2 block.added 3',
      '3 block.added 4',
      '4 block.added 5',
      '5 block.removed 5',
      '6 block.removed 4',
      '7 block.added 4',
      '8 block.added 5',
      '9 block.added 6',
      '10 block.added 7',
    ])
    const bodies = receiver.taken()
    for (const body of bodies) eventBodyShape.parse(body)
    expect(bodies[5]).toMatchObject({
      type: 'block.removed',
      hash: bodies[4]!.hash,
      data: {
        undoes: 4,
        oldHash: bodies[4]!.hash,
        newHash: world.hashAt(5),
        commonAncestor: { height: 3, hash: world.hashAt(3) },
      },
    })
    await until('a note of it', async () => (await world.desk.get(webhook.id))?.delivered === 10)
    expect(await world.desk.get(webhook.id)).toMatchObject({ status: 'active', sequence: 10 })
  })

  test('what an address did is told, and taken back with the block that it was in', async () => {
    const { world, receiver } = await open()
    await world.grow(3)
    await blocks(receiver, world, {
      events: ['address.activity', 'transfer', 'reorg'],
      filters: { addresses: ['account-1', 'account-2'] },
      start: { height: 1 },
    })
    world.start()
    await until('its activity', () => receiver.taken().length > 4)
    await world.reorg(1, 1)
    await until('the removal', () => receiver.taken().some(({ type }) => type === 'reorg'))
    const told = receiver.taken().filter(({ type }) => type === 'address.activity' || type === 'transfer')
    const stored = await world.store.sql.rows<{ height: string; transaction_hash: string; amount: string }>(
      `SELECT height, transaction_hash, amount FROM effects WHERE address IN ('account-1', 'account-2') AND height > 0 ORDER BY height, index`,
    )
    await until('all of it', () => folded(receiver).length === stored.length)
    expect(folded(receiver)).toEqual(stored.map(row => `${row.height} ${row.transaction_hash} ${row.amount}`))
    for (const body of told) eventBodyShape.parse(body)
    expect(receiver.taken().find(({ type }) => type === 'reorg')).toMatchObject({
      height: 2,
      data: { depth: 1, newHash: world.hashAt(2), commonAncestor: { height: 1 } },
    })
  })

  test('an endpoint that fails, drops and forgets gets each event at last, in order, with the same bytes each time', async () => {
    const { world, receiver } = await open()
    let calls = 0
    receiver.answer = () => [500, null, 204, 302, 429][calls++ % 5] as number | null
    await world.grow(12)
    const { webhook } = await blocks(receiver, world, { start: { height: 0 } })
    world.start()
    await until('all of them', () => receiver.taken().length === 13)
    expect(receiver.taken().map(({ sequence }) => sequence)).toEqual([...Array(13).keys()])
    const byId = new Map<string, Set<string>>()
    for (const { body, text } of receiver.requests)
      byId.set(body.id, (byId.get(body.id) ?? new Set()).add(text))
    expect([...byId.values()].every(texts => texts.size === 1)).toBe(true)
    await until(
      'a note of all',
      async () =>
        (await world.desk.deliveries(webhook.id, { limit: 100 })).length === receiver.requests.length,
    )
    const deliveries = await world.desk.deliveries(webhook.id, { limit: 100 })
    expect(new Set(deliveries.map(({ status }) => status))).toEqual(new Set([500, null, 204, 302, 429]))
    expect(JSON.stringify(deliveries)).not.toMatch(/v1,|whsec/)
    const [kept] = await world.store.sql.rows<{ days: number[] }>(
      "SELECT groupUniqArray(dateDiff('day', time, expires)) AS days FROM wanlian.webhook_deliveries",
    )
    expect(kept!.days.map(Number)).toEqual([30])
  })
})

/** The usual schedule on a clock that runs so many times faster. */
const inHaste =
  (haste: number): WorkerDeps['retry'] =>
  (attempt, failingForMs, retryAfterMs) => {
    const settings = { schedule: defaultSchedule, random: Math.random }
    const delay = retryDelay(attempt, failingForMs * haste, retryAfterMs, settings)
    return delay === null ? null : delay / haste
  }
const DAY_MS = 24 * 3_600_000

describe('an endpoint that fails for long', () => {
  test('answers 500 for a day: it is asked less and less, then it gets everything, in order', async () => {
    const { world, receiver } = await open()
    await world.grow(3)
    const { webhook } = await blocks(receiver, world, { start: { height: 0 } })
    world.start({ retry: inHaste(20_000) })
    await until('what was there', () => receiver.taken().length === 4)
    const began = Date.now()
    receiver.answer = () => (Date.now() - began < DAY_MS / 20_000 ? 500 : 204)
    await world.grow(1)
    await until('the first refusal', () => receiver.requests.at(-1)?.status === 500)
    await world.grow(3)
    await world.reorg(2, 1, 2)
    await until('the failure to show', async () => (await world.desk.get(webhook.id))?.status === 'failing')
    await until('all of it', () => receiver.taken().at(-1)?.hash === world.hashAt(world.height()))
    const held = foldBlocks(receiver.taken())
    expect([...held.values()].map(({ hash }) => hash)).toEqual(
      Array.from({ length: world.height() + 1 }, (_, height) => world.hashAt(height)),
    )
    const refused = receiver.requests.filter(({ status }) => status === 500)
    expect(new Set(refused.map(({ body }) => body.sequence))).toEqual(new Set([4]))
    expect(refused.length).toBeGreaterThan(5)
    expect(refused.length).toBeLessThan(20)
  })

  test('for longer than anybody tries: it stands still, says so, and goes on without a gap when it is resumed', async () => {
    const { world, receiver } = await open()
    await world.grow(2)
    const { webhook } = await blocks(receiver, world, { start: { height: 0 } })
    world.start({ retry: inHaste(100_000) })
    await until('what was there', () => receiver.taken().length === 3)
    receiver.answer = () => 503
    await world.grow(4)
    await until('the end of patience', async () => (await world.desk.get(webhook.id))?.status === 'disabled')
    const asked = receiver.requests.length
    await world.reorg(1, 1, 3)
    receiver.answer = () => 204
    expect(receiver.requests.length).toBe(asked)
    await world.desk.resume(webhook.id)
    await until('all of it', () => receiver.taken().at(-1)?.hash === world.hashAt(world.height()))
    expect([...foldBlocks(receiver.taken()).keys()]).toEqual([...Array(world.height() + 1).keys()])
  })

  test('answers in another order than it was asked: what it took is in order all the same', async () => {
    const { world, receiver } = await open()
    const random = createRandomness('acks')
    const held: (() => void)[] = []
    receiver.answer = async () => {
      await new Promise<void>(resolve => held.push(resolve))
      return random.integer(4) === 0 ? 500 : 204
    }
    const releasing = setInterval(() => held.splice(random.integer(held.length || 1), 1)[0]?.(), 15)
    opened.push({ close: async () => clearInterval(releasing) })
    await world.grow(10)
    const { webhook } = await blocks(receiver, world, { start: { height: 0 } })
    world.start()
    await until('some events', () => receiver.taken().length > 5)
    for (let at = 0; at < 3; at++) await world.desk.replay(webhook.id, { from: { sequence: 1 } })
    await world.grow(10)
    await world.reorg(4, 1, 2)
    await until('all of it', () => receiver.taken().at(-1)?.hash === world.hashAt(world.height()))
    const again = (sequence: number) =>
      receiver.requests.filter(({ body, status }) => body.sequence === sequence && status === 204).length
    await until('what is sent again', () => [1, 2, 3, 4, 5].every(sequence => again(sequence) === 4))
    expect(foldBlocks(receiver.taken()).size).toBe(world.height() + 1)
    const texts = new Map<string, Set<string>>()
    for (const { body, text } of receiver.requests)
      texts.set(body.id, (texts.get(body.id) ?? new Set()).add(text))
    expect([...texts.values()].every(different => different.size === 1)).toBe(true)
  })
})

/** What a receiver that keeps count has in the end: `height transaction amount` of all that was told and not taken back. */
function folded(receiver: Receiver): string[] {
  const held = new Map<number, string[]>()
  for (const body of receiver.taken()) {
    if (body.type !== 'address.activity') continue
    if ('removed' in body.data) held.delete(body.data.undoes)
    else {
      const { transactionHash, effects } = body.data
      held.set(
        body.sequence,
        effects!.map(({ amount }) => `${body.height} ${transactionHash} ${amount}`),
      )
    }
  }
  return [...held.values()].flat()
}
