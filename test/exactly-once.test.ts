import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { Sql } from '../schema/ports.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { checkChain } from '../splitter/check.ts'
import { readEntry, readPublished, writeEntry } from '../splitter/journal.ts'
import { type PreparedBlock, prepareBlock } from '../splitter/prepare.ts'
import { columnNames, decodeRows, encodeBlocks, encodeStored } from '../splitter/rows.ts'
import { openWriter, type Writer } from '../splitter/writer.ts'
import { dumpViews, openTestStore, type TestStore } from './harness.ts'
import { type PaperBlock, paperBlocks, paperChain, paperHash } from './paper-chain.ts'

const chain = paperChain()
let world: TestStore
let sql: Sql

beforeAll(async () => {
  world = await openTestStore()
  sql = world.sql
})
afterAll(() => world?.close())

/** Every test begins with an empty store; deduplication windows are emptied with the tables. */
beforeEach(async () => {
  const tables = await sql.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = '${BASE_DATABASE}' AND engine LIKE '%MergeTree' AND name != 'migrations'`,
  )
  for (const { name } of tables) await sql.command(`TRUNCATE TABLE ${BASE_DATABASE}.${name}`)
  await registerChain(sql, chain.definition)
})

function prepare(blocks: readonly PaperBlock[]): PreparedBlock[] {
  return blocks.map(raw =>
    prepareBlock(chain, raw, raw.height === 0 ? null : paperHash(raw.height - 1, raw.parentFork)),
  )
}

let owners = 0
function open(options: Partial<Parameters<typeof openWriter>[0]> = {}): Promise<Writer> {
  return openWriter({ sql, chain, owner: `test:${++owners}`, takeOverMs: 200, ...options })
}

async function expectSound(): Promise<void> {
  const report = await checkChain({ sql, chain })
  expect(report.differences).toEqual([])
  expect(report.proven).toBe(report.blocks)
}

async function counts(): Promise<Record<string, number>> {
  const [row] = await sql.rows<Record<string, string>>(
    `SELECT (SELECT count() FROM blocks) AS blocks, (SELECT count() FROM transactions) AS transactions,
      (SELECT count() FROM effects) AS effects, (SELECT count() FROM address_effects) AS address_effects,
      (SELECT count() FROM hashes) AS hashes, (SELECT count() FROM raw_blocks) AS raw_blocks`,
  )
  return Object.fromEntries(Object.entries(row ?? {}).map(([name, value]) => [name, Number(value)]))
}

const TEN_BLOCKS = {
  blocks: 10,
  transactions: 50,
  effects: 100,
  address_effects: 100,
  hashes: 60,
  raw_blocks: 10,
}

describe('on the engine', () => {
  test('a cancellation that arrives before its row leaves nothing', async () => {
    const [rows] = encodeBlocks(prepare(paperBlocks(0, 0)), 7n).filter(
      encoded => encoded.table === 'transactions',
    )
    const added = decodeRows('transactions', rows!.chunks[0]!)
    const cancelled = encodeStored(
      'transactions',
      added.map(row => ({ ...row, sign: -1 as const })),
    )
    await sql.insert(`${BASE_DATABASE}.transactions`, columnNames('transactions'), cancelled.chunks[0]!, {
      token: 'late-1',
    })
    await sql.insert(`${BASE_DATABASE}.transactions`, columnNames('transactions'), rows!.chunks[0]!, {
      token: 'late-2',
    })
    for (const final of ['before', 'after']) {
      const [left] = await sql.rows<{ rows: string; signed: string }>(
        `SELECT count() AS rows, (SELECT sum(sign) FROM ${BASE_DATABASE}.transactions) AS signed FROM ${BASE_DATABASE}.transactions FINAL`,
      )
      expect([final, left]).toEqual([final, { rows: '0', signed: '0' }])
      await sql.command(`OPTIMIZE TABLE ${BASE_DATABASE}.transactions FINAL`)
    }
  })

  test('a row and its replacement in one insert, in either order: the replacement stands', async () => {
    const [rows] = encodeBlocks(prepare(paperBlocks(0, 0)), 7n).filter(
      encoded => encoded.table === 'transactions',
    )
    const old = decodeRows('transactions', rows!.chunks[0]!)
    const insert = (list: typeof old, token: string) =>
      sql.insert(
        `${BASE_DATABASE}.transactions`,
        columnNames('transactions'),
        encodeStored('transactions', list).chunks[0]!,
        { token },
      )
    await insert(old, 'update-1')
    const negative = old.map(row => ({ ...row, sign: -1 as const }))
    const replacement = old.map(row => ({ ...row, version: 8n, fee: 99n }))
    await insert([...replacement, ...negative], 'update-2')
    await sql.command(`OPTIMIZE TABLE ${BASE_DATABASE}.transactions FINAL`)
    const left = await sql.rows(
      `SELECT fee, version, count() AS rows FROM ${BASE_DATABASE}.transactions FINAL GROUP BY fee, version`,
    )
    expect(left).toEqual([{ fee: '99', version: '8', rows: '5' }])
  })

  test('the same batch sent again, wholly or in part, is stored once, in views too', async () => {
    const writer = await open()
    const add = prepare(paperBlocks(0, 9))
    await writer.write({ add })
    const before = await dumpViews(world.sql, 'paper')
    const entry = (await readEntry(sql, 'paper', 0, 1))!
    for (const rows of encodeBlocks(add, 1n << 10n)) {
      const token = `paper:0:1:add:${rows.table}:0`
      await sql.insert(`${BASE_DATABASE}.${rows.table}`, columnNames(rows.table), rows.chunks[0]!, { token })
    }
    await writeEntry(sql, entry, 1)
    expect(await dumpViews(world.sql, 'paper')).toEqual(before)
    expect(await counts()).toEqual(TEN_BLOCKS)
    await expectSound()
  })

  test('a token that the window has forgotten is accepted again: the fence is what holds', async () => {
    const writer = await open()
    await writer.write({ add: prepare(paperBlocks(0, 9)) })
    await sql.command(
      `ALTER TABLE ${BASE_DATABASE}.transactions MODIFY SETTING non_replicated_deduplication_window = 3`,
    )
    for (let at = 0; at < 5; at++) {
      const [rows] = encodeBlocks(
        prepare(paperBlocks(100 + at, 100 + at)).map(block => ({
          ...block,
          shared: { ...block.shared, chain: 'other' },
        })),
        1n,
      ).filter(encoded => encoded.table === 'transactions')
      await sql.insert(`${BASE_DATABASE}.transactions`, columnNames('transactions'), rows!.chunks[0]!, {
        token: `other:${at}`,
      })
    }
    const [again] = encodeBlocks(prepare(paperBlocks(0, 9)), 1n << 10n).filter(
      rows => rows.table === 'transactions',
    )
    await sql.insert(`${BASE_DATABASE}.transactions`, columnNames('transactions'), again!.chunks[0]!, {
      token: 'paper:0:1:add:transactions:0',
    })
    const [doubled] = await sql.rows<{ rows: string }>(
      `SELECT sum(sign) AS rows FROM ${BASE_DATABASE}.transactions WHERE chain = 'paper'`,
    )
    expect(doubled).toEqual({ rows: '100' })
    expect((await checkChain({ sql, chain })).differences.map(found => found.table)).toContain('transactions')
    await sql.command(
      `ALTER TABLE ${BASE_DATABASE}.transactions MODIFY SETTING non_replicated_deduplication_window = 100000`,
    )
  })

  test('of two writers that race for a batch one owns it, every time', async () => {
    for (let round = 0; round < 20; round++) {
      const writers = await Promise.all([open(), open()])
      const add = prepare(paperBlocks(round * 2, round * 2 + 1))
      const outcomes = await Promise.allSettled(writers.map(writer => writer.write({ add })))
      expect(outcomes.map(outcome => outcome.status).sort()).toEqual(['fulfilled', 'rejected'])
      const lost = outcomes.find(outcome => outcome.status === 'rejected')
      expect((lost as PromiseRejectedResult).reason).toMatchObject({ code: 'FENCED' })
    }
    expect((await counts()).blocks).toBe(40)
    await expectSound()
  })
})

describe('whole blocks', () => {
  test('readers see a batch when it is committed, not before', async () => {
    const writer = await open()
    await writer.write({ add: prepare(paperBlocks(0, 4)) })
    const seen: number[] = []
    const watched: Sql = {
      ...sql,
      async insert(...args) {
        await sql.insert(...args)
        seen.push((await counts()).transactions ?? -1)
      },
    }
    const second = await open({ sql: watched })
    await second.write({ add: prepare(paperBlocks(5, 9)) })
    expect(new Set(seen.slice(0, -1))).toEqual(new Set([25]))
    expect(seen.at(-1)).toBe(50)
  })

  test('balances stand for the published blocks while a batch is open', async () => {
    const writer = await open()
    await writer.write({ add: prepare(paperBlocks(0, 4)) })
    const balances = () => sql.rows(`SELECT address, amount, height, complete FROM balances ORDER BY address`)
    const before = await balances()
    const during: unknown[] = []
    const watched: Sql = {
      ...sql,
      async insert(table, ...rest) {
        await sql.insert(table, ...rest)
        if (table.endsWith('.effects')) during.push(await balances())
      },
    }
    await (await open({ sql: watched })).write({ add: prepare(paperBlocks(5, 9)) })
    expect(during).toEqual([before])
    expect(await balances()).not.toEqual(before)
  })

  test('a reorg takes blocks away whole, keeps them readable as orphans, and is recorded', async () => {
    const writer = await open()
    await writer.write({ add: prepare(paperBlocks(0, 9)) })
    await writer.write({ add: prepare(paperBlocks(8, 10, 1, 0)), cancel: [8, 9], reorg: true })
    expect(await readPublished(sql, 'paper')).toEqual([[0, 10]])
    expect(await sql.rows('SELECT height, hash FROM blocks WHERE height >= 8 ORDER BY height')).toEqual(
      [8, 9, 10].map(height => ({ height: String(height), hash: paperHash(height, 1).toString('hex') })),
    )
    expect(await sql.rows('SELECT height, hash FROM orphaned_blocks ORDER BY height')).toEqual(
      [8, 9].map(height => ({ height: String(height), hash: paperHash(height, 0).toString('hex') })),
    )
    expect(await sql.rows('SELECT count() AS rows FROM orphaned_transactions')).toEqual([{ rows: '10' }])
    expect(
      await sql.rows('SELECT depth, old_hash, new_hash, common_ancestor, transactions FROM reorgs'),
    ).toEqual([
      {
        depth: 2,
        old_hash: paperHash(9, 0).toString('hex'),
        new_hash: paperHash(10, 1).toString('hex'),
        common_ancestor: paperHash(7, 0).toString('hex'),
        transactions: 10,
      },
    ])
    await expectSound()
  })

  test('there and back again: add, cancel, add, cancel leave what was there at first', async () => {
    const writer = await open()
    await writer.write({ add: prepare(paperBlocks(0, 9)) })
    const before = await dumpViews(world.sql, 'paper')
    for (let round = 1; round <= 3; round++) {
      await writer.write({ add: prepare(paperBlocks(5, 9, round, 0)), cancel: [5, 6, 7, 8, 9], reorg: true })
      await writer.write({ add: prepare(paperBlocks(5, 9)), cancel: [5, 6, 7, 8, 9], reorg: true })
    }
    expect(await dumpViews(world.sql, 'paper')).toEqual(before)
    await sql.command(`OPTIMIZE TABLE ${BASE_DATABASE}.effects FINAL`)
    await sql.command(`OPTIMIZE TABLE ${BASE_DATABASE}.balance_sums FINAL`)
    expect(await dumpViews(world.sql, 'paper')).toEqual(before)
    await expectSound()
  })

  test('a revert without a replacement leaves the chain at the common ancestor', async () => {
    const writer = await open()
    await writer.write({ add: prepare(paperBlocks(0, 9)) })
    await writer.write({ add: [], cancel: [7, 8, 9], reorg: true })
    expect(await readPublished(sql, 'paper')).toEqual([[0, 6]])
    expect(await sql.rows('SELECT height, time FROM checkpoints')).toEqual([
      { height: '6', time: '2023-11-14 22:13:26' },
    ])
    await expectSound()
  })

  test('a batch left open by another version of the program is taken back whole', async () => {
    const writer = await open()
    await writer.write({ add: prepare(paperBlocks(0, 4)) })
    const add = prepare(paperBlocks(5, 9))
    const encoded = encodeBlocks(add, 2n << 10n)
    await writeEntry(
      sql,
      {
        chain: 'paper',
        partition: 0,
        batch: 2,
        owner: 'gone',
        splitVersion: 999,
        offsets: { from: 0n, to: 0n },
        blocks: add.map(block => ({
          height: block.verified.height,
          hash: block.verified.hash,
          linked: true,
        })),
        cancels: [],
        reorg: false,
        tables: encoded.map(rows => ({ name: rows.table, rows: rows.count, digest: 'of other rows' })),
      },
      1,
    )
    for (const rows of encoded.slice(0, 3)) {
      await sql.insert(`${BASE_DATABASE}.${rows.table}`, columnNames(rows.table), rows.chunks[0]!, {
        token: `paper:0:2:add:${rows.table}:0`,
      })
    }
    const second = await open({ isGone: owner => owner === 'gone' })
    expect(second.published()).toEqual([[0, 4]])
    await expectSound()
    await second.write({ add })
    expect(await counts()).toEqual(TEN_BLOCKS)
    await expectSound()
  })
})

interface Plan {
  from: number
  to: number
  fork: number
  parentFork: number
  cancel: number[]
  reorg: boolean
}

interface Child {
  process: ChildProcess
  output(): string
  ended: Promise<void>
}

function startChild(owner: string, plan: Plan, signal: NodeJS.Signals | null, at: number): Child {
  const { url, username, password, headers } = world.store
  const script = fileURLToPath(new URL('./writer-child.ts', import.meta.url))
  const argument = JSON.stringify([{ url, username, password, headers }, owner, plan, signal, at])
  const child = spawn(process.execPath, ['--import', 'tsx', script, argument], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  return {
    process: child,
    output: () => output,
    ended: new Promise(resolve => child.once('exit', () => resolve())),
  }
}

const GROW: Plan = { from: 5, to: 9, fork: 0, parentFork: 0, cancel: [], reorg: false }
const REORG: Plan = { from: 3, to: 6, fork: 1, parentFork: 0, cancel: [3, 4], reorg: true }

describe('a writer that dies or sleeps', () => {
  for (const [name, plan] of [
    ['adding blocks', GROW],
    ['replacing blocks', REORG],
  ] as const) {
    test(`kill -9 before any of its inserts, ${name}: the next writer makes it whole`, async () => {
      const inserts = await undisturbed(plan)
      const expected = await dumpViews(world.sql, 'paper')
      for (let at = 1; at <= inserts; at++) {
        await emptyAndStart()
        const child = startChild(`child:${at}`, plan, 'SIGKILL', at)
        await child.ended
        const next = await open({ isGone: () => true })
        // Without an archived copy nothing of the batch stands, and it is written as if for the first time.
        if (!next.published().some(([, to]) => to === plan.to)) await writePlan(next, plan)
        expect([at, await dumpViews(world.sql, 'paper')]).toEqual([at, expected])
        await expectSound()
      }
    })
  }

  test('SIGSTOP between two inserts, taken over, more than a window of other batches, SIGCONT: nothing doubles', async () => {
    await emptyAndStart()
    await sql.command(
      `ALTER TABLE ${BASE_DATABASE}.effects MODIFY SETTING non_replicated_deduplication_window = 20`,
    )
    const sleeper = startChild('sleeper', GROW, 'SIGSTOP', 5)
    await stopped(sleeper)
    const next = await open()
    expect(next.published()).toEqual([[0, 9]])
    const expected = await dumpViews(world.sql, 'paper')
    const other = paperChain('other')
    const flood = await openWriter({ sql, chain: other, owner: 'flood' })
    for (let at = 0; at < 25; at++) {
      await flood.write({ add: [prepareBlock(other, paperBlocks(at, at)[0]!, null)] })
    }
    // The writer looks again after five seconds without a sight of its entry.
    await new Promise(resolve => setTimeout(resolve, 5_500))
    sleeper.process.kill('SIGCONT')
    await sleeper.ended
    expect(sleeper.output()).toMatch(/^FENCED/)
    expect(await dumpViews(world.sql, 'paper')).toEqual(expected)
    await expectSound()
    await sql.command(
      `ALTER TABLE ${BASE_DATABASE}.effects MODIFY SETTING non_replicated_deduplication_window = 100000`,
    )
  })
})

async function emptyAndStart(): Promise<void> {
  const tables = await sql.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = '${BASE_DATABASE}' AND engine LIKE '%MergeTree'
      AND name NOT IN ('migrations', 'chains')`,
  )
  for (const { name } of tables) await sql.command(`TRUNCATE TABLE ${BASE_DATABASE}.${name}`)
  await (await open()).write({ add: prepare(paperBlocks(0, 4)) })
}

function writePlan(writer: Writer, plan: Plan): Promise<void> {
  const add = prepare(paperBlocks(plan.from, plan.to, plan.fork, plan.parentFork))
  return writer.write({ add, cancel: plan.cancel, reorg: plan.reorg })
}

/** The same without a disturbance. @returns how many inserts it takes. */
async function undisturbed(plan: Plan): Promise<number> {
  await emptyAndStart()
  let inserts = 0
  const counted: Sql = {
    ...sql,
    async insert(...args) {
      inserts++
      await sql.insert(...args)
    },
  }
  await writePlan(await open({ sql: counted }), plan)
  return inserts
}

async function stopped(child: Child): Promise<void> {
  const { readFile } = await import('node:fs/promises')
  for (let waited = 0; waited < 20_000; waited += 50) {
    const status = await readFile(`/proc/${child.process.pid}/stat`, 'utf8').catch(() => '')
    if (/\) T /.test(status)) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error('the child did not stop')
}
