import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKafka, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'
import { openInstallation, type Role } from './sim/installation.ts'
import { runKills } from './sim/kills.ts'
import { mineBase } from './sim/script.ts'

/** After that the others share what a member of a group had. */
const SESSION_MS = 10_000

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

  test('a splitter sleeps for longer than its session while a broker of three is killed: another goes on, and once', async () => {
    const cluster = await startKafka({ nodes: 3 })
    let disturbed = 0
    let woken: Promise<void> = Promise.resolve()
    async function disturb(pids: ReadonlyMap<Role, number>): Promise<void> {
      const sleeper = pids.get('split-1')!
      process.kill(sleeper, 'SIGSTOP')
      woken = pause(SESSION_MS + 5_000).then(() => void process.kill(sleeper, 'SIGCONT'))
      const broker = cluster.nodes[disturbed++ % cluster.nodes.length]!
      await broker.kill('SIGKILL')
      await pause(2_000)
      await broker.start()
    }
    try {
      const settings = cluster.settings({ replication: 3 })
      const outcome = await runKills(2, mineBase(), (directory, course) =>
        openInstallation(directory, course, { settings, seed: 'sleeper', killed: [], disturb }),
      )
      expect(outcome.problems).toEqual([])
      expect([disturbed > 0, outcome.reorgs >= 2]).toEqual([true, true])
    } finally {
      await woken
      await cluster.close()
    }
  }, 600_000)
})
