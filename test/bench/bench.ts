import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { IndexSummary } from '../../deploy/commands/index.ts'
import { withDirectory } from '../harness.ts'
import { type Family, makeChain, type ReplayNode, startReplayNode, type TiledChain } from './chain.ts'
import { type Measured, measure, median } from './measure.ts'
import { stagesOf } from './stages.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

const USAGE = `npm run bench -- [--family evm|btc|both] [--blocks N] [--rounds N] [--no-profile] [--shared DIR] [--cache DIR]

The whole path of \`index\` on a fresh data directory, beside a loop that fetches the same answers and parses them as JSON.
The two run in turn; figures are medians. Needs Linux, recorded blocks and the tools that repeat them (--shared, default
../shared). One table on stderr, one JSON line for each family on stdout.
`

/** Wall and CPU of the peers, divided by such a loop's; none of them proves a block. */
const PEERS: Record<Family, string> = {
  evm: 'peers (wall): cryo 1.7, squid 4.3, ethereum-etl 18, Ponder 18–25',
  btc: 'peer (wall, of a loop over the longer answers of verbosity 2): bitcoin-etl 4.9',
}

const BLOCKS: Record<Family, number> = { evm: 300, btc: 30 }
const SLUGS: Record<Family, string> = { evm: 'ethereum', btc: 'bitcoin' }

interface Options {
  shared: string
  cache: string
  blocks: number | undefined
  rounds: number
  profile: boolean
}

/** One family's result: the JSON line. Seconds, MiB, bytes. */
interface Result {
  family: Family
  blocks: number
  transactions: number
  rounds: number
  bare: { wall: number; cpu: number }
  index: { wall: number; cpu: number; storeCpu: number; nodeCpu: number; peak: number; ownPeak: number }
  /** Index divided by the mean of the loops right before and after it. */
  ratio: { wall: number; cpu: number }
  blocksPerSecond: number
  transactionsPerSecond: number
  /** Of a block, in a profiled run of its own. */
  millisecondsByStage: Record<string, number>
  bytesPerTransaction: number
  bytesByTable: Record<string, number>
}

async function benchFamily(family: Family, options: Options): Promise<Result> {
  const blocks = options.blocks ?? BLOCKS[family]
  const tools = join(options.shared, 'bench')
  const chain = await makeChain(tools, join(options.shared, 'recordings'), options.cache, family, blocks)
  const work = await mkdtemp(join(tmpdir(), 'wanlian-bench-'))
  const node = await startReplayNode(tools, chain)
  try {
    return await benchChain({ family, chain, node, work, blocks }, options)
  } finally {
    await node.stop()
    await rm(work, { recursive: true, force: true })
  }
}

interface Bench {
  family: Family
  chain: TiledChain
  node: ReplayNode
  work: string
  blocks: number
}

async function benchChain(bench: Bench, options: Options): Promise<Result> {
  const { family, blocks, node } = bench
  const loops: Measured[] = [await runBare(bench)]
  const runs: (Measured & { nodeCpu: number })[] = []
  let transactions = 0
  for (let round = 0; round < options.rounds; round++) {
    const before = await node.cpu()
    const measured = await runIndex(bench, [])
    runs.push({ ...measured, nodeCpu: (await node.cpu()) - before })
    transactions = checkSummary(bench, measured.stdout)
    loops.push(await runBare(bench))
  }
  const bytesByTable = await diskUse(bench)
  const of = (pick: (measured: (typeof runs)[number]) => number) => median(runs.map(pick))
  const ratio = (pick: (measured: Measured) => number) =>
    median(runs.map((run, at) => (2 * pick(run)) / (pick(loops[at]!) + pick(loops[at + 1]!))))
  const wall = of(run => run.wall)
  return {
    family,
    blocks,
    transactions,
    rounds: options.rounds,
    bare: { wall: median(loops.map(one => one.wall)), cpu: median(loops.map(one => one.cpu)) },
    index: {
      wall,
      cpu: of(run => run.cpu),
      storeCpu: of(run => run.childCpu),
      nodeCpu: of(run => run.nodeCpu),
      peak: of(run => run.peak),
      ownPeak: of(run => run.ownPeak),
    },
    ratio: { wall: ratio(one => one.wall), cpu: ratio(one => one.cpu) },
    blocksPerSecond: blocks / wall,
    transactionsPerSecond: transactions / wall,
    millisecondsByStage: options.profile ? await profile(bench) : {},
    bytesPerTransaction: Object.values(bytesByTable).reduce((sum, one) => sum + one, 0) / transactions,
    bytesByTable,
  }
}

const heights = ({ chain, blocks }: Bench) => [String(chain.first + 1), String(chain.first + blocks)]

function runBare(bench: Bench): Promise<Measured> {
  const script = join(root, 'test/bench/bare.mjs')
  return measure([process.execPath, script, bench.family, bench.node.url, ...heights(bench)], root)
}

const dataDirectory = (bench: Bench) => join(bench.work, 'data')

/** `index` on a fresh data directory, with options of Node itself. */
async function runIndex(bench: Bench, nodeOptions: readonly string[]): Promise<Measured> {
  const data = dataDirectory(bench)
  await rm(data, { recursive: true, force: true })
  const [from, to] = heights(bench) as [string, string]
  const program = [process.execPath, ...nodeOptions]
  if (bench.family === 'btc') {
    const script = join(root, 'test/bench/index-bitcoin.ts')
    return measure([...program, '--import', 'tsx', script, bench.node.url, data, from, to], root)
  }
  const config = join(bench.work, 'wanlian.yaml')
  // Call frames are not recorded.
  await writeFile(config, 'chains:\n  ethereum:\n    traces: false\n')
  const script = join(root, 'deploy/wanlian.mjs')
  const given = ['--config', config, '--data', data, '--node', bench.node.url, '--from', from, '--to', to]
  return measure([...program, script, 'index', 'ethereum', ...given], root)
}

/** Everything must be there, proven and queryable; returns the transactions. */
function checkSummary({ blocks, chain }: Bench, stdout: string): number {
  const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as IndexSummary
  const { verified, failed, transactions } = summary
  const expected = Math.floor((chain.transactions * blocks) / chain.blocks)
  if (summary.blocks !== blocks || verified !== blocks || failed.length > 0 || transactions < expected * 0.9)
    throw new Error(`expected ${blocks} proven blocks, got ${JSON.stringify(summary).slice(0, 500)}`)
  return transactions
}

async function profile(bench: Bench): Promise<Record<string, number>> {
  const directory = join(bench.work, 'profile')
  await runIndex(bench, ['--cpu-prof', `--cpu-prof-dir=${directory}`])
  const [file] = await readdir(directory)
  const stages = stagesOf(join(directory, file!))
  return Object.fromEntries([...stages].map(([stage, time]) => [stage, time / bench.blocks]))
}

/** Bytes on disk by table, as the last run left them. */
async function diskUse(bench: Bench): Promise<Record<string, number>> {
  return withDirectory(dataDirectory(bench), async sql => {
    const rows = await sql.rows<{ table: string; bytes: string }>(
      `SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = 'wanlian'
      GROUP BY table HAVING bytes > 20000 ORDER BY bytes DESC`,
    )
    return Object.fromEntries(rows.map(({ table, bytes }) => [table, Number(bytes)]))
  })
}

function table(result: Result): string {
  const { bare, index, ratio, blocks, transactions } = result
  const line = (name: string, ...values: string[]) =>
    `  ${name.padEnd(26)}${values.map(value => value.padStart(12)).join('')}\n`
  const fixed = (value: number, digits = 1) => value.toFixed(digits)
  const stages = Object.entries(result.millisecondsByStage).filter(([, time]) => time >= 0.05)
  return [
    `\n${SLUGS[result.family]}: ${blocks} blocks, ${transactions} transactions, median of ${result.rounds}\n`,
    line('', 'wall s', 'CPU s', 'blocks/s', 'tx/s'),
    line('fetch + JSON.parse', fixed(bare.wall, 2), fixed(bare.cpu, 2), fixed(blocks / bare.wall)),
    line(
      'index, rows queryable',
      fixed(index.wall, 2),
      fixed(index.cpu, 2),
      fixed(result.blocksPerSecond),
      fixed(result.transactionsPerSecond, 0),
    ),
    line('ratio', fixed(ratio.wall, 2), fixed(ratio.cpu, 2)),
    `  ${PEERS[result.family]}\n`,
    line('of that the store', '', fixed(index.storeCpu, 2)),
    line('the node, apart', '', fixed(index.nodeCpu, 2)),
    line('peak memory, MiB', `${fixed(index.peak, 0)} all`, `${fixed(index.ownPeak, 0)} own`),
    line('bytes on disk / tx', fixed(result.bytesPerTransaction, 0)),
    ...(stages.length === 0 ? [] : ['  main thread, ms per block (profiled run, start included):\n']),
    ...stages.map(([stage, time]) => line(`  ${stage}`, fixed(time, 2))),
  ].join('')
}

const { values } = parseArgs({
  options: {
    family: { type: 'string', default: 'both' },
    blocks: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    'no-profile': { type: 'boolean', default: false },
    shared: { type: 'string', default: resolve(root, '../shared') },
    cache: { type: 'string', default: join(tmpdir(), 'wanlian-bench') },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(USAGE)
else {
  const families: Family[] =
    values.family === 'evm' || values.family === 'btc' ? [values.family] : ['evm', 'btc']
  await mkdir(values.cache, { recursive: true })
  for (const family of families) {
    const result = await benchFamily(family, {
      shared: resolve(values.shared),
      cache: values.cache,
      blocks: values.blocks === undefined ? undefined : Number(values.blocks),
      rounds: Number(values.rounds),
      profile: !values['no-profile'],
    })
    process.stderr.write(table(result))
    const rounded = (_: string, value: unknown) =>
      typeof value === 'number' && !Number.isInteger(value) ? Math.round(value * 1000) / 1000 : value
    process.stdout.write(`${JSON.stringify(result, rounded)}\n`)
  }
}
