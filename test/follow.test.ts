import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Chain } from '../crawlers/chain.ts'
import { bitcoinRegtest } from '../crawlers/chains/bitcoin-regtest.ts'
import { evmLocal } from '../crawlers/chains/evm-local.ts'
import { createRegtestChain, type RegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { type Anvil, startAnvil } from '../deploy/dev/evm-local.ts'
import { type RegtestNode, startRegtestNode } from '../deploy/dev/regtest-node.ts'
import type { Sql } from '../schema/ports.ts'
import {
  type JournalEntry,
  readHeld,
  readPublished,
  writeCheckpoint,
  writeEntry,
} from '../splitter/journal.ts'
import { runCli } from './cli.ts'
import { announcedUntil, openWorld, until, type World } from './follow-world.ts'
import { dumpViews, openTestStore, withDirectory } from './harness.ts'

function withDepth(chain: Chain, maxReorgDepth: number, safe = 3): Chain {
  const finality = { kind: 'confirmations', safe, final: 2 * safe } as const
  return { ...chain, definition: { ...chain.definition, maxReorgDepth, finality } }
}

/** Hash by height as outsiders see it, nothing left out and nothing twice. */
async function storedHashes(world: World, chain: string): Promise<string[]> {
  const rows = await world.store.sql.rows<{ height: string; hash: string }>(
    'SELECT height, hash FROM blocks WHERE chain = {chain:String} ORDER BY height',
    { chain },
  )
  expect(rows.map(row => Number(row.height))).toEqual(rows.map((_, at) => at))
  return rows.map(row => row.hash)
}

const nodeHashes = (chain: RegtestChain) =>
  Array.from({ length: chain.head.height + 1 }, (_, height) => chain.blockAt(height)!.hash)

async function hasCaughtUp(world: World, chain: RegtestChain): Promise<void> {
  await until(`block ${chain.head.height} of the node in the tables, nothing missing`, async () => {
    const [row] = await world.store.sql.rows<{ hash: string; blocks: string }>(
      `SELECT argMax(hash, height) AS hash, count() AS blocks FROM blocks WHERE chain = 'bitcoin-regtest'`,
    )
    return row?.hash === chain.head.hash && Number(row.blocks) === chain.head.height + 1
  })
}

/** What readers see must be what one undisturbed run of `index` over the node's chain gives. */
async function expectUndisturbed(world: World, chain: string, url: string, head: number): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-oracle-'))
  const indexed = await runCli(
    ['index', chain, '--node', url, '--from', '0', '--to', String(head), '--data', directory],
    { WANLIAN_CONFIG: '' },
  )
  expect([indexed.code, indexed.stderr]).toEqual([0, expect.any(String)])
  const [expected, expectedInputs] = await withDirectory(directory, async sql => [
    await dumpViews(sql, chain),
    await dumpInputs(sql, chain),
  ])
  await rm(directory, { recursive: true, force: true })
  await until('nothing left to link', async () => (await unlinkedBlocks(world, chain)) <= 1)
  const got = await dumpViews(world.store.sql, chain)
  const inputs = await dumpInputs(world.store.sql, chain)
  // How a spent output came to be known, and how a block was asked for, depend on when.
  for (const view of ['chains', 'raw_blocks', 'utxo_inputs']) {
    delete got[view]
    delete expected[view]
  }
  expect([got, inputs]).toEqual([expected, expectedInputs])
}

function dumpInputs(sql: Sql, chain: string): Promise<unknown[]> {
  return sql.rows(
    'SELECT count() AS rows, sum(cityHash64(tuple(* EXCEPT (chain, source)))) AS digest FROM utxo_inputs WHERE chain = {chain:String}',
    { chain },
  )
}

async function unlinkedBlocks(world: World, chain: string): Promise<number> {
  const [row] = await world.store.sql.rows<{ unlinked: string }>(
    `SELECT countIf(NOT has(proofs, 'parent')) AS unlinked FROM blocks WHERE chain = {chain:String}`,
    { chain },
  )
  return Number(row?.unlinked)
}

/** Every row stands once, and each live block is published; one that is written anew is hidden for that moment. */
async function expectNothingTwice(world: World, chain: string): Promise<void> {
  let counts: unknown
  await until(
    'as many live blocks as published ones, one at each height',
    async () => {
      const [row] = await world.store.sql.rows<{ heights: string; live: string; published: string }>(
        `SELECT uniqExactIf(height, row_sign = 1) AS heights, sum(row_sign) AS live,
        (SELECT count() FROM blocks WHERE chain = {chain:String}) AS published
      FROM wanlian.blocks WHERE chain = {chain:String}`,
        { chain },
      )
      counts = row
      return row!.live === row!.published && Number(row!.live) <= Number(row!.heights)
    },
    20,
  ).catch(error => {
    throw new Error(`${error}: ${JSON.stringify(counts)}`)
  })
}

/** All but block 0; a block that came before its parent is linked soon after it. */
async function everyLinkProven(): Promise<void> {
  await until('every link proven', async () => (await unlinkedBlocks(world, 'bitcoin-regtest')) === 1)
}

let world: World
let node: RegtestNode
let chain: RegtestChain

async function startChain(seed: string, blocks: number): Promise<void> {
  chain = createRegtestChain({ seed })
  for (let height = 1; height <= blocks; height++) chain.mineVaried()
  node = await startRegtestNode(chain)
}

describe('a utxo chain', () => {
  beforeAll(async () => {
    world = await openWorld()
    await startChain('follow', 115)
  })
  afterAll(async () => {
    await node.close()
    await world.close()
  })

  test('from the first block to the tip, every link proven', async () => {
    await world.start({ chain: bitcoinRegtest, urls: [node.url] })
    await hasCaughtUp(world, chain)
    expect(await storedHashes(world, 'bitcoin-regtest')).toEqual(nodeHashes(chain))
    await everyLinkProven()
    await until('following', async () => world.pipeline!.follows()[0]!.state === 'following')
    const status = world.pipeline!.follows()[0]!
    expect(status).toMatchObject({ problem: null, head: 115, missing: 0, safe: 110, final: 16 })
    expect(status.nodes[0]).toMatchObject({ reachable: true, errors: 0 })
  })

  test('reorgs: what left is gone from the sums and readable as orphaned, announced in order', async () => {
    const before = await announcedUntil(world.log, nodeHashes(chain))
    const { removed, added, commonAncestor } = chain.reorg(3)
    await hasCaughtUp(world, chain)
    expect(await storedHashes(world, 'bitcoin-regtest')).toEqual(nodeHashes(chain))
    const rows = await world.store.sql.rows(
      `SELECT depth, height, old_hash, new_hash, common_ancestor, transactions FROM reorgs WHERE chain = 'bitcoin-regtest'`,
    )
    expect(rows).toEqual([
      {
        depth: 3,
        height: String(removed[0]!.height),
        old_hash: removed.at(-1)!.hash,
        new_hash: added.at(-1)!.hash,
        common_ancestor: commonAncestor.hash,
        transactions: removed.reduce((sum, block) => sum + block.transactions.length, 0),
      },
    ])
    const orphans = await world.store.sql.rows<{ hash: string }>(
      `SELECT hash FROM orphaned_blocks WHERE chain = 'bitcoin-regtest' ORDER BY height`,
    )
    expect(orphans.map(row => row.hash)).toEqual(removed.map(block => block.hash))
    const told = (await announcedUntil(world.log, nodeHashes(chain))).slice(before.length)
    expect(told.map(({ type, hash }) => [type, hash])).toEqual([
      ...removed.toReversed().map(block => ['block.removed', block.hash]),
      ...added.map(block => ['block.added', block.hash]),
    ])
    expect(new Set(told.map(({ id }) => id)).size).toBe(told.length)
  })

  test('many small reorgs while blocks come, then the same as undisturbed', async () => {
    for (let round = 0; round < 6; round++) {
      chain.mineVaried()
      chain.reorg(1 + (round % 3))
      await new Promise(resolve => setTimeout(resolve, 40 * round))
    }
    await hasCaughtUp(world, chain)
    expect(await storedHashes(world, 'bitcoin-regtest')).toEqual(nodeHashes(chain))
    await expectNothingTwice(world, 'bitcoin-regtest')
    await expectUndisturbed(world, 'bitcoin-regtest', node.url, chain.head.height)
  })

  test('a reorg while nobody looked is followed at the next start', async () => {
    await world.stop()
    chain.reorg(4)
    chain.mineVaried()
    await world.start({ chain: bitcoinRegtest, urls: [node.url] })
    await hasCaughtUp(world, chain)
    expect(await storedHashes(world, 'bitcoin-regtest')).toEqual(nodeHashes(chain))
    await expectUndisturbed(world, 'bitcoin-regtest', node.url, chain.head.height)
  })

  test('far behind after a pause, the tip comes first; what lies between is filled in, and linked', async () => {
    const before = (await announcedUntil(world.log, nodeHashes(chain))).length
    await world.stop()
    const last = chain.head.height
    chain.reorg(2)
    for (let count = 0; count < 40; count++) chain.mineVaried()
    await world.start({ chain: withDepth(bitcoinRegtest, 8), urls: [node.url] })
    await hasCaughtUp(world, chain)
    const told = (await announcedUntil(world.log, nodeHashes(chain))).slice(before)
    const added = told.filter(({ type }) => type === 'block.added')
    const tipAt = added.findIndex(({ height }) => height === chain.head.height)
    const historyAt = added.findIndex(({ height }) => height > last + 2 && height < chain.head.height - 8)
    expect(told.filter(({ type }) => type === 'block.removed').map(({ height }) => height)).toEqual([
      last,
      last - 1,
    ])
    expect([tipAt >= 0, historyAt > tipAt || historyAt < 0 || added[historyAt]!.history]).toEqual([
      true,
      true,
    ])
    expect(await storedHashes(world, 'bitcoin-regtest')).toEqual(nodeHashes(chain))
    await everyLinkProven()
    await expectUndisturbed(world, 'bitcoin-regtest', node.url, chain.head.height)
    await expectNothingTwice(world, 'bitcoin-regtest')
  })

  test('deeper than allowed: the chain stops loudly, changes nothing, and goes on when it may', async () => {
    const hashes = await storedHashes(world, 'bitcoin-regtest')
    const { removed } = chain.reorg(9)
    await until('stopped', async () => world.pipeline!.follows()[0]!.state === 'stopped')
    expect(world.pipeline!.follows()[0]!.problem).toMatch(/at most 8 are followed.*maxReorgDepth/s)
    expect(await storedHashes(world, 'bitcoin-regtest')).toEqual(hashes)
    await world.stop()
    await world.start({ chain: withDepth(bitcoinRegtest, 9), urls: [node.url] })
    await hasCaughtUp(world, chain)
    expect(await storedHashes(world, 'bitcoin-regtest')).toEqual(nodeHashes(chain))
    const [row] = await world.store.sql.rows<{ depth: number }>(
      `SELECT depth FROM reorgs WHERE chain = 'bitcoin-regtest' ORDER BY time DESC, depth DESC LIMIT 1`,
    )
    expect(row?.depth).toBe(removed.length)
  })

  test('a node of another chain than the stored one is told, not followed', async () => {
    await world.stop()
    const hashes = await storedHashes(world, 'bitcoin-regtest')
    const other = createRegtestChain({ seed: 'another' })
    for (let height = 0; height < hashes.length + 30; height++) other.mineVaried()
    const otherNode = await startRegtestNode(other)
    await world.start({ chain: withDepth(bitcoinRegtest, 9), urls: [otherNode.url] })
    await until('stopped', async () => world.pipeline!.follows()[0]!.state === 'stopped')
    expect(world.pipeline!.follows()[0]!.problem).toMatch(/the node's chain is another one/)
    expect(await storedHashes(world, 'bitcoin-regtest')).toEqual(hashes)
    await world.stop()
    await otherNode.close()
  })
})

describe('tip first', () => {
  afterEach(async () => {
    await node.close()
    await world.close()
  })

  test('a long chain: the tip, what a reorg may reach, history; nothing missing at the end', async () => {
    world = await openWorld()
    await startChain('tip first', 160)
    await world.start({ chain: withDepth(bitcoinRegtest, 10), urls: [node.url] })
    await hasCaughtUp(world, chain)
    const told = await announcedUntil(world.log, nodeHashes(chain))
    const tip = told.filter(({ history }) => !history).map(({ height }) => height)
    expect(tip.slice(0, 4)).toEqual([157, 158, 159, 160])
    expect(tip.slice(4).sort((a, b) => a - b)).toEqual([150, 151, 152, 153, 154, 155, 156])
    const history = told.filter(({ history }) => history).map(({ height }) => height)
    expect(history).toEqual(Array.from({ length: 150 }, (_, height) => height))
    await until('every link proven, every input known', async () => {
      const [row] = await world.store.sql.rows<{ blocks: string; unlinked: string; open: string }>(
        `SELECT count() AS blocks, countIf(NOT has(proofs, 'parent')) AS unlinked,
          countIf(NOT has(proofs, 'inputs')) AS open
        FROM blocks WHERE chain = 'bitcoin-regtest'`,
      )
      // A block is out of sight for a moment while it is written anew.
      return row?.blocks === '161' && row.unlinked === '1' && row.open === '0'
    })
    expect(await storedHashes(world, 'bitcoin-regtest')).toEqual(nodeHashes(chain))
  })

  test('without history only the tip', async () => {
    world = await openWorld()
    await startChain('no history', 30)
    const settings = { chain: withDepth(bitcoinRegtest, 10), urls: [node.url], historyFrom: null }
    await world.start(settings)
    await until('following', async () => world.pipeline!.follows()[0]!.state === 'following')
    chain.mineVaried()
    await until('the new block', async () => {
      const [row] = await world.store.sql.rows<{ heights: string[] }>(
        `SELECT arraySort(groupArray(height)) AS heights FROM blocks WHERE chain = 'bitcoin-regtest'`,
      )
      return row?.heights.join() === '27,28,29,30,31'
    })
  })
})

describe('heights of an open batch', () => {
  test('are held while they are written anew, and missing while a reorg takes them', async () => {
    const store = await openTestStore()
    const entry: JournalEntry = {
      chain: 'held',
      partition: 0,
      batch: 8,
      owner: 'somebody',
      time: 0,
      splitVersion: 1,
      offsets: { from: 0n, to: 0n },
      blocks: [{ height: 12, hash: Buffer.alloc(32), linked: true }],
      cancels: [
        { height: 12, version: 1n },
        { height: 13, version: 1n },
      ],
      reorg: false,
      tables: [],
    }
    const hidden = { version: 16n, committed: 7, ranges: [[0, 11]] as const, height: 11, time: 0 }
    await writeEntry(store.sql, entry)
    await writeCheckpoint(store.sql, 'held', 0, hidden)
    expect(await readPublished(store.sql, 'held')).toEqual([[0, 11]])
    expect(await readHeld(store.sql, 'held')).toEqual([[0, 13]])
    await writeEntry(store.sql, { ...entry, chain: 'reverted', reorg: true })
    await writeCheckpoint(store.sql, 'reverted', 0, hidden)
    expect(await readHeld(store.sql, 'reverted')).toEqual([[0, 12]])
    await store.close()
  })
})

describe('an account chain', () => {
  let anvil: Anvil
  afterAll(async () => {
    await anvil?.close()
    await world.close()
  })

  test('blocks and reorgs of a real node', async () => {
    world = await openWorld()
    anvil = await startAnvil()
    const call = async (method: string, params: unknown[] = []): Promise<unknown> => {
      const answer = await fetch(anvil.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      })
      const { result, error } = (await answer.json()) as { result: unknown; error?: unknown }
      expect(error).toBeUndefined()
      return result
    }
    const [from, to] = (await call('eth_accounts')) as [string, string]
    const pay = (value: string) => call('eth_sendTransaction', [{ from, to, value }])
    for (const value of ['0x1', '0x2', '0x3', '0x4', '0x5']) await pay(value)
    await world.start({ chain: evmLocal, urls: [anvil.url] })
    const caughtUp = async () => {
      const head = Number(await call('eth_blockNumber'))
      const { hash } = (await call('eth_getBlockByNumber', [`0x${head.toString(16)}`, false])) as {
        hash: string
      }
      const [row] = await world.store.sql.rows<{ hash: string; blocks: string }>(
        `SELECT argMax(hash, height) AS hash, count() AS blocks FROM blocks WHERE chain = 'evm-local'`,
      )
      return row?.hash === hash && Number(row.blocks) === head + 1
    }
    await until('five blocks', caughtUp)
    await call('anvil_reorg', [3, [[{ from, to, value: '0x77' }, 0]]])
    await pay('0x6')
    await until('the other branch', caughtUp)
    const [reorg] = await world.store.sql.rows<{ depth: number; height: string }>(
      `SELECT depth, height FROM reorgs WHERE chain = 'evm-local'`,
    )
    expect(reorg).toEqual({ depth: 3, height: '3' })
    await expectNothingTwice(world, 'evm-local')
    await world.stop()
    await expectUndisturbed(world, 'evm-local', anvil.url, Number(await call('eth_blockNumber')))
  })
})
