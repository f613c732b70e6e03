import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createRegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { type RegtestNode, startRegtestNode } from '../deploy/dev/regtest-node.ts'
import { isAlive } from '../deploy/pid.ts'
import type { Addresses } from '../deploy/serve.ts'
import type { SqlClient } from '../deploy/sql.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { RESPLIT_BLOCKS } from '../splitter/resplit.ts'
import { type Running, runCli, startCli, summaryOf } from './cli.ts'
import { dumpViews, withDirectory } from './harness.ts'

const CHAIN = 'bitcoin-regtest'
/** More than are written anew at once. */
const BLOCKS = 90

let node: RegtestNode
let data: string
let whole: Record<string, string>
const started: number[] = []

beforeAll(async () => {
  const chain = createRegtestChain({ seed: 'resplit' })
  for (let height = 1; height < BLOCKS; height++) chain.mine()
  node = await startRegtestNode(chain)
  data = await mkdtemp(join(tmpdir(), 'wanlian-resplit-'))
  await followed(async () => {})
  whole = await inStore(sql => dumpViews(sql, CHAIN))
})
afterAll(async () => {
  for (const pid of started) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  await node?.close()
  await rm(data, { recursive: true, force: true })
})

const inStore = <T>(run: (sql: SqlClient) => Promise<T>) => withDirectory(data, run)
const resplit = (...args: string[]) => runCli(['resplit', CHAIN, '--data', data, ...args])

/** Follows the chain until every block is there and whatever `done` waits for, and ends in order. */
async function followed(done: (count: (condition: string) => Promise<number>) => Promise<void>) {
  const args = [
    'up',
    '--data',
    data,
    '--port',
    '0',
    '--clickhouse-port',
    '0',
    '--node',
    `${CHAIN}=${node.url}`,
  ]
  const up: Running = startCli(args, { WANLIAN_LOG: 'warn' })
  started.push(up.pid)
  const { clickhouse } = JSON.parse(await up.firstLine) as Addresses
  const count = async (condition: string) => {
    const query = `SELECT count() FROM blocks WHERE chain = '${CHAIN}' AND ${condition}`
    const answer = await fetch(`${clickhouse}/?${new URLSearchParams({ query })}`)
    return Number(await answer.text())
  }
  await vi.waitFor(async () => expect(await count('1')).toBe(BLOCKS), { timeout: 120_000, interval: 200 })
  await done(count)
  process.kill(up.pid, 'SIGINT')
  expect((await up.finished).code).toBe(0)
}

/** What an earlier version may have left: rows that this one would not make of the same blocks. */
function makeOutdated(): Promise<void> {
  return inStore(async sql => {
    const change = (table: string, update: string) =>
      sql.command(
        `ALTER TABLE ${BASE_DATABASE}.${table} UPDATE ${update} WHERE chain = '${CHAIN}' SETTINGS mutations_sync = 2`,
      )
    await change('journal', 'split_version = 1')
    // Its program wrote the seal that fits.
    const [column] = await sql.rows<{ seal: string }>(
      `SELECT default_expression AS seal FROM system.columns
      WHERE database = '${BASE_DATABASE}' AND table = 'journal' AND name = 'seal'`,
    )
    await change('journal', `seal = ${column!.seal}`)
    await change('blocks', 'size = 1')
    await change('transactions', 'fee = 7')
    await change('utxo_outputs', `script_type = 'bare'`)
    expect(await dumpViews(sql, CHAIN)).not.toEqual(whole)
  })
}

async function expectWhole(): Promise<void> {
  expect(await inStore(sql => dumpViews(sql, CHAIN))).toEqual(whole)
  const checked = await runCli(['check', CHAIN, '--data', data])
  expect([checked.code, summaryOf<{ differences: unknown }>(checked).differences]).toEqual([0, []])
}

function loseArchive(...heights: number[]): Promise<void> {
  return inStore(sql =>
    sql.command(
      `ALTER TABLE ${BASE_DATABASE}.raw_blocks UPDATE payload = 'lost' WHERE chain = '${CHAIN}' AND height IN (${heights})
      SETTINGS mutations_sync = 2`,
    ),
  )
}

test('a program that splits otherwise makes the rows anew while it runs, and nearly all are served meanwhile', async () => {
  await makeOutdated()
  let fewest = BLOCKS
  await followed(async count => {
    await expect
      .poll(
        async () => {
          fewest = Math.min(fewest, await count('1'))
          return count('size = 1')
        },
        { timeout: 120_000, interval: 20 },
      )
      .toBe(0)
    await expect.poll(() => count('1'), { timeout: 30_000 }).toBe(BLOCKS)
  })
  expect(fewest).toBeGreaterThanOrEqual(BLOCKS - 2 * RESPLIT_BLOCKS)
  await expectWhole()
})

test('by command: from the archive, else from the log, else from a node, and it says from which', async () => {
  await makeOutdated()
  await loseArchive(30, BLOCKS - 1)
  const logged = await resplit()
  expect(summaryOf(logged)).toEqual({
    chain: CHAIN,
    blocks: BLOCKS,
    from: { archive: BLOCKS - 2, log: 2 },
    failed: [],
  })
  expect(logged.code).toBe(0)
  await expectWhole()

  await loseArchive(30)
  await rm(join(data, 'log'), { recursive: true })
  const lost = await resplit('--from', '29', '--to', '31')
  expect(lost.code).toBe(2)
  const { blocks, failed } = summaryOf<{ blocks: number; failed: { height: number; reason: string }[] }>(lost)
  expect([blocks, failed.map(({ height }) => height)]).toEqual([2, [30]])
  expect(failed[0]?.reason).toMatch(/archive: .*; log: not there; recording: not there; node: not there/)

  const asked = await resplit('--from', '29', '--to', '31', '--node', node.url)
  expect(summaryOf(asked)).toMatchObject({ blocks: 3, from: { archive: 2, node: 1 }, failed: [] })
  await expectWhole()
})
