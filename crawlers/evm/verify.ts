import { formatHex0x, parseHex } from '../../schema/bytes.ts'
import type { ChainDefinition, Verified } from '../../schema/chain.ts'
import { ProofError } from '../../schema/errors.ts'
import { type BloomCache, bloomOf, orBlooms } from './bloom.ts'
import { account, stateRootOf } from './genesis.ts'
import { headerHash, unclesHash } from './header.ts'
import { blobGasOf, effectiveGasPrice, gasUsedOf } from './outcome.ts'
import type {
  CallFrame,
  Encodings,
  EvmRaw,
  EvmReceipt,
  EvmTransaction,
  GenesisAccount,
  ToldOutcome,
} from './raw.ts'
import { encodeReceipt } from './receipt.ts'
import { encodeRlp } from './rlp.ts'
import { createdAddress, recoverSender } from './sender.ts'
import { encodeTransaction, encodeWithSidecar } from './transaction.ts'
import { orderedTrie, orderedTrieRoot } from './trie.ts'
import { withdrawalItem } from './withdrawal.ts'

const NOTHING = Buffer.alloc(0)

interface Claims extends Pick<ChainDefinition, 'genesisHash'> {
  /** Accounts of block 0, where the definition has them. */
  genesisAccounts?: (() => readonly GenesisAccount[]) | undefined
}

/**
 * Proves all that the block commits to and that is there to be proven. Call frames are compared with their
 * transactions, but nothing commits to them: they are never named among the proofs.
 * @throws ProofError
 */
export function verifyBlock(raw: EvmRaw, claims: Claims): Verified {
  return proveBlock(raw, claims).verified
}

/** The same, with the encodings that were proven. */
export function proveBlock(
  raw: EvmRaw,
  { genesisHash, genesisAccounts }: Claims,
): { verified: Verified; encodings: Encodings } {
  const { header } = raw
  const hash = proveHash(raw)
  const transactions = proveTransactions(raw)
  let receipts: Buffer[] | null = null
  const proofs = ['hash', 'txRoot']
  if (raw.receipts !== null) {
    receipts = proveReceipts(raw, raw.receipts)
    proveBlooms(raw, raw.receipts)
    proofs.push('receiptsRoot', 'logsBloom')
  }
  if (proveWithdrawals(raw)) proofs.push('withdrawalsRoot')
  if (proveUncles(raw)) proofs.push('uncles')
  if (raw.recoverSenders || raw.fromRlp) {
    proveSenders(raw)
    proofs.push('senders')
  }
  if (header.height === 0 && proveAllocations(raw, genesisAccounts?.())) proofs.push('stateRoot')
  if (raw.traces !== null) compareTraces(raw, raw.traces)
  if (header.height === 0 && genesisHash !== null) {
    expectEqual('checkpoint', 'genesis hash', parseHex(genesisHash, 32), hash)
    proofs.push('checkpoint')
  }
  const verified = {
    height: header.height,
    hash,
    parentHash: header.parentHash,
    time: header.time,
    transactionCount: raw.transactions.length,
    proofs,
  }
  return { verified, encodings: { transactions, receipts } }
}

/** `at` is a place in the block. The text is only made when it is needed: most of the time none is. */
function expectEqual(proof: string, what: string, expected: Uint8Array, got: Uint8Array, at?: number): void {
  if (Buffer.compare(expected, got) === 0) return
  throw mismatch(proof, what, formatHex0x(expected), formatHex0x(got), at)
}

function expectSame(proof: string, what: string, expected: unknown, got: unknown, at?: number): void {
  if (expected !== got) throw mismatch(proof, what, expected, got, at)
}

function mismatch(proof: string, what: string, expected: unknown, got: unknown, at?: number): ProofError {
  const where = at === undefined ? '' : ` at place ${at}`
  return new ProofError(proof, `${what}${where}: expected ${expected}, got ${got}`)
}

function proveHash({ header, claimedHash, askedHash, askedHeight }: EvmRaw): Buffer {
  const hash = headerHash(header)
  if (claimedHash !== null) expectEqual('hash', 'block hash', claimedHash, hash)
  if (askedHash !== null) expectEqual('hash', 'hash of the block asked for', askedHash, hash)
  if (askedHeight !== null) expectSame('hash', 'height of the block asked for', askedHeight, header.height)
  return hash
}

/** Consensus encodings; every transaction has the hash that the node told. */
function proveTransactions({ header, transactions }: EvmRaw): Buffer[] {
  const encoded = transactions.map(encodeTransaction)
  const values = transactions.map((tx, at) =>
    tx.sidecar === undefined ? encoded[at]! : encodeWithSidecar(tx),
  )
  const { root, digests } = orderedTrie(values, encoded)
  transactions.forEach((tx, place) => {
    expectEqual('txRoot', 'transaction hash', tx.hash, digests[place]!, place)
  })
  expectEqual('txRoot', 'transactions root', header.transactionsRoot, root)
  return encoded
}

function proveReceipts(raw: EvmRaw, receipts: readonly EvmReceipt[]): Buffer[] {
  expectSame('receiptsRoot', 'number of receipts', raw.transactions.length, receipts.length)
  const encoded = receipts.map(encodeReceipt)
  expectEqual('receiptsRoot', 'receipts root', raw.header.receiptsRoot, orderedTrieRoot(encoded))
  let logs = 0
  raw.transactions.forEach((tx, place) => {
    const receipt = receipts[place]!
    expectSame('receiptsRoot', 'receipt type', tx.type, receipt.type, place)
    for (const log of receipt.logs) {
      expectSame('receiptsRoot', 'log index', logs++, log.index, place)
    }
    if (receipt.told !== null) compareTold(raw, tx, place, receipt.told)
  })
  return encoded
}

/**
 * What the node told beside the committed fields must be what follows from them. A contract's address follows from
 * sender and nonce: it is computed, what the node says of it is not looked at.
 */
function compareTold(raw: EvmRaw, tx: EvmTransaction, place: number, told: ToldOutcome): void {
  const proof = 'receiptsRoot'
  expectEqual(proof, 'transaction of the receipt', tx.hash, told.transactionHash, place)
  expectSame(proof, 'gas used', gasUsedOf(raw, place), told.gasUsed, place)
  const gasPrice = effectiveGasPrice(tx, raw.header.baseFeePerGas)
  if (told.effectiveGasPrice !== null && gasPrice !== null) {
    expectSame(proof, 'effective gas price', gasPrice, told.effectiveGasPrice, place)
  }
  compareToldBlobs(raw, tx, place, told)
}

function compareToldBlobs(raw: EvmRaw, tx: EvmTransaction, place: number, told: ToldOutcome): void {
  const blobGas = blobGasOf(tx)
  if (told.blobGasUsed !== null && (blobGas !== null || told.blobGasUsed !== 0n)) {
    expectSame('receiptsRoot', 'blob gas used', blobGas, told.blobGasUsed, place)
  }
  if (blobGas === null || told.blobGasPrice === null) return
  const price = told.blobGasPrice
  const other = raw.receipts?.find(one => one.type === 3 && (one.told?.blobGasPrice ?? price) !== price)
  if (other !== undefined)
    throw new ProofError('receiptsRoot', 'blob gas price: expected one for the block, got two')
  if (price > (tx.maxFeePerBlobGas ?? 0n)) {
    throw new ProofError(
      'receiptsRoot',
      `blob gas price at place ${place}: expected the cap at most, got ${price}`,
    )
  }
}

function proveBlooms({ header }: EvmRaw, receipts: readonly EvmReceipt[]): void {
  const cache: BloomCache = new Map()
  receipts.forEach((receipt, place) => {
    expectEqual('logsBloom', 'bloom of the receipt', bloomOf(receipt.logs, cache), receipt.logsBloom, place)
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
    expectEqual('uncles', 'uncle hash', uncleHashes[place]!, headerHash(uncle), place)
  })
  return true
}

/** What the definition says must be so; what a node tells of its accounts may be the whole state, or not. */
function proveAllocations(
  { header, allocations }: EvmRaw,
  accounts: readonly GenesisAccount[] | undefined,
): boolean {
  if (accounts) expectEqual('stateRoot', 'state root', header.stateRoot, stateRootOf(accounts))
  else if (allocations) {
    const told = allocations.map(({ address, balance }) => account(address, balance))
    return stateRootOf(told).equals(header.stateRoot)
  }
  return accounts !== undefined
}

function proveSenders({ transactions }: EvmRaw): void {
  transactions.forEach((tx, place) => {
    const sender = recoverSender(tx)
    if (sender === null) throw new ProofError('senders', `transaction ${place}: expected a valid signature`)
    expectEqual('senders', 'sender', sender, tx.from, place)
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
  expectSame('traces', 'type of the top call', tx.to === null ? 'CREATE' : 'CALL', top.type, place)
  expectEqual('traces', 'from of the top call', tx.from, top.from, place)
  expectSame('traces', 'value of the top call', tx.value, top.value, place)
  if (tx.to !== null) expectEqual('traces', 'to of the top call', tx.to, top.to ?? NOTHING, place)
  else if (top.error === null) {
    expectEqual('traces', 'to of the top call', createdAddress(tx.from, tx.nonce), top.to ?? NOTHING, place)
  }
  const status = receipts?.[place]?.status ?? null
  if (status !== null)
    expectSame('traces', 'success of the top call', status === 1, top.error === null, place)
}
