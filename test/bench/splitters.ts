import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import kafkajs from 'kafkajs'
import { type ChainSettings, readConfig } from '../../deploy/config.ts'
import { openKafkaLog } from '../../deploy/kafka/log.ts'
import { isAlive } from '../../deploy/pid.ts'
import type { KafkaSettings } from '../../deploy/servers.ts'
import { createSql, type SqlClient } from '../../deploy/sql.ts'
import {
  blockEvents,
  decodeEvent,
  HISTORY_PARTITION,
  SPLITTER_GROUP,
  TIP_PARTITION,
} from '../../schema/events.ts'
import type { BlockLog } from '../../schema/ports.ts'
import { registerChain } from '../../splitter/chain-row.ts'
import { type Running, startCli } from '../cli.ts'
import { silent } from '../harness.ts'
import { startKafka, type TestKafka } from '../kafka.ts'
import { makeChain, type ReplayNode, startReplayNode, type TiledChain } from './chain.ts'
import { cpuOf, machineCpu, median } from './measure.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

const USAGE = `npm run bench:splitters -- [--blocks N] [--chains N] [--splitters N] [--rounds N] [--shared DIR] [--cache DIR]

What it gives to split the work over several splitters: crawlers put a backlog of several chains (default 4 with 150
blocks each) into one Kafka, then one splitter writes it into an empty store, and several (default 2) the same backlog
into another; the order changes from round to round. Needs Linux, Java, recorded blocks and the tools that repeat them
(--shared, default ../shared). One JSON line for each run on stdout, a table on stderr.
`

const PASSWORD = 'of the bench'
const PATIENCE_MS = 1_800_000
const SAMPLE_MS = 250

interface Sample {
  /** Seconds since the first splitter had its share. */
  at: number
  /** Records of the log that are not in the tables yet. */
  lag: number
}

/** One backlog written into an empty store: the JSON line. Seconds. */
interface Result {
  splitters: number
  round: number
  blocks: number
  /** From the first splitter that has its share to the last block. */
  seconds: number
  blocksPerSecond: number
  /** Chains with history to write, by splitter. */
  shares: number[]
  lag: { start: number; half: number; end: number }
  /** When the lag was half of that at the start or less, and when it was none. */
  lagHalfAfter: number
  cpu: { splitters: number[]; store: number; broker: number; others: number }
  /** Of all processors, the part that was busy. */
  busy: number
}

interface Bench {
  directory: string
  kafka: TestKafka
  settings: KafkaSettings
  config: string
  chains: readonly ChainSettings[]
  blocks: number
}

const slugsOf = ({ chains }: Bench) => chains.map(({ chain }) => chain.definition.slug)
const placesOf = (bench: Bench) =>
  slugsOf(bench).flatMap(slug => [TIP_PARTITION, HISTORY_PARTITION].map(at => blockEvents(slug, at)))

/** Several chains with the same blocks, each with a name of its own. */
function configText(count: number, node: ReplayNode, { first }: TiledChain): string {
  const chains = Array.from({ length: count }, (_, at) => [
    `bench-${at + 1}`,
    {
      family: 'evm',
      chainId: 1,
      name: `Bench ${at + 1}`,
      native: { symbol: 'ETH', name: 'Ether', decimals: 18 },
      endpoints: [node.url],
      history: first + 1,
      // Call frames are not recorded.
      traces: false,
      // Nothing lies between tip and history, which would have to be in the tables before more of it is fetched.
      confirmations: 8,
      maxReorgDepth: 4,
    },
  ])
  return JSON.stringify({ chains: Object.fromEntries(chains) })
}

async function end(running: Running | undefined): Promise<void> {
  if (running && isAlive(running.pid)) process.kill(running.pid, 'SIGTERM')
  const finished = await running?.finished
  if (finished && finished.code !== 0)
    throw new Error(`ended with ${finished.code}: ${finished.stderr.slice(-2_000)}`)
}

/** An empty store that knows the chains, and what a role is told of it. */
async function withEmptyStore<Value>(
  bench: Bench,
  run: (store: {
    pid: number
    sql: SqlClient
    start(role: string, options?: readonly string[]): Running
  }) => Promise<Value>,
): Promise<Value> {
  const directory = await mkdtemp(join(bench.directory, 'store-'))
  const running = startCli(['store', '--data', directory, '--port', '0'], {
    WANLIAN_LOG: 'error',
    WANLIAN_CLICKHOUSE_PASSWORD: PASSWORD,
  })
  const roles: Running[] = []
  let sql: SqlClient | null = null
  try {
    const { url } = JSON.parse(await running.firstLine) as { url: string }
    sql = createSql({ url, username: 'default', password: PASSWORD, headers: {} })
    return await run({
      pid: running.pid,
      sql,
      start(role, options = []) {
        const started = startCli([role, ...options, '--config', bench.config], {
          WANLIAN_LOG: 'error',
          WANLIAN_KAFKA_BROKERS: bench.settings.brokers.join(','),
          WANLIAN_KAFKA_PREFIX: bench.settings.prefix,
          WANLIAN_CLICKHOUSE_URL: url,
          WANLIAN_CLICKHOUSE_PASSWORD: PASSWORD,
        })
        roles.push(started)
        return started
      },
    })
  } finally {
    await sql?.close()
    const ended = await Promise.allSettled(roles.map(end))
    await end(running)
    await rm(directory, { recursive: true, force: true })
    for (const outcome of ended)
      if (outcome.status === 'rejected') process.stderr.write(`${outcome.reason}\n`)
  }
}

async function withLog<Value>(
  bench: Bench,
  run: (log: Awaited<ReturnType<typeof openKafkaLog>>) => Promise<Value>,
) {
  const log = await openKafkaLog(bench.settings, { logger: silent })
  return run(log).finally(() => log.close())
}

/** Puts every block of every chain into the log; before it begins a crawler sees that somebody takes them out again. */
async function fillLog(bench: Bench): Promise<void> {
  await withEmptyStore(bench, store =>
    withLog(bench, async log => {
      const split = store.start('split')
      const crawl = store.start('crawl', slugsOf(bench))
      await Promise.all([split.firstLine, crawl.firstLine])
      await untilLogged(bench, log, [HISTORY_PARTITION], 1)
      await end(split)
      await untilLogged(bench, log, [TIP_PARTITION, HISTORY_PARTITION], bench.blocks)
    }),
  )
}

/** Waits until so many blocks of each chain are there. */
async function untilLogged(
  bench: Bench,
  log: BlockLog,
  partitions: readonly number[],
  blocks: number,
): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  for (const slug of slugsOf(bench)) {
    const heights = new Set<number>()
    const next = new Map(partitions.map(partition => [partition, 0n]))
    while (heights.size < blocks) {
      if (Date.now() > deadline)
        throw new Error(`${slug}: expected ${blocks} blocks in the log, got ${heights.size}`)
      for (const [partition, from] of next) {
        for (const { value, offset } of await log.read(blockEvents(slug, partition), from)) {
          const event = decodeEvent(value)
          if (event.kind === 'block') heights.add(event.height)
          next.set(partition, offset + 1n)
        }
      }
      await pause(SAMPLE_MS)
    }
  }
}

/** The block events stay; how far anybody came with them is forgotten. */
async function forgetReaders({ kafka, settings: { prefix } }: Bench): Promise<void> {
  const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  try {
    const group = `${prefix}${SPLITTER_GROUP}`
    const { groups } = await admin.listGroups()
    if (groups.some(({ groupId }) => groupId === group)) await admin.deleteGroups([group])
    const told = async () => {
      const topics = await admin.listTopics()
      return ['announcements', 'cursors', 'state']
        .map(name => prefix + name)
        .filter(name => topics.includes(name))
    }
    const topics = await told()
    if (topics.length > 0) await admin.deleteTopics({ topics })
    for (let looks = 0; (await told()).length > 0 && looks < 400; looks++) await pause(50)
  } finally {
    await admin.disconnect()
  }
}

async function workOf(health: string): Promise<{ name: string; problem: string | null }[]> {
  const answer = (await (await fetch(`${health}/health`)).json()) as {
    work: { name: string; problem: string | null }[]
  }
  return answer.work
}

async function measureSplitters(bench: Bench, count: number, round: number): Promise<Result> {
  await forgetReaders(bench)
  return withEmptyStore(bench, store =>
    withLog(bench, async log => {
      const splitters = Array.from({ length: count }, () => store.start('split', ['--port', '0']))
      const healths = await Promise.all(
        splitters.map(async one => (JSON.parse(await one.firstLine) as { health: string }).health),
      )
      const works = () => Promise.all(healths.map(workOf))
      const lag = async () => {
        const lags = await Promise.all(placesOf(bench).map(place => log.lag(place, SPLITTER_GROUP)))
        return Number(lags.reduce((sum, one) => sum + one, 0n))
      }
      const cpu = () => ({
        splitters: splitters.map(({ pid }) => cpuOf(pid)),
        store: cpuOf(store.pid),
        broker: cpuOf(bench.kafka.nodes[0]?.pid() ?? 0),
        machine: machineCpu(),
      })
      // All of them wait for chains: whoever sees them first does not begin long before the others.
      for (const { chain } of bench.chains) await registerChain(store.sql, chain.definition)
      const deadline = Date.now() + PATIENCE_MS
      while (!(await works()).some(work => work.length > 0)) await pause(50)
      const [startedAt, before] = [performance.now(), cpu()]
      const samples: Sample[] = [{ at: 0, lag: await lag() }]
      let shares: number[] = []
      while (samples.at(-1)!.lag > 0) {
        if (Date.now() > deadline)
          throw new Error(`${count} splitters did not come to an end: ${JSON.stringify(samples.at(-1))}`)
        await pause(SAMPLE_MS)
        const [now, work] = [await lag(), await works()]
        const problem = work.flat().find(({ problem }) => problem !== null)
        if (problem) process.stderr.write(`${problem.name}: ${problem.problem}\n`)
        shares = work.map(each => each.filter(({ name }) => name.endsWith(`/${HISTORY_PARTITION}`)).length)
        samples.push({ at: (performance.now() - startedAt) / 1000, lag: now })
      }
      const after = cpu()
      await expectBlocks(store.sql, bench)
      return summarize(bench, { round, samples, shares, before, after })
    }),
  )
}

/** All of them are there in the end: those that are just being linked to their parents are away for a moment. */
async function expectBlocks(sql: SqlClient, bench: Bench): Promise<void> {
  const expected = JSON.stringify(slugsOf(bench).map(chain => ({ chain, blocks: String(bench.blocks) })))
  let got = ''
  for (let looks = 0; got !== expected; looks++) {
    if (looks > 600) throw new Error(`expected ${expected}, got ${got}`)
    if (looks > 0) await pause(100)
    const rows = await sql.rows(
      'SELECT toString(chain) AS chain, count() AS blocks FROM blocks GROUP BY chain ORDER BY chain',
    )
    got = JSON.stringify(rows)
  }
}

interface Cpu {
  splitters: number[]
  store: number
  broker: number
  machine: number
}

function summarize(
  bench: Bench,
  {
    round,
    samples,
    shares,
    before,
    after,
  }: { round: number; samples: Sample[]; shares: number[]; before: Cpu; after: Cpu },
): Result {
  const seconds = samples.at(-1)!.at
  const start = samples[0]!.lag
  const half = samples.find(({ lag }) => lag <= start / 2)!
  const splitters = after.splitters.map((one, at) => one - before.splitters[at]!)
  const [store, broker] = [after.store - before.store, after.broker - before.broker]
  const machine = after.machine - before.machine
  const blocks = bench.blocks * bench.chains.length
  return {
    splitters: splitters.length,
    round,
    blocks,
    seconds,
    blocksPerSecond: blocks / seconds,
    shares,
    lag: { start, half: half.lag, end: samples.at(-1)!.lag },
    lagHalfAfter: half.at,
    cpu: {
      splitters,
      store,
      broker,
      others: machine - store - broker - splitters.reduce((sum, one) => sum + one, 0),
    },
    busy: machine / seconds / cpus().length,
  }
}

function table(results: readonly Result[]): string {
  const fixed = (value: number, digits = 1) => value.toFixed(digits)
  const line = (...values: (string | number)[]) =>
    `${values.map(value => String(value).padStart(10)).join('')}\n`
  const rows = results.map(one =>
    line(
      one.splitters,
      fixed(one.seconds),
      fixed(one.blocksPerSecond),
      one.shares.join('+'),
      `${one.lag.start}>${one.lag.end}`,
      fixed(one.lagHalfAfter),
      one.cpu.splitters.map(each => fixed(each)).join('+'),
      fixed(one.cpu.store),
      fixed(one.cpu.broker),
      fixed(one.cpu.others),
      `${fixed(one.busy * 100, 0)}%`,
    ),
  )
  const rounds = [...new Set(results.map(({ round }) => round))]
  const speed = (round: number, isMany: boolean) =>
    results.find(one => one.round === round && one.splitters > 1 === isMany)!.blocksPerSecond
  const ratios = rounds.map(round => speed(round, true) / speed(round, false))
  return [
    `\n${results[0]!.blocks} blocks, seconds\n`,
    line(
      'splitters',
      'wall',
      'blocks/s',
      'history',
      'lag',
      'half at',
      'CPU split',
      'store',
      'broker',
      'others',
      'busy',
    ),
    ...rows,
    `\nmany splitters by one, blocks/s: median ${fixed(median(ratios), 2)} of ${ratios.map(one => fixed(one, 2)).join(', ')}\n`,
  ].join('')
}

const { values } = parseArgs({
  options: {
    blocks: { type: 'string', default: '150' },
    chains: { type: 'string', default: '4' },
    splitters: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '2' },
    shared: { type: 'string', default: resolve(root, '../shared') },
    cache: { type: 'string', default: join(tmpdir(), 'wanlian-bench') },
    help: { type: 'boolean', default: false },
  },
})

async function run(): Promise<void> {
  const [blocks, chains, many, rounds] = [values.blocks, values.chains, values.splitters, values.rounds].map(
    Number,
  ) as [number, number, number, number]
  await mkdir(values.cache, { recursive: true })
  const shared = resolve(values.shared)
  const tools = join(shared, 'bench')
  const tiled = await makeChain(tools, join(shared, 'recordings'), values.cache, 'evm', blocks)
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-bench-'))
  const node = await startReplayNode(tools, tiled)
  const kafka = await startKafka()
  try {
    const config = join(directory, 'wanlian.yaml')
    await writeFile(config, configText(chains, node, tiled))
    const read = await readConfig({ file: config, environment: {} })
    const own = [...read.chains.values()].filter(({ chain }) => chain.definition.slug.startsWith('bench-'))
    const bench: Bench = { directory, kafka, settings: kafka.settings(), config, chains: own, blocks }
    await fillLog(bench)
    const results: Result[] = []
    for (let round = 0; round < rounds; round++) {
      for (const count of round % 2 === 0 ? [1, many] : [many, 1]) {
        const result = await measureSplitters(bench, count, round)
        process.stdout.write(`${JSON.stringify(result)}\n`)
        results.push(result)
      }
    }
    process.stderr.write(table(results))
  } finally {
    await kafka.close()
    await node.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

if (values.help) process.stdout.write(USAGE)
else await run()
