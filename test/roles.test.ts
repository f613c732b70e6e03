import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKafka, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'
import { openInstallation } from './sim/installation.ts'
import { runKills } from './sim/kills.ts'
import { mineBase } from './sim/script.ts'

/** `WANLIAN_SEED=5` runs that one again. */
const chosen = process.env.WANLIAN_SEED
const SEEDS = chosen === undefined ? [0, 1] : [Number(chosen)]

describeKafka('crawlers, splitters, APIs and the store as processes of their own', await whyNoKafka(), () => {
  let kafka: TestKafka
  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(() => kafka?.close())

  test.each(SEEDS)(
    'seed %i: any of them is killed with SIGKILL while blocks and reorgs come, what is left is what a clean run gives',
    async seed => {
      const settings = kafka.settings()
      const killed: string[] = []
      const outcome = await runKills(seed, mineBase(), (directory, course) =>
        openInstallation(directory, course, { settings, seed: String(seed), killed }),
      )
      expect([`WANLIAN_SEED=${seed}`, ...outcome.problems]).toEqual([`WANLIAN_SEED=${seed}`])
      // The test is worth nothing if nothing happened.
      expect([killed.length > 0, outcome.kills.store > 0, outcome.reorgs >= 2]).toEqual([true, true, true])
    },
    600_000,
  )
})
