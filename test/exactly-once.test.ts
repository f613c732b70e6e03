import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ChainModule } from '../schema/chain.ts'
import { BASE_DATABASE, DEDUPLICATION_WINDOW } from '../schema/ddl.ts'
import type { Sql } from '../schema/ports.ts'
import { allColumns, blockTables, type TableName } from '../schema/tables.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { checkChain } from '../splitter/check.ts'
import { readEntry, readPublished, versionOf, writeEntry } from '../splitter/journal.ts'
import { type PreparedBlock, prepareBlock } from '../splitter/prepare.ts'
import { decodeRows, encodeBlocks, encodeStored, type StoredRow } from '../splitter/rows.ts'
import { openWriter, type Writer } from '../splitter/writer.ts'
import { type ContractStore, dumpViews, openContractStore } from './harness.ts'
import { type PaperBlock, paperBlocks, paperChain, paperHash } from './paper-chain.ts'

let world: ContractStore
let sql: Sql
/** Every test has a chain of its own, so that none sees what another left. */
let chain: ChainModule<PaperBlock>
let slug: string
let chains = 0

beforeAll(async () => {
  world = await openContractStore()
  sql = world.sql
})
afterAll(() => world?.close())
beforeEach(() => useChain(`paper-${++chains}`))

async function useChain(name: string): Promise<void> {
  chain = paperChain(name)
  slug = name
  await registerChain(sql, chain.definition)
}

function prepare(blocks: readonly PaperBlock[], on = chain): PreparedBlock[] {
  return blocks.map(raw =>
    prepareBlock(on, raw, raw.height === 0 ? null : paperHash(raw.height - 1, raw.parentFork)),
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
    `SELECT ${['blocks', 'transactions', 'effects', 'address_effects', 'hashes', 'raw_blocks']
      .map(name => `(SELECT count() FROM ${name} WHERE chain = {slug:String}) AS ${name}`)
      .join(', ')}`,
    { slug },
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

/** Rows of a statement about the test's own chain. */
function select(statement: string): Promise<Record<string, unknown>[]> {
  return sql.rows(statement, { slug })
}

async function insertRows(table: TableName, bytes: Uint8Array, token: string): Promise<void> {
  await sql.insert(
    { table: `${BASE_DATABASE}.${table}`, columns: allColumns(blockTables[table]), bytes },
    { token },
  )
}

function transactionRows(blocks: readonly PreparedBlock[], version = 7n): StoredRow[] {
  const encoded = encodeBlocks(blocks, version).find(rows => rows.table === 'transactions')
  return decodeRows('transactions', encoded!.chunks[0]!)
}

function insertTransactions(rows: readonly StoredRow[], token: string): Promise<void> {
  return insertRows('transactions', encodeStored('transactions', rows).chunks[0]!, `${slug}:${token}`)
}

const negative = (rows: readonly StoredRow[]) => rows.map(row => ({ ...row, row_sign: -1 as const }))

async function withWindow(table: string, size: number, run: () => Promise<void>): Promise<void> {
  const set = (window: number) =>
    sql.command(
      `ALTER TABLE ${BASE_DATABASE}.${table} MODIFY SETTING non_replicated_deduplication_window = ${window}`,
    )
  await set(size)
  await run().finally(() => set(DEDUPLICATION_WINDOW))
}

describe('on the engine', () => {
  test('a cancellation that arrives before its row leaves nothing', async () => {
    const rows = transactionRows(prepare(paperBlocks(0, 0)))
    await insertTransactions(negative(rows), 'late-1')
    await insertTransactions(rows, 'late-2')
    for (const merged of [false, true]) {
      if (merged) await sql.command(`OPTIMIZE TABLE ${BASE_DATABASE}.transactions FINAL`)
      expect(
        await select(
          `SELECT count() AS rows FROM ${BASE_DATABASE}.transactions FINAL WHERE chain = {slug:String}`,
        ),
      ).toEqual([{ rows: '0' }])
      expect(
        await select(
          `SELECT sum(row_sign) AS signs FROM ${BASE_DATABASE}.transactions WHERE chain = {slug:String}`,
        ),
      ).toEqual([{ signs: '0' }])
    }
  })

  test('a row and its replacement in one insert, in either order: the replacement stands', async () => {
    for (const first of ['old', 'new']) {
      await useChain(`${slug}-${first}`)
      const old = transactionRows(prepare(paperBlocks(0, 0)))
      const replacement = old.map(row => ({ ...row, row_version: 8n, fee: 99n }))
      await insertTransactions(old, 'update-1')
      const both = first === 'old' ? [...negative(old), ...replacement] : [...replacement, ...negative(old)]
      await insertTransactions(both, 'update-2')
      await sql.command(`OPTIMIZE TABLE ${BASE_DATABASE}.transactions FINAL`)
      expect(
        await select(
          `SELECT fee, row_version, count() AS rows FROM ${BASE_DATABASE}.transactions FINAL WHERE chain = {slug:String} GROUP BY fee, row_version`,
        ),
      ).toEqual([{ fee: '99', row_version: '8', rows: '5' }])
    }
  })

  test('the same batch sent again, wholly or in part, is stored once, in views too', async () => {
    const writer = await open()
    const add = prepare(paperBlocks(0, 9))
    await writer.write({ add })
    const before = await dumpViews(world.sql, slug)
    for (const rows of encodeBlocks(add, versionOf(1, 0))) {
      await insertRows(rows.table, rows.chunks[0]!, `${slug}:0:1:add:${rows.table}:0`)
    }
    await writeEntry(sql, (await readEntry(sql, slug, 0, 1))!)
    expect(await dumpViews(world.sql, slug)).toEqual(before)
    expect(await counts()).toEqual(TEN_BLOCKS)
    await expectSound()
  })

  test('a token that the window has forgotten is accepted again, and `check` says so', async () => {
    await (await open()).write({ add: prepare(paperBlocks(0, 9)) })
    await withWindow('transactions', 3, async () => {
      for (let at = 0; at < 5; at++) {
        const other = paperChain('forgetful')
        await insertTransactions(transactionRows(prepare(paperBlocks(at, at), other)), `other:${at}`)
      }
      const again = encodeBlocks(prepare(paperBlocks(0, 9)), versionOf(1, 0)).find(
        rows => rows.table === 'transactions',
      )
      await insertRows('transactions', again!.chunks[0]!, `${slug}:0:1:add:transactions:0`)
    })
    expect(
      await select(
        `SELECT sum(row_sign) AS rows FROM ${BASE_DATABASE}.transactions WHERE chain = {slug:String}`,
      ),
    ).toEqual([{ rows: '100' }])
    const { differences } = await checkChain({ sql, chain })
    expect(differences.map(found => found.table)).toContain('transactions')
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

  test('a large insert under a fence is one block, and the closed fence lets nothing in', async () => {
    const rows = transactionRows(prepare(paperBlocks(0, 199, 0, 0, 1_000)))
    expect(rows.length).toBe(200_000)
    const encoded = encodeStored('transactions', rows)
    expect(encoded.chunks.length).toBe(1)
    const columns = allColumns(blockTables.transactions)
    const insert = (closed: number) =>
      sql.insert(
        { table: `${BASE_DATABASE}.transactions`, columns, bytes: encoded.chunks[0]! },
        {
          token: `${slug}:large:${closed}`,
          fence: { expression: 'SELECT {closed:UInt8}', params: { closed } },
        },
      )
    await insert(0)
    const parts = `SELECT uniqExact(_part) AS parts, count() AS rows
      FROM ${BASE_DATABASE}.transactions WHERE chain = {slug:String}`
    expect(await select(parts)).toEqual([{ parts: '1', rows: '200000' }])
    await expect(insert(1)).rejects.toMatchObject({ code: 'FENCED' })
    expect(await select(parts)).toEqual([{ parts: '1', rows: '200000' }])
  })
})

describe('a store that dies between noting a token and taking up the rows', () => {
  /** The rows go, the token stays; whoever inserted them never hears of it. */
  class StoreGone extends Error {}
  function losing(into: string, lost: string): Sql {
    return {
      ...sql,
      async insert(rows, options) {
        const outcome = await sql.insert(rows, options)
        if (rows.table !== `${BASE_DATABASE}.${into}` || options.token === null) return outcome
        const condition = lost.endsWith('sums') ? '1' : 'height >= 5'
        await sql.command(
          `ALTER TABLE ${BASE_DATABASE}.${lost} DELETE WHERE chain = {slug:String} AND ${condition} SETTINGS mutations_sync = 2`,
          { slug },
        )
        throw new StoreGone()
      },
    }
  }

  test.each([
    ['effects', 'effects'],
    ['effects', 'effects_by_address'],
    ['effects', 'balance_sums'],
    ['transactions', 'transactions'],
    ['transactions', 'chain_sums'],
    ['hashes', 'hashes'],
    ['blocks', 'blocks'],
  ])('inserting into %s, %s lost: the next writer finds out and mends it', async (into, lost) => {
    await (await open()).write({ add: prepare(paperBlocks(0, 4)) })
    const writer = await open({ sql: losing(into, lost) })
    await expect(writer.write({ add: prepare(paperBlocks(5, 9)) })).rejects.toThrow(StoreGone)
    await open()
    expect(await counts()).toEqual(TEN_BLOCKS)
    await expectSound()
  })

  test('the rows that cancel others are lost: they are sent again', async () => {
    await (await open()).write({ add: prepare(paperBlocks(0, 9)) })
    const before = await counts()
    let cancels = 0
    const watched: Sql = {
      ...sql,
      async insert(rows, options) {
        const outcome = await sql.insert(rows, options)
        if (!options.token?.includes(':cancel:') || !rows.table.endsWith('.effects') || cancels++ > 0)
          return outcome
        await sql.command(
          `ALTER TABLE ${BASE_DATABASE}.effects DELETE WHERE chain = {slug:String} AND row_sign = -1 SETTINGS mutations_sync = 2`,
          { slug },
        )
        throw new StoreGone()
      },
    }
    const writer = await open({ sql: watched })
    const again = { add: prepare(paperBlocks(8, 9)), cancel: [8, 9] }
    await expect(writer.write(again)).rejects.toThrow(StoreGone)
    await open()
    expect(await counts()).toEqual(before)
    await expectSound()
  })

  test('the entry in the journal is lost: it is written again under another token', async () => {
    let entries = 0
    const watched: Sql = {
      ...sql,
      async insert(rows, options) {
        const outcome = await sql.insert(rows, options)
        if (!rows.table.endsWith('.journal') || entries++ > 0) return outcome
        await sql.command(
          `ALTER TABLE ${BASE_DATABASE}.journal DELETE WHERE chain = {slug:String} SETTINGS mutations_sync = 2`,
          { slug },
        )
        return outcome
      },
    }
    await (await open({ sql: watched })).write({ add: prepare(paperBlocks(0, 9)) })
    expect([entries, await counts()]).toEqual([2, TEN_BLOCKS])
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
        const outcome = await sql.insert(...args)
        seen.push((await counts()).transactions ?? -1)
        return outcome
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
    const balances = () =>
      select(
        `SELECT address, amount, height, complete FROM balances WHERE chain = {slug:String} ORDER BY address`,
      )
    const before = await balances()
    const during: unknown[] = []
    const watched: Sql = {
      ...sql,
      async insert(rows, options) {
        const outcome = await sql.insert(rows, options)
        if (rows.table.endsWith('.effects')) during.push(await balances())
        return outcome
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
    expect(await readPublished(sql, slug)).toEqual([[0, 10]])
    expect(
      await select(
        `SELECT height, hash FROM blocks WHERE chain = {slug:String} AND height >= 8 ORDER BY height`,
      ),
    ).toEqual(
      [8, 9, 10].map(height => ({ height: String(height), hash: paperHash(height, 1).toString('hex') })),
    )
    expect(
      await select(`SELECT height, hash FROM orphaned_blocks WHERE chain = {slug:String} ORDER BY height`),
    ).toEqual([8, 9].map(height => ({ height: String(height), hash: paperHash(height, 0).toString('hex') })))
    expect(
      await select(`SELECT count() AS rows FROM orphaned_transactions WHERE chain = {slug:String}`),
    ).toEqual([{ rows: '10' }])
    expect(
      await select(
        `SELECT depth, old_hash, new_hash, common_ancestor, transactions FROM reorgs WHERE chain = {slug:String}`,
      ),
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
    const before = await dumpViews(world.sql, slug)
    for (let round = 1; round <= 3; round++) {
      await writer.write({ add: prepare(paperBlocks(5, 9, round, 0)), cancel: [5, 6, 7, 8, 9], reorg: true })
      await writer.write({ add: prepare(paperBlocks(5, 9)), cancel: [5, 6, 7, 8, 9], reorg: true })
    }
    expect(await dumpViews(world.sql, slug)).toEqual(before)
    await sql.command(`OPTIMIZE TABLE ${BASE_DATABASE}.effects FINAL`)
    await sql.command(`OPTIMIZE TABLE ${BASE_DATABASE}.balance_sums FINAL`)
    expect(await dumpViews(world.sql, slug)).toEqual(before)
    await expectSound()
  })

  test('a revert without a replacement leaves the chain at the common ancestor', async () => {
    const writer = await open()
    await writer.write({ add: prepare(paperBlocks(0, 9)) })
    await writer.write({ add: [], cancel: [7, 8, 9], reorg: true })
    expect(await readPublished(sql, slug)).toEqual([[0, 6]])
    expect(await select(`SELECT height, time FROM checkpoints WHERE chain = {slug:String}`)).toEqual([
      { height: '6', time: '2023-11-14 22:13:26' },
    ])
    await expectSound()
  })

  test('a batch left open by another version of the program is taken back whole', async () => {
    const writer = await open()
    await writer.write({ add: prepare(paperBlocks(0, 4)) })
    const add = prepare(paperBlocks(5, 9))
    const encoded = encodeBlocks(add, 2n << 10n)
    await writeEntry(sql, {
      chain: slug,
      partition: 0,
      batch: 2,
      owner: 'gone',
      time: 1,
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
    })
    for (const rows of encoded.slice(0, 3)) {
      await insertRows(rows.table, rows.chunks[0]!, `${slug}:0:2:add:${rows.table}:0`)
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
  chain: string
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
  const { url, username, password, headers } = world.address
  const script = fileURLToPath(new URL('./writer-child.ts', import.meta.url))
  const argument = JSON.stringify([
    { url, username, password, headers },
    world.engine,
    owner,
    plan,
    signal,
    at,
  ])
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

const GROW = { from: 5, to: 9, fork: 0, parentFork: 0, cancel: [], reorg: false }
const REORG = { from: 3, to: 6, fork: 1, parentFork: 0, cancel: [3, 4], reorg: true }

/** A chain of five blocks, on which the plan is to be carried out. */
async function startPlan(name: string, plan: Omit<Plan, 'chain'>): Promise<Plan> {
  await useChain(name)
  await (await open()).write({ add: prepare(paperBlocks(0, 4)) })
  return { ...plan, chain: name }
}

async function writePlan(writer: Writer, plan: Plan): Promise<void> {
  const add = prepare(paperBlocks(plan.from, plan.to, plan.fork, plan.parentFork))
  await writer.write({ add, cancel: plan.cancel, reorg: plan.reorg })
}

/** The same without a disturbance. @returns how many inserts it takes. */
async function undisturbed(plan: Plan): Promise<number> {
  let inserts = 0
  const counted: Sql = {
    ...sql,
    async insert(...args) {
      inserts++
      return sql.insert(...args)
    },
  }
  await writePlan(await open({ sql: counted }), plan)
  return inserts
}

/** Ends right before its n-th insert, as far as the store can tell: nothing comes from it any more. */
async function dieBefore(plan: Plan, at: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let inserts = 0
    const never = new Promise<never>(() => {})
    const isDead = () => inserts >= at
    const dying: Sql = {
      ...sql,
      command: (...args) => (isDead() ? never : sql.command(...args)),
      rows: (...args) => (isDead() ? never : sql.rows(...args)),
      bytes: (...args) => (isDead() ? never : sql.bytes(...args)),
      insert(...args) {
        inserts++
        if (!isDead()) return sql.insert(...args)
        resolve()
        return never
      },
    }
    const written = open({ sql: dying }).then(writer => writePlan(writer, plan))
    written.then(() => reject(new Error(`expected a death before insert ${at}`)), reject)
  })
}

async function stopped(child: Child): Promise<void> {
  for (let waited = 0; waited < 20_000; waited += 50) {
    const status = await readFile(`/proc/${child.process.pid}/stat`, 'utf8').catch(() => '')
    if (/\) T /.test(status)) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error('the child did not stop')
}

describe('a writer that dies or sleeps', () => {
  for (const [name, steps] of [
    ['adding blocks', GROW],
    ['replacing blocks', REORG],
  ] as const) {
    test(`kill -9 before any of its inserts, ${name}: the next writer makes it whole`, async () => {
      const base = slug
      const inserts = await undisturbed(
        await startPlan(`${base}-undisturbed`, { ...steps, cancel: [...steps.cancel] }),
      )
      const expected = await dumpViews(world.sql, slug)
      for (let at = 1; at <= inserts; at++) {
        const plan = await startPlan(`${base}-${at}`, { ...steps, cancel: [...steps.cancel] })
        // Now and then a process; a writer that is not heard of any more is the same to the store.
        if (at % 5 === 1) await startChild(`child:${at}`, plan, 'SIGKILL', at).ended
        else await dieBefore(plan, at)
        const next = await open({ isGone: () => true })
        // Without an archived copy nothing of the batch stands, and it is written as if for the first time.
        if (!next.published().some(([, to]) => to === plan.to)) await writePlan(next, plan)
        expect([at, await dumpViews(world.sql, slug)]).toEqual([at, expected])
        await expectSound()
      }
    }, 300_000)
  }

  test('SIGSTOP before an insert, taken over, more than a window of other batches, SIGCONT: nothing doubles', async () => {
    const plan = await startPlan(`${slug}-sleeper`, { ...GROW, cancel: [] })
    await withWindow('effects', 20, async () => {
      const sleeper = startChild('sleeper', plan, 'SIGSTOP', 5)
      await stopped(sleeper)
      const next = await open()
      expect(next.published()).toEqual([[0, 9]])
      const expected = await dumpViews(world.sql, slug)
      const other = paperChain('flood')
      const flood = await openWriter({ sql, chain: other, owner: 'flood' })
      for (let at = 0; at < 25; at++) await flood.write({ add: prepare(paperBlocks(at, at), other) })
      sleeper.process.kill('SIGCONT')
      await sleeper.ended
      expect(sleeper.output()).toMatch(/^FENCED/)
      expect(await dumpViews(world.sql, slug)).toEqual(expected)
      await expectSound()
    })
  })
})
