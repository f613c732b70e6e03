import type { BlockPlace, BlockRecord } from './queries-block.ts'
import type { TransactionRecord } from './queries-transaction.ts'
import type { Reader } from './reader.ts'

/** What a family's tables add to a block, besides what its GraphQL type shows. */
export interface BlockDetail {
  __typename: string
  chain: string
  height: number
  /** Sum of the fees, base units; null while some are not known. */
  fees: string | null
  reward: string | null
  producer: string | null
}

/** What a family's tables add to a transaction. */
export interface TransactionDetail {
  __typename: string
  chain: string
  height: number
  index: number
  /** Why it failed, as far as that is told. */
  error: string | null
  /** The one sender, and whom it addressed, where the family's transactions name them. */
  named: { sender: string; receiver: string | null } | null
}

export interface Unproven {
  proof: string
  /** One sentence. */
  reason: string
}

/** All that the API knows of a family of chains. One file for each. */
export interface Family {
  /** In the order of the places; null where nothing is stored. */
  blocks(read: Reader, places: readonly BlockPlace[]): Promise<(BlockDetail | null)[]>
  transactions(
    read: Reader,
    places: readonly Pick<TransactionRecord, 'chain' | 'height' | 'index'>[],
  ): Promise<(TransactionDetail | null)[]>
  /** What could be proven about such blocks and was not, for each of them. */
  unproven(
    read: Reader,
    blocks: readonly BlockRecord[],
    detailsOf: (blocks: readonly BlockPlace[]) => Promise<(BlockDetail | null)[]>,
  ): Promise<Unproven[][]>
  /** Which chains have transactions that name the address, though no effect does. */
  chainsNaming(read: Reader, chains: readonly string[], address: string): Promise<string[]>
  // biome-ignore lint/suspicious/noExplicitAny: resolvers of one type each, typed where they are written
  resolvers: Record<string, any>
}

/** What holds for the chain link of any block. */
export function unlinked({ height, proofs }: BlockRecord): Unproven[] {
  if (height === 0 || proofs.includes('parent')) return []
  return [
    {
      proof: 'parent',
      reason: 'The block below was not stored when this one was, so the link to it was not compared.',
    },
  ]
}
