import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bitcoinRegtest } from '../../crawlers/chains/bitcoin-regtest.ts'
import { createRandomness } from '../../deploy/dev/randomness.ts'
import { openEmbeddedLog } from '../../deploy/log-embedded.ts'
import { isAlive } from '../../deploy/pid.ts'
import {
  ANNOUNCEMENTS,
  type Announcement,
  blockEvents,
  decodeEvent,
  HISTORY_PARTITION,
  TIP_PARTITION,
} from '../../schema/events.ts'
import type { BlockLog, TopicPartition } from '../../schema/ports.ts'
import { type Running, startCli } from '../cli.ts'
import { withDirectory } from '../harness.ts'
import type { Record } from './life.ts'
import { indexBlocks, startSimNode } from './node.ts'
import { judge } from './oracle.ts'
import type { SeedOutcome } from './run.ts'
import { type Script, writeScript } from './script.ts'

/** What one run of the real program did and left, killed at random points. */
export interface KillOutcome extends Omit<SeedOutcome, 'deaths'> {
  kills: { program: number; store: number }
}

const SLUG = 'bitcoin-regtest'
const END_PATIENCE_MS = 240_000

/**
 * Runs `up` over a seed's chain and kills it, or its store process, with SIGKILL at random moments; then lets it finish
 * and judges what it left. The times of the kills are drawn, what they hit is up to the machine.
 */
export async function runKills(seed: number, base: readonly Uint8Array[]): Promise<KillOutcome> {
  const startedAt = Date.now()
  const drawn = writeScript(seed, base)
  const { maxReorgDepth } = drawn.chain.definition
  const script: Script = {
    ...drawn,
    chain: {
      ...bitcoinRegtest,
      definition: { ...bitcoinRegtest.definition, maxReorgDepth },
    } as Script['chain'],
  }
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-kills-'))
  const blocks = indexBlocks(script.steps.map(step => step.view))
  const node = await startSimNode(seed, script.node, blocks)
  const program = startProgram(directory, node.urls, script)
  const kills = { program: 0, store: 0 }
  try {
    const random = createRandomness(`${seed}/kills`)
    node.show(script.steps[0]!.view)
    await program.start()
    for (const [at, { view }] of script.steps.entries()) {
      node.show(view)
      await new Promise(resolve => setTimeout(resolve, random.integer(2_500)))
      const victim = at === 0 ? 'program' : random.pick(['program', 'store', 'both', 'nobody'] as const)
      if (victim !== 'nobody' && victim !== 'program') kills.store += (await program.killStore()) ? 1 : 0
      if (victim === 'program' || victim === 'both') {
        kills.program++
        await program.kill()
        await program.start()
      }
    }
    node.settle()
    const problem = await program.untilStored(script)
    await program.stop()
    const problems = await withDirectory(directory, async sql => {
      const log = await openEmbeddedLog({ directory: join(directory, 'log') })
      const record = await readRecord(log, SLUG).finally(() => log.close())
      const found = await judge({ sql, script, blocks, record })
      return { found, reorgs: record.events.filter(({ event }) => event.kind === 'revert').length }
    })
    const seconds = (Date.now() - startedAt) / 1000
    return {
      seed,
      problems: [...problem, ...problems.found],
      reorgs: problems.reorgs,
      kills,
      seconds,
      script,
    }
  } finally {
    await program.kill()
    await node.close()
    await rm(directory, { recursive: true, force: true })
  }
}

function startProgram(directory: string, urls: readonly string[], script: Script) {
  let running: (Running & { sqlUrl: string }) | null = null
  const config = join(directory, 'wanlian.yaml')

  async function start(): Promise<void> {
    const { maxReorgDepth } = script.chain.definition
    const settings = { maxReorgDepth, history: script.historyFrom, pollSeconds: 1 }
    await writeFile(config, JSON.stringify({ chains: { [SLUG]: { ...settings, endpoints: urls } } }))
    const ports = ['--port', '0', '--clickhouse-port', '0']
    const started = startCli(['up', '--data', directory, '--config', config, ...ports], {
      WANLIAN_LOG: 'error',
    })
    running = { ...started, sqlUrl: '' }
    const { clickhouse } = JSON.parse(await started.firstLine) as { clickhouse: string }
    running = { ...started, sqlUrl: clickhouse }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (!running) return
    const store = await storePid()
    if (isAlive(running.pid)) process.kill(running.pid, signal)
    await running.finished
    running = null
    // It ends with its parent; until then nobody else can have the directory.
    for (let looks = 0; store !== null && isAlive(store) && looks < 400; looks++) {
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  async function storePid(): Promise<number | null> {
    try {
      return (JSON.parse(await readFile(join(directory, 'store.json'), 'utf8')) as { pid: number }).pid
    } catch {
      return null
    }
  }

  async function untilStored({ final, historyFrom }: Script): Promise<string[]> {
    const expected = `${final.length - historyFrom}\t${final.at(-1)!.hash}\t1`
    const query = `SELECT count(), argMax(hash, height), countIf(NOT has(proofs, 'parent')) FROM blocks WHERE chain = '${SLUG}'`
    const deadline = Date.now() + END_PATIENCE_MS
    let got = ''
    while (Date.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 500))
      got = await fetch(`${running!.sqlUrl}/?query=${encodeURIComponent(query)}`).then(
        answer => answer.text(),
        error => String(error),
      )
      if (got.trim() === expected) return []
    }
    return [`did not reach ${expected}, got ${got}`]
  }

  return {
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    /** The supervisor starts another. */
    async killStore(): Promise<boolean> {
      const pid = await storePid()
      // Its number may be another process's by now.
      const command = pid === null ? '' : await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      if (pid === null || !command.includes(directory)) return false
      process.kill(pid, 'SIGKILL')
      return true
    },
    untilStored,
  }
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
