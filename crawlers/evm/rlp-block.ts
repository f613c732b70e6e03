import { MalformedAnswerError, ProofError } from '../../schema/errors.ts'
import { asBytes, asList } from './fields.ts'
import { keccak256 } from './hash.ts'
import { decodeHeader, headerHash, headerItem } from './header.ts'
import type { BlockAnswer } from './json.ts'
import type { EvmRaw, EvmReceipt, EvmTransaction } from './raw.ts'
import { decodeReceipt } from './receipt.ts'
import { decodeRlp, encodeRlp, type RlpTree, rlpList, rlpSize, sizeWithHead } from './rlp.ts'
import { recoverSender } from './sender.ts'
import { decodeTransaction } from './transaction.ts'
import { decodeWithdrawal, withdrawalItem } from './withdrawal.ts'

/**
 * A block as `debug_getRawBlock` gives it. RLP does not say who sent a transaction, so senders are recovered.
 * @throws MalformedAnswerError, or ProofError when a signature is nobody's.
 */
export function readRawBlock(answer: unknown): BlockAnswer & Pick<EvmRaw, 'uncles'> {
  const fields = rlpList(decodeRlp(asBytes(answer, 'raw block', '')), 'block')
  if (fields.length !== 3 && fields.length !== 4) {
    throw new MalformedAnswerError(`raw block: expected 3 or 4 lists, got ${fields.length}`)
  }
  const uncles = rlpList(fields[2], 'uncles').map(decodeHeader)
  return {
    claimedHash: null,
    header: decodeHeader(fields[0]),
    transactions: rlpList(fields[1], 'transactions').map(readRawTransaction),
    uncleHashes: uncles.map(headerHash),
    uncles,
    withdrawals: fields.length === 4 ? rlpList(fields[3], 'withdrawals').map(decodeWithdrawal) : null,
    totalDifficulty: null,
  }
}

function readRawTransaction(tree: RlpTree, place: number): EvmTransaction {
  const bytes = Buffer.isBuffer(tree) ? tree : encodeRlp(tree)
  const tx = { ...decodeTransaction(bytes), hash: keccak256(bytes), from: Buffer.alloc(0) }
  const from = recoverSender(tx)
  if (from === null) throw new ProofError('senders', `transaction ${place}: expected a valid signature`)
  return { ...tx, from }
}

/** Receipts as `debug_getRawReceipts` gives them. @throws MalformedAnswerError */
export function readRawReceipts(answer: unknown): EvmReceipt[] {
  const receipts: EvmReceipt[] = []
  let logs = 0
  for (const [place, entry] of asList(answer, 'raw receipts').entries()) {
    const receipt = decodeReceipt(asBytes(entry, `raw receipt ${place}`, ''), logs)
    logs += receipt.logs.length
    receipts.push(receipt)
  }
  return receipts
}

/** Bytes of the block's RLP; null while a part of it is not known. */
export function blockSize(raw: EvmRaw, transactions: readonly Buffer[]): number | null {
  const { header, uncles, withdrawals } = raw
  if (uncles === null || (header.withdrawalsRoot !== null && withdrawals === null)) return null
  // A legacy transaction stands in its block as it is, one of another type as a string of bytes.
  const sizes = transactions.map((bytes, at) =>
    raw.transactions[at]!.type === 0 ? bytes.length : rlpSize(bytes),
  )
  const body = sizes.reduce((sum, size) => sum + size, 0)
  const others = [
    headerItem(header),
    uncles.map(headerItem),
    ...(withdrawals === null ? [] : [withdrawals.map(withdrawalItem)]),
  ]
  return sizeWithHead(others.reduce((sum, item) => sum + rlpSize(item), sizeWithHead(body)))
}
