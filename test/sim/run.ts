import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedLog } from '../../deploy/log-embedded.ts'
import type { SqlClient } from '../../deploy/sql.ts'
import { BASE_DATABASE } from '../../schema/ddl.ts'
import { TIP_PARTITION } from '../../schema/events.ts'
import type { Logger } from '../../schema/ports.ts'
import { registerChain } from '../../splitter/chain-row.ts'
import { type Life, type Record, startLife } from './life.ts'
import { type Line, startLine, startSplitters } from './line.ts'
import { indexBlocks, startSimNode } from './node.ts'
import { judge, type Problems } from './oracle.ts'
import { type Script, type View, type Wait, writeScript } from './script.ts'

export interface SeedOutcome {
  seed: number
  problems: Problems
  reorgs: number
  deaths: number
  seconds: number
  script: Script
}

export interface SimDeps {
  sql: SqlClient
  logger: Logger
  /** Called with what is left and with who judges it, before it is cleared away. */
  inspect?: (left: { slug: string; record: Record }, judgeAgain: () => Promise<Problems>) => Promise<void>
}

/** After the last fault. */
const END_PATIENCE_MS = 240_000

/** Runs one seed and judges what it left. */
export function runSeed(seed: number, deps: SimDeps & { base: readonly Uint8Array[] }): Promise<SeedOutcome> {
  return runScript(writeScript(seed, deps.base), deps)
}

export async function runScript(script: Script, deps: SimDeps): Promise<SeedOutcome> {
  const startedAt = Date.now()
  const { seed } = script
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-sim-'))
  try {
    const { problems, reorgs, deaths } = await live(script, directory, deps)
    return { seed, problems, reorgs, deaths, seconds: (Date.now() - startedAt) / 1000, script }
  } finally {
    await rm(directory, { recursive: true, force: true })
    await dropChain(deps.sql, script.chain.definition.slug)
  }
}

async function live(
  script: Script,
  directory: string,
  { sql, logger, inspect }: SimDeps,
): Promise<{ problems: Problems; reorgs: number; deaths: number }> {
  const { seed, chain } = script
  const blocks = indexBlocks(script.steps.flatMap(({ view, other }) => [view, other ?? []]))
  const node = await startSimNode(seed, script.node, blocks)
  const log = await openEmbeddedLog({ directory })
  const record: Record = { events: [], announcements: [] }
  const counts = new Map<string, number>()
  let isSettled = false
  let lives = 0
  const alive = new Map<string, Life>()
  const begin = (role: string): { life: Life; owner: string } => {
    const settled = () => isSettled
    const life = startLife({ seed, faults: script.store, sql, log, record, settled, counts })
    const owner = `${role}-${++lives}`
    alive.set(owner, life)
    return { life, owner }
  }
  const isGone = (owner: string) => alive.get(owner)?.isDead() ?? true
  const programs = new Set<Line>()

  async function startProgram(): Promise<Line & { life: Life }> {
    const { life, owner } = begin('program')
    const line = await startLine({ ...script, urls: node.urls, life, owner, isGone, logger })
    programs.add(line)
    return { ...line, life, stop: () => end(line, life) }
  }

  async function end(line: Line, life: Life): Promise<void> {
    await line.stop()
    life.die()
    programs.delete(line)
  }

  const rival = script.rivals ? begin('rival') : null
  const rivals = rival ? startSplitters({ chain, ...rival, isGone, logger }, [TIP_PARTITION]) : null

  node.show(script.steps[0]!.view)
  await registerChain(sql, chain.definition)
  let program = await startProgram()
  let deaths = 0
  /** A program that is gone is started again. */
  const revive = async () => {
    if (!program.life.isDead()) return
    deaths++
    await program.stop()
    program = await startProgram()
  }
  try {
    for (const { view, other, fate, wait } of script.steps) {
      if (fate.kind === 'dies') program.life.dieAfter(fate.afterCalls, fate.effect)
      if (fate.kind === 'stops') {
        await program.stop()
        node.show(view, other)
        program = await startProgram()
      } else {
        node.show(view, other)
      }
      await waitAfter(wait, script.stepPatienceMs, view, record, revive)
    }
    isSettled = true
    node.settle()
    program.life.dieAfter(Number.POSITIVE_INFINITY, 'before')
    await revive()
    const problems = await settled(script, sql, record, program)
    await Promise.all([program.stop(), rivals?.stop()])
    const reorgs = record.events.filter(({ event }) => event.kind === 'revert').length
    const judgeNow = () => judge({ sql, script, blocks, record })
    problems.push(...(await judgeNow()))
    await inspect?.({ slug: chain.definition.slug, record }, judgeNow)
    return { problems, reorgs, deaths }
  } finally {
    for (const life of alive.values()) life.die()
    await Promise.all([...programs].map(line => line.stop()))
    await rivals?.stop()
    await node.close()
    await log.close()
  }
}

async function waitAfter(
  wait: Wait,
  patienceMs: number,
  view: View,
  record: Record,
  revive: () => Promise<void>,
): Promise<void> {
  if ('ms' in wait) {
    await new Promise(resolve => setTimeout(resolve, wait.ms))
    return revive()
  }
  const { hash } = view.at(-1)!
  const isDone = () =>
    wait.until === 'announced'
      ? record.announcements.some(announcement => announcement.hash === hash)
      : record.events.some(
          ({ event }) => event.kind === 'block' && Buffer.from(event.hash).toString('hex') === hash,
        )
  const deadline = Date.now() + patienceMs
  while (!isDone() && Date.now() < deadline) {
    await revive()
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** Waits until the tables hold the final chain, every link of it proven. */
async function settled(
  { final, historyFrom, chain }: Script,
  sql: SqlClient,
  record: Record,
  program: Line,
): Promise<Problems> {
  const { slug } = chain.definition
  const count = final.length - historyFrom
  const deadline = Date.now() + END_PATIENCE_MS
  let state = ''
  while (Date.now() < deadline) {
    await new Promise(resolve => setTimeout(resolve, 200))
    if (!record.announcements.some(({ hash }) => hash === final.at(-1)!.hash)) continue
    const [row] = await sql.rows<{ blocks: string; hash: string; unlinked: string }>(
      `SELECT count() AS blocks, argMax(hash, height) AS hash, countIf(NOT has(proofs, 'parent')) AS unlinked
      FROM blocks WHERE chain = {slug:String}`,
      { slug },
    )
    if (Number(row?.blocks) === count && row?.hash === final.at(-1)!.hash && Number(row.unlinked) === 1) {
      return []
    }
    state = JSON.stringify(row)
  }
  const status = { ...program.follower?.status(), splitters: program.splitters.map(one => one.problem()) }
  return [`did not reach ${count} blocks to ${final.at(-1)!.hash}: ${state}; ${JSON.stringify(status)}`]
}

/** Parts of a chain that nobody asks for any more would slow down what comes after. */
async function dropChain(sql: SqlClient, slug: string): Promise<void> {
  const parts = await sql.rows<{ table: string; id: string }>(
    `SELECT DISTINCT table, partition_id AS id FROM system.parts
    WHERE database = '${BASE_DATABASE}' AND active AND (partition LIKE concat('(\\'', {slug:String}, '\\',%')
      OR partition LIKE concat('(\\'', {slug:String}, '-clean\\',%') OR partition IN ({slug:String}, concat({slug:String}, '-clean')))`,
    { slug },
  )
  for (const { table, id } of parts) {
    await sql.command(`ALTER TABLE ${BASE_DATABASE}.${table} DROP PARTITION ID '${id}'`)
  }
}
