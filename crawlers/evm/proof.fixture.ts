import { getCreateAddress } from 'ethers'
import { formatHex0x } from '../../schema/bytes.ts'
import { ProofError } from '../../schema/errors.ts'
import {
  address,
  CANCUN,
  madeFrames,
  madeHeader,
  madeRaw,
  madeTransaction,
  topic,
  word,
} from './block.fixture.ts'
import { decodeRaw, encodeRaw } from './codec.ts'
import type { EvmRaw } from './raw.ts'
import { verifyBlock } from './verify.ts'

export const NOBODY = { genesisHash: null }

export function provenBy(raw: EvmRaw): string {
  try {
    verifyBlock(raw, NOBODY)
    return 'verified'
  } catch (error) {
    return error instanceof ProofError ? error.proof : String(error)
  }
}

/** A block with something of everything. */
export function full(): EvmRaw {
  const transactions = [
    madeTransaction({ value: 5n }),
    madeTransaction({ to: null, nonce: 1n }),
    madeTransaction({ nonce: 2n }),
  ]
  const contract = Buffer.from(
    getCreateAddress({ from: formatHex0x(address('a')), nonce: 1 }).slice(2),
    'hex',
  )
  const logs = [{ address: address('f'), topics: [word(1n), topic(address('b'))], data: word(9n) }]
  const told = transactions.map(tx => ({
    transactionHash: tx.hash,
    gasUsed: 21_000n,
    effectiveGasPrice: 10n,
    blobGasUsed: null,
    blobGasPrice: null,
  }))
  return madeRaw({
    header: CANCUN,
    transactions,
    receipts: told.map((one, place) => ({ told: one, logs: place === 0 ? [] : logs })),
    traces: transactions.map((tx, place) =>
      madeFrames(tx, [], place === 1 ? { type: 'CREATE', to: contract } : {}),
    ),
    uncles: [madeHeader({ height: 99 })],
    withdrawals: [{ index: 1n, validatorIndex: 2n, address: address('d'), amount: 5n }],
  })
}

/** A copy in which one thing is different. */
export function changed(change: (raw: EvmRaw) => void): EvmRaw {
  const raw = decodeRaw(Buffer.from(encodeRaw(full())))
  change(raw)
  return raw
}

const other = (bytes: Buffer) => Buffer.from(bytes.map((byte, at) => (at === 0 ? byte ^ 1 : byte)))

export const changes: [string, string, (raw: EvmRaw) => void][] = [
  ['hash', 'a header byte', raw => Object.assign(raw.header, { extraData: Buffer.from([1]) })],
  ['hash', 'the state root', raw => Object.assign(raw.header, { stateRoot: other(raw.header.stateRoot) })],
  ['hash', 'the claimed hash', raw => Object.assign(raw, { claimedHash: other(raw.claimedHash!) })],
  ['hash', 'the hash asked for', raw => Object.assign(raw, { askedHash: other(raw.claimedHash!) })],
  ['hash', 'the height asked for', raw => Object.assign(raw, { askedHeight: 7 })],
  ['txRoot', 'a value', raw => Object.assign(raw.transactions[0]!, { value: 6n })],
  ['txRoot', 'a signature', raw => Object.assign(raw.transactions[2]!, { s: 2n })],
  [
    'txRoot',
    'a transaction hash',
    raw => Object.assign(raw.transactions[0]!, { hash: other(raw.transactions[0]!.hash) }),
  ],
  ['txRoot', 'transactions swapped', raw => raw.transactions.reverse()],
  ['txRoot', 'a transaction missing', raw => raw.transactions.pop()],
  ['receiptsRoot', 'a status', raw => Object.assign(raw.receipts![0]!, { status: 0 })],
  ['receiptsRoot', 'log data', raw => Object.assign(raw.receipts![1]!.logs[0]!, { data: word(8n) })],
  [
    'receiptsRoot',
    'a bloom',
    raw => Object.assign(raw.receipts![1]!, { logsBloom: other(raw.receipts![1]!.logsBloom) }),
  ],
  ['receiptsRoot', 'receipts swapped', raw => raw.receipts!.reverse()],
  ['receiptsRoot', 'a receipt missing', raw => raw.receipts!.pop()],
  ['receiptsRoot', 'no receipts', raw => Object.assign(raw, { receipts: [] })],
  ['receiptsRoot', 'a log index', raw => Object.assign(raw.receipts![1]!.logs[0]!, { index: 5 })],
  [
    'receiptsRoot',
    'told: transaction',
    raw => Object.assign(raw.receipts![1]!.told!, { transactionHash: Buffer.alloc(32) }),
  ],
  ['receiptsRoot', 'told: gas', raw => Object.assign(raw.receipts![1]!.told!, { gasUsed: 20_000n })],
  ['receiptsRoot', 'told: price', raw => Object.assign(raw.receipts![1]!.told!, { effectiveGasPrice: 1n })],
  ['receiptsRoot', 'told: blob gas', raw => Object.assign(raw.receipts![0]!.told!, { blobGasUsed: 5n })],
  ['withdrawalsRoot', 'an amount', raw => Object.assign(raw.withdrawals![0]!, { amount: 6n })],
  ['withdrawalsRoot', 'a withdrawal missing', raw => raw.withdrawals!.pop()],
  ['uncles', 'an uncle byte', raw => Object.assign(raw.uncles![0]!, { miner: address('1') })],
  ['uncles', 'an uncle missing', raw => Object.assign(raw, { uncles: [] })],
  ['uncles', 'an uncle hash', raw => raw.uncleHashes.splice(0, 1, Buffer.alloc(32))],
  ['senders', 'a signature that is nobody’s', raw => Object.assign(raw, { recoverSenders: true })],
  ['traces', 'from of a top call', raw => Object.assign(raw.traces![0]![0]!, { from: address('1') })],
  ['traces', 'to of a top call', raw => Object.assign(raw.traces![0]![0]!, { to: address('1') })],
  ['traces', 'value of a top call', raw => Object.assign(raw.traces![0]![0]!, { value: 1n })],
  ['traces', 'the created contract', raw => Object.assign(raw.traces![1]![0]!, { to: address('1') })],
  ['traces', 'type of a top call', raw => Object.assign(raw.traces![0]![0]!, { type: 'CREATE' })],
  ['traces', 'success of a top call', raw => Object.assign(raw.traces![0]![0]!, { error: 'out of gas' })],
  ['traces', 'a tree missing', raw => raw.traces!.pop()],
  ['traces', 'a tree without frames', raw => raw.traces!.splice(0, 1, [])],
]
