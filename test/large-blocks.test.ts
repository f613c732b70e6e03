import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Transaction } from 'bitcoinjs-lib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRpc } from '../crawlers/rpc.ts'
import { createRegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { startAnvil } from '../deploy/dev/evm-local.ts'
import { parseHex, reverseBytes } from '../schema/bytes.ts'
import { blockEvents, TIP_PARTITION } from '../schema/events.ts'
import { describeKafka, readRecords, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'
import { openInstallation } from './sim/installation.ts'
import { type Followed, openUp, type Program, untilAnswered } from './sim/kills.ts'
import { indexBlocks, startSimNode } from './sim/node.ts'
import { dumpChain } from './sim/oracle.ts'
import { WALLET } from './sim/script.ts'
import { CALM } from './sim/storm.ts'

const MB = 1_000_000
/** What a stock broker takes at once. */
const BROKER_BYTES = 1_048_588
const BITCOIN = 'bitcoin-regtest'
const EVM = 'evm-local'

const closing: (() => Promise<unknown>)[] = []
let directory: string
let kafka: TestKafka
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-large-'))
  for (const name of ['roles', 'up']) await mkdir(join(directory, name))
  closing.push(() => rm(directory, { recursive: true, force: true }))
})
afterAll(async () => {
  for (const close of closing.reverse()) await close()
})

/** A node whose newest block but one is as large as Bitcoin's may be: mostly one witness that nothing makes smaller. */
async function openBitcoin(): Promise<{ url: string; head: string }> {
  const chain = createRegtestChain({ seed: WALLET })
  for (let at = 0; at < 110; at++) chain.mine()
  const [coin] = chain.spendable()
  const transaction = new Transaction()
  transaction.version = 2
  transaction.addInput(reverseBytes(parseHex(coin!.txid)), coin!.vout)
  for (let at = 0; at < 500; at++) transaction.addOutput(coin!.script, coin!.value / 1_000n)
  transaction.setWitness(0, [randomBytes(3_900_000)])
  const large = chain.mine([transaction])
  expect(large.bytes.length).toBeGreaterThan(3.9 * MB)
  chain.mineVaried()
  const view = Array.from({ length: chain.head.height + 1 }, (_, height) => chain.blockAt(height)!)
  const node = await startSimNode(0, CALM.node, indexBlocks([view]))
  closing.push(() => node.close())
  node.show(view)
  return { url: node.urls[0]!, head: `${view.length}\t${chain.head.hash}` }
}

/** A node with a block of calls that carry 20 MB, which their traces say again. */
async function openEvm(): Promise<{ url: string; head: string }> {
  const anvil = await startAnvil({ home: directory })
  closing.push(() => anvil.close())
  const rpc = await openRpc([{ url: anvil.url }])
  closing.push(() => rpc.close())
  const [payer, payee] = (await rpc.call('eth_accounts', [])) as [string, string]
  await rpc.call('evm_setAutomine', [false])
  await rpc.call('evm_setBlockGasLimit', ['0x2540be400'])
  for (let at = 0; at < 40; at++) {
    const data = `0x${randomBytes(500_000).toString('hex')}`
    await rpc.call('eth_sendTransaction', [{ from: payer, to: payee, value: '0x1', gas: '0x1c9c380', data }])
  }
  await rpc.call('evm_mine', [])
  await rpc.call('evm_mine', [])
  const block = (await rpc.call('eth_getBlockByNumber', ['latest', false])) as {
    number: string
    hash: string
  }
  const large = (await rpc.call('eth_getBlockByNumber', ['0x1', false])) as {
    transactions: string[]
    size: string
  }
  expect([large.transactions.length, Number(large.size) > 20 * MB]).toEqual([40, true])
  return { url: anvil.url, head: `${Number(block.number) + 1}\t${block.hash}` }
}

/** Minutes, and much memory: `npm run large` asks for it. */
const isAsked = process.env.WANLIAN_LARGE !== undefined

describeKafka('blocks larger than what a broker takes at once', isAsked ? await whyNoKafka() : null, () => {
  test.skipIf(!isAsked)(
    'go from node to tables through a stock broker, and come out as without one',
    async () => {
      kafka = await startKafka()
      closing.push(() => kafka.close())
      const nodes = { [BITCOIN]: await openBitcoin(), [EVM]: await openEvm() }
      const followed: Followed = Object.fromEntries(
        Object.entries(nodes).map(([slug, { url }]) => [slug, { endpoints: [url], pollSeconds: 0.5 }]),
      )
      const settings = kafka.settings()
      const roles = openInstallation(join(directory, 'roles'), followed, {
        settings,
        seed: 'large',
        killed: [],
      })
      const tables: Record<string, string>[] = []
      for (const program of [roles, openUp(join(directory, 'up'), followed)] satisfies Program[]) {
        closing.push(() => program.close())
        await program.start()
        for (const [slug, { head }] of Object.entries(nodes)) {
          expect(await untilAnswered(program, slug, 'count(), argMax(hash, height)', head)).toEqual([])
        }
        expect(await program.stop()).toEqual([])
        for (const slug of Object.keys(nodes)) tables.push(await program.look(sql => dumpChain(sql, slug)))
      }
      const [one, many] = [tables.slice(2), tables.slice(0, 2)]
      for (const [at, slug] of Object.keys(nodes).entries())
        expect({ slug, ...many[at] }).toEqual({ slug, ...one[at] })
      expect(many[1]!.evm_traces).toMatch(/^40 rows /)

      for (const [slug, least] of [
        [BITCOIN, 3.9 * MB],
        [EVM, 20 * MB],
      ] as const) {
        const records = await readRecords(settings, blockEvents(slug, TIP_PARTITION).topic)
        const sizes = records.map(({ value }) => value.length)
        expect(Math.max(...sizes)).toBeLessThan(BROKER_BYTES)
        const whole = Math.max(
          ...records.map(({ headers }) => Number(JSON.parse(headers.wanlian!).size ?? 0)),
        )
        expect([slug, whole > least, sizes.reduce((sum, size) => sum + size, 0) > least]).toEqual([
          slug,
          true,
          true,
        ])
      }
    },
    600_000,
  )
})
