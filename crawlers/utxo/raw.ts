/** How a spent output is known. */
export type SpentSource = 'block' | 'stored' | 'transaction' | 'node'

interface SpentFacts {
  /** Base units. */
  amount: bigint
  /** The locking script. */
  script: Buffer
}

/** Known from the block itself, from a stored block, or only because the node says so. */
export interface ToldOutput extends SpentFacts {
  source: Exclude<SpentSource, 'transaction'>
}

/** Known by the bytes of the transaction that made it: they prove it against the outpoint. */
export interface ProvenOutput extends SpentFacts {
  source: 'transaction'
  transaction: Buffer
}

/** An output that an input of the block spends. */
export type SpentOutput = ToldOutput | ProvenOutput

/**
 * A block as `verify` and `split` take it. The parts of a block are always read from its bytes: nothing in here is
 * believed because it was read before.
 */
export interface UtxoRaw {
  height: number
  /** The hash that was asked for, in printed order. */
  hash: Buffer
  /** The whole block as `getblock <hash> 0` gives it. */
  bytes: Buffer
  /** One for each input that is not a coinbase's, in the order of the block; null while it is not known. */
  spent: readonly (SpentOutput | null)[]
  /** As the node says: median time of the 11 blocks before, in unix seconds. */
  medianTime: number | null
  /** As the node says: work of the chain up to this block. */
  chainWork: bigint | null
}
