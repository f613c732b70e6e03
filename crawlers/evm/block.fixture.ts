import { bloomOf, orBlooms } from './bloom.ts'
import { keccak256 } from './hash.ts'
import { headerHash, unclesHash } from './header.ts'
import type {
  CallFrame,
  EvmHeader,
  EvmLog,
  EvmRaw,
  EvmReceipt,
  EvmTransaction,
  EvmWithdrawal,
} from './raw.ts'
import { encodeReceipt } from './receipt.ts'
import { encodeRlp } from './rlp.ts'
import { placeFrames, type UnplacedFrame } from './traces.ts'
import { encodeTransaction } from './transaction.ts'
import { orderedTrieRoot } from './trie.ts'
import { withdrawalItem } from './withdrawal.ts'

/** Blocks made for tests: every root is right, signatures are nobody's. */

export function address(digit: string): Buffer {
  return Buffer.from(digit.repeat(40).slice(0, 40), 'hex')
}

export function word(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
}

/** An address as an indexed topic. */
export function topic(account: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(12), account])
}

export function signature(text: string): Buffer {
  return keccak256(Buffer.from(text))
}

export function madeTransaction(given: Partial<EvmTransaction> = {}): EvmTransaction {
  const tx: EvmTransaction = {
    type: 0,
    hash: Buffer.alloc(32),
    from: address('a'),
    chainId: null,
    nonce: 0n,
    gasPrice: 10n,
    maxPriorityFeePerGas: null,
    maxFeePerGas: null,
    gasLimit: 21_000n,
    to: address('b'),
    value: 0n,
    input: Buffer.alloc(0),
    accessList: [],
    maxFeePerBlobGas: null,
    blobVersionedHashes: [],
    authorizationList: [],
    v: 27n,
    r: 1n,
    s: 1n,
    ...given,
  }
  return given.hash === undefined ? { ...tx, hash: keccak256(encodeTransaction(tx)) } : tx
}

export type MadeReceipt = Partial<Omit<EvmReceipt, 'logs'>> & {
  gasUsed?: bigint
  logs?: Omit<EvmLog, 'index'>[]
}

export interface Made {
  header?: Partial<EvmHeader>
  transactions?: EvmTransaction[]
  /** One for each transaction that is not given is made: succeeded, 21,000 gas. */
  receipts?: MadeReceipt[] | null
  traces?: CallFrame[][] | null
  uncles?: EvmHeader[]
  withdrawals?: EvmWithdrawal[] | null
}

function madeReceipts(transactions: readonly EvmTransaction[], given: readonly MadeReceipt[]): EvmReceipt[] {
  let cumulativeGasUsed = 0n
  let logCount = 0
  return transactions.map((tx, place) => {
    const { gasUsed = 21_000n, logs = [], ...rest } = given[place] ?? {}
    cumulativeGasUsed += gasUsed
    const placed = logs.map(log => ({ ...log, index: logCount++ }))
    return {
      type: tx.type,
      status: 1,
      stateRoot: null,
      cumulativeGasUsed,
      logsBloom: bloomOf(placed, new Map()),
      logs: placed,
      told: null,
      ...rest,
    }
  })
}

export function madeHeader(given: Partial<EvmHeader> = {}): EvmHeader {
  return {
    parentHash: Buffer.alloc(32, 1),
    unclesHash: unclesHash([]),
    miner: address('c'),
    stateRoot: Buffer.alloc(32, 2),
    transactionsRoot: orderedTrieRoot([]),
    receiptsRoot: orderedTrieRoot([]),
    logsBloom: Buffer.alloc(256),
    difficulty: 0n,
    height: 100,
    gasLimit: 30_000_000n,
    gasUsed: 21_000n,
    time: 1_700_000_000,
    extraData: Buffer.alloc(0),
    mixHash: Buffer.alloc(32),
    nonce: Buffer.alloc(8),
    baseFeePerGas: null,
    withdrawalsRoot: null,
    blobGasUsed: null,
    excessBlobGas: null,
    parentBeaconBlockRoot: null,
    requestsHash: null,
    ...given,
  }
}

/** Header fields of a block since Cancun. */
export const CANCUN: Partial<EvmHeader> = {
  baseFeePerGas: 4n,
  blobGasUsed: 0n,
  excessBlobGas: 0n,
  parentBeaconBlockRoot: Buffer.alloc(32, 9),
}

export function madeRaw(made: Made = {}): EvmRaw {
  const { transactions = [], uncles = [] } = made
  const receipts = made.receipts === null ? null : madeReceipts(transactions, made.receipts ?? [])
  const withdrawals = made.withdrawals ?? (made.header?.parentBeaconBlockRoot ? [] : null)
  const header = madeHeader({
    unclesHash: unclesHash(uncles),
    transactionsRoot: orderedTrieRoot(transactions.map(encodeTransaction)),
    receiptsRoot: receipts === null ? Buffer.alloc(32, 3) : orderedTrieRoot(receipts.map(encodeReceipt)),
    logsBloom: orBlooms((receipts ?? []).map(receipt => receipt.logsBloom)),
    ...made.header,
    withdrawalsRoot:
      withdrawals === null ? null : orderedTrieRoot(withdrawals.map(one => encodeRlp(withdrawalItem(one)))),
  })
  return {
    askedHeight: header.height,
    askedHash: null,
    claimedHash: headerHash(header),
    fromRlp: false,
    header,
    transactions,
    uncleHashes: uncles.map(headerHash),
    uncles,
    withdrawals,
    receipts,
    traces: made.traces ?? null,
    traceSource: made.traces ? 'debug_traceBlockByNumber' : '',
    recoverSenders: false,
    totalDifficulty: null,
  }
}

export type MadeFrame = Partial<UnplacedFrame> & Pick<UnplacedFrame, 'depth'>

/** Frames of one transaction; the top one is that of the transaction. */
export function madeFrames(
  tx: EvmTransaction,
  frames: readonly MadeFrame[],
  top: Partial<UnplacedFrame> = {},
): CallFrame[] {
  const blank: UnplacedFrame = {
    depth: 0,
    type: 'CALL',
    from: tx.from,
    to: tx.to,
    value: 0n,
    gas: 1n,
    gasUsed: 1n,
    input: Buffer.alloc(0),
    output: Buffer.alloc(0),
    error: null,
  }
  return placeFrames([
    { ...blank, value: tx.value, ...top },
    ...frames.map(frame => ({ ...blank, ...frame })),
  ])
}
