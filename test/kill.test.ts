import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { IndexSummary } from '../deploy/commands/index.ts'
import type { CheckReport } from '../splitter/check.ts'
import { runCli, startCli, summaryOf } from './cli.ts'
import { dumpViews, withDirectory } from './harness.ts'
import { describeRecorded, recordings } from './recordings.ts'

/** Random points, the same in every run of the test unless WANLIAN_SEED says otherwise. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const seed = Number(process.env.WANLIAN_SEED ?? 20)
const RUNS = Number(process.env.WANLIAN_RUNS ?? 8)

let directory: string
const indexArguments = (data: string) => [
  'index',
  'litecoin',
  '--node',
  `file:${recordings}/litecoin`,
  '--recorded',
  '--batch',
  '9',
  '--data',
  data,
]

function dump(data: string): Promise<Record<string, string>> {
  return withDirectory(data, sql => dumpViews(sql, 'litecoin'))
}

async function storePid(data: string): Promise<number | null> {
  try {
    return (JSON.parse(await readFile(join(data, 'store.json'), 'utf8')) as { pid: number }).pid
  } catch {
    return null
  }
}

function kill(pid: number | null): boolean {
  try {
    return pid !== null && process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

describeRecorded('kill -9 at random points', () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wanlian-kill-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  test(`${RUNS} runs (seed ${seed}): the same command again gives what an undisturbed run gives`, async () => {
    const undisturbed = join(directory, 'undisturbed')
    const startedAt = Date.now()
    const expected = summaryOf<IndexSummary>(await runCli(indexArguments(undisturbed)))
    const wholeRun = Date.now() - startedAt
    const expectedViews = await dump(undisturbed)
    const random = randomNumbers(seed)
    const points = Array.from({ length: RUNS }, () => 0.35 + 0.6 * random())
    const fetched: number[] = []

    async function disturbed(run: number): Promise<void> {
      const data = join(directory, `run-${run}`)
      const victim = (['command', 'store', 'both'] as const)[run % 3]!
      const running = startCli(indexArguments(data))
      await new Promise(resolve => setTimeout(resolve, wholeRun * points[run]!))
      const pid = await storePid(data)
      if (victim !== 'store') kill(running.pid)
      if (victim !== 'command') kill(pid)
      const killed = await running.finished
      if (victim === 'store') expect([run, killed.code, killed.stderr]).toEqual([run, 0, expect.any(String)])
      const again = summaryOf<IndexSummary>(await runCli(indexArguments(data)))
      fetched.push(again.fetched)
      expect([run, victim, again.blocks, again.verified, again.failed, again.rows]).toEqual([
        run,
        victim,
        expected.blocks,
        expected.verified,
        [],
        expected.rows,
      ])
      expect([run, victim, await dump(data)]).toEqual([run, victim, expectedViews])
      if (run % 5 === 0) {
        const report = summaryOf<CheckReport>(await runCli(['check', 'litecoin', '--data', data]))
        expect([run, report.differences]).toEqual([run, []])
      }
      await rm(data, { recursive: true, force: true })
    }

    // Two at a time: what one waits for, the other can use.
    const lane = async (first: number) => {
      for (let run = first; run < RUNS; run += 2) await disturbed(run)
    }
    await Promise.all([lane(0), lane(1)])
    // The test is worth nothing if every kill came before the first block or after the last.
    expect(fetched.filter(blocks => blocks > 0 && blocks < expected.blocks).length).toBeGreaterThanOrEqual(
      RUNS / 4,
    )
  }, 900_000)
})
