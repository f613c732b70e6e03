import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'lossless-json'
import { recordedPath, writeRecorded } from '../../crawlers/recording.ts'
import { formatHex } from '../../schema/bytes.ts'
import { createRegtestChain, type RegtestBlock, type RegtestChain } from './bitcoin-regtest.ts'
import { blockJson, type CoreJson, chainInfoJson } from './core-json.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { COINBASE_MATURITY } from './regtest-block.ts'
import type { Payment } from './varied-payments.ts'

export const REGTEST_FIXTURE_SEED = 'fixtures'
const VARIED_BLOCKS = 8

/** Blocks that are recorded as JSON only: one with the spent outputs, one as old nodes print it. */
interface JsonOnly {
  verbosity3: RegtestBlock
  verbosity2: RegtestBlock
}

/** Records a short regtest chain, and what its maker knows about it in `FACTS.json`. */
export async function recordRegtest(directory: string): Promise<void> {
  const chain = createRegtestChain({ seed: REGTEST_FIXTURE_SEED })
  const ledger = createLedger()
  const payments: Payment[] = []
  for (let n = 0; n <= COINBASE_MATURITY; n++) enter(ledger, chain.mine(), [])
  for (let n = 0; n < VARIED_BLOCKS; n++) {
    const varied = chain.mineVaried()
    enter(ledger, varied.block, varied.payments)
    payments.push(...varied.payments)
  }
  enter(ledger, chain.mine(), [])
  const { height } = chain.head
  const jsonOnly = { verbosity3: chain.blockAt(height - 3)!, verbosity2: chain.blockAt(height - 2)! }
  await writeChain(directory, chain, jsonOnly)
  await writeText(join(directory, 'FACTS.json'), facts(chain, ledger, payments, jsonOnly))
}

function enter(ledger: Ledger, block: RegtestBlock, payments: readonly Payment[]): void {
  ledger.add(block.reward!.address, block.reward!.amount)
  for (const { address, amount } of payments.flatMap(payment => payment.moves)) ledger.add(address, amount)
}

async function writeChain(directory: string, chain: RegtestChain, jsonOnly: JsonOnly): Promise<void> {
  for (let height = 0; height <= chain.head.height; height++) {
    const block = chain.blockAt(height)!
    await writeRecorded(directory, 'getblockhash', [height], block.hash)
    if (block === jsonOnly.verbosity3) {
      await writeExact(directory, [block.hash, 3], blockJson(chain, block, 3))
    } else if (block === jsonOnly.verbosity2) {
      await writeExact(directory, [block.hash, 2], withoutHex(blockJson(chain, block, 2) as CoreJson))
    } else {
      await writeRecorded(directory, 'getblock', [block.hash, 0], formatHex(block.bytes))
    }
  }
  await writeText(join(directory, recordedPath('getblockchaininfo', [])), chainInfoJson(chain))
}

/** `JSON.stringify` would print `50.00000000` as `50`; nodes do not. */
async function writeExact(directory: string, params: readonly unknown[], result: unknown): Promise<void> {
  await writeText(join(directory, recordedPath('getblock', params)), result)
}

async function writeText(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `${stringify(value, null, path.endsWith('FACTS.json') ? 1 : 0)}\n`)
}

function withoutHex(block: CoreJson): CoreJson {
  const tx = (block.tx as CoreJson[]).map(({ hex: _, ...rest }) => rest)
  return { ...block, tx }
}

function facts(
  chain: RegtestChain,
  ledger: Ledger,
  payments: readonly Payment[],
  { verbosity3, verbosity2 }: JsonOnly,
): unknown {
  const { height, hash } = chain.head
  const miners = Array.from({ length: 8 }, (_, n) => chain.wallet.minerAt(n))
  const names = new Map([...miners, ...chain.wallet.locks].map(lock => [lock.address, lock]))
  return {
    about: 'Written by the script that made the transactions, not read from the recorded answers.',
    seed: REGTEST_FIXTURE_SEED,
    blocks: height + 1,
    head: { height, hash },
    transactions: height + 1 + payments.length,
    fees: String(payments.reduce((total, payment) => total + payment.fee, 0n)),
    genesisOutput: 'in no balance: it can not be spent',
    unit: 'satoshi; bare public keys and multisig have no address and are named by the hash of their script',
    jsonOnly: { verbosity3: verbosity3.height, verbosity2WithoutHex: verbosity2.height },
    balances: ledger.entries().map(([address, amount]) => {
      const { owner, kind } = names.get(address)!
      return { owner, kind, address, amount: String(amount) }
    }),
  }
}
