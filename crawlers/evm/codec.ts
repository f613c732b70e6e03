import { MalformedAnswerError } from '../../schema/errors.ts'
import { keccak256 } from './hash.ts'
import { decodeHeader, headerItem } from './header.ts'
import {
  type BlobSidecar,
  type CallFrame,
  type Encodings,
  type EvmRaw,
  type EvmReceipt,
  type EvmTransaction,
  FRAME_TYPES,
  type ToldOutcome,
  TRACE_SOURCES,
} from './raw.ts'
import { decodeReceipt, encodeReceipt } from './receipt.ts'
import {
  decodeRlp,
  encodeRlp,
  type RlpItem,
  type RlpTree,
  rlpBytes,
  rlpList,
  rlpNumber,
  rlpQuantity,
} from './rlp.ts'
import { placeFrames, type UnplacedFrame } from './traces.ts'
import { decodeTransaction, encodeTransaction } from './transaction.ts'
import { decodeWithdrawal, withdrawalItem } from './withdrawal.ts'

/** First byte of an archive payload: raise it when the layout below changes, and keep reading the older ones. */
const VERSION = 1

/**
 * The archive form of a block: a version byte, then RLP of what was committed to and of what the node told besides.
 * @param proven encodings of this block as verifying it made them.
 */
export function encodeRaw(raw: EvmRaw, proven?: Encodings): Uint8Array {
  const item: RlpItem[] = [
    option(raw.askedHeight, height => BigInt(height)),
    option(raw.askedHash, hash => hash),
    option(raw.claimedHash, hash => hash),
    flag(raw.fromRlp),
    flag(raw.recoverSenders),
    option(raw.totalDifficulty, total => total),
    BigInt(TRACE_SOURCES.indexOf(raw.traceSource)),
    headerItem(raw.header),
    raw.transactions.map((tx, at) => transactionEntry(tx, proven?.transactions[at])),
    raw.uncleHashes,
    option(raw.uncles, uncles => uncles.map(headerItem)),
    option(raw.withdrawals, withdrawals => withdrawals.map(withdrawalItem)),
    option(raw.receipts, receipts => receipts.map((one, at) => receiptEntry(one, proven?.receipts?.[at]))),
    option(raw.traces, traces => traces.map(frames => frames.map(frameEntry))),
  ]
  if (raw.allocations) item.push(raw.allocations.map(({ address, balance }) => [address, balance]))
  return encodeRlp(item, VERSION)
}

/** About how long `encodeRaw` comes out: what may be long is counted, what is short is guessed. */
export function sizeOfRaw(raw: EvmRaw): number {
  let size = 1_000
  for (const tx of raw.transactions) size += 250 + tx.input.length + (tx.sidecar?.blobs.length ?? 0) * 131_072
  for (const receipt of raw.receipts ?? []) {
    size += 400
    for (const log of receipt.logs) size += 180 + log.data.length
  }
  for (const frames of raw.traces ?? []) {
    for (const frame of frames) size += 80 + frame.input.length + frame.output.length
  }
  return size
}

/** @throws MalformedAnswerError when the bytes are not such a payload, exactly. */
export function decodeRaw(bytes: Uint8Array): EvmRaw {
  if (bytes[0] !== VERSION) {
    throw new MalformedAnswerError(
      `archived block: expected version ${VERSION}, got ${bytes[0] ?? 'no bytes'}`,
    )
  }
  const at = rlpList(decodeRlp(bytes.subarray(1)), 'archived block')
  // Only a block 0 can have one more.
  if (at.length !== 15) rlpList(at, 'archived block', 14)
  return {
    askedHeight: readOption(at[0], tree => rlpNumber(tree, 'asked height')),
    askedHash: readOption(at[1], tree => rlpBytes(tree, 'asked hash', 32)),
    claimedHash: readOption(at[2], tree => rlpBytes(tree, 'claimed hash', 32)),
    fromRlp: readFlag(at[3]),
    recoverSenders: readFlag(at[4]),
    totalDifficulty: readOption(at[5], tree => rlpQuantity(tree, 'total difficulty')),
    traceSource: oneOf(TRACE_SOURCES, at[6], 'trace source'),
    header: decodeHeader(at[7]),
    transactions: rlpList(at[8], 'transactions').map(readTransactionEntry),
    uncleHashes: rlpList(at[9], 'uncle hashes').map(hash => rlpBytes(hash, 'uncle hash', 32)),
    uncles: readOption(at[10], tree => rlpList(tree, 'uncles').map(decodeHeader)),
    withdrawals: readOption(at[11], tree => rlpList(tree, 'withdrawals').map(decodeWithdrawal)),
    receipts: readOption(at[12], tree => rlpList(tree, 'receipts').map(readReceiptEntry)),
    traces: readOption(at[13], tree => rlpList(tree, 'traces').map(readFrames)),
    ...(at[14] && { allocations: rlpList(at[14], 'allocations').map(readAllocation) }),
  }
}

function readAllocation(tree: RlpTree): { address: Buffer; balance: bigint } {
  const [address, balance] = rlpList(tree, 'allocation', 2)
  return { address: rlpBytes(address, 'address', 20), balance: rlpQuantity(balance, 'balance') }
}

/** Nothing is an empty list, something a list of one. */
function option<T>(value: T | null, item: (value: T) => RlpItem): RlpItem {
  return value === null ? [] : [item(value)]
}

function readOption<T>(tree: RlpTree | undefined, read: (tree: RlpTree) => T): T | null {
  const list = rlpList(tree, 'option')
  if (list.length > 1)
    throw new MalformedAnswerError(`archived block: expected one value, got ${list.length}`)
  return list[0] === undefined ? null : read(list[0])
}

function flag(value: boolean): bigint {
  return value ? 1n : 0n
}

function readFlag(tree: RlpTree | undefined): boolean {
  return oneOf([false, true], tree, 'flag')
}

function oneOf<T>(values: readonly T[], tree: RlpTree | undefined, name: string): T {
  const code = rlpNumber(tree, name)
  const value = values[code]
  if (value === undefined) {
    throw new MalformedAnswerError(`archived block: expected ${name} below ${values.length}, got ${code}`)
  }
  return value
}

/** The claimed hash is kept only where it is not the hash of the bytes. */
function transactionEntry(tx: EvmTransaction, proven: Buffer | undefined): RlpItem {
  const bytes = proven ?? encodeTransaction(tx)
  const isHash = proven !== undefined || keccak256(bytes).equals(tx.hash)
  return [
    bytes,
    tx.from,
    option(isHash ? null : tx.hash, hash => hash),
    option(tx.sidecar ?? null, ({ blobs, commitments, proofs }) => [blobs, commitments, proofs]),
  ]
}

function readTransactionEntry(tree: RlpTree): EvmTransaction {
  const [bytesTree, from, hash, sidecarTree] = rlpList(tree, 'transaction', 4)
  const bytes = rlpBytes(bytesTree, 'transaction')
  const sidecar = readOption(sidecarTree, readSidecar)
  return {
    ...decodeTransaction(bytes),
    hash: readOption(hash, one => rlpBytes(one, 'transaction hash', 32)) ?? keccak256(bytes),
    from: rlpBytes(from, 'sender', 20),
    ...(sidecar && { sidecar }),
  }
}

function readSidecar(tree: RlpTree): BlobSidecar {
  const at = rlpList(tree, 'sidecar', 3)
  const list = (place: number, name: string) => rlpList(at[place], name).map(one => rlpBytes(one, name))
  return { blobs: list(0, 'blobs'), commitments: list(1, 'commitments'), proofs: list(2, 'proofs') }
}

function receiptEntry(receipt: EvmReceipt, proven: Buffer | undefined): RlpItem {
  const indexes = receipt.logs.map(log => BigInt(log.index))
  return [proven ?? encodeReceipt(receipt), indexes, option(receipt.told, toldItem)]
}

function readReceiptEntry(tree: RlpTree): EvmReceipt {
  const [bytes, indexTree, told] = rlpList(tree, 'receipt', 3)
  const receipt = decodeReceipt(rlpBytes(bytes, 'receipt'), 0)
  const indexes = rlpList(indexTree, 'log indexes', receipt.logs.length)
  return {
    ...receipt,
    logs: receipt.logs.map((log, place) => ({ ...log, index: rlpNumber(indexes[place], 'log index') })),
    told: readOption(told, readTold),
  }
}

function toldItem(told: ToldOutcome): RlpItem {
  return [
    told.transactionHash,
    told.gasUsed,
    option(told.effectiveGasPrice, price => price),
    option(told.blobGasUsed, gas => gas),
    option(told.blobGasPrice, price => price),
  ]
}

function readTold(tree: RlpTree): ToldOutcome {
  const at = rlpList(tree, 'told outcome', 5)
  return {
    transactionHash: rlpBytes(at[0], 'transaction hash', 32),
    gasUsed: rlpQuantity(at[1], 'gas used', 8),
    effectiveGasPrice: readOption(at[2], one => rlpQuantity(one, 'effective gas price')),
    blobGasUsed: readOption(at[3], one => rlpQuantity(one, 'blob gas used', 8)),
    blobGasPrice: readOption(at[4], one => rlpQuantity(one, 'blob gas price')),
  }
}

/** Trace addresses and what reverted follow from depths and errors. */
function frameEntry(frame: CallFrame): RlpItem {
  return [
    BigInt(FRAME_TYPES.indexOf(frame.type)),
    BigInt(frame.traceAddress.length),
    frame.from,
    option(frame.to, address => address),
    frame.value,
    option(frame.gas, gas => gas),
    option(frame.gasUsed, gas => gas),
    frame.input,
    frame.output,
    option(frame.error, error => Buffer.from(error, 'utf8')),
  ]
}

function readFrames(tree: RlpTree): CallFrame[] {
  return placeFrames(rlpList(tree, 'frames').map(readFrameEntry))
}

function readFrameEntry(tree: RlpTree): UnplacedFrame {
  const at = rlpList(tree, 'frame', 10)
  return {
    type: oneOf(FRAME_TYPES, at[0], 'frame type'),
    depth: rlpNumber(at[1], 'depth'),
    from: rlpBytes(at[2], 'from', 20),
    to: readOption(at[3], one => rlpBytes(one, 'to', 20)),
    value: rlpQuantity(at[4], 'value'),
    gas: readOption(at[5], one => rlpQuantity(one, 'gas', 8)),
    gasUsed: readOption(at[6], one => rlpQuantity(one, 'gas used', 8)),
    input: rlpBytes(at[7], 'input'),
    output: rlpBytes(at[8], 'output'),
    error: readOption(at[9], one => rlpBytes(one, 'error').toString('utf8')),
  }
}
