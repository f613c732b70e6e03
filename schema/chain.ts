import type { BlockRef, SplitBlock } from './block.ts'

/** How a chain writes its hashes: `hex` (Bitcoin), `0x` (EVM), or the text itself. Stored binary except `text`. */
export type HashForm = 'hex' | '0x' | 'text'

/** Which kind of ledger a chain keeps; pages and effects differ by it, never by chain. */
export type LedgerKind = 'utxo' | 'account' | 'records'

/** When a block counts as final: after a number of confirmations, or by the node's `safe`/`finalized` tags. */
export type Finality =
  | { kind: 'confirmations'; safe: number; final: number }
  | { kind: 'tags'; fallback: { safe: number; final: number } }

/** What outsiders and pages know about a chain. Plain data: everything that is code belongs to the family. */
export interface ChainDefinition {
  /** `bitcoin`: lower case, digits and dashes. The value of every `chain` column. */
  slug: string
  /** `Bitcoin`. */
  name: string
  /** CAIP-2 identifier, for example `eip155:1`. */
  caip2: string
  family: string
  ledger: LedgerKind
  hashForm: HashForm
  /** Hash of block 0 as the chain prints it; null when only the operator knows it (private chains). */
  genesisHash: string | null
  native: { symbol: string; name: string; decimals: number }
  finality: Finality
  /** Deepest reorg that is followed without asking the operator, in blocks. */
  maxReorgDepth: number
  /** Why effects cannot add up to balances even with all history (genesis allocations not known, …); empty when they do. */
  partialEffects: string
  /** Public endpoints that are used when the operator names none. */
  endpoints: readonly string[]
}

/**
 * What was proven about a block. Integrity: `hash`, `txRoot`, `receiptsRoot`, `logsBloom`, `withdrawalsRoot`,
 * `uncles`, `requestsHash`, `witness`, `height`, `inputs` (every spent output proven), `senders`. Anchor:
 * `pow`, `checkpoint` (hash equals one in the chain's definition). `parent` is added when the parent is stored.
 */
export interface Verified extends BlockRef {
  parentHash: Uint8Array
  /** Unix seconds. */
  time: number
  transactionCount: number
  /** In the order given above, without duplicates. */
  proofs: readonly string[]
  /**
   * Hashes that it took to find the block, as its bits say; the proof `pow` covers it. Of two branches the one with
   * more of it is the chain. Absent where chains are chosen in another way.
   */
  work?: bigint
}

/** An output that an input spends, named as Bitcoin-like chains do; the hash in printed order. */
export interface Outpoint {
  hash: Uint8Array
  index: number
}

/** A previously created output, with where its facts come from. */
export interface KnownOutput {
  /** Base units. */
  amount: bigint
  /** The locking script. */
  script: Uint8Array
}

/** Finds outputs of blocks that are already stored and proven; `null` where one is not known. In bulk. */
export type OutputLookup = (outpoints: readonly Outpoint[]) => Promise<readonly (KnownOutput | null)[]>

/** What the node says about itself, compared with the definition. */
export interface Identity {
  /** What could be compared and was equal, for example `chainId`, `genesisHash`. */
  checked: readonly string[]
  /** What the endpoint could not tell. */
  unchecked: readonly string[]
}

/** What a node can do, told to the operator: nothing else depends on it. */
export interface NodeSurvey {
  /** Whether it is still catching up with its network; null when it does not say. */
  syncing: boolean | null
  abilities: readonly {
    /** For example `receipts of a block in one call`. */
    what: string
    /** Null when there was nothing to try it on. */
    available: boolean | null
    /** What is missing in the tables, or slower, without it. */
    without: string
  }[]
}

/**
 * What nodes themselves say about coins; in bulk, in the order given. `balances`: after the block of a height, base units.
 * `outputs`: amounts of outputs in the coin set of the newest block, null for one that is spent or was never made.
 */
export type NodeCoins =
  | { kind: 'balances'; balancesAt(height: number, addresses: readonly string[]): Promise<bigint[]> }
  | { kind: 'outputs'; unspent(outpoints: readonly Outpoint[]): Promise<(bigint | null)[]> }

/** All I/O of a chain. `Raw` is what `verify` and `split` take: node answers, validated in shape, not yet proven. */
export interface ChainSource<Raw> {
  /** @throws WrongChainError when the endpoint is of another chain. */
  identify(): Promise<Identity>
  /** Height of the node's head. */
  head(): Promise<number>
  /** Highest block that the node calls final; null where the chain has no such notion. */
  finalized(): Promise<number | null>
  /** Hash of the block at a height as the node tells it, unproven. @throws NotAvailableError when it has none. */
  hashAt(height: number): Promise<Uint8Array>
  /** @throws NotAvailableError when the node has no such block. */
  blockAt(height: number): Promise<Raw>
  blockByHash(hash: string): Promise<Raw>
  /**
   * Wakes when there may be a new head, where nodes tell of them by themselves; also at the beginning and after an
   * interruption. A hint only: heads may come without it, so `head` is to be asked now and then all the same. Ends when
   * `signal` is aborted, or when no node tells.
   */
  watchHead?(signal: AbortSignal, wake: () => void): Promise<void>
  /**
   * Asks the node for the transactions of outputs that are still open (utxo chains only). What comes with its bytes is
   * proven by its hash; what is only told is marked so; what the node does not have stays open.
   */
  attachPrevious?(raw: Raw): Promise<Raw>
  /** To compare sums of effects with. */
  coins?: NodeCoins
  /** Tries what indexing would ask for, on a few blocks. */
  survey?(): Promise<NodeSurvey>
  /** Heights whose complete block is in a recording, ascending; null when no endpoint is a recording. */
  recordedHeights(): Promise<number[] | null>
}

/** A verified block with what proving it already made: its rows and its archive form are the same, with less work. */
export interface ProvenBlock {
  verified: Verified
  /** As `ChainModule.split`. @param verified the block's own, with `parent` where that was proven. */
  split(verified: Verified): SplitBlock
  /** As `ChainModule.encode`. */
  encode(): Uint8Array
}

/**
 * One chain, ready to use: a definition and its family's code. `verify`, `split`, `encode` and `decode` are pure.
 */
export interface ChainModule<Raw = unknown> {
  definition: ChainDefinition
  /**
   * Proves what the block commits to.
   * @throws ProofError naming the proof that failed.
   */
  verify(raw: Raw): Verified
  /** `verify`, `split` and `encode` of one block, for who needs all three. @throws ProofError as `verify` does. */
  prove?(raw: Raw): ProvenBlock
  /** Rows of one verified block. Never reads the store. */
  split(raw: Raw, verified: Verified): SplitBlock
  /** The archive form: the bytes that were verified and all that `split` took besides. `decode(encode(raw))` is equal to raw. */
  encode(raw: Raw): Uint8Array
  /** About how many bytes `encode` gives, without the work: for sizing batches. */
  sizeOf(raw: Raw): number
  /** @throws MalformedAnswerError when the bytes are not of this family's archive format. */
  decode(bytes: Uint8Array): Raw
  /** Hash text as the chain prints it → binary; null when it cannot be a block or transaction hash of this chain. */
  parseHash(text: string): Uint8Array | null
  formatHash(hash: Uint8Array): string
  /** Spent outputs of a block (utxo chains only). */
  outputs?: {
    /** Outpoints whose output is not known yet, in input order. */
    open(raw: Raw): Outpoint[]
    /** Same order as `open`; null leaves one open. What is attached comes from proven blocks (source `stored`). */
    attach(raw: Raw, found: readonly (KnownOutput | null)[]): Raw
    /** Outputs that the block creates; transaction hashes are computed from the block's bytes. */
    created(raw: Raw): { outpoint: Outpoint; output: KnownOutput }[]
    /** Spent outputs that were attached from stored blocks: the block alone does not prove them. */
    stored(raw: Raw): { outpoint: Outpoint; output: KnownOutput }[]
  }
  /** The block with every proof switched on that costs too much for every day (`senders`): what `check` proves. */
  thorough?(raw: Raw): Raw
}
