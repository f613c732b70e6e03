import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestStore, silent, type TestStore } from './harness.ts'
import { runSeed, type SeedOutcome } from './sim/run.ts'
import { mineBase } from './sim/script.ts'

const SEEDS = Number(process.env.WANLIAN_SEEDS ?? 200)
/** Seeds under way at a time: what one waits for, others can use. */
const LANES = 6

let world: TestStore
beforeAll(async () => {
  world = await openTestStore()
})
afterAll(() => world?.close())

test(`${SEEDS} seeds: whatever nodes, store and programs do, what is left is what a clean run gives`, async () => {
  const base = mineBase()
  const outcomes: SeedOutcome[] = []
  let next = 0
  const lane = async () => {
    while (next < SEEDS) outcomes.push(await runSeed(next++, { sql: world.sql, base, logger: silent }))
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  const wrong = outcomes.filter(({ problems }) => problems.length > 0)
  expect(
    wrong.map(({ seed, problems }) => [`npm run sim -- --from ${seed} --seeds 1`, ...problems].join('\n')),
  ).toEqual([])
  const sum = (of: (outcome: SeedOutcome) => number) => outcomes.reduce((all, one) => all + of(one), 0)
  // The test is worth nothing if nothing happened.
  expect(outcomes.length).toBe(SEEDS)
  expect(sum(outcome => outcome.reorgs)).toBeGreaterThan(SEEDS / 4)
  expect(sum(outcome => outcome.deaths)).toBeGreaterThan(SEEDS / 8)
}, 3_600_000)
