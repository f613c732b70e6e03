import { join } from 'node:path'
import type { Transaction } from 'bitcoinjs-lib'
import { formatHex, parseHex } from '../../schema/bytes.ts'
import { createRegtestChain, type RegtestBlock } from './bitcoin-regtest.ts'
import type { DemoChain } from './demo-chain.ts'
import { foreignJournal, openJournal } from './journal.ts'
import { createRandomness } from './randomness.ts'
import { COINBASE_MATURITY } from './regtest-block.ts'
import { startRegtestNode } from './regtest-node.ts'
import { gatherCoins, varyPayments } from './varied-payments.ts'

export interface DemoRegtestDeps {
  /** Where the chain's history is kept. */
  directory: string
  seed: string
}

/** A block as it was served. One at a height that is taken replaces what was there and everything above. */
interface Entry {
  height: number
  seed: string
  block: string
}

const VARIED_BLOCKS = 16
const HISTORY_SPACING = 600
/** Unspent outputs above which many are gathered into one. */
const MANY_COINS = 300

const isEntry = (value: unknown): value is Entry => {
  const { height, seed, block } = (value ?? {}) as Entry
  return Number.isSafeInteger(height) && typeof seed === 'string' && /^([0-9a-f]{2})+$/.test(block)
}

/**
 * A Bitcoin regtest chain in this process with varied transactions, behind a server that answers like bitcoind. Its
 * history is in `bitcoin-regtest.jsonl`.
 * @throws ConfigError when the history is not a chain.
 */
export async function startDemoRegtest({ directory, seed }: DemoRegtestDeps): Promise<DemoChain> {
  const path = join(directory, 'bitcoin-regtest.jsonl')
  const { journal, entries } = openJournal(path, isEntry)
  const kept: Uint8Array[] = []
  for (const { height, block } of entries) {
    if (height < 1 || height > kept.length + 1)
      throw foreignJournal(path, `block ${height} without its parent`)
    kept.splice(height - 1, Number.POSITIVE_INFINITY, parseHex(block))
  }
  const keys = entries[0]?.seed ?? seed
  let time = 0
  const chain = openChain()
  // Every start goes its own way from where the last one ended.
  let drawn = entries.length

  function openChain() {
    try {
      return createRegtestChain({ seed: keys, clock: () => time, blocks: kept, branch: entries.length })
    } catch (error) {
      throw foreignJournal(path, String(error))
    }
  }

  /** Nobody is served in between: block and entry are made in one go. */
  function keep(blocks: readonly RegtestBlock[]): void {
    journal.append(blocks.map(({ height, bytes }) => ({ height, seed: keys, block: formatHex(bytes) })))
  }

  function nextTransactions(): Transaction[] {
    const random = createRandomness(`${keys}/regtest/${drawn++}`)
    const height = chain.head.height + 1
    const coins = chain.spendable()
    const gathered = coins.length > MANY_COINS ? gatherCoins(chain.wallet, coins, random) : null
    const others = coins.filter(coin => !gathered?.spent.includes(coin))
    const payments = varyPayments(chain.wallet, others, height, random).map(payment => payment.transaction)
    // The second spends an output of the first: they come together. Of the rest any may be left out.
    const rest = payments.slice(2).filter(() => random.integer(3) > 0)
    return [...payments.slice(0, 2), ...rest, ...(gathered ? [gathered.payment.transaction] : [])]
  }

  function begin(): void {
    const now = Math.floor(Date.now() / 1000)
    const blocks = COINBASE_MATURITY + 1 + VARIED_BLOCKS
    for (let left = blocks - 1; left >= 0; left--) {
      time = now - left * HISTORY_SPACING
      keep([chain.mine(left < VARIED_BLOCKS ? nextTransactions() : [])])
    }
  }

  if (kept.length === 0) begin()
  const node = await startRegtestNode(chain)
  const setTime = () => {
    time = Math.floor(Date.now() / 1000)
  }
  return {
    urls: [node.url],
    async advance() {
      setTime()
      keep([chain.mine(nextTransactions())])
    },
    async reorg(depth) {
      setTime()
      const { removed, added } = chain.reorg(depth, nextTransactions)
      keep(added)
      return removed.length
    },
    close: () => node.close(),
  }
}
