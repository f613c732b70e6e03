import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestStore, silent, type TestStore } from './harness.ts'
import { runScript } from './sim/run.ts'
import { mineBase } from './sim/script.ts'
import { stormDepth, writeFlipFlop, writeStorm } from './sim/storm.ts'

/** `npm run storm` asks for 60. */
const ROUNDS = Number(process.env.WANLIAN_ROUNDS ?? 12)

let world: TestStore
beforeAll(async () => {
  world = await openTestStore()
})
afterAll(() => world?.close())

test(`${ROUNDS} times two nodes are split and joined, up to 64 blocks deep: no row is wrong, each block that left is told once`, async () => {
  expect(Math.max(...Array.from({ length: ROUNDS }, (_, at) => stormDepth(at)))).toBe(64)
  const { problems, reorgs } = await runScript(writeStorm(mineBase(), ROUNDS), {
    sql: world.sql,
    logger: silent,
  })
  expect(problems).toEqual([])
  expect(reorgs).toBe(ROUNDS)
}, 1_200_000)

test('block A replaced by B, A again, B again, and so on: rows, views and announcements are right', async () => {
  const { problems, reorgs } = await runScript(writeFlipFlop(mineBase(), 8), {
    sql: world.sql,
    logger: silent,
  })
  expect(problems).toEqual([])
  expect(reorgs).toBe(7)
}, 600_000)
