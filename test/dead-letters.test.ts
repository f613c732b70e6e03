import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openEmbeddedLog } from '../deploy/log-embedded.ts'
import type { ChainModule } from '../schema/chain.ts'
import { ProofError } from '../schema/errors.ts'
import {
  blockEvents,
  encodeEvent,
  HISTORY_PARTITION,
  SPLITTER_GROUP,
  TIP_PARTITION,
} from '../schema/events.ts'
import type { BlockLog, Sql } from '../schema/ports.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { replayLetters } from '../splitter/dead-letters.ts'
import { type Splitter, startSplitter } from '../splitter/start.ts'
import { dumpViews, openTestStore, silent, type TestStore } from './harness.ts'
import { type PaperBlock, paperBlocks, paperChain, paperHash } from './paper-chain.ts'

let world: TestStore
let sql: Sql
let directory: string
let log: BlockLog
beforeAll(async () => {
  world = await openTestStore()
  sql = world.sql
  directory = await mkdtemp(join(tmpdir(), 'wanlian-letters-'))
  log = await openEmbeddedLog({ directory })
})
afterAll(async () => {
  await log?.close()
  await world?.close()
  await rm(directory, { recursive: true, force: true })
})

let chains = 0
let chain: ChainModule<PaperBlock>
/** The chain as a program sees it that cannot read block 4. */
let blind: ChainModule<PaperBlock>
beforeEach(() => openChain())

function openChain(): void {
  chain = paperChain(`letters-${++chains}`)
  const { verify } = chain
  blind = {
    ...chain,
    verify(raw) {
      if (raw.height === 4) throw new ProofError('txRoot', 'block 4: a transaction of an unknown kind')
      return verify(raw)
    },
  }
}

async function append(blocks: readonly PaperBlock[], partition = TIP_PARTITION): Promise<bigint> {
  const events = blocks.map(raw => {
    const { height, hash, parentHash } = chain.verify(raw)
    return encodeEvent({ kind: 'block', height, hash, parentHash, payload: chain.encode(raw) })
  })
  return log.append(blockEvents(chain.definition.slug, partition), events)
}

let owners = 0
function start(module: ChainModule<PaperBlock>, through = sql, partition = TIP_PARTITION) {
  const stopping = new AbortController()
  const splitter: Splitter = startSplitter(
    {
      chain: module as ChainModule,
      partition,
      log,
      sql: through,
      logger: silent,
      owner: `test:${++owners}`,
      isGone: () => true,
      settleMs: 50,
    },
    stopping.signal,
  )
  return { splitter, abort: () => stopping.abort() }
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 6_000; round++) {
    if (await isSo()) return
    await sleep(20)
  }
  throw new Error(`waited in vain for: ${what}`)
}

async function isRead(partition = TIP_PARTITION): Promise<boolean> {
  const place = blockEvents(chain.definition.slug, partition)
  return (await log.committed(place, SPLITTER_GROUP)) >= (await log.end(place))
}

/** Starts a splitter, and stops it when all is so. @returns what it said last. */
async function run(
  module: ChainModule<PaperBlock>,
  { partition = TIP_PARTITION, isSo = () => isRead(partition) } = {},
): Promise<string | null> {
  const { splitter, abort } = start(module, sql, partition)
  await until('the log to be read', isSo)
  const problem = splitter.problem()
  abort()
  await splitter.done
  return problem
}

interface Letter {
  partition: number
  offset: string
  height: string
  hash: string
  code: string
  reason: string
  attempts: number
  resolved: number
  resolution: string
}

function letters(): Promise<Letter[]> {
  return sql.rows<Letter>(
    `SELECT partition, offset, height, hash, code, reason, attempts, resolved_at IS NOT NULL AS resolved, resolution
    FROM dead_letters WHERE chain = {chain:String} ORDER BY partition, offset`,
    { chain: chain.definition.slug },
  )
}

async function heights(): Promise<number[]> {
  const rows = await sql.rows<{ height: string }>(
    'SELECT height FROM blocks WHERE chain = {chain:String} ORDER BY height',
    { chain: chain.definition.slug },
  )
  return rows.map(row => Number(row.height))
}

/** Everything that comes after the n-th insert is never answered. @returns how many inserts there were, and the death. */
function dyingBefore(at: number): { sql: Sql; inserts: () => number; death: Promise<void> } {
  let inserts = 0
  const never = new Promise<never>(() => {})
  const isDead = () => inserts >= at
  let die: () => void
  const death = new Promise<void>(resolve => {
    die = resolve
  })
  const dying: Sql = {
    command: (...args) => (isDead() ? never : sql.command(...args)),
    rows: (...args) => (isDead() ? never : sql.rows(...args)),
    bytes: (...args) => (isDead() ? never : sql.bytes(...args)),
    insert(...args) {
      inserts++
      if (!isDead()) return sql.insert(...args)
      die()
      return never
    },
  }
  return { sql: dying, inserts: () => inserts, death }
}

test('a splitter that dies before any of its inserts loses no letter, and the next one keeps it once', async () => {
  await registerChain(sql, chain.definition)
  await append(paperBlocks(0, 7))
  const counted = dyingBefore(Number.POSITIVE_INFINITY)
  const undisturbed = start(blind, counted.sql)
  await until('the log to be read', isRead)
  undisturbed.abort()
  await undisturbed.splitter.done
  const expected = await heights()
  expect(expected).toEqual([0, 1, 2, 3, 5, 6, 7])
  const views = await shown()
  expect(counted.inserts()).toBeGreaterThan(8)
  for (let at = 1; at <= counted.inserts(); at++) {
    openChain()
    await registerChain(sql, chain.definition)
    await append(paperBlocks(0, 7))
    const dying = dyingBefore(at)
    const dead = start(blind, dying.sql)
    await dying.death
    dead.abort()
    await run(blind)
    const found = await letters()
    expect([at, found.map(({ height, code, resolved }) => [height, code, resolved])]).toEqual([
      at,
      [['4', 'PROOF', 0]],
    ])
    expect([at, await shown()]).toEqual([at, views])
  }
}, 240_000)

/** What outsiders see, but for what differs from chain to chain or tells when. */
async function shown(): Promise<Record<string, string>> {
  const { chains: _, dead_letters: __, ...views } = await dumpViews(world.sql, chain.definition.slug)
  return views
}

test('a letter is settled by itself when its block is stored later', async () => {
  const offset = await append(paperBlocks(0, 4))
  await append(paperBlocks(5, 7))
  // The chain goes on above a block that is at fault by itself, and its height is seen to be missing.
  expect(await run(blind)).toBeNull()
  expect(await letters()).toMatchObject([
    {
      partition: TIP_PARTITION,
      offset: String(offset),
      height: '4',
      hash: paperHash(4, 0).toString('hex'),
      code: 'PROOF',
      attempts: 0,
      resolved: 0,
    },
  ])
  await append(paperBlocks(4, 4), HISTORY_PARTITION)
  const isSettled = async () => (await letters()).every(({ resolved }) => resolved === 1)
  await run(chain, { partition: HISTORY_PARTITION, isSo: isSettled })
  expect(await heights()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect(await letters()).toMatchObject([{ height: '4', resolved: 1, resolution: /stored/ }].map(matching))
})

function matching({ resolution, ...rest }: { resolution: RegExp } & Record<string, unknown>) {
  return { ...rest, resolution: expect.stringMatching(resolution) }
}

test('a replay by a program that knows better stores the block; one that does not counts the attempt', async () => {
  await append(paperBlocks(0, 7))
  await run(blind)
  const deps = { sql, logger: silent, isGone: () => true }
  const vain = await replayLetters({ ...deps, chain: blind, owner: `test:${++owners}` })
  expect(vain).toMatchObject({ replayed: 1, stored: 0, settled: 0, waiting: [{ height: 4, code: 'PROOF' }] })
  expect(await letters()).toMatchObject([{ height: '4', attempts: 1, resolved: 0 }])
  const better = await replayLetters({ ...deps, chain, owner: `test:${++owners}` })
  expect(better).toEqual({ replayed: 1, stored: 1, settled: 0, waiting: [] })
  expect(await heights()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect(await letters()).toMatchObject([{ height: '4', attempts: 2, resolved: 1 }])
  expect(await replayLetters({ ...deps, chain, owner: `test:${++owners}` })).toMatchObject({ replayed: 0 })
})

test('after a block of another branch the chain stands still and says so, until what follows on the tables', async () => {
  await append(paperBlocks(0, 5))
  await append(paperBlocks(6, 8, 1, 1))
  const place = blockEvents(chain.definition.slug, TIP_PARTITION)
  const { splitter, abort } = start(chain)
  await until('the log to be read', isRead)
  const [first] = await letters()
  expect(first).toMatchObject({ height: '6', code: 'PROOF', resolved: 0 })
  expect(splitter.problem()).toMatch(/an event does not fit what is stored, .* were passed over/)
  expect(await heights()).toEqual([0, 1, 2, 3, 4, 5])
  await append(paperBlocks(9, 10, 1))
  await until('the log to be read', isRead)
  expect(await heights()).toEqual([0, 1, 2, 3, 4, 5])
  expect(splitter.problem()).toMatch(/stop up and start it again/)
  await log.append(place, [encodeEvent({ kind: 'revert', to: { height: 5, hash: paperHash(5, 0) } })])
  await append(paperBlocks(6, 8, 2, 0))
  await until('the log to be read', isRead)
  expect(splitter.problem()).toBeNull()
  expect(await heights()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  abort()
  await splitter.done
})
