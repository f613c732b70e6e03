import type { EvmRaw, EvmTransaction } from './raw.ts'
import { createdAddress } from './sender.ts'

/** Gas of one blob (EIP-4844). */
const GAS_PER_BLOB = 131_072n

/** What became of a transaction, as far as receipts and traces tell. */
export interface Outcome {
  /** From the receipt; before Byzantium from the top call; null without receipts. */
  status: 0 | 1 | null
  /** From whatever tells; null when nothing does. */
  succeeded: boolean | null
  gasUsed: bigint | null
  effectiveGasPrice: bigint | null
  /** Gas that was paid for; null without receipts. */
  gasFee: bigint | null
  /** The part of `gasFee` that is destroyed (EIP-1559). */
  burntFee: bigint
  blobGasUsed: bigint | null
  blobGasPrice: bigint | null
  /** 0 for a transaction without blobs, null when the price is not known. */
  blobFee: bigint | null
  /** All that the sender paid besides the value; null when unknown. */
  fee: bigint | null
  /** The contract that the transaction created, null when it did not or that is not known. */
  created: Buffer | null
  /** Every effect of the transaction is known. */
  complete: boolean
}

/** Price that was paid for a unit of gas (EIP-1559); null for a fee cap in a block without a base fee. */
export function effectiveGasPrice(tx: EvmTransaction, baseFee: bigint | null): bigint | null {
  if (tx.gasPrice !== null) return tx.gasPrice
  if (baseFee === null || tx.maxFeePerGas === null || tx.maxPriorityFeePerGas === null) return null
  const wanted = baseFee + tx.maxPriorityFeePerGas
  return lesser(wanted, tx.maxFeePerGas)
}

function lesser(a: bigint, b: bigint): bigint {
  if (a < b) return a
  return b
}

/** Gas of the transaction's blobs, null for a transaction of another type. */
export function blobGasOf(tx: EvmTransaction): bigint | null {
  return tx.type === 3 ? GAS_PER_BLOB * BigInt(tx.blobVersionedHashes.length) : null
}

/** Gas that a transaction used: the difference of the receipts' running sums. */
export function gasUsedOf(raw: EvmRaw, place: number): bigint | null {
  const receipt = raw.receipts?.[place]
  if (receipt === undefined) return null
  return receipt.cumulativeGasUsed - (raw.receipts?.[place - 1]?.cumulativeGasUsed ?? 0n)
}

/** Outcomes of a verified block's transactions. */
export function outcomesOf(raw: EvmRaw): Outcome[] {
  const blobGasPrice = toldBlobGasPrice(raw)
  return raw.transactions.map((tx, place) => outcomeOf(raw, tx, place, blobGasPrice))
}

/**
 * The block's price of blob gas as receipts tell it. It follows from the header's excess, but by a fraction that
 * changes with forks and with configuration (EIP-7892), so it is not computed.
 */
function toldBlobGasPrice(raw: EvmRaw): bigint | null {
  for (const receipt of raw.receipts ?? []) {
    const price = receipt.told?.blobGasPrice
    if (price !== null && price !== undefined && receipt.type === 3) return price
  }
  return null
}

function outcomeOf(raw: EvmRaw, tx: EvmTransaction, place: number, price: bigint | null): Outcome {
  const gasUsed = gasUsedOf(raw, place)
  const gasPrice = effectiveGasPrice(tx, raw.header.baseFeePerGas)
  const gasFee = gasUsed === null || gasPrice === null ? null : gasUsed * gasPrice
  const blobGasUsed = blobGasOf(tx)
  const blobGasPrice = blobGasUsed === null ? null : price
  const blobFee = blobGasUsed === null ? 0n : price === null ? null : blobGasUsed * price
  const fee = gasFee === null || blobFee === null ? null : gasFee + blobFee
  const { status, succeeded } = successOf(raw, place)
  return {
    status,
    succeeded,
    gasUsed,
    effectiveGasPrice: gasPrice,
    gasFee,
    burntFee: burntPart(gasFee, (gasUsed ?? 0n) * (raw.header.baseFeePerGas ?? 0n)),
    blobGasUsed,
    blobGasPrice,
    blobFee,
    fee,
    created: createdBy(tx, raw.receipts !== null, succeeded),
    complete: raw.receipts !== null && raw.traces !== null && fee !== null && succeeded !== null,
  }
}

/** A chain of one's own may let transactions pay less than the base fee: no more than what was paid is destroyed. */
function burntPart(gasFee: bigint | null, baseFee: bigint): bigint {
  return gasFee === null ? 0n : lesser(gasFee, baseFee)
}

function successOf(raw: EvmRaw, place: number): Pick<Outcome, 'status' | 'succeeded'> {
  const receipt = raw.receipts?.[place]
  const top = raw.traces?.[place]?.[0]
  const traced = top === undefined ? null : top.error === null
  const succeeded = typeof receipt?.status === 'number' ? receipt.status === 1 : traced
  const status = receipt === undefined || succeeded === null ? null : succeeded ? 1 : 0
  return { status, succeeded }
}

function createdBy(tx: EvmTransaction, hasReceipt: boolean, succeeded: boolean | null): Buffer | null {
  if (tx.to !== null || succeeded === false || (succeeded === null && !hasReceipt)) return null
  return createdAddress(tx.from, tx.nonce)
}
