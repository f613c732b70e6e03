import {
  ASSET_NAME,
  CHAIN_EXTENT,
  CHAIN_NAME,
  type ChainExtent,
  EFFECT_ROW,
  type EffectRow,
  type Finality,
  TRANSACTION_ROW,
  type TransactionRow,
} from './graph.ts'
import { type Connection, declarePage, PAGE_FIELDS, passPage } from './lists.ts'

export interface UtxoBlockDetails {
  kind: 'UtxoBlock'
  version: number
  merkleRoot: string
  bits: string
  nonce: number
  difficulty: number
  strippedSize: number
  weight: number
  proofHash: string | null
  coinbaseScript: string
  coinbaseText: string
  subsidy: string | null
  inputCount: number
  outputCount: number
  medianTime: string | null
}

export interface Uncle {
  height: number
  hash: string
  time: string
  producer: string
  reward: string | null
}

export interface Withdrawal {
  index: number
  validatorIndex: number
  address: string
  amount: string
}

export interface EvmBlockDetails {
  kind: 'EvmBlock'
  gasUsed: number
  gasLimit: number
  baseFeePerGas: string | null
  burnt: string | null
  feeReward: string | null
  blockReward: string | null
  uncleInclusionReward: string | null
  evmDifficulty: string
  totalDifficulty: string | null
  stateRoot: string
  transactionsRoot: string
  receiptsRoot: string
  extraData: string
  extraText: string
  evmNonce: string
  mixHash: string
  blobGasUsed: number | null
  excessBlobGas: number | null
  withdrawalsRoot: string | null
  parentBeaconBlockRoot: string | null
  traceSource: string | null
  uncles: Uncle[]
  withdrawals: Connection<Withdrawal>
}

export interface BlockPage {
  height: number
  hash: string
  parentHash: string
  time: string
  transactionCount: number
  size: number | null
  finality: Finality
  confirmations: number
  proofs: string[]
  unproven: { proof: string; reason: string }[]
  previous: { height: number } | null
  next: { height: number } | null
  replacedBy: { height: number; hash: string } | null
  reorg: { batch: number } | null
  fees: string | null
  reward: string | null
  producer: string | null
  details: UtxoBlockDetails | EvmBlockDetails | null
  transactions: Connection<TransactionRow>
  effects: Connection<EffectRow>
}

export interface BlockData {
  chain: ChainExtent | null
  block: BlockPage | null
}
export const blockDocument = /* GraphQL */ `
  query Block($chain: String!, $height: Height, $hash: String, ${declarePage('transactions')}, ${declarePage('withdrawals')}, ${declarePage('effects')}) {
    chain(slug: $chain) { ...ChainExtent }
    block(chain: $chain, height: $height, hash: $hash) {
      height hash parentHash time transactionCount size finality confirmations proofs
      unproven { proof reason } previous { height } next { height } replacedBy { height hash } reorg { batch }
      fees reward producer
      details {
        kind: __typename
        ... on UtxoBlock {
          version merkleRoot bits nonce difficulty strippedSize weight proofHash coinbaseScript coinbaseText
          subsidy inputCount outputCount medianTime
        }
        ... on EvmBlock {
          gasUsed gasLimit baseFeePerGas burnt feeReward blockReward uncleInclusionReward
          evmDifficulty: difficulty totalDifficulty stateRoot transactionsRoot receiptsRoot extraData extraText
          evmNonce: nonce mixHash blobGasUsed excessBlobGas withdrawalsRoot parentBeaconBlockRoot traceSource
          uncles { height hash time producer reward }
          withdrawals(${passPage('withdrawals')}) { nodes { index validatorIndex address amount } ${PAGE_FIELDS} }
        }
      }
      transactions(${passPage('transactions')}) { nodes { ...TransactionRow } ${PAGE_FIELDS} }
      effects(${passPage('effects')}) { nodes { ...EffectRow } ${PAGE_FIELDS} }
    }
  }
  ${CHAIN_NAME} ${CHAIN_EXTENT} ${TRANSACTION_ROW} ${EFFECT_ROW} ${ASSET_NAME}
`
