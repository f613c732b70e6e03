import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Chain } from '../crawlers/chain.ts'
import { evmLocal } from '../crawlers/chains/evm-local.ts'
import { litecoinRegtest } from '../crawlers/chains/litecoin-regtest.ts'
import { openRpc, type Rpc } from '../crawlers/rpc.ts'
import { encodeLogs } from '../deploy/dev/contracts.ts'
import { runEvmScenario, startAnvil } from '../deploy/dev/evm-local.ts'
import { erc20Transfer } from '../deploy/dev/evm-tokens.ts'
import { ANNOUNCEMENTS, type Announcement } from '../schema/events.ts'
import { checkBalances } from '../splitter/check-balances.ts'
import { openWorld, until, type World } from './follow-world.ts'
import {
  hasLitecoind,
  joinNodes,
  type LitecoinNode,
  splitNodes,
  startLitecoinNode,
} from './litecoin-nodes.ts'
import { readRecord } from './sim/kills.ts'
import type { Record } from './sim/life.ts'
import { judgeCourse } from './sim/oracle.ts'
import { stormDepth } from './sim/storm.ts'

/** `npm run storm` asks for 60. */
const ROUNDS = Number(process.env.WANLIAN_ROUNDS ?? 8)
const PATIENCE_MS = 120_000 + ROUNDS * 60_000

let world: World
let directory: string
/** Nodes that a test started, and what it talks to them with. */
const opened: { close(): Promise<void> }[] = []
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-storm-'))
  world = await openWorld()
})
afterAll(async () => {
  await world?.close()
  for (const one of opened.reverse()) await one.close()
  await rm(directory, { recursive: true, force: true })
})

async function open<T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> {
  const one = await opening
  opened.push(one)
  return one
}

/** A block as its node tells of it. */
interface Told {
  height: number
  hash: string
  transactions: readonly string[]
}

/** The nodes of one chain whose blocks come and go. */
interface RestlessChain {
  chain: Chain
  urls: string[]
  /** Asks a node that has the chain as it is at the end of a round. */
  rpc: Rpc
  /** Mines blocks with payments, which leave the chain in the same round. @returns them, as the node that has them tells */
  grow(round: number, depth: number): Promise<Told[]>
  /** Puts others in their place. @returns the new head */
  replace(round: number, depth: number): Promise<Told>
  blockAt(height: number | 'head'): Promise<Told>
}

interface Fork {
  ancestor: Told
  dropped: readonly Told[]
}

/** Takes a chain that is followed through so many reorgs, then compares what is left with what was done. */
async function storm(restless: RestlessChain): Promise<void> {
  const { chain, urls, rpc } = restless
  const untilAnnounced = watchAnnouncements(chain)
  await world.start({ chain, urls, pollMs: 20 })
  let head = await restless.blockAt('head')
  await untilAnnounced(head)
  const forks: Fork[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const depth = stormDepth(round)
    const ancestor = head
    const dropped = await restless.grow(round, depth)
    await untilAnnounced(dropped.at(-1)!)
    forks.push({ ancestor, dropped })
    head = await restless.replace(round, depth)
    await untilAnnounced(head)
  }
  await untilProven(chain, head)
  await world.stop()

  const { slug } = chain.definition
  const { sql } = world.store
  const heights = Array.from({ length: head.height + 1 }, (_, height) => height)
  const final = await Promise.all(heights.map(restless.blockAt))
  const record = await readRecord(world.log, slug)
  expect(await judgeCourse({ sql, script: { seed: 0, chain, historyFrom: 0, final }, rpc, record })).toEqual(
    [],
  )
  expectPairs(record, forks)
  await expectForks(chain, forks)
  expect(await checkBalances({ sql, chain, source: chain.open(rpc) })).toMatchObject({ differences: [] })
}

function watchAnnouncements({ definition }: Chain): (block: Told) => Promise<void> {
  const announced = new Set<string>()
  let next = 0n
  return ({ height, hash }) =>
    until(`the announcement of ${definition.slug} ${height} ${hash}`, async () => {
      const messages = await world.log.read(ANNOUNCEMENTS, next)
      for (const { value, offset } of messages) {
        const { type, hash } = JSON.parse(Buffer.from(value).toString()) as Announcement
        if (type === 'block.added') announced.add(hash)
        next = offset + 1n
      }
      return announced.has(hash)
    })
}

/** What is behind the tip too, every link. */
async function untilProven({ definition }: Chain, head: Told): Promise<void> {
  const expected = { blocks: String(head.height + 1), hash: head.hash, unlinked: '1' }
  await until(JSON.stringify(expected), async () => {
    const [row] = await world.store.sql.rows(
      `SELECT count() AS blocks, argMax(hash, height) AS hash, countIf(NOT has(proofs, 'parent')) AS unlinked
      FROM blocks WHERE chain = {slug:String}`,
      { slug: definition.slug },
    )
    return JSON.stringify(row) === JSON.stringify(expected)
  })
}

/** Every block that left the chain was announced once when it came and once when it went; no other one went. */
function expectPairs({ announcements }: Record, forks: readonly Fork[]): void {
  const hashesOf = (type: Announcement['type']) =>
    announcements.filter(announcement => announcement.type === type).map(({ hash }) => hash)
  const dropped = forks.flatMap(fork => fork.dropped.map(({ hash }) => hash)).sort()
  expect(new Set(dropped).size).toBe(dropped.length)
  expect(hashesOf('block.removed').sort()).toEqual(dropped)
  const left = new Set(dropped)
  expect(
    hashesOf('block.added')
      .filter(hash => left.has(hash))
      .sort(),
  ).toEqual(dropped)
}

/** The tables tell of the forks that were made, with all that left the chain. */
async function expectForks({ definition }: Chain, forks: readonly Fork[]): Promise<void> {
  const ask = (statement: string) => world.store.sql.rows(statement, { slug: definition.slug })
  expect(
    await ask(
      `SELECT height, depth, old_hash, common_ancestor, transactions FROM reorgs WHERE chain = {slug:String} ORDER BY batch`,
    ),
  ).toEqual(
    forks.map(({ ancestor, dropped }) => ({
      height: String(ancestor.height + 1),
      depth: dropped.length,
      old_hash: dropped.at(-1)!.hash,
      common_ancestor: ancestor.hash,
      transactions: dropped.reduce((sum, block) => sum + block.transactions.length, 0),
    })),
  )
  const dropped = forks.flatMap(fork => fork.dropped)
  const blocks = dropped.map(({ height, hash }) => `${height} ${hash}`)
  expect(
    await ask(
      `SELECT arraySort(groupArray(concat(toString(height), ' ', hash))) AS blocks FROM orphaned_blocks WHERE chain = {slug:String}`,
    ),
  ).toEqual([{ blocks: blocks.sort() }])
  const transactions = dropped.flatMap(({ hash, transactions }) => transactions.map(id => `${hash} ${id}`))
  expect(transactions.length).toBeGreaterThan(forks.length)
  expect(
    await ask(
      `SELECT arraySort(groupArray(concat(block_hash, ' ', hash))) AS transactions FROM orphaned_transactions WHERE chain = {slug:String}`,
    ),
  ).toEqual([{ transactions: transactions.sort() }])
}

/** Which blocks of a branch have payments: deep ones need not all have some. */
const isBusy = (at: number) => at < 4 || at % 8 === 0

const title = `${ROUNDS} reorgs, up to ${Math.max(...Array.from({ length: ROUNDS }, (_, at) => stormDepth(at)))} blocks deep`

describe('a storm of reorgs on real nodes: nothing is wrong in the end, every block that left the chain was told once', () => {
  test(
    `anvil: ${title}`,
    async () => {
      const anvil = await open(startAnvil({ home: directory }))
      const { tokens } = await runEvmScenario(anvil.url)
      const rpc = await open(openRpc([{ url: anvil.url }]))
      const [payer, holder] = ((await rpc.call('eth_accounts', [])) as string[]).slice(-2) as [string, string]
      const token = tokens.find(({ standard }) => standard === 'erc20')!.address
      await rpc.call('evm_setAutomine', [false])

      const blockAt = async (height: number | 'head'): Promise<Told> => {
        const place = height === 'head' ? 'latest' : `0x${height.toString(16)}`
        const { number, hash, transactions } = (await rpc.call('eth_getBlockByNumber', [place, false])) as {
          number: string
          hash: string
          transactions: string[]
        }
        return { height: Number(number), hash, transactions }
      }
      /** No two branches pay the same. */
      let paid = 0n
      const payments = () => {
        paid++
        const { log } = erc20Transfer(payer, holder, paid)
        const ether = { from: payer, to: holder, value: `0x${paid.toString(16)}`, gas: '0x5208' }
        return [ether, { from: holder, to: token, data: encodeLogs([log]), gas: '0x30d40' }]
      }
      const mine = async (blocks: number): Promise<Told[]> => {
        for (let at = 0; at < blocks; at++) {
          if (isBusy(at)) {
            for (const payment of payments()) await rpc.call('eth_sendTransaction', [payment])
          }
          await rpc.call('evm_mine', [])
        }
        const { height } = await blockAt('head')
        return Promise.all(Array.from({ length: blocks }, (_, at) => blockAt(height - blocks + 1 + at)))
      }

      await storm({
        chain: evmLocal,
        urls: [anvil.url],
        rpc,
        blockAt,
        grow: (_, depth) => mine(depth),
        /** As high as it was, higher, or lower. */
        async replace(round, depth) {
          if (round % 3 === 0) {
            const places = Array.from({ length: depth }, (_, at) => at).filter(isBusy)
            const sent = places.flatMap(at => payments().map(payment => [payment, at]))
            await rpc.call('anvil_reorg', [depth, sent])
          } else {
            await rpc.call('anvil_rollback', [depth])
            await mine(round % 3 === 1 ? depth + 2 : Math.max(1, depth - 1))
          }
          return blockAt('head')
        },
      })
    },
    PATIENCE_MS,
  )

  if (process.env.CI && !hasLitecoind) throw new Error('no litecoind: storms must not be skipped in CI')
  test.skipIf(!hasLitecoind)(
    `two litecoinds that are split and joined: ${title}`,
    async () => {
      const nodes = await Promise.all(
        ['one', 'other'].map(name => open(startLitecoinNode(join(directory, name)))),
      )
      const [one, other] = nodes as [LitecoinNode, LitecoinNode]
      const tell = async ({ rpc }: LitecoinNode, height: number | 'head'): Promise<Told> => {
        const hash = await (height === 'head'
          ? rpc.call('getbestblockhash', [])
          : rpc.call('getblockhash', [height]))
        const block = (await rpc.call('getblock', [hash])) as { height: number; tx: string[] }
        return { height: block.height, hash: hash as string, transactions: block.tx }
      }
      const mine = async (node: LitecoinNode, blocks: number): Promise<Told[]> => {
        const payee = node === one ? other : one
        for (let at = 0; at < blocks; at++) {
          if (isBusy(at)) await node.rpc.call('sendtoaddress', [payee.address, `0.0${at + 1}`])
          await node.rpc.call('generatetoaddress', [1, node.address])
        }
        const { height } = await tell(node, 'head')
        return Promise.all(Array.from({ length: blocks }, (_, at) => tell(node, height - blocks + 1 + at)))
      }
      // Coins that can be spent, for both of them.
      await joinNodes(one, other)
      await one.rpc.call('generatetoaddress', [20, one.address])
      await joinNodes(one, other)
      await other.rpc.call('generatetoaddress', [120, other.address])
      await joinNodes(one, other)

      const loserOf = (round: number) => nodes[round % 2]!
      await storm({
        chain: litecoinRegtest,
        urls: nodes.map(({ url }) => url),
        rpc: one.rpc,
        blockAt: height => tell(one, height),
        async grow(round, depth) {
          await splitNodes(one, other)
          return mine(loserOf(round), depth)
        },
        async replace(round, depth) {
          const winner = loserOf(round + 1)
          const branch = await mine(winner, depth + 1)
          await joinNodes(one, other)
          return branch.at(-1)!
        },
      })
    },
    PATIENCE_MS,
  )
})
