import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Chain } from '../../crawlers/chain.ts'
import { bitcoinRegtest } from '../../crawlers/chains/bitcoin-regtest.ts'
import { createRegtestChain } from '../../deploy/dev/bitcoin-regtest.ts'
import { createRandomness } from '../../deploy/dev/randomness.ts'
import { openEmbeddedLog } from '../../deploy/log-embedded.ts'
import { isAlive } from '../../deploy/pid.ts'
import type { SqlClient } from '../../deploy/sql.ts'
import {
  ANNOUNCEMENTS,
  type Announcement,
  blockEvents,
  decodeEvent,
  HISTORY_PARTITION,
  TIP_PARTITION,
} from '../../schema/events.ts'
import type { BlockLog, TopicPartition } from '../../schema/ports.ts'
import { type Finished, type Running, startCli } from '../cli.ts'
import { until } from '../follow-world.ts'
import { withDirectory } from '../harness.ts'
import type { Record } from './life.ts'
import { indexBlocks, startSimNode } from './node.ts'
import { type Course, judge, type Problems } from './oracle.ts'
import { deepest, type View, WALLET } from './script.ts'
import { CALM } from './storm.ts'

/** What one run of the real program did and left, killed at random points. */
export interface KillOutcome {
  seed: number
  problems: Problems
  /** Times that blocks were given up for others. */
  reorgs: number
  kills: { program: number; store: number }
  seconds: number
}

type Victim = 'program' | 'store' | 'both'

/** A view that is shown once the one before it is stored, and who is killed so long after its last block was fetched. */
interface KillStep {
  view: View
  victim: Victim
  /** After the node was asked for the last block, or as soon as the view is shown. */
  moment: { after: 'fetched' | 'shown'; ms: number }
}

interface KillScript extends Course {
  steps: readonly KillStep[]
  final: View
}

const SLUG = 'bitcoin-regtest'
const PATIENCE_MS = 240_000

/** A first chain, two that take its place one after the other, and kills of program and store in the middle. */
function writeKills(seed: number, base: readonly Uint8Array[]): KillScript {
  const random = createRandomness(`${seed}/kills`)
  const chain = createRegtestChain({ seed: WALLET, blocks: base, branch: 800_000_000 + seed * 1_000 })
  const path = (): View =>
    Array.from({ length: chain.head.height + 1 }, (_, height) => chain.blockAt(height)!)
  const grow = (blocks: number) => {
    for (let at = 0; at < blocks; at++) at % 8 === 0 ? chain.mineVaried() : chain.mine()
  }
  grow(5 + random.integer(15))
  const views = [path()]
  for (const deep of random.integer(2) === 0 ? [true, false] : [false, true]) {
    chain.reorg(deep ? 8 + random.integer(57) : 1 + random.integer(4))
    grow(random.integer(4))
    views.push(path())
  }
  // Each start of the program takes seconds: it is killed once, at the first chain or at one that takes its place.
  const victims: Victim[] = ['store', 'store', 'store']
  victims[random.integer(views.length + 1) % views.length] = random.pick(['program', 'both'])
  const steps = views.map((view, at): KillStep => {
    const after = random.integer(4) === 0 ? 'shown' : 'fetched'
    return { view, victim: victims[at]!, moment: { after, ms: random.integer(random.pick([40, 200, 800])) } }
  })
  const definition = { ...bitcoinRegtest.definition, maxReorgDepth: deepest(views) + 1 + random.integer(10) }
  const historyFrom = random.integer(8) === 0 ? 0 : 70 + random.integer(30)
  return {
    // All views and totals are compared.
    seed: 0,
    chain: { ...bitcoinRegtest, definition } as Chain,
    historyFrom,
    steps,
    final: views.at(-1)!,
  }
}

/** What is killed: one process, or several that share the work. */
export interface Program {
  /** Whatever of it does not run. Returns when it is ready. */
  start(): Promise<void>
  /** With SIGKILL. */
  kill(): Promise<unknown>
  /** In order. @returns what went wrong. */
  stop(): Promise<Problems>
  /** @returns whether there was one. */
  killStore(): Promise<boolean>
  /** The answer of a statement of its ClickHouse interface, or what went wrong. */
  ask(statement: string): Promise<string>
  /** After it was stopped: its tables, and what its log holds of a chain. */
  look<Value>(
    run: (sql: SqlClient, recordOf: (slug: string) => Promise<Record>) => Promise<Value>,
  ): Promise<Value>
  /** Ends whatever of it still runs. */
  close(): Promise<unknown>
}

/** What a program is to follow: `chains` of its configuration, by slug. */
export type Followed = Readonly<{
  [slug: string]: {
    endpoints: readonly string[]
    maxReorgDepth?: number
    history?: number
    pollSeconds?: number
  }
}>

/**
 * Runs `up`, or another program, over a seed's chain and kills it, or its store process, with SIGKILL while blocks are
 * written and others put in their place; then lets it finish and judges what it left. The times of the kills are drawn,
 * what they hit is up to the machine.
 */
export async function runKills(
  seed: number,
  base: readonly Uint8Array[],
  open: (directory: string, followed: Followed) => Program | Promise<Program> = openUp,
): Promise<KillOutcome> {
  const startedAt = Date.now()
  const script = writeKills(seed, base)
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-kills-'))
  const blocks = indexBlocks(script.steps.map(step => step.view))
  const asked = new Set<unknown>()
  const node = await startSimNode(seed, CALM.node, blocks, (_, params) => asked.add(params[0]))
  const { definition } = script.chain
  const program = await open(directory, {
    [SLUG]: {
      endpoints: node.urls,
      maxReorgDepth: definition.maxReorgDepth,
      history: script.historyFrom,
      pollSeconds: 0.1,
    },
  })
  const kills = { program: 0, store: 0 }
  const problems: Problems = []
  let reorgs = 0
  try {
    for (const [at, { view, victim, moment }] of script.steps.entries()) {
      node.show(view)
      const { hash } = view.at(-1)!
      if (at === 0) await program.start()
      if (moment.after === 'fetched') await until(`block ${hash} is asked for`, async () => asked.has(hash))
      await pause(moment.ms)
      if (victim !== 'program') kills.store += (await program.killStore()) ? 1 : 0
      if (victim !== 'store') {
        kills.program++
        await program.kill()
        await program.start()
      }
      problems.push(...(await untilAnswered(program, SLUG, 'argMax(hash, height)', hash)))
    }
    problems.push(...(await untilStored(program, script)))
    problems.push(...(await program.stop()))
    await program.look(async (sql, recordOf) => {
      const record = await recordOf(SLUG)
      reorgs = record.events.filter(({ event }) => event.kind === 'revert').length
      problems.push(...(await judge({ sql, script, blocks, record })))
    })
  } catch (error) {
    problems.push(String(error))
  } finally {
    await program.close()
    await node.close()
    await rm(directory, { recursive: true, force: true })
  }
  return { seed, problems, reorgs, kills, seconds: (Date.now() - startedAt) / 1000 }
}

/** Every block, every link of them proven. */
function untilStored(program: Program, { final, historyFrom }: KillScript): Promise<Problems> {
  const expected = `${final.length - historyFrom}\t${final.at(-1)!.hash}\t1`
  const select = `count(), argMax(hash, height), countIf(NOT has(proofs, 'parent'))`
  return untilAnswered(program, SLUG, select, expected)
}

/** Waits until it gives that of the blocks of a chain, as tab-separated text. */
export async function untilAnswered(
  program: Program,
  slug: string,
  select: string,
  expected: string,
): Promise<Problems> {
  const deadline = Date.now() + PATIENCE_MS
  let got = ''
  while (Date.now() < deadline) {
    got = (await program.ask(`SELECT ${select} FROM blocks WHERE chain = '${slug}'`)).trim()
    if (got === expected) return []
    await pause(100)
  }
  return [`${slug} did not reach ${expected}, got ${got}`]
}

export async function askHttp(url: string, statement: string): Promise<string> {
  return fetch(`${url}/?query=${encodeURIComponent(statement)}`).then(
    answer => answer.text(),
    error => String(error),
  )
}

export function configText(chains: Followed): string {
  return JSON.stringify({ chains })
}

/** Everything in one process. */
export function openUp(directory: string, followed: Followed): Program {
  let running: (Running & { sqlUrl: string }) | null = null
  const config = join(directory, 'wanlian.yaml')

  async function start(): Promise<void> {
    await writeFile(config, configText(followed))
    const options = ['--data', directory, '--config', config, '--port', '0', '--clickhouse-port', '0']
    // No other chain: some have public nodes.
    const nodes = Object.entries(followed).flatMap(([slug, { endpoints }]) =>
      endpoints.flatMap(url => ['--node', `${slug}=${url}`]),
    )
    const started = startCli(['up', ...options, ...nodes], {
      WANLIAN_LOG: 'error',
    })
    running = { ...started, sqlUrl: '' }
    const { clickhouse } = JSON.parse(await started.firstLine) as { clickhouse: string }
    running = { ...started, sqlUrl: clickhouse }
  }

  async function end(signal: NodeJS.Signals): Promise<Finished | null> {
    if (!running) return null
    const store = await storePid(directory)
    if (isAlive(running.pid)) process.kill(running.pid, signal)
    const finished = await running.finished
    running = null
    // It ends with its parent; until then nobody else can have the directory.
    for (let looks = 0; store !== null && isAlive(store) && looks < 400; looks++) {
      await pause(50)
    }
    return finished
  }

  return {
    start,
    kill: () => end('SIGKILL'),
    close: () => end('SIGKILL'),
    async stop() {
      const ended = await end('SIGTERM')
      return ended?.code === 0
        ? []
        : [`the program ended with ${ended?.code}: ${ended?.stderr.slice(-2_000)}`]
    },
    killStore: () => killStoreOf(directory),
    ask: statement => askHttp(running?.sqlUrl ?? '', statement),
    async look(run) {
      const log = await openEmbeddedLog({ directory: join(directory, 'log') })
      return withDirectory(directory, sql => run(sql, slug => readRecord(log, slug))).finally(() =>
        log.close(),
      )
    },
  }
}

async function storePid(directory: string): Promise<number | null> {
  try {
    return (JSON.parse(await readFile(join(directory, 'store.json'), 'utf8')) as { pid: number }).pid
  } catch {
    return null
  }
}

/** Kills the store process of a directory; its supervisor starts another. */
export async function killStoreOf(directory: string): Promise<boolean> {
  const pid = await storePid(directory)
  // Its number may be another process's by now.
  const command = pid === null ? '' : await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  if (pid === null || !command.includes(directory)) return false
  process.kill(pid, 'SIGKILL')
  return true
}

/** What the log holds of a chain. */
export async function readRecord(log: BlockLog, slug: string): Promise<Record> {
  const events = await Promise.all(
    [TIP_PARTITION, HISTORY_PARTITION].map(async partition => {
      const values = await readAll(log, blockEvents(slug, partition))
      return values.map(value => ({ partition, event: decodeEvent(value) }))
    }),
  )
  const announcements = (await readAll(log, ANNOUNCEMENTS)).map(
    value => JSON.parse(Buffer.from(value).toString()) as Announcement,
  )
  return { events: events.flat(), announcements: announcements.filter(({ chain }) => chain === slug) }
}

async function readAll(log: BlockLog, place: TopicPartition): Promise<Uint8Array[]> {
  const values: Uint8Array[] = []
  for (let from = 0n; ; ) {
    const messages = await log.read(place, from)
    const last = messages.at(-1)
    if (!last) return values
    values.push(...messages.map(message => message.value))
    from = last.offset + 1n
  }
}
