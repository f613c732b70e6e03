import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Chain } from '../crawlers/chain.ts'
import { evmLocal } from '../crawlers/chains/evm-local.ts'
import { litecoinRegtest } from '../crawlers/chains/litecoin-regtest.ts'
import { openRpc, type Rpc } from '../crawlers/rpc.ts'
import { type Anvil, runEvmScenario, startAnvil } from '../deploy/dev/evm-local.ts'
import { describeKafka, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'
import { hasLitecoind, type LitecoinNode, startLitecoinNode } from './litecoin-nodes.ts'
import { describeRecorded, recordings } from './recordings.ts'
import { openInstallation } from './sim/installation.ts'
import { type Followed, openUp, type Program, untilAnswered } from './sim/kills.ts'
import { dumpChain, foldAnnouncements, judgeCourse } from './sim/oracle.ts'

/** Blocks of each recording, and those of them whose parent is not there. */
const RECORDED = {
  bitcoin: [307, 7],
  dogecoin: [3, 3],
  ethereum: [32, 23],
  'ethereum-classic': [4, 3],
} as const
type Recorded = keyof typeof RECORDED
const SLUGS = Object.keys(RECORDED) as Recorded[]

const PATIENCE_MS = 600_000

let directory: string
let kafka: TestKafka
const programs: Program[] = []
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-roles-'))
  for (const name of ['roles', 'up']) await mkdir(join(directory, name))
})
afterAll(async () => {
  for (const program of programs) await program.close()
  await kafka?.close()
  await rm(directory, { recursive: true, force: true })
})

function opened(program: Program): Program {
  programs.push(program)
  return program
}

/** What is left of each chain, in order of the slugs. */
async function untilRecorded(program: Program): Promise<void> {
  for (const slug of SLUGS) {
    const select = `count(), countIf(NOT has(proofs, 'parent'))`
    expect(await untilAnswered(program, slug, select, RECORDED[slug].join('\t'))).toEqual([])
  }
}

interface Leftover {
  views: { [view: string]: string }
  /** Height and hash. */
  blocks: { height: number; hash: string }[]
  /** What of the announcements does not lead to these blocks. */
  untold: string[]
}

/** What is left of recorded chains. */
function leftBy(program: Program): Promise<Map<Recorded, Leftover>> {
  return program.look(async (sql, recordOf) => {
    const left = new Map<Recorded, Leftover>()
    for (const slug of SLUGS) {
      const rows = await sql.rows<{ height: string; hash: string }>(
        'SELECT height, hash FROM blocks WHERE chain = {slug:String} ORDER BY height',
        { slug },
      )
      const blocks = rows.map(({ height, hash }) => ({ height: Number(height), hash }))
      const untold = foldAnnouncements(await recordOf(slug), { final: blocks, historyFrom: 0 })
      left.set(slug, { views: await dumpChain(sql, slug), blocks, untold })
    }
    return left
  })
}

/** A node of our own, whose blocks are given up for others. */
interface LiveNode {
  chain: Chain
  url: string
  rpc: Rpc
  blockAt(height: number | 'head'): Promise<{ height: number; hash: string }>
  /** Blocks with payments. */
  mine(blocks: number): Promise<void>
  /** Puts others in the place of the newest so many. */
  reorg(depth: number): Promise<void>
}

async function openAnvilNode(anvil: Anvil, rpc: Rpc): Promise<LiveNode> {
  await runEvmScenario(anvil.url)
  await rpc.call('evm_setAutomine', [false])
  const [payer, payee] = (await rpc.call('eth_accounts', [])) as [string, string]
  let paid = 0
  const payment = () => ({ from: payer, to: payee, value: `0x${(++paid).toString(16)}`, gas: '0x5208' })
  return {
    chain: evmLocal,
    url: anvil.url,
    rpc,
    async blockAt(height) {
      const place = height === 'head' ? 'latest' : `0x${height.toString(16)}`
      const block = (await rpc.call('eth_getBlockByNumber', [place, false])) as {
        number: string
        hash: string
      }
      return { height: Number(block.number), hash: block.hash }
    },
    async mine(blocks) {
      for (let at = 0; at < blocks; at++) {
        await rpc.call('eth_sendTransaction', [payment()])
        await rpc.call('evm_mine', [])
      }
    },
    async reorg(depth) {
      await rpc.call('anvil_reorg', [depth, Array.from({ length: depth }, (_, at) => [payment(), at])])
    },
  }
}

async function openLitecoin(node: LitecoinNode): Promise<LiveNode> {
  const { rpc, url, address } = node
  const generate = (blocks: number) => rpc.call('generatetoaddress', [blocks, address])
  await generate(110)
  const mine: LiveNode['mine'] = async blocks => {
    for (let at = 0; at < blocks; at++) {
      await rpc.call('sendtoaddress', [address, `0.0${at + 1}`])
      await generate(1)
    }
  }
  return {
    chain: litecoinRegtest,
    url,
    rpc,
    async blockAt(height) {
      const hash = (await (height === 'head'
        ? rpc.call('getbestblockhash', [])
        : rpc.call('getblockhash', [height]))) as string
      return (await rpc.call('getblock', [hash])) as { height: number; hash: string }
    },
    mine,
    async reorg(depth) {
      const { height } = (await rpc.call('getblockchaininfo', []).then(info => ({
        height: (info as { blocks: number }).blocks,
      }))) as { height: number }
      await rpc.call('invalidateblock', [await rpc.call('getblockhash', [height - depth + 1])])
      await mine(depth + 1)
    },
  }
}

async function untilHead(program: Program, { chain, blockAt }: LiveNode): Promise<void> {
  const head = await blockAt('head')
  const select = `count(), argMax(hash, height), countIf(NOT has(proofs, 'parent'))`
  const expected = `${head.height + 1}\t${head.hash}\t1`
  expect(await untilAnswered(program, chain.definition.slug, select, expected)).toEqual([])
}

if (process.env.CI && !hasLitecoind) throw new Error('no litecoind: its chain must not be left out in CI')
const noKafka = await whyNoKafka()

describeRecorded('chains through crawlers, splitters, APIs and the store as processes of their own', () => {
  describeKafka('on Kafka', noKafka, () => {
    const recorded: Followed = Object.fromEntries(
      SLUGS.map(slug => [slug, { endpoints: [`file:${recordings}/${slug}`] }]),
    )
    const live: LiveNode[] = []
    const closing: { close(): Promise<void> }[] = []
    let program: Program
    const killed: string[] = []
    afterAll(async () => {
      await Promise.all(closing.map(each => each.close()))
    })
    function keep<Opened extends { close(): Promise<void> }>(each: Opened): Opened {
      closing.push(each)
      return each
    }

    test(
      'what follows real nodes goes along with their reorgs while some of it is killed',
      async () => {
        kafka = await startKafka()
        const anvil = keep(await startAnvil({ home: directory }))
        live.push(await openAnvilNode(anvil, keep(await openRpc([{ url: anvil.url }]))))
        if (hasLitecoind) {
          live.push(await openLitecoin(keep(await startLitecoinNode(join(directory, 'litecoin')))))
        }
        const followed: Followed = {
          ...recorded,
          ...Object.fromEntries(
            live.map(({ chain, url }) => [chain.definition.slug, { endpoints: [url], pollSeconds: 0.1 }]),
          ),
        }
        const settings = kafka.settings()
        program = opened(
          openInstallation(join(directory, 'roles'), followed, { settings, seed: 'chains', killed }),
        )
        await program.start()
        for (const node of live) await untilHead(program, node)
        await Promise.all(live.map(node => node.mine(6)))
        for (const node of live) await untilHead(program, node)
        await Promise.all([...live.map(node => node.reorg(4)), program.kill(), program.killStore()])
        await program.start()
        for (const node of live) await untilHead(program, node)
        await untilRecorded(program)
        expect([await program.stop(), killed.length > 0]).toEqual([[], true])
        for (const { chain, rpc, blockAt } of live) {
          const { height } = await blockAt('head')
          const final = await Promise.all(Array.from({ length: height + 1 }, (_, at) => blockAt(at)))
          await program.look(async (sql, recordOf) => {
            const { slug } = chain.definition
            const record = await recordOf(slug)
            const script = { seed: 0, chain, historyFrom: 0, final }
            expect([slug, ...(await judgeCourse({ sql, script, rpc, record }))]).toEqual([slug])
            const [reorgs] = await sql.rows(
              'SELECT count() AS reorgs, max(depth) AS deepest FROM reorgs WHERE chain = {slug:String}',
              { slug },
            )
            expect([slug, reorgs]).toEqual([slug, { reorgs: '1', deepest: 4 }])
          })
        }
      },
      PATIENCE_MS,
    )

    test(
      'recorded chains come out as from one process that does everything',
      async () => {
        const up = opened(openUp(join(directory, 'up'), recorded))
        await up.start()
        await untilRecorded(up)
        expect(await up.stop()).toEqual([])
        const [one, many] = [await leftBy(up), await leftBy(program)]
        for (const slug of SLUGS) {
          expect(many.get(slug), slug).toEqual({ ...one.get(slug), untold: [] })
        }
      },
      PATIENCE_MS,
    )
  })
})
