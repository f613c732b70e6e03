import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EventBody } from '../api/webhooks/contract.ts'
import { startWebhookWorker } from '../api/webhooks/worker.ts'
import type { Chain } from '../crawlers/chain.ts'
import type { SqlClient } from '../deploy/sql.ts'
import type { AnnouncementFeed } from '../schema/events.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { openTestStore, silent, type TestStore } from './harness.ts'
import { runScript } from './sim/run.ts'
import { mineBase } from './sim/script.ts'
import { stormDepth, writeFlipFlop, writeStorm } from './sim/storm.ts'
import { openTestSending, SECRET_KEY } from './webhook-desk.ts'
import { foldBlocks, startReceiver, until as untilTold } from './webhook-world.ts'

/** `npm run storm` asks for 60. */
const ROUNDS = Number(process.env.WANLIAN_ROUNDS ?? 12)

/** Within the history that is filled in. */
const TOLD_FROM = 95

let world: TestStore
beforeAll(async () => {
  world = await openTestStore()
})
afterAll(() => world?.close())

/** Told of new blocks all the time: whoever listens sees as many of them as can be seen. */
const restless: AnnouncementFeed = {
  async *subscribe(signal) {
    while (!signal.aborted) {
      await pause(20)
      yield* []
    }
  },
}

/** What a webhook said of a chain while it was restless, from a height on. */
async function listen(sql: SqlClient, chain: Chain, from: number) {
  const { slug } = chain.definition
  await registerChain(sql, chain.definition)
  const receiver = await startReceiver()
  const sending = openTestSending(SECRET_KEY)
  await sending.desk({ sql, chains: new Set([slug]) }).add({
    url: receiver.url,
    chains: [slug],
    events: ['block.added', 'block.removed'],
    payload: 'full',
    start: { height: from },
    allowPrivate: true,
  })
  const share = { index: 0, of: 1 }
  const worker = startWebhookWorker({ sql, feed: restless, logger: silent, share, ...sending.worker })
  return {
    receiver,
    async close() {
      await worker.stop()
      await sending.close()
      await receiver.close()
    },
  }
}

interface Effects {
  effects: { address: string; asset: string; amount: string }[]
}

/** What the blocks moved in all, by address and asset. */
function totalsOf(blocks: Iterable<EventBody>): string[] {
  const totals = new Map<string, bigint>()
  for (const { data } of blocks) {
    const { transactions, effects } = data as unknown as Effects & { transactions: Effects[] }
    for (const { address, asset, amount } of [...effects, ...transactions.flatMap(one => one.effects)]) {
      const key = `${address} ${asset}`
      totals.set(key, (totals.get(key) ?? 0n) + BigInt(amount))
    }
  }
  return [...totals].map(([key, amount]) => `${key} ${amount}`).sort()
}

test(`${ROUNDS} times two nodes are split and joined, up to 64 blocks deep: no row is wrong, each block that left is told once`, async () => {
  expect(Math.max(...Array.from({ length: ROUNDS }, (_, at) => stormDepth(at)))).toBe(64)
  const script = writeStorm(mineBase(), ROUNDS)
  const { slug } = script.chain.definition
  const { receiver, close } = await listen(world.sql, script.chain, TOLD_FROM)
  try {
    const { problems, reorgs } = await runScript(script, {
      sql: world.sql,
      logger: silent,
      // What a webhook was told amounts to what the tables hold.
      async inspect() {
        const stored = await world.sql.rows<{ height: string; hash: string }>(
          'SELECT height, hash FROM blocks WHERE chain = {slug:String} AND height >= {from:UInt64} ORDER BY height',
          { slug, from: TOLD_FROM },
        )
        await untilTold('the tip', () => receiver.taken().at(-1)?.hash === stored.at(-1)!.hash)
        const held = foldBlocks(receiver.taken())
        expect([...held].map(([height, { hash }]) => [String(height), hash])).toEqual(
          stored.map(({ height, hash }) => [height, hash]),
        )
        const moved = await world.sql.rows<{ line: string }>(
          `SELECT concat(address, ' ', asset, ' ', toString(sum(amount))) AS line FROM effects
          WHERE chain = {slug:String} AND height >= {from:UInt64} GROUP BY address, asset ORDER BY line`,
          { slug, from: TOLD_FROM },
        )
        expect(totalsOf(held.values())).toEqual(moved.map(({ line }) => line).sort())
        const undone = receiver
          .taken()
          .flatMap(body => (body.type === 'block.removed' ? [body.data.undoes] : []))
        expect(undone.length).toBeGreaterThan(ROUNDS)
        expect(new Set(undone).size).toBe(undone.length)
      },
    })
    expect(problems).toEqual([])
    expect(reorgs).toBe(ROUNDS)
  } finally {
    await close()
  }
}, 1_200_000)

test('block A replaced by B, A again, B again, and so on: rows, views and announcements are right', async () => {
  const { problems, reorgs } = await runScript(writeFlipFlop(mineBase(), 8), {
    sql: world.sql,
    logger: silent,
  })
  expect(problems).toEqual([])
  expect(reorgs).toBe(7)
}, 600_000)
