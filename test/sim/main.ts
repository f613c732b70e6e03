import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import pino from 'pino'
import { openTestStore, silent } from '../harness.ts'
import { runKills } from './kills.ts'
import type { Problems } from './oracle.ts'
import { runSeed } from './run.ts'
import { mineBase } from './script.ts'

/** `npm run sim -- --seeds 1000 [--from N] [--lanes N] [--kills] [--log]`: exit code 2 when something is wrong. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '0' },
    lanes: { type: 'string' },
    kills: { type: 'boolean', default: false },
    log: { type: 'boolean', default: false },
  },
})

interface Outcome {
  seed: number
  problems: Problems
  reorgs: number
  deaths: number
  seconds: number
  what: string
}

const say = (text: string) => process.stdout.write(`${text}\n`)
const first = Number(values.from)
const last = first + Number(values.seeds)
const base = mineBase()
const outcomes: Outcome[] = []
const startedAt = Date.now()

async function runAll(lanes: number, run: (seed: number) => Promise<Outcome>): Promise<void> {
  let next = first
  const lane = async () => {
    while (next < last) tell(await run(next++))
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

function tell(outcome: Outcome): void {
  outcomes.push(outcome)
  const { seed, problems, reorgs, what, seconds } = outcome
  say(`seed ${seed}: ${problems.length === 0 ? 'right' : 'WRONG'}, ${reorgs} reorgs, ${what}, ${seconds} s`)
  if (problems.length === 0) return
  for (const problem of problems) say(`  ${problem.slice(0, 2_000)}`)
  say(`  again: npm run sim -- ${values.kills ? '--kills ' : ''}--from ${seed} --seeds 1`)
}

/** User and system time of a process, in seconds (Linux: `/proc/PID/stat`, in hundredths). */
async function processorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Math.round((Number(fields[11]) + Number(fields[12])) / 100)
}

if (values.kills) {
  await runAll(Number(values.lanes ?? 2), async seed => {
    const { kills, ...outcome } = await runKills(seed, base)
    const what = `killed ${kills.program} times, its store ${kills.store} times`
    return { ...outcome, deaths: kills.program + kills.store, what }
  })
} else {
  const logger = values.log ? pino({ level: 'info' }, pino.destination(2)) : silent
  const world = await openTestStore()
  await runAll(Number(values.lanes ?? 6), async seed => {
    const outcome = await runSeed(seed, { sql: world.sql, base, logger })
    return { ...outcome, what: `${outcome.deaths} deaths${outcome.script.rivals ? ', two splitters' : ''}` }
  })
  const own = process.cpuUsage()
  const used = Math.round((own.user + own.system) / 1e6)
  say(`processor seconds: store ${await processorSeconds(world.store.pid())}, this process ${used}`)
  await world.close()
}

const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((all, outcome) => all + of(outcome), 0)
const wrong = outcomes.filter(({ problems }) => problems.length > 0).map(({ seed }) => seed)
say(
  `${outcomes.length} seeds in ${Math.round((Date.now() - startedAt) / 1000)} s: ${sum(one => one.reorgs)} reorgs, ` +
    `${sum(one => one.deaths)} deaths, ${wrong.length} wrong${wrong.length > 0 ? `: ${wrong.join(' ')}` : ''}`,
)
process.exitCode = wrong.length > 0 ? 2 : 0
