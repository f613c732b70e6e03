/**
 * A block header. The last six fields came with forks: null where the header does not have them. Which are there
 * decides how the header is encoded.
 */
export interface EvmHeader {
  parentHash: Buffer
  unclesHash: Buffer
  miner: Buffer
  stateRoot: Buffer
  transactionsRoot: Buffer
  receiptsRoot: Buffer
  logsBloom: Buffer
  difficulty: bigint
  height: number
  gasLimit: bigint
  gasUsed: bigint
  /** Unix seconds. */
  time: number
  extraData: Buffer
  mixHash: Buffer
  nonce: Buffer
  /** EIP-1559, wei. */
  baseFeePerGas: bigint | null
  /** EIP-4895. */
  withdrawalsRoot: Buffer | null
  /** EIP-4844. */
  blobGasUsed: bigint | null
  /** EIP-4844. */
  excessBlobGas: bigint | null
  /** EIP-4788. */
  parentBeaconBlockRoot: Buffer | null
  /** EIP-7685. */
  requestsHash: Buffer | null
}

/** EIP-2930. */
export interface AccessEntry {
  address: Buffer
  storageKeys: Buffer[]
}

/** EIP-7702. */
export interface Authorization {
  chainId: bigint
  address: Buffer
  nonce: bigint
  yParity: bigint
  r: bigint
  s: bigint
}

/** A transaction of type 0 to 4. Fields that its type does not have are null or empty. */
/** What travels beside a blob transaction through the network (EIP-4844); not part of a block by the specification. */
export interface BlobSidecar {
  blobs: Buffer[]
  commitments: Buffer[]
  proofs: Buffer[]
}

export interface EvmTransaction {
  type: number
  /** As claimed by the node; computed where the node gave RLP. */
  hash: Buffer
  /** As told by the node; recovered where the node gave RLP. */
  from: Buffer
  /** For type 0 what `v` says (EIP-155), null before it. */
  chainId: bigint | null
  nonce: bigint
  gasPrice: bigint | null
  maxPriorityFeePerGas: bigint | null
  maxFeePerGas: bigint | null
  gasLimit: bigint
  /** Null for a contract creation. */
  to: Buffer | null
  value: bigint
  input: Buffer
  accessList: AccessEntry[]
  maxFeePerBlobGas: bigint | null
  blobVersionedHashes: Buffer[]
  authorizationList: Authorization[]
  /** For types 1 to 4 the parity of y. */
  v: bigint
  r: bigint
  s: bigint
  /** Only where the chain's blocks commit to it (`blobSidecarsInRoot`). */
  sidecar?: BlobSidecar
}

export interface EvmLog {
  address: Buffer
  topics: Buffer[]
  data: Buffer
  /** Place in the block; as told by the node, or counted where it gave RLP. */
  index: number
}

/** What a node says about a receipt besides what the receipts root commits to. */
export interface ToldOutcome {
  transactionHash: Buffer
  gasUsed: bigint
  /** Null where the node does not tell. */
  effectiveGasPrice: bigint | null
  blobGasUsed: bigint | null
  blobGasPrice: bigint | null
}

export interface EvmReceipt {
  type: number
  /** 1 or 0 since Byzantium (EIP-658), null before. */
  status: 0 | 1 | null
  /** State root after the transaction, before Byzantium. */
  stateRoot: Buffer | null
  cumulativeGasUsed: bigint
  logsBloom: Buffer
  logs: EvmLog[]
  /** Null where the node gave RLP. */
  told: ToldOutcome | null
}

/** EIP-4895. */
export interface EvmWithdrawal {
  index: bigint
  validatorIndex: bigint
  address: Buffer
  /** Gwei. */
  amount: bigint
}

/** Frame types in the order of their codes in the archive. */
export const FRAME_TYPES = [
  'CALL',
  'CALLCODE',
  'DELEGATECALL',
  'STATICCALL',
  'CREATE',
  'CREATE2',
  'SELFDESTRUCT',
] as const

export type FrameType = (typeof FRAME_TYPES)[number]

/** One call of a transaction, as told by the node: nothing in the block commits to it. */
export interface CallFrame {
  type: FrameType
  /** Child numbers from the top call down. */
  traceAddress: number[]
  from: Buffer
  /** Null for a creation that failed. */
  to: Buffer | null
  value: bigint
  gas: bigint | null
  gasUsed: bigint | null
  input: Buffer
  output: Buffer
  error: string | null
  /** This frame or one above it failed. */
  reverted: boolean
}

/** Call frames come from these methods, in the order in which they are asked. */
export const TRACE_SOURCES = ['', 'debug_traceBlockByNumber', 'trace_block'] as const

export type TraceSource = (typeof TRACE_SOURCES)[number]

/** What an account has in block 0. */
export interface GenesisAccount {
  address: Buffer
  /** Base units. */
  balance: bigint
  nonce: bigint
  code: Buffer
  storage: readonly { slot: Buffer; value: bigint }[]
}

/** A block as the node gave it: validated in shape, not yet proven. */
export interface EvmRaw {
  askedHeight: number | null
  askedHash: Buffer | null
  /** The hash under which the node gave the block; null where it gave RLP. */
  claimedHash: Buffer | null
  /** The node gave RLP: what it did not tell was computed, and senders are always recovered. */
  fromRlp: boolean
  header: EvmHeader
  transactions: EvmTransaction[]
  /** As told by the node, or computed from the headers. */
  uncleHashes: Buffer[]
  /** Null where the node did not give their headers. */
  uncles: EvmHeader[] | null
  /** Null before EIP-4895, and where the node did not give them. */
  withdrawals: EvmWithdrawal[] | null
  receipts: EvmReceipt[] | null
  /** Depth first, one list for each transaction. */
  traces: CallFrame[][] | null
  traceSource: TraceSource
  /** Prove the senders by recovering them. */
  recoverSenders: boolean
  /** As the node says. */
  totalDifficulty: bigint | null
  /** Balances of block 0 as a development node tells them; only where nothing else does. */
  allocations?: readonly { address: Buffer; balance: bigint }[]
}

/** Consensus encodings of a verified block's transactions, whose hashes are proven, and of its receipts. */
export interface Encodings {
  transactions: readonly Buffer[]
  receipts: readonly Buffer[] | null
}
