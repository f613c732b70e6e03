import { type ChildProcess, spawn } from 'node:child_process'
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Chain } from '../crawlers/chain.ts'
import { bitcoinRegtest } from '../crawlers/chains/bitcoin-regtest.ts'
import { evmLocal } from '../crawlers/chains/evm-local.ts'
import { type Nodes, openNodes } from '../crawlers/nodes.ts'
import { openRpc } from '../crawlers/rpc.ts'
import type { DemoChain } from '../deploy/dev/demo-chain.ts'
import { startDemoChains } from '../deploy/dev/demo-chains.ts'
import { nextBaseFee, startDemoEvm } from '../deploy/dev/demo-evm.ts'
import { startDemoRegtest } from '../deploy/dev/demo-regtest.ts'
import { isAlive } from '../deploy/pid.ts'
import { type PreparedBlock, prepareBlock } from '../splitter/prepare.ts'
import { silent } from './harness.ts'

const SEED = 'demo test'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-demo-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** Every block from a height on, proven, split, and linked to the one before. */
async function readChain(chain: Chain, url: string, from = 0): Promise<PreparedBlock[]> {
  const nodes = await openNodes(chain, [{ url }])
  try {
    await nodes.identify()
    const blocks: PreparedBlock[] = []
    for (let height = from; height <= (await nodes.head()); height++) {
      const raw = await nodes.blockAt(height)
      const whole = chain.thorough?.(raw) ?? (await nodes.attachPrevious!(raw))
      blocks.push(prepareBlock(chain, whole, blocks.at(-1)?.verified.hash ?? null))
    }
    return blocks
  } finally {
    await nodes.close()
  }
}

const hashesOf = (chain: Chain, blocks: readonly PreparedBlock[]) =>
  blocks.map(block => chain.formatHash(block.verified.hash))

function transactionsOf(chain: Chain, blocks: readonly PreparedBlock[]): Set<string> {
  return new Set(
    blocks.flatMap(({ rows }) => rows.transactions!.map(row => chain.formatHash(row.hash as Uint8Array))),
  )
}

const CHAINS: [string, Chain, () => Promise<DemoChain>][] = [
  ['evm-local', evmLocal, () => startDemoEvm({ directory, logger: silent, seed: SEED })],
  ['bitcoin-regtest', bitcoinRegtest, () => startDemoRegtest({ directory, seed: SEED })],
]

describe.each(CHAINS)('%s', (slug, chain, start) => {
  const proofs = chain === evmLocal ? ['txRoot', 'receiptsRoot', 'senders'] : ['txRoot', 'witness', 'pow']
  let demo: DemoChain
  let before: PreparedBlock[]
  beforeAll(async () => {
    demo = await start()
  })
  afterAll(() => demo?.close())

  test('has a history at once, goes on, and every block is proven', async () => {
    const history = await readChain(chain, demo.urls[0]!)
    expect(history.length).toBeGreaterThan(20)
    for (let n = 0; n < 12; n++) await demo.advance()
    before = await readChain(chain, demo.urls[0]!)
    expect(before.length).toBe(history.length + 12)
    expect(hashesOf(chain, before).slice(0, history.length)).toEqual(hashesOf(chain, history))
    for (const { verified } of before.slice(-30)) {
      expect(verified.proofs).toEqual(
        expect.arrayContaining(verified.transactionCount > 0 ? proofs : ['hash']),
      )
    }
    const now = Date.now() / 1000
    expect(Math.abs(before.at(-1)!.verified.time - now)).toBeLessThan(3600)
    expect(Math.abs(before[1]!.verified.time - now)).toBeLessThan(48 * 3600)
  })

  test('a reorg brings another branch, one block longer, with some of the transactions', async () => {
    const depth = await demo.reorg(3)
    expect(depth).toBe(3)
    const after = await readChain(chain, demo.urls[0]!)
    expect(after.length).toBe(before.length + 1)
    const [old, young] = [hashesOf(chain, before), hashesOf(chain, after)]
    expect(young.slice(0, -4)).toEqual(old.slice(0, -3))
    for (const hash of young.slice(-4)) expect(old).not.toContain(hash)
    const gone = transactionsOf(chain, before.slice(-3))
    const again = [...transactionsOf(chain, after.slice(-4))].filter(hash => gone.has(hash))
    expect(again.length).toBeGreaterThan(0)
    expect(again.length).toBeLessThan(gone.size)
    for (let n = 0; n < 3; n++) await demo.advance()
    before = await readChain(chain, demo.urls[0]!)
  })

  test('a restart goes on with the same chain, also when the last thing written was cut off', async () => {
    await demo.close()
    const path = join(directory, `${slug}.jsonl`)
    const text = await readFile(path, 'utf8')
    await appendFile(path, text.trimEnd().split('\n').at(-1)!.slice(0, 40))
    demo = await start()
    expect(hashesOf(chain, await readChain(chain, demo.urls[0]!))).toEqual(hashesOf(chain, before))
    expect(await readFile(path, 'utf8')).toBe(text)
    await demo.advance()
    expect(await demo.reorg(2)).toBe(2)
    await demo.advance()
    const after = await readChain(chain, demo.urls[0]!)
    expect(after.length).toBe(before.length + 3)
    expect(hashesOf(chain, after).slice(0, before.length - 1)).toEqual(hashesOf(chain, before).slice(0, -1))
    before = after
  })

  test('killed in the middle of a reorg it goes on without a deeper one', async () => {
    await demo.close()
    const path = join(directory, `${slug}.jsonl`)
    const text = await readFile(path, 'utf8')
    // As if the process had ended in the reorg before the last block: what stands there was not done to the end.
    const lines = text.trimEnd().split('\n')
    await truncate(path, Buffer.byteLength(`${lines.slice(0, -3).join('\n')}\n`))
    demo = await start()
    for (let n = 0; n < 4; n++) await demo.advance()
    const after = await readChain(chain, demo.urls[0]!)
    expect(after.length).toBeGreaterThanOrEqual(before.length)
    const common = before.length - 5
    expect(hashesOf(chain, after).slice(0, common)).toEqual(hashesOf(chain, before).slice(0, common))
  })

  test('a history that is none is refused', async () => {
    const path = join(directory, `${slug}.jsonl`)
    const text = await readFile(path, 'utf8')
    const lines = text.trimEnd().split('\n')
    for (const wrong of [['{"kind":"other"}'], [...lines.slice(0, 4), ...lines.slice(8)], [lines[1]!]]) {
      await writeFile(path, `${wrong.join('\n')}\n`)
      await expect(start()).rejects.toMatchObject({
        code: 'CONFIG',
        message: expect.stringContaining(path),
        hint: expect.stringContaining('remove'),
      })
    }
    await writeFile(path, text)
  })
})

describe('what happens on the chains', () => {
  test('on evm-local: tokens of each standard, creations, failures, all within the rules', async () => {
    const home = await mkdtemp(join(directory, 'busy-'))
    const demo = await startDemoEvm({ directory: home, logger: silent, seed: 'busy' })
    try {
      for (let n = 0; n < 40; n++) await demo.advance()
      await demo.reorg(2)
      const blocks = await readChain(evmLocal, demo.urls[0]!)
      const rows = (table: keyof PreparedBlock['rows']): Record<string, unknown>[] =>
        blocks.flatMap(block => (block.rows[table] ?? []) as object[] as Record<string, unknown>[])
      const standards = new Set(rows('token_transfers').map(row => row.standard))
      expect([...standards].sort()).toEqual(['erc1155', 'erc20', 'erc721'])
      const types = new Set(rows('evm_transactions').map(row => Number(row.type)))
      expect([...types].sort()).toEqual(expect.arrayContaining([0, 1, 2]))
      const statuses = rows('transactions').map(row => Number(row.status))
      expect(statuses.filter(status => status === 0).length).toBeGreaterThan(3)
      expect(statuses.filter(status => status === 1).length).toBeGreaterThan(100)
      // Nobody ever sends a token that he does not have.
      const held = new Map<string, bigint>()
      for (const { address, asset, amount } of rows('effects')) {
        if (asset === 'native' || address === '') continue
        const key = `${asset} ${address}`
        held.set(key, (held.get(key) ?? 0n) + BigInt(amount as bigint))
        expect([key, held.get(key)! >= 0n]).toEqual([key, true])
      }
      expect(held.size).toBeGreaterThan(20)
      await expectBaseFees(demo.urls[0]!, blocks.length)
    } finally {
      await demo.close()
    }
  })

  test('on bitcoin-regtest: outputs and inputs of each kind, texts, and coins that stay few', async () => {
    const home = await mkdtemp(join(directory, 'busy-'))
    const demo = await startDemoRegtest({ directory: home, seed: 'busy' })
    try {
      for (let n = 0; n < 60; n++) await demo.advance()
      const blocks = await readChain(bitcoinRegtest, demo.urls[0]!, 100)
      const outputs = blocks.flatMap(block => block.rows.utxo_outputs!)
      const kinds = new Set(outputs.map(row => row.script_type))
      expect(kinds.size).toBeGreaterThanOrEqual(7)
      const inputs = blocks.flatMap(block => block.rows.utxo_inputs!).filter(row => !row.is_coinbase)
      expect(inputs.length).toBeGreaterThan(200)
      const spentAtOnce = new Map<string, number>()
      for (const row of inputs) {
        const key = `${row.transaction_index}/${blocks.findIndex(block => block.rows.utxo_inputs!.includes(row))}`
        spentAtOnce.set(key, (spentAtOnce.get(key) ?? 0) + 1)
      }
      expect(Math.max(...spentAtOnce.values())).toBe(40)
      const texts = outputs.filter(row =>
        Buffer.from(row.script_pubkey as Uint8Array).includes('wanlian block'),
      )
      expect(texts.length).toBeGreaterThan(20)
    } finally {
      await demo.close()
    }
  })
})

/** EIP-1559 holds between every two blocks, also across a reorg. */
async function expectBaseFees(url: string, count: number): Promise<void> {
  const rpc = await openRpc([{ url }])
  try {
    const block = async (height: number) =>
      (await rpc.call('eth_getBlockByNumber', [`0x${height.toString(16)}`, false])) as Parameters<
        typeof nextBaseFee
      >[0]
    for (let height = 1; height < count; height++) {
      const [parent, child] = [await block(height - 1), await block(height)]
      if (height === 1) continue
      expect([height, BigInt(child.baseFeePerGas)]).toEqual([height, nextBaseFee(parent)])
    }
  } finally {
    await rpc.close()
  }
}

async function until(what: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 3_000; round++) {
    if (await what()) return
    await pause(20)
  }
  throw new Error(`never came true: ${what}`)
}

describe('both together', () => {
  test('go on by themselves, with reorgs', async () => {
    const home = await mkdtemp(join(directory, 'both-'))
    const demo = await startDemoChains({
      directory: home,
      logger: silent,
      seed: SEED,
      intervalMs: 40,
      reorgEvery: 5,
    })
    const opened: Nodes<unknown>[] = []
    try {
      // The same directory for a second one would mix two histories.
      const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
      await writeFile(join(home, 'up.pid'), `${other.pid}\n`)
      await expect(startDemoChains({ directory: home, logger: silent })).rejects.toThrow(/in use by process/)
      other.kill('SIGKILL')
      expect([...demo.endpoints.keys()]).toEqual(['evm-local', 'bitcoin-regtest'])
      for (const [, chain] of CHAINS) {
        const urls = demo.endpoints.get(chain.definition.slug)!
        const nodes = await openNodes(
          chain,
          urls.map(url => ({ url })),
        )
        opened.push(nodes)
        const { unchecked } = await nodes.identify()
        expect(unchecked).toEqual(chain === evmLocal ? ['genesisHash'] : [])
        const first = await nodes.head()
        const hashAt = async (height: number) =>
          chain.formatHash(chain.verify(await nodes.blockAt(height)).hash)
        const seen = new Map<number, string>()
        let reorgs = 0
        await until(async () => {
          const head = await nodes.head()
          // A height may be gone again before it is read.
          const hash = await hashAt(head).catch(() => null)
          if (hash !== null) seen.set(head, hash)
          for (const [height, known] of [...seen].slice(-4)) {
            const now = await hashAt(height).catch(() => null)
            if (now !== null && now !== known) reorgs++
            if (now !== null) seen.set(height, now)
          }
          return reorgs > 0 && head > first + 5
        })
      }
    } finally {
      for (const nodes of opened) await nodes.close()
      await demo.close()
    }
  })

  test('a process that is killed leaves no node behind, and the next goes on where it was', async () => {
    const home = await mkdtemp(join(directory, 'kill-'))
    const heights: number[] = []
    for (let round = 0; round < 2; round++) {
      const { child, told } = await startProgram(home)
      const { pids, url } = JSON.parse(told) as { pids: number[]; url: string }
      expect(pids.length).toBeGreaterThan(0)
      const rpc = await openRpc([{ url }])
      const head = async () => Number(await rpc.call('eth_blockNumber', []))
      const first = await head()
      if (heights.length > 0) expect(first).toBeGreaterThanOrEqual(heights.at(-1)! - 3)
      await until(async () => (await head()) > first + 3)
      heights.push(await head())
      child.kill('SIGKILL')
      await until(async () => pids.every(pid => !isAlive(pid)))
      await rpc.close()
    }
  })
})

/** The chains in a process of their own; what it prints first is the pids of the nodes and where one is. */
async function startProgram(home: string): Promise<{ child: ChildProcess; told: string }> {
  const path = (name: string) => JSON.stringify(fileURLToPath(new URL(`../${name}`, import.meta.url)))
  const program = `
    import pino from 'pino'
    import { readdirSync, readFileSync } from 'node:fs'
    import { startDemoChains } from ${path('deploy/dev/demo-chains.ts')}
    const demo = await startDemoChains({
      directory: ${JSON.stringify(home)}, logger: pino({ level: 'silent' }), intervalMs: 60, reorgEvery: 4,
    })
    const parents = new Map(readdirSync('/proc').filter(name => /^\\d+$/.test(name)).flatMap(pid => {
      try { return [[Number(pid), Number(readFileSync('/proc/' + pid + '/stat', 'utf8').split(') ')[1].split(' ')[1])]] }
      catch { return [] }
    }))
    const isOurs = pid => pid !== undefined && (parents.get(pid) === process.pid || isOurs(parents.get(pid)))
    const pids = [...parents.keys()].filter(isOurs)
    console.log(JSON.stringify({ pids, url: demo.endpoints.get('evm-local')[0] }))`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: fileURLToPath(new URL('..', import.meta.url)),
  })
  let told = ''
  for await (const part of child.stdout!) {
    told += String(part)
    if (told.includes('\n')) break
  }
  return { child, told }
}
