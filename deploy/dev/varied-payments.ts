import { Transaction } from 'bitcoinjs-lib'
import { parseHex, reverseBytes } from '../../schema/bytes.ts'
import { outputsOf, sum } from './coin-set.ts'
import { type Coin, createLock, dataScript, LOCK_KINDS, type Lock, type LockKind } from './locks.ts'
import type { Randomness } from './randomness.ts'

/** A signed transaction and what its maker meant by it. */
export interface Payment {
  transaction: Transaction
  /** Satoshi taken from (negative) and given to (positive) each address, in the order of inputs and outputs. */
  moves: { address: string; amount: bigint }[]
  fee: bigint
}

/** The keys of everybody on the chain. */
export interface Wallet {
  /** Who is paid by the coinbase at a height: the kinds take turns. */
  minerAt(height: number): Lock
  locks: readonly Lock[]
  lockOf(script: Uint8Array): Lock | undefined
}

const OWNERS = ['alice', 'bob', 'carol']
/** Below this a coin is left alone: what is sent on must stay above dust. */
const SMALLEST = 100_000n

export function createWallet(seed: string): Wallet {
  const miners = LOCK_KINDS.map(kind => createLock(seed, 'miner', kind))
  const locks = OWNERS.flatMap(owner => LOCK_KINDS.map(kind => createLock(seed, owner, kind)))
  const byScript = new Map(
    [...miners, ...locks].map(lock => [Buffer.from(lock.script).toString('hex'), lock]),
  )
  return {
    locks,
    minerAt: height => miners[height % miners.length]!,
    lockOf: script => byScript.get(Buffer.from(script).toString('hex')),
  }
}

/**
 * Payments of all standard kinds for the block at `height`: a ripe coinbase fanned out to every kind with a data
 * carrier, one spend of each kind that has coins, one spend of several kinds together, and one of an output that
 * appears in the same block.
 */
export function varyPayments(
  wallet: Wallet,
  coins: readonly Coin[],
  height: number,
  random: Randomness,
): Payment[] {
  const usable = coins.filter(coin => coin.value >= SMALLEST && wallet.lockOf(coin.script))
  const pay = (spent: readonly Coin[], to: readonly Lock[], note?: string) =>
    createPayment(wallet, spent, to, random, note)
  const payments: Payment[] = []
  const coinbase = usable.find(coin => coin.coinbase)
  if (coinbase) {
    const to = LOCK_KINDS.map(kind => random.pick(locksOf(wallet, kind)))
    const fan = pay([coinbase], to, `wanlian block ${height}`)
    const chained = outputsOf(fan.transaction, height)[LOCK_KINDS.indexOf('p2wpkh')]!
    payments.push(fan)
    if (chained.value >= SMALLEST) payments.push(pay([chained], [random.pick(wallet.locks)]))
  }
  const others = usable.filter(coin => !coin.coinbase)
  const byKind = LOCK_KINDS.flatMap(
    kind => others.find(coin => wallet.lockOf(coin.script)!.kind === kind) ?? [],
  )
  for (const coin of byKind) {
    payments.push(pay([coin], [random.pick(wallet.locks), random.pick(wallet.locks)]))
  }
  const mixed = others.filter(coin => !byKind.includes(coin)).slice(0, 3 + random.integer(4))
  if (mixed.length > 1) payments.push(pay(mixed, [random.pick(wallet.locks)]))
  return payments
}

/** How many coins one transaction gathers at most. */
const GATHERED = 40

/** Many small coins into one, so that a chain that lives long does not drown in them. */
export function gatherCoins(
  wallet: Wallet,
  coins: readonly Coin[],
  random: Randomness,
): { payment: Payment; spent: readonly Coin[] } {
  const spent = coins
    .filter(coin => !coin.coinbase && wallet.lockOf(coin.script))
    .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0))
    .slice(0, GATHERED)
  return { payment: createPayment(wallet, spent, [random.pick(wallet.locks)], random, 'gathered'), spent }
}

function locksOf(wallet: Wallet, kind: LockKind): Lock[] {
  return wallet.locks.filter(lock => lock.kind === kind)
}

/** Spends `spent` whole: a random fee, the rest shared unevenly among `to`. */
function createPayment(
  wallet: Wallet,
  spent: readonly Coin[],
  to: readonly Lock[],
  random: Randomness,
  note?: string,
): Payment {
  const total = sum(spent.map(coin => coin.value))
  const fee = BigInt(1_000 + random.integer(20_000))
  const amounts = share(total - fee, to.length, random)
  const transaction = new Transaction()
  transaction.version = 2
  for (const coin of spent) transaction.addInput(reverseBytes(parseHex(coin.txid, 32)), coin.vout)
  for (const [n, lock] of to.entries()) transaction.addOutput(lock.script, amounts[n]!)
  if (note !== undefined) transaction.addOutput(dataScript(note), 0n)
  for (const [index, coin] of spent.entries()) {
    wallet.lockOf(coin.script)!.unlock(transaction, index, spent)
  }
  return {
    transaction,
    fee,
    moves: [
      ...spent.map(coin => ({ address: wallet.lockOf(coin.script)!.address, amount: -coin.value })),
      ...to.map((lock, n) => ({ address: lock.address, amount: amounts[n]! })),
    ],
  }
}

/** Splits `total` into `parts` positive amounts that are not round. */
function share(total: bigint, parts: number, random: Randomness): bigint[] {
  const amounts: bigint[] = []
  let left = total
  for (let rest = parts; rest > 1; rest--) {
    const percent = BigInt(70 + random.integer(60))
    const amount = ((left / BigInt(rest)) * percent) / 130n
    amounts.push(amount)
    left -= amount
  }
  return [...amounts, left]
}
