import type { ChainExtent } from '../data/graph.ts'
import type { TransactionPage } from '../data/transaction.ts'
import { formatCount } from '../format.ts'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'

export interface TransactionProps {
  view: View
  chain: ChainExtent
  transaction: TransactionPage
}

/** The block as a link, as sentences name it. */
export function BlockOf({ view, chain, transaction }: TransactionProps) {
  const { block } = transaction
  const id = block.finality === 'ORPHANED' ? block.hash : block.height
  return <a href={urls.block(chain.slug, id)}>{formatCount(block.height, view.language)}</a>
}
