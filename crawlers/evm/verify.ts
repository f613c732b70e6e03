import { formatHex0x, parseHex } from '../../schema/bytes.ts'
import type { ChainDefinition, Verified } from '../../schema/chain.ts'
import { ProofError } from '../../schema/errors.ts'
import { type BloomCache, bloomOf, orBlooms } from './bloom.ts'
import { keccak256 } from './hash.ts'
import { headerHash, unclesHash } from './header.ts'
import { blobGasOf, effectiveGasPrice, gasUsedOf } from './outcome.ts'
import type { CallFrame, EvmRaw, EvmReceipt, EvmTransaction, ToldOutcome } from './raw.ts'
import { encodeReceipt } from './receipt.ts'
import { encodeRlp } from './rlp.ts'
import { createdAddress, recoverSender } from './sender.ts'
import { encodeTransaction } from './transaction.ts'
import { orderedTrieRoot } from './trie.ts'
import { withdrawalItem } from './withdrawal.ts'

type Claims = Pick<ChainDefinition, 'genesisHash'>

/**
 * Proves all that the block commits to and that is there to be proven. Call frames are compared with their
 * transactions, but nothing commits to them: they are never named among the proofs.
 * @throws ProofError
 */
export function verifyBlock(raw: EvmRaw, { genesisHash }: Claims): Verified {
  const { header } = raw
  const hash = proveHash(raw)
  proveTransactions(raw)
  const proofs = ['hash', 'txRoot']
  if (raw.receipts !== null) {
    proveReceipts(raw, raw.receipts)
    proveBlooms(raw, raw.receipts)
    proofs.push('receiptsRoot', 'logsBloom')
  }
  if (proveWithdrawals(raw)) proofs.push('withdrawalsRoot')
  if (proveUncles(raw)) proofs.push('uncles')
  if (raw.recoverSenders || raw.fromRlp) {
    proveSenders(raw)
    proofs.push('senders')
  }
  if (raw.traces !== null) compareTraces(raw, raw.traces)
  if (header.height === 0 && genesisHash !== null) {
    expectEqual('checkpoint', 'genesis hash', parseHex(genesisHash, 32), hash)
    proofs.push('checkpoint')
  }
  return {
    height: header.height,
    hash,
    parentHash: header.parentHash,
    time: header.time,
    transactionCount: raw.transactions.length,
    proofs,
  }
}

function expectEqual(proof: string, what: string, expected: Uint8Array, got: Uint8Array): void {
  if (Buffer.compare(expected, got) === 0) return
  throw new ProofError(proof, `${what}: expected ${formatHex0x(expected)}, got ${formatHex0x(got)}`)
}

function expectSame(proof: string, what: string, expected: unknown, got: unknown): void {
  if (expected === got) return
  throw new ProofError(proof, `${what}: expected ${expected}, got ${got}`)
}

function proveHash({ header, claimedHash, askedHash, askedHeight }: EvmRaw): Buffer {
  const hash = headerHash(header)
  if (claimedHash !== null) expectEqual('hash', 'block hash', claimedHash, hash)
  if (askedHash !== null) expectEqual('hash', 'hash of the block asked for', askedHash, hash)
  if (askedHeight !== null) expectSame('hash', 'height of the block asked for', askedHeight, header.height)
  return hash
}

function proveTransactions({ header, transactions }: EvmRaw): void {
  const encoded = transactions.map((tx, place) => {
    const bytes = encodeTransaction(tx)
    expectEqual('txRoot', `hash of transaction ${place}`, tx.hash, keccak256(bytes))
    return bytes
  })
  expectEqual('txRoot', 'transactions root', header.transactionsRoot, orderedTrieRoot(encoded))
}

function proveReceipts(raw: EvmRaw, receipts: readonly EvmReceipt[]): void {
  expectSame('receiptsRoot', 'number of receipts', raw.transactions.length, receipts.length)
  const root = orderedTrieRoot(receipts.map(encodeReceipt))
  expectEqual('receiptsRoot', 'receipts root', raw.header.receiptsRoot, root)
  let logs = 0
  raw.transactions.forEach((tx, place) => {
    const receipt = receipts[place]!
    expectSame('receiptsRoot', `type of receipt ${place}`, tx.type, receipt.type)
    for (const log of receipt.logs) {
      expectSame('receiptsRoot', `log index in receipt ${place}`, logs++, log.index)
    }
    if (receipt.told !== null) compareTold(raw, tx, place, receipt.told)
  })
}

/** What the node told beside the committed fields must be what follows from them. */
function compareTold(raw: EvmRaw, tx: EvmTransaction, place: number, told: ToldOutcome): void {
  const proof = 'receiptsRoot'
  const of = `of receipt ${place}`
  expectEqual(proof, `transaction ${of}`, tx.hash, told.transactionHash)
  expectSame(proof, `gas used ${of}`, gasUsedOf(raw, place), told.gasUsed)
  const gasPrice = effectiveGasPrice(tx, raw.header.baseFeePerGas)
  if (told.effectiveGasPrice !== null && gasPrice !== null) {
    expectSame(proof, `effective gas price ${of}`, gasPrice, told.effectiveGasPrice)
  }
  if (told.contractAddress !== null) {
    if (tx.to !== null)
      throw new ProofError(proof, `contract address ${of}: expected none, it creates nothing`)
    expectEqual(proof, `contract address ${of}`, createdAddress(tx.from, tx.nonce), told.contractAddress)
  }
  compareToldBlobs(raw, tx, place, told)
}

function compareToldBlobs(raw: EvmRaw, tx: EvmTransaction, place: number, told: ToldOutcome): void {
  const blobGas = blobGasOf(tx)
  if (told.blobGasUsed !== null && (blobGas !== null || told.blobGasUsed !== 0n)) {
    expectSame('receiptsRoot', `blob gas used of receipt ${place}`, blobGas, told.blobGasUsed)
  }
  if (blobGas === null || told.blobGasPrice === null) return
  const price = told.blobGasPrice
  const other = raw.receipts?.find(one => one.type === 3 && (one.told?.blobGasPrice ?? price) !== price)
  if (other !== undefined)
    throw new ProofError('receiptsRoot', 'blob gas price: expected one for the block, got two')
  if (price > (tx.maxFeePerBlobGas ?? 0n)) {
    throw new ProofError(
      'receiptsRoot',
      `blob gas price of receipt ${place}: expected the cap at most, got ${price}`,
    )
  }
}

function proveBlooms({ header }: EvmRaw, receipts: readonly EvmReceipt[]): void {
  const cache: BloomCache = new Map()
  receipts.forEach((receipt, place) => {
    expectEqual('logsBloom', `bloom of receipt ${place}`, bloomOf(receipt.logs, cache), receipt.logsBloom)
  })
  expectEqual(
    'logsBloom',
    'bloom of the block',
    header.logsBloom,
    orBlooms(receipts.map(one => one.logsBloom)),
  )
}

function proveWithdrawals({ header, withdrawals }: EvmRaw): boolean {
  if (withdrawals === null) return false
  if (header.withdrawalsRoot === null) {
    throw new ProofError(
      'withdrawalsRoot',
      `expected no withdrawals without a root, got ${withdrawals.length}`,
    )
  }
  const root = orderedTrieRoot(withdrawals.map(withdrawal => encodeRlp(withdrawalItem(withdrawal))))
  expectEqual('withdrawalsRoot', 'withdrawals root', header.withdrawalsRoot, root)
  return true
}

function proveUncles({ header, uncles, uncleHashes }: EvmRaw): boolean {
  if (uncles === null) return false
  expectEqual('uncles', 'hash of the uncles', header.unclesHash, unclesHash(uncles))
  expectSame('uncles', 'number of uncles', uncles.length, uncleHashes.length)
  uncles.forEach((uncle, place) => {
    expectEqual('uncles', `hash of uncle ${place}`, uncleHashes[place]!, headerHash(uncle))
  })
  return true
}

function proveSenders({ transactions }: EvmRaw): void {
  transactions.forEach((tx, place) => {
    const sender = recoverSender(tx)
    if (sender === null) throw new ProofError('senders', `transaction ${place}: expected a valid signature`)
    expectEqual('senders', `sender of transaction ${place}`, sender, tx.from)
  })
}

function compareTraces(raw: EvmRaw, traces: readonly CallFrame[][]): void {
  expectSame('traces', 'number of traced transactions', raw.transactions.length, traces.length)
  raw.transactions.forEach((tx, place) => {
    const top = traces[place]![0]
    if (top === undefined)
      throw new ProofError('traces', `expected a top call of transaction ${place}, got none`)
    compareTop(raw, tx, place, top)
  })
}

function compareTop({ receipts }: EvmRaw, tx: EvmTransaction, place: number, top: CallFrame): void {
  const of = `of the top call of transaction ${place}`
  expectSame('traces', `type ${of}`, tx.to === null ? 'CREATE' : 'CALL', top.type)
  expectEqual('traces', `from ${of}`, tx.from, top.from)
  expectSame('traces', `value ${of}`, tx.value, top.value)
  if (tx.to !== null) expectEqual('traces', `to ${of}`, tx.to, top.to ?? Buffer.alloc(0))
  else if (top.error === null) {
    expectEqual('traces', `to ${of}`, createdAddress(tx.from, tx.nonce), top.to ?? Buffer.alloc(0))
  }
  const status = receipts?.[place]?.status ?? null
  if (status !== null) expectSame('traces', `success ${of}`, status === 1, top.error === null)
}
