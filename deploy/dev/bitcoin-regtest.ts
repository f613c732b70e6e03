import { Block, type Transaction } from 'bitcoinjs-lib'
import { equalBytes, formatHex } from '../../schema/bytes.ts'
import { InputError } from '../../schema/errors.ts'
import { createCoinSet, feeOf, sum } from './coin-set.ts'
import type { Coin } from './locks.ts'
import { createRandomness } from './randomness.ts'
import { createGenesisBlock, mineBlock, subsidyAt } from './regtest-block.ts'
import { createWallet, type Payment, varyPayments, type Wallet } from './varied-payments.ts'

export interface RegtestSettings {
  /** The same seed and the same calls give the same bytes. */
  seed: string
  /** Unix seconds; blocks are dated by it. Without a clock block 1 is of 2025-01-01 and each later one 600 s older. */
  clock?: () => number
  /** Blocks from height 1 on that the chain had before, made by a chain of the same seed. */
  blocks?: readonly Uint8Array[]
  /** Keeps blocks of this chain apart from those of another with the same seed. */
  branch?: number
}

/** A block of the chain or of an abandoned branch, with what a node keeps beside the bytes. */
export interface RegtestBlock {
  height: number
  /** As Bitcoin prints it. */
  hash: string
  block: Block
  bytes: Uint8Array
  transactions: readonly Transaction[]
  /** The coins that each transaction spends; none for the coinbase. */
  spent: readonly Coin[][]
  /** Median of the times of the last eleven blocks. */
  medianTime: number
  /** Who got subsidy and fees; null for the genesis block, whose output can not be spent. */
  reward: { address: string; amount: bigint; fees: bigint } | null
}

export interface VariedBlock {
  block: RegtestBlock
  payments: readonly Payment[]
}

export interface Reorg {
  commonAncestor: RegtestBlock
  removed: readonly RegtestBlock[]
  added: readonly RegtestBlock[]
}

/** What a node tells of a chain. */
export interface RegtestView {
  readonly head: RegtestBlock
  blockAt(height: number): RegtestBlock | undefined
  /** Abandoned branches stay readable. */
  blockByHash(hash: string): RegtestBlock | undefined
  isActive(block: RegtestBlock): boolean
  transaction(txid: string): { block: RegtestBlock; index: number } | undefined
  coin(txid: string, vout: number): Coin | undefined
}

/** A chain of valid regtest blocks in memory, in a node's role: the newest block wins. */
export interface RegtestChain extends RegtestView {
  readonly wallet: Wallet
  /** Coins that the next block may spend. */
  spendable(): Coin[]
  /** @throws InputError when a transaction spends what it may not. Signatures are the caller's. */
  mine(transactions?: readonly Transaction[]): RegtestBlock
  /** A block with transactions of all standard kinds, as far as there are ripe coins. */
  mineVaried(): VariedBlock
  /**
   * Replaces the last `depth` blocks by `depth + 1` others. Half of the transactions of the first abandoned block
   * stand in its successor again, the others are gone.
   * @param fill transactions of the other new blocks, asked for one by one; varied ones by default.
   */
  reorg(depth: number, fill?: () => readonly Transaction[]): Reorg
}

const FIRST_TIME = Date.UTC(2025, 0, 1) / 1000
const SPACING = 600

export function createRegtestChain({
  seed,
  clock,
  blocks = [],
  branch: first = 0,
}: RegtestSettings): RegtestChain {
  const wallet = createWallet(seed)
  const coins = createCoinSet()
  const genesis = describeBlock(createGenesisBlock(), 0, [[]], [], null)
  const active: RegtestBlock[] = [genesis]
  const known = new Map([[genesis.hash, genesis]])
  const locations = new Map<string, { block: RegtestBlock; index: number }>()
  let branch = first

  const head = () => active.at(-1)!

  function nextTime(): number {
    // `branch` keeps two branches of one chain apart by a second, as different miners would be
    const wanted = clock ? Math.floor(clock()) : FIRST_TIME + SPACING * head().height + branch
    return Math.max(wanted, head().medianTime + 1)
  }

  function mine(transactions: readonly Transaction[] = []): RegtestBlock {
    const height = head().height + 1
    const miner = wallet.minerAt(height)
    const fees = feesOf(transactions)
    const reward = subsidyAt(height) + fees
    const block = mineBlock({
      height,
      previousHash: head().block.getHash(),
      time: nextTime(),
      payTo: miner.script,
      reward,
      tag: `/wanlian/${seed}/${branch}/`.slice(0, 75),
      transactions,
    })
    return connect(block)
  }

  function connect(block: Block): RegtestBlock {
    const height = head().height + 1
    const [coinbase, ...others] = block.transactions!
    const fees = feesOf(others)
    const spent = coins.connect(block.transactions!, height)
    const times = active.slice(-10).map(one => one.block.timestamp)
    const amount = sum(coinbase!.outs.map(output => output.value))
    const mined = describeBlock(block, height, spent, times, {
      address: wallet.minerAt(height).address,
      amount,
      fees,
    })
    active.push(mined)
    known.set(mined.hash, mined)
    for (const [index, tx] of mined.transactions.entries()) locations.set(tx.getId(), { block: mined, index })
    return mined
  }

  function restore(bytes: Uint8Array): void {
    const block = Block.fromBuffer(bytes)
    const height = head().height + 1
    if (!equalBytes(block.prevHash!, head().block.getHash()) || !block.checkProofOfWork()) {
      throw new InputError(
        `expected a block on top of ${head().hash} at height ${height}, got ${block.getId()}`,
      )
    }
    connect(block)
  }

  /** Fees before the block is connected: an input may spend an output of the same block. */
  function feesOf(transactions: readonly Transaction[]): bigint {
    const trial = new Map(transactions.map(tx => [tx.getId(), tx]))
    return sum(
      transactions.map(tx =>
        feeOf(
          tx,
          tx.ins.map(input => {
            const txid = formatHex(Buffer.from(input.hash).reverse())
            const coin = coins.get(txid, input.index)
            const output = trial.get(txid)?.outs[input.index]
            if (coin) return coin
            if (!output) throw new InputError(`expected an unspent output, got ${txid}:${input.index}`)
            return { txid, vout: input.index, height: head().height + 1, coinbase: false, ...output }
          }),
        ),
      ),
    )
  }

  const spendable = () => coins.spendableAt(head().height + 1)

  function mineVaried(): VariedBlock {
    const height = head().height + 1
    const random = createRandomness(`${seed}/${branch}/${height}`)
    const payments = varyPayments(wallet, spendable(), height, random)
    return { block: mine(payments.map(payment => payment.transaction)), payments }
  }

  function reorg(depth: number, fill?: () => readonly Transaction[]): Reorg {
    if (!Number.isInteger(depth) || depth < 1 || depth > head().height) {
      throw new InputError(`expected a depth from 1 to ${head().height}, got ${depth}`)
    }
    const removed = active.slice(-depth)
    for (const block of removed.toReversed()) {
      coins.disconnect(block.transactions, block.spent)
      active.pop()
    }
    branch++
    const commonAncestor = head()
    const survivors = removed[0]!.transactions.slice(1)
    const added = [mine(survivors.slice(0, Math.ceil(survivors.length / 2)))]
    while (added.length <= depth) added.push(fill ? mine(fill()) : mineVaried().block)
    return { commonAncestor, removed, added }
  }

  for (const bytes of blocks) restore(bytes)

  return {
    get head() {
      return head()
    },
    wallet,
    blockAt: height => active[height],
    blockByHash: hash => known.get(hash),
    isActive: block => active[block.height] === block,
    transaction: txid => locations.get(txid),
    coin: (txid, vout) => coins.get(txid, vout),
    spendable,
    mine,
    mineVaried,
    reorg,
  }
}

function describeBlock(
  block: Block,
  height: number,
  spent: readonly Coin[][],
  earlierTimes: readonly number[],
  reward: RegtestBlock['reward'],
): RegtestBlock {
  const times = [...earlierTimes, block.timestamp].sort((a, b) => a - b)
  return {
    height,
    hash: block.getId(),
    block,
    bytes: block.toBuffer(),
    transactions: block.transactions!,
    spent,
    medianTime: times[times.length >> 1]!,
    reward,
  }
}
