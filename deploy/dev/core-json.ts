import { crypto, type Transaction } from 'bitcoinjs-lib'
import { LosslessNumber } from 'lossless-json'
import { formatHex, reverseBytes } from '../../schema/bytes.ts'
import type { RegtestBlock, RegtestView } from './bitcoin-regtest.ts'
import { feeOf, previousTxid } from './coin-set.ts'
import { scriptAsm, scriptJson } from './core-script.ts'
import type { Coin } from './locks.ts'

/** JSON as Bitcoin Core prints it; to be written with `stringify` of `lossless-json`, which keeps amounts exact. */
export type CoreJson = Record<string, unknown>

/** Satoshi as coins with eight decimals: `50.00000000`. */
function coinAmount(satoshi: bigint): LosslessNumber {
  const digits = (satoshi < 0n ? -satoshi : satoshi).toString().padStart(9, '0')
  return new LosslessNumber(`${satoshi < 0n ? '-' : ''}${digits.slice(0, -8)}.${digits.slice(-8)}`)
}

/** What `getblock` answers: hex for 0, ids for 1, transactions for 2, and their spent outputs too for 3. */
export function blockJson(chain: RegtestView, block: RegtestBlock, verbosity: number): CoreJson | string {
  if (verbosity <= 0) return formatHex(block.bytes)
  const tx =
    verbosity === 1
      ? block.transactions.map(one => one.getId())
      : block.transactions.map((one, index) => transactionJson(one, block.spent[index]!, verbosity >= 3))
  return {
    ...headerJson(chain, block),
    strippedsize: block.block.byteLength(false, false),
    size: block.bytes.length,
    weight: block.block.weight(),
    tx,
  }
}

export function headerJson(chain: RegtestView, block: RegtestBlock): CoreJson {
  const { block: header, height } = block
  const active = chain.isActive(block)
  const next = active ? chain.blockAt(height + 1) : undefined
  return {
    hash: block.hash,
    confirmations: active ? chain.head.height - height + 1 : -1,
    height,
    version: header.version,
    versionHex: header.version.toString(16).padStart(8, '0'),
    merkleroot: formatHex(reverseBytes(header.merkleRoot!)),
    time: header.timestamp,
    mediantime: block.medianTime,
    nonce: header.nonce,
    bits: header.bits.toString(16).padStart(8, '0'),
    difficulty: DIFFICULTY,
    chainwork: chainWork(height),
    nTx: block.transactions.length,
    ...(height > 0 && { previousblockhash: formatHex(reverseBytes(header.prevHash!)) }),
    ...(next && { nextblockhash: next.hash }),
  }
}

const DIFFICULTY = new LosslessNumber('4.656542373906925e-10')

/** At regtest's target each block stands for two hashes. */
function chainWork(height: number): string {
  return (2 * (height + 1)).toString(16).padStart(64, '0')
}

/** A transaction inside a block at verbosity 2 and, with `prevouts`, 3. */
function transactionJson(tx: Transaction, spent: readonly Coin[], prevouts: boolean): CoreJson {
  const coinbase = tx.isCoinbase()
  return {
    ...plainTransactionJson(tx, prevouts ? spent : []),
    ...(!coinbase && { fee: coinAmount(feeOf(tx, spent)) }),
    hex: tx.toHex(),
  }
}

function plainTransactionJson(tx: Transaction, spent: readonly Coin[]): CoreJson {
  return {
    txid: tx.getId(),
    // not `getHash(true)`: of a coinbase that gives the zeros which stand in the witness tree
    hash: formatHex(reverseBytes(crypto.hash256(tx.toBuffer()))),
    version: tx.version,
    size: tx.byteLength(),
    vsize: tx.virtualSize(),
    weight: tx.weight(),
    locktime: tx.locktime,
    vin: tx.ins.map((_, index) => inputJson(tx, index, spent[index])),
    vout: tx.outs.map((output, n) => ({
      value: coinAmount(output.value),
      n,
      scriptPubKey: scriptJson(output.script),
    })),
  }
}

function inputJson(tx: Transaction, index: number, coin: Coin | undefined): CoreJson {
  const input = tx.ins[index]!
  const from = tx.isCoinbase()
    ? { coinbase: formatHex(input.script) }
    : {
        txid: previousTxid(input.hash),
        vout: input.index,
        scriptSig: { asm: scriptAsm(input.script, true), hex: formatHex(input.script) },
      }
  return {
    ...from,
    ...(input.witness.length > 0 && { txinwitness: input.witness.map(formatHex) }),
    ...(coin && { prevout: prevoutJson(coin) }),
    sequence: input.sequence,
  }
}

function prevoutJson(coin: Coin): CoreJson {
  return {
    generated: coin.coinbase,
    height: coin.height,
    value: coinAmount(coin.value),
    scriptPubKey: scriptJson(coin.script),
  }
}

/** What `getrawtransaction` answers with verbosity 1 or 2. */
export function rawTransactionJson(
  chain: RegtestView,
  block: RegtestBlock,
  index: number,
  verbosity: number,
): CoreJson {
  const tx = block.transactions[index]!
  const active = chain.isActive(block)
  const body =
    verbosity >= 2
      ? transactionJson(tx, block.spent[index]!, true)
      : { ...plainTransactionJson(tx, []), hex: tx.toHex() }
  return {
    ...body,
    blockhash: block.hash,
    confirmations: active ? chain.head.height - block.height + 1 : 0,
    ...(active && { time: block.block.timestamp, blocktime: block.block.timestamp }),
  }
}

/** What `gettxout` answers for an unspent output; null for any other. */
export function unspentJson(chain: RegtestView, txid: string, vout: number): CoreJson | null {
  const coin = chain.coin(txid, vout)
  if (!coin) return null
  return {
    bestblock: chain.head.hash,
    confirmations: chain.head.height - coin.height + 1,
    value: coinAmount(coin.value),
    scriptPubKey: scriptJson(coin.script),
    coinbase: coin.coinbase,
  }
}

export function chainInfoJson(chain: RegtestView): CoreJson {
  const { head } = chain
  let size = 0
  for (let height = 0; height <= head.height; height++) size += chain.blockAt(height)!.bytes.length
  return {
    chain: 'regtest',
    blocks: head.height,
    headers: head.height,
    bestblockhash: head.hash,
    difficulty: DIFFICULTY,
    time: head.block.timestamp,
    mediantime: head.medianTime,
    verificationprogress: 1,
    initialblockdownload: false,
    chainwork: chainWork(head.height),
    size_on_disk: size,
    pruned: false,
    warnings: '',
  }
}
