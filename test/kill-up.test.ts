import { expect, test } from 'vitest'
import { type KillOutcome, runKills } from './sim/kills.ts'
import { mineBase } from './sim/script.ts'

/** `WANLIAN_SEED=5` runs that one again. */
const chosen = process.env.WANLIAN_SEED
const SEEDS = chosen === undefined ? Array.from({ length: 8 }, (_, seed) => seed) : [Number(chosen)]
/** What one waits for, the other can use. */
const LANES = 2

test(`${SEEDS.length} seeds: "up" and its store are killed with SIGKILL while blocks and reorgs come, what is left is what a clean run gives`, async () => {
  const base = mineBase()
  const outcomes: KillOutcome[] = []
  const left = [...SEEDS]
  const lane = async () => {
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
      outcomes.push(await runKills(seed, base))
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  const wrong = outcomes.filter(({ problems }) => problems.length > 0)
  expect(
    wrong.map(({ seed, problems }) =>
      [`WANLIAN_SEED=${seed} npx vitest run --project store test/kill-up.test.ts`, ...problems].join('\n'),
    ),
  ).toEqual([])
  // The test is worth nothing if nothing happened.
  for (const { seed, kills, reorgs } of outcomes) {
    expect([seed, kills.program >= 1, kills.store >= 1, reorgs >= 2]).toEqual([seed, true, true, true])
  }
  expect(outcomes.length).toBe(SEEDS.length)
}, 1_500_000)
