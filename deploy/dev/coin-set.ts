import type { Transaction } from 'bitcoinjs-lib'
import { formatHex, reverseBytes } from '../../schema/bytes.ts'
import { InputError } from '../../schema/errors.ts'
import type { Coin } from './locks.ts'
import { COINBASE_MATURITY } from './regtest-block.ts'

/** The unspent outputs of a chain's tip. */
export interface CoinSet {
  get(txid: string, vout: number): Coin | undefined
  /** Coins that the block at `height` may spend, oldest first. */
  spendableAt(height: number): Coin[]
  /**
   * Spends the inputs and adds the outputs; gives the spent coins of each transaction in order.
   * @throws InputError, and changes nothing, when an input is missing, unripe, or worth less than the outputs.
   */
  connect(transactions: readonly Transaction[], height: number): Coin[][]
  /** Undoes `connect` of the newest block. */
  disconnect(transactions: readonly Transaction[], spent: readonly Coin[][]): void
}

export function createCoinSet(): CoinSet {
  let coins = new Map<string, Coin>()

  function spend(tx: Transaction, height: number, from: Map<string, Coin>): Coin[] {
    return tx.ins.map(input => {
      const outpoint = `${previousTxid(input.hash)}:${input.index}`
      const coin = from.get(outpoint)
      if (!coin) throw new InputError(`expected an unspent output, got ${outpoint} in ${tx.getId()}`)
      if (coin.coinbase && height - coin.height < COINBASE_MATURITY) {
        throw new InputError(
          `expected a coinbase of height ${height - COINBASE_MATURITY} or less, got ${coin.height}`,
        )
      }
      from.delete(outpoint)
      return coin
    })
  }

  return {
    get: (txid, vout) => coins.get(`${txid}:${vout}`),
    spendableAt: height =>
      [...coins.values()]
        .filter(coin => !coin.coinbase || height - coin.height >= COINBASE_MATURITY)
        .sort((a, b) => a.height - b.height || compareText(a.txid, b.txid) || a.vout - b.vout),
    connect(transactions, height) {
      const next = new Map(coins)
      const spent = transactions.map((tx, index) => {
        const used = index === 0 ? [] : spend(tx, height, next)
        if (index > 0) feeOf(tx, used)
        for (const coin of outputsOf(tx, height)) next.set(`${coin.txid}:${coin.vout}`, coin)
        return used
      })
      coins = next
      return spent
    },
    disconnect(transactions, spent) {
      for (let index = transactions.length - 1; index >= 0; index--) {
        const txid = transactions[index]!.getId()
        for (const vout of transactions[index]!.outs.keys()) coins.delete(`${txid}:${vout}`)
        for (const coin of spent[index]!) coins.set(`${coin.txid}:${coin.vout}`, coin)
      }
    },
  }
}

/** What the miner may keep. @throws InputError when the outputs are worth more than the spent coins. */
export function feeOf(tx: Transaction, spent: readonly Coin[]): bigint {
  const fee = sum(spent.map(coin => coin.value)) - sum(tx.outs.map(output => output.value))
  if (fee < 0n) throw new InputError(`expected a fee of 0 or more, got ${fee} in ${tx.getId()}`)
  return fee
}

/** The outputs that can be spent some day, as coins. */
export function outputsOf(tx: Transaction, height: number): Coin[] {
  const txid = tx.getId()
  const coinbase = tx.isCoinbase()
  return tx.outs
    .map((output, vout) => ({ txid, vout, value: output.value, script: output.script, height, coinbase }))
    .filter(coin => coin.script[0] !== 0x6a)
}

export function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n)
}

/** The text form of the hash that an input holds. */
export function previousTxid(hash: Uint8Array): string {
  return formatHex(reverseBytes(hash))
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
