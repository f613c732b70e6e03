import {
  ASSET_NAME,
  type AssetName,
  CHAIN_EXTENT,
  CHAIN_NAME,
  type ChainExtent,
  DECODED_CALL,
  type DecodedCall,
  EFFECT_ROW,
  type EffectRow,
  type Finality,
  TRANSFER_ROW,
  type TransactionStatus,
  type TransferRow,
} from './graph.ts'
import { type Connection, declarePage, PAGE_FIELDS, passPage } from './lists.ts'

export interface UtxoInput {
  index: number
  isCoinbase: boolean
  previousHash: string | null
  previousIndex: number | null
  amount: string | null
  address: string | null
  scriptType: string | null
  source: string
  scriptSig: string
  witness: string[]
  sequence: number
}

export interface UtxoOutput {
  index: number
  amount: string
  address: string
  scriptType: string
  scriptPubkey: string
  text: string | null
  spentBy: { transactionHash: string; index: number; height: number } | null
}

export interface UtxoDetails {
  kind: 'UtxoTransaction'
  version: number
  lockTime: number
  size: number
  virtualSize: number
  weight: number
  witnessHash: string
  isCoinbase: boolean
  inputAmount: string | null
  outputAmount: string | null
  feeRate: number | null
  inputs: Connection<UtxoInput>
  outputs: Connection<UtxoOutput>
}

export interface Log {
  logIndex: number
  address: string
  topics: string[]
  data: string
  event: DecodedCall | null
}

export interface Trace {
  index: number
  traceAddress: number[]
  type: string
  from: string
  to: string | null
  value: string
  gasUsed: number | null
  input: string
  error: string | null
  reverted: boolean
}

export interface EvmDetails {
  kind: 'EvmTransaction'
  type: number
  nonce: number
  from: string
  senderProven: boolean
  to: string | null
  contractAddress: string | null
  value: string
  gasLimit: number
  gasUsed: number | null
  gasPrice: string | null
  maxFeePerGas: string | null
  maxPriorityFeePerGas: string | null
  maxFeePerBlobGas: string | null
  effectiveGasPrice: string | null
  burntFee: string | null
  producerFee: string | null
  blobGasUsed: number | null
  blobVersionedHashes: string[]
  authorizations: { chainId: string; address: string; nonce: number; authority: string | null }[]
  input: string
  call: DecodedCall | null
  logs: Connection<Log>
  traces: Connection<Trace>
}

export interface Movement {
  address: string
  asset: AssetName
  amount: string
}

export interface TransactionPage {
  hash: string
  index: number
  time: string
  block: {
    height: number
    hash: string
    finality: Finality
    confirmations: number
    transactionCount: number
    proofs: string[]
    unproven: { proof: string; reason: string }[]
    replacedBy: { height: number; hash: string } | null
  }
  status: TransactionStatus
  error: string | null
  fee: string | null
  effectsComplete: boolean
  senders: string[]
  receivers: string[]
  senderCount: number
  receiverCount: number
  amount: string | null
  movements: Connection<Movement>
  effects: Connection<EffectRow>
  tokenTransfers: Connection<TransferRow>
  details: UtxoDetails | EvmDetails | null
}

export interface TransactionData {
  chain: ChainExtent | null
  transaction: TransactionPage | null
}
export const transactionDocument = /* GraphQL */ `
  query Transaction(
    $chain: String!, $hash: String!, ${declarePage('inputs')}, ${declarePage('outputs')}, ${declarePage('movements')},
    ${declarePage('effects')}, ${declarePage('transfers')}, ${declarePage('events')}, ${declarePage('calls')}
  ) {
    chain(slug: $chain) { ...ChainExtent }
    transaction(chain: $chain, hash: $hash) {
      hash index time status error fee effectsComplete senders receivers senderCount receiverCount amount
      block {
        height hash finality confirmations transactionCount proofs unproven { proof reason }
        replacedBy { height hash }
      }
      movements(${passPage('movements')}) { nodes { address asset { ...AssetName } amount } ${PAGE_FIELDS} }
      effects(${passPage('effects')}) { nodes { ...EffectRow } ${PAGE_FIELDS} }
      tokenTransfers(${passPage('transfers')}) { nodes { ...TransferRow } ${PAGE_FIELDS} }
      details {
        kind: __typename
        ... on UtxoTransaction {
          version lockTime size virtualSize weight witnessHash isCoinbase inputAmount outputAmount feeRate
          inputs(${passPage('inputs')}) {
            nodes {
              index isCoinbase previousHash previousIndex amount address scriptType source scriptSig witness sequence
            }
            ${PAGE_FIELDS}
          }
          outputs(${passPage('outputs')}) {
            nodes {
              index amount address scriptType scriptPubkey text spentBy { transactionHash index height }
            }
            ${PAGE_FIELDS}
          }
        }
        ... on EvmTransaction {
          type nonce from senderProven to contractAddress value gasLimit gasUsed gasPrice maxFeePerGas
          maxPriorityFeePerGas maxFeePerBlobGas effectiveGasPrice burntFee producerFee blobGasUsed
          blobVersionedHashes authorizations { chainId address nonce authority } input call { ...DecodedCall }
          logs(${passPage('events')}) {
            nodes { logIndex address topics data event { ...DecodedCall } } ${PAGE_FIELDS}
          }
          traces(${passPage('calls')}) {
            nodes { index traceAddress type from to value gasUsed input error reverted } ${PAGE_FIELDS}
          }
        }
      }
    }
  }
  ${CHAIN_NAME} ${CHAIN_EXTENT} ${ASSET_NAME} ${EFFECT_ROW} ${TRANSFER_ROW} ${DECODED_CALL}
`
