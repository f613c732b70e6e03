import type { BlockTables, RowOf } from './tables.ts'

/** A block named by its place and its hash; the hash is binary, in the order in which the chain prints it. */
export interface BlockRef {
  height: number
  hash: Uint8Array
}

/** Rows of one block by table. Order inside a table is the order of the table's key. */
export type BlockRows = { [T in keyof BlockTables]?: RowOf<BlockTables[T]>[] }

/** A block as tables: what `split` makes of a verified block. */
export interface SplitBlock extends BlockRef {
  /** Unix seconds. */
  time: number
  rows: BlockRows
}

/** How an effect came about. */
export type EffectKind =
  | 'transfer'
  | 'internal'
  | 'fee'
  | 'tip'
  | 'base_fee_burn'
  | 'blob_fee'
  | 'reward'
  | 'uncle_reward'
  | 'withdrawal'
  | 'mint'
  | 'burn'
  | 'genesis'
  | 'irregular'

/** The asset name of a chain's own coin. */
export const NATIVE_ASSET = 'native'

/** Address of the synthetic account from which coins appear and into which they vanish. */
export const SYNTHETIC_ADDRESS = ''
