import type { SplitBlock } from './block.ts'
import { equalBytes, formatHex } from './bytes.ts'
import { InvariantError } from './errors.ts'

/**
 * What holds for every split block of every chain; checked in production, before anything is written.
 * @throws InvariantError naming the block and what does not hold.
 */
export function checkSplitBlock(split: SplitBlock): void {
  const where = `block ${split.height} ${formatHex(split.hash)}`
  const { blocks = [], transactions = [], effects = [] } = split.rows
  if (blocks.length !== 1)
    throw new InvariantError(`${where}: expected one row in blocks, got ${blocks.length}`)
  if (blocks[0]!.transaction_count !== transactions.length) {
    throw new InvariantError(
      `${where}: ${blocks[0]!.transaction_count} transactions counted, ${transactions.length} rows`,
    )
  }
  checkDense(where, 'transactions', transactions)
  checkDense(where, 'effects', effects)
  checkOwners(where, effects, transactions)
  checkZeroSums(where, effects, transactions)
}

function checkDense(where: string, table: string, rows: readonly { index: number }[]): void {
  rows.forEach((row, at) => {
    if (row.index !== at) throw new InvariantError(`${where}: ${table} row ${at} has index ${row.index}`)
  })
}

type EffectRow = NonNullable<SplitBlock['rows']['effects']>[number]
type TransactionRow = NonNullable<SplitBlock['rows']['transactions']>[number]

/** An effect is the block's own or that of one of its transactions: no other could be summed up. */
function checkOwners(
  where: string,
  effects: readonly EffectRow[],
  transactions: readonly TransactionRow[],
): void {
  for (const { index, transaction_hash, transaction_index } of effects) {
    const owner = transaction_index === null ? new Uint8Array(0) : transactions[transaction_index]?.hash
    if (owner && equalBytes(owner, transaction_hash)) continue
    throw new InvariantError(
      `${where}: effect ${index} is of transaction ${transaction_index} ${formatHex(transaction_hash)}, ` +
        `expected ${owner ? formatHex(owner) || 'no hash' : `one of ${transactions.length}`}`,
    )
  }
}

/**
 * Coins come from somewhere and go somewhere: each transaction's effects sum to zero in every asset, where all of them are
 * known, and so do those of the block itself.
 */
function checkZeroSums(
  where: string,
  effects: readonly EffectRow[],
  transactions: readonly TransactionRow[],
): void {
  /** By place of the transaction and asset. */
  const sums = new Map<number | null, Map<string, bigint>>()
  for (const { index, amount, asset, transaction_index } of effects) {
    if (amount === 0n) throw new InvariantError(`${where}: effect ${index} moves nothing`)
    if (asset === '') throw new InvariantError(`${where}: effect ${index} names no asset`)
    if (transaction_index !== null && !transactions[transaction_index]!.effects_complete) continue
    const known = sums.get(transaction_index)
    if (known) known.set(asset, (known.get(asset) ?? 0n) + amount)
    else sums.set(transaction_index, new Map([[asset, amount]]))
  }
  for (const [place, byAsset] of sums) {
    for (const [asset, sum] of byAsset) {
      if (sum === 0n) continue
      const owner = place === null ? '' : formatHex(transactions[place]!.hash)
      throw new InvariantError(`${where}: effects of ${owner} ${asset} sum to ${sum}, expected 0`)
    }
  }
}
