import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import pino from 'pino'
import { openTestStore, silent } from '../harness.ts'
import { runSeed, type SeedOutcome } from './run.ts'
import { mineBase } from './script.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '0' },
    lanes: { type: 'string', default: '6' },
    log: { type: 'boolean', default: false },
  },
})

const say = (text: string) => process.stdout.write(`${text}\n`)
const first = Number(values.from)
const last = first + Number(values.seeds)
const logger = values.log ? pino({ level: 'info' }, pino.destination(2)) : silent
const world = await openTestStore()
const base = mineBase()
const outcomes: SeedOutcome[] = []
let next = first
async function lane(): Promise<void> {
  while (next < last) {
    const outcome = await runSeed(next++, { sql: world.sql, base, logger })
    outcomes.push(outcome)
    const { seed, problems, reorgs, deaths, seconds, script } = outcome
    const facts = `${reorgs} reorgs, ${deaths} deaths${script.rivals ? ', two splitters' : ''}`
    say(`seed ${seed}: ${problems.length === 0 ? 'right' : 'WRONG'}, ${facts}, ${seconds} s`)
    if (problems.length > 0) {
      for (const problem of problems) say(`  ${problem.slice(0, 2_000)}`)
      say(`  again: npm run sim -- --from ${seed} --seeds 1`)
    }
  }
}
/** User and system time of a process, in seconds (Linux: `/proc/PID/stat`, in hundredths). */
async function processorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Math.round((Number(fields[11]) + Number(fields[12])) / 100)
}

const startedAt = Date.now()
await Promise.all(Array.from({ length: Number(values.lanes) }, lane))
const storeSeconds = await processorSeconds(world.store.pid())
await world.close()
const wrong = outcomes.filter(({ problems }) => problems.length > 0).map(({ seed }) => seed)
const reorgs = outcomes.reduce((sum, outcome) => sum + outcome.reorgs, 0)
const deaths = outcomes.reduce((sum, outcome) => sum + outcome.deaths, 0)
say(
  `${outcomes.length} seeds in ${Math.round((Date.now() - startedAt) / 1000)} s: ${reorgs} reorgs, ${deaths} deaths, ` +
    `${wrong.length} wrong${wrong.length > 0 ? `: ${wrong.join(' ')}` : ''}`,
)
const own = process.cpuUsage()
say(`processor seconds: store ${storeSeconds}, this process ${Math.round((own.user + own.system) / 1e6)}`)
process.exitCode = wrong.length > 0 ? 2 : 0
