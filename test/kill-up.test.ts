import { expect, test } from 'vitest'
import { type KillOutcome, runKills } from './sim/kills.ts'
import { mineBase } from './sim/script.ts'

const SEEDS = 8

test(`${SEEDS} seeds: "up" and its store are killed with SIGKILL while blocks and reorgs come, what is left is what a clean run gives`, async () => {
  const base = mineBase()
  const outcomes: KillOutcome[] = []
  let next = 0
  const lane = async () => {
    while (next < SEEDS) outcomes.push(await runKills(next++, base))
  }
  await Promise.all([lane(), lane()])
  const wrong = outcomes.filter(({ problems }) => problems.length > 0)
  expect(
    wrong.map(({ seed, problems }) =>
      [`npm run sim -- --kills --from ${seed} --seeds 1`, ...problems].join('\n'),
    ),
  ).toEqual([])
  // The test is worth nothing if nothing happened.
  const sum = (of: (outcome: KillOutcome) => number) => outcomes.reduce((all, one) => all + of(one), 0)
  expect(sum(outcome => outcome.kills.program)).toBeGreaterThanOrEqual(SEEDS)
  expect(sum(outcome => outcome.kills.store)).toBeGreaterThanOrEqual(2)
  expect(sum(outcome => outcome.reorgs)).toBeGreaterThanOrEqual(2)
}, 1_500_000)
