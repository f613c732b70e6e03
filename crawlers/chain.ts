import type { ChainModule, ChainSource } from '../schema/chain.ts'
import type { Rpc } from './rpc.ts'

export interface SourceOptions {
  /** Prove EVM senders by signature recovery (72 µs each). */
  recoverSenders?: boolean
  /** Ask EVM nodes for call frames. */
  traces?: boolean
}

/** A chain with the code that talks to its nodes. */
// biome-ignore lint/suspicious/noExplicitAny: each family has its own raw block, opaque to everybody else
export interface Chain<Raw = any> extends ChainModule<Raw> {
  open(rpc: Rpc, options?: SourceOptions): ChainSource<Raw>
}
