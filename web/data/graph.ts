/** The parts of the graph that several pages show: a fragment and the shape of what it answers. */

export type Ledger = 'UTXO' | 'ACCOUNT' | 'RECORDS'
export type Finality = 'PENDING' | 'SAFE' | 'FINAL' | 'ORPHANED'
export type TransactionStatus = 'SUCCESS' | 'FAILED' | 'UNKNOWN'
export type FollowState = 'STARTING' | 'CATCHING_UP' | 'FOLLOWING' | 'ENDED' | 'STOPPED' | 'PAUSED'

/** How amounts of it are written. */
export interface Unit {
  symbol: string | null
  decimals: number | null
}

export interface ChainName {
  slug: string
  name: string
  ledger: Ledger
  native: Unit
}
export const CHAIN_NAME = /* GraphQL */ `
  fragment ChainName on Chain { slug name ledger native { symbol decimals } }
`

/** Where a chain stands: for whoever looks for something that it does not have yet. */
export interface ChainExtent extends ChainName {
  tip: { height: number; time: string } | null
  head: number | null
  ranges: { from: number; to: number }[]
  complete: boolean
}
export const CHAIN_EXTENT = /* GraphQL */ `
  fragment ChainExtent on Chain { ...ChainName tip { height time } head ranges { from to } complete }
`

export interface AssetName extends Unit {
  asset: string
  standard: string
  contract: string | null
  tokenId: string | null
  name: string | null
}
export const ASSET_NAME = /* GraphQL */ `
  fragment AssetName on Asset { asset standard contract tokenId symbol name decimals }
`

export interface EndpointStatus {
  name: string
  reachable: boolean
  head: number | null
  latencyMs: number | null
  callsPerSecond: number | null
  calls: number
  errors: number
  lastError: string | null
}

export interface Following {
  state: FollowState
  problem: string | null
  waitingFor: string | null
  lag: number | null
  missing: number
  blocksPerSecond: number | null
  etaSeconds: number | null
  nodes: EndpointStatus[]
}
export const FOLLOWING = /* GraphQL */ `
  fragment Following on Following {
    state problem waitingFor lag missing blocksPerSecond etaSeconds
    nodes { name reachable head latencyMs callsPerSecond calls errors lastError }
  }
`

export interface ActivityPoint {
  time: string
  blocks: number
  transactions: number
}

export interface ProofCount {
  proof: string
  blocks: number
  of: number
}

export interface BlockRow {
  chain: ChainName
  height: number
  hash: string
  time: string
  transactionCount: number
  size: number | null
  finality: Finality
  producer: string | null
}
export const BLOCK_ROW = /* GraphQL */ `
  fragment BlockRow on Block {
    chain { ...ChainName } height hash time transactionCount size finality producer
  }
`

export interface TransactionRow {
  hash: string
  index: number
  status: TransactionStatus
  fee: string | null
  amount: string | null
  senders: string[]
  receivers: string[]
  senderCount: number
  receiverCount: number
  details:
    | { kind: 'UtxoTransaction'; isCoinbase: boolean }
    | { kind: 'EvmTransaction'; to: string | null; call: { name: string } | null }
    | null
}
export const TRANSACTION_ROW = /* GraphQL */ `
  fragment TransactionRow on Transaction {
    hash index status fee amount senders receivers senderCount receiverCount
    details {
      kind: __typename
      ... on UtxoTransaction { isCoinbase }
      ... on EvmTransaction { to call { name } }
    }
  }
`

export interface EffectRow {
  height: number
  time: string
  index: number
  transactionHash: string | null
  address: string
  asset: AssetName
  amount: string
  kind: string
}
export const EFFECT_ROW = /* GraphQL */ `
  fragment EffectRow on Effect {
    height time index transactionHash address asset { ...AssetName } amount kind
  }
`

export interface TransferRow {
  height: number
  time: string
  transactionHash: string
  logIndex: number
  batchIndex: number
  standard: string
  asset: AssetName
  token: string
  from: string
  to: string
  tokenId: string | null
  amount: string
}
export const TRANSFER_ROW = /* GraphQL */ `
  fragment TransferRow on TokenTransfer {
    height time transactionHash logIndex batchIndex standard asset { ...AssetName } token from to tokenId amount
  }
`

export interface ReorgRow {
  chain: ChainName
  time: string
  height: number
  depth: number
  oldHash: string
  newHash: string
  commonAncestor: string
  transactions: number
  batch: number
}
export const REORG_ROW = /* GraphQL */ `
  fragment ReorgRow on Reorg {
    chain { ...ChainName } time height depth oldHash newHash commonAncestor transactions batch
  }
`

export interface DecodedCall {
  selector: string
  name: string
  signature: string
  arguments: { name: string; type: string; value: string }[]
}
export const DECODED_CALL = /* GraphQL */ `
  fragment DecodedCall on DecodedCall { selector name signature arguments { name type value } }
`
