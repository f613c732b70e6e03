import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { evmLocal } from '../../crawlers/chains/evm-local.ts'
import { openRpc, type Rpc } from '../../crawlers/rpc.ts'
import { RpcError } from '../../schema/errors.ts'
import type { DemoChain } from './demo-chain.ts'
import { startAnvil } from './evm-local.ts'
import { createHoldings, createTraffic, type PlannedTransaction } from './evm-traffic.ts'
import { foreignJournal, type Journal, openJournal } from './journal.ts'
import { createRandomness } from './randomness.ts'

export interface DemoEvmDeps {
  /** Where the chain's history is kept. */
  directory: string
  logger: Logger
  seed: string
}

/** What was done to the node. Done again in this order to a fresh one, it gives the same blocks, hash for hash. */
type Step =
  | { kind: 'genesis'; time: number; seed: string }
  | {
      kind: 'mine'
      time: number
      /** Hash of the block before, to see that this is still so. */
      parent: string
      /** Given after a rollback: the node would go on with that of the branch that is gone. In wei. */
      baseFee?: string
      transactions: readonly PlannedTransaction[]
    }
  | { kind: 'rollback'; depth: number }

type MineStep = Extract<Step, { kind: 'mine' }>

interface NodeBlock {
  number: string
  hash: string
  timestamp: string
  baseFeePerGas: string
  gasUsed: string
  gasLimit: string
}

const HISTORY_BLOCKS = 24
const HISTORY_SPACING = 12
/** In blocks; the first blob costs the node seconds, so none is in the history that a chain begins with. */
const BLOB_EVERY = 80
/** Blocks that can be taken back: a reorg is never deeper. */
const KEPT_BLOCKS = 8

const isStep = (value: unknown): value is Step =>
  typeof value === 'object' &&
  value !== null &&
  ['genesis', 'mine', 'rollback'].includes((value as Step).kind)

/**
 * A local Ethereum node with varied transactions. Its history is in `evm-local.jsonl`; a start does all of it again, some
 * 100 blocks a second. The node keeps everything in memory, about 0.1 MB a block.
 * @throws ConfigError when the history does not give the chain that it gave before.
 */
export async function startDemoEvm({ directory, logger, seed }: DemoEvmDeps): Promise<DemoChain> {
  const path = join(directory, 'evm-local.jsonl')
  const { journal, entries } = openJournal(path, isStep)
  const home = join(directory, 'anvil')
  rmSync(home, { recursive: true, force: true })
  const [first, ...steps] = entries
  const now = Math.floor(Date.now() / 1000)
  const genesis =
    first ?? ({ kind: 'genesis', time: now - (HISTORY_BLOCKS + 4) * HISTORY_SPACING, seed } satisfies Step)
  if (genesis.kind !== 'genesis') throw foreignJournal(path, 'no genesis in line 1')
  if (!first) journal.append([genesis])
  const anvil = await startAnvil({ genesisTime: genesis.time, home })
  try {
    const rpc = await openRpc([{ url: anvil.url }])
    const chain = await openChain(rpc, journal, logger, genesis.seed)
    if (steps.length > 0) await chain.repeat(steps, path)
    else await chain.begin(genesis.time)
    return {
      urls: [anvil.url, anvil.url.replace('http:', 'ws:')],
      advance: () => chain.advance(Math.floor(Date.now() / 1000)),
      reorg: depth => chain.reorg(Math.min(depth, KEPT_BLOCKS), Math.floor(Date.now() / 1000)),
      async close() {
        await rpc.close()
        await anvil.close()
      },
    }
  } catch (error) {
    await anvil.close()
    throw error
  }
}

async function openChain(rpc: Rpc, journal: Journal<Step>, logger: Logger, seed: string) {
  const traffic = createTraffic(Number(await rpc.call('eth_chainId', [])))
  const holdings = createHoldings()
  /** Transactions of the newest blocks: what a reorg takes back. */
  let newest: (readonly PlannedTransaction[])[] = []
  let done = 0

  await rpc.call('evm_setAutomine', [false])
  await rpc.call('anvil_setCoinbase', [traffic.addresses[0]])

  const head = async () => (await rpc.call('eth_getBlockByNumber', ['latest', false])) as NodeBlock

  /** Once it is written down, and again at every start. */
  async function perform(step: Step): Promise<void> {
    done++
    if (step.kind === 'rollback') {
      await rpc.call('anvil_rollback', [step.depth])
      for (const gone of newest.splice(-step.depth).reverse()) {
        for (const { moves } of gone.toReversed()) holdings.undo(moves)
      }
    } else if (step.kind === 'mine') {
      for (const { raw } of step.transactions) await send(raw)
      if (step.baseFee !== undefined) {
        await rpc.call('anvil_setNextBlockBaseFeePerGas', [`0x${BigInt(step.baseFee).toString(16)}`])
      }
      await rpc.call('evm_mine', [`0x${step.time.toString(16)}`])
      newest = [...newest, step.transactions].slice(-KEPT_BLOCKS)
    }
  }

  /** One that the node refuses now it refuses at every start: the others go on. */
  async function send(raw: string): Promise<void> {
    try {
      await rpc.call('eth_sendRawTransaction', [raw])
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      logger.warn({ err: error }, 'a demo transaction was refused')
    }
  }

  async function mine(
    transactions: readonly PlannedTransaction[],
    at: number,
    baseFee?: bigint,
  ): Promise<void> {
    const before = await head()
    const time = Math.max(at, Number(before.timestamp) + 1)
    const step: MineStep = {
      kind: 'mine',
      time,
      parent: before.hash,
      ...(baseFee !== undefined && { baseFee: String(baseFee) }),
      transactions,
    }
    journal.append([step])
    await perform(step)
  }

  async function advance(at: number): Promise<void> {
    const nonces = new Map<string, number>()
    for (const address of traffic.addresses) {
      nonces.set(address, Number(await rpc.call('eth_getTransactionCount', [address, 'latest'])))
    }
    const random = createRandomness(`${seed}/evm/${done}`)
    await mine(await traffic.block(nonces, holdings, random, done % BLOB_EVERY === 0), at)
  }

  return {
    advance,

    /** Everybody sees the head go back for a moment, as behind a load balancer. */
    async reorg(wanted: number, at: number): Promise<number> {
      const depth = Math.min(wanted, newest.length)
      const [survivors = []] = newest.slice(-depth)
      const step: Step = { kind: 'rollback', depth }
      journal.append([step])
      await perform(step)
      const again = survivors.slice(0, Math.ceil(survivors.length / 2))
      for (const { moves } of again) holdings.apply(moves)
      await mine(again, at, nextBaseFee(await head()))
      for (let n = 0; n < depth; n++) await advance(at)
      return depth
    },

    /** History that ends now. */
    async begin(genesisTime: number): Promise<void> {
      let time = genesisTime
      for (const transactions of await traffic.opening()) {
        time += HISTORY_SPACING
        await mine(transactions, time)
      }
      for (let n = 0; n < HISTORY_BLOCKS; n++) {
        time += HISTORY_SPACING
        await advance(time)
      }
    },

    async repeat(steps: readonly Step[], path: string): Promise<void> {
      const startedAt = performance.now()
      const last = steps.findLastIndex(step => step.kind === 'mine')
      for (const [at, step] of steps.entries()) {
        if (at === last) await expectParent(step as MineStep, path)
        if (step.kind === 'mine') for (const { moves } of step.transactions) holdings.apply(moves)
        await perform(step)
      }
      const seconds = Math.round((performance.now() - startedAt) / 100) / 10
      logger.info({ chain: evmLocal.definition.slug, steps: steps.length, seconds }, 'demo chain restored')
    },
  }

  async function expectParent({ parent }: MineStep, path: string): Promise<void> {
    const { number, hash } = await head()
    if (hash !== parent) {
      throw foreignJournal(path, `block ${Number(number)} came out as ${hash}, it was ${parent}`)
    }
  }
}

/** EIP-1559: by an eighth at most, towards a block that is half full. */
export function nextBaseFee({ baseFeePerGas, gasUsed, gasLimit }: NodeBlock): bigint {
  const [fee, used, target] = [BigInt(baseFeePerGas), BigInt(gasUsed), BigInt(gasLimit) / 2n]
  if (used === target) return fee
  const change = (fee * (used > target ? used - target : target - used)) / target / 8n
  if (used < target) return fee - change
  return fee + (change > 0n ? change : 1n)
}
