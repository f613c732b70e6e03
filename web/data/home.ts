import {
  type ActivityPoint,
  BLOCK_ROW,
  type BlockRow,
  CHAIN_EXTENT,
  CHAIN_NAME,
  type ChainExtent,
  FOLLOWING,
  type Following,
  type ProofCount,
  REORG_ROW,
  type ReorgRow,
} from './graph.ts'
import { type Connection, declarePage, PAGE_FIELDS, passPage } from './lists.ts'

export interface ChainSummary extends ChainExtent {
  blockCount: number
  transactionCount: number
  following: Following | null
  activity: ActivityPoint[]
  proofCounts: ProofCount[]
}
export const CHAIN_SUMMARY = /* GraphQL */ `
  fragment ChainSummary on Chain {
    ...ChainExtent blockCount transactionCount following { ...Following }
    activity(points: 24) { time blocks transactions } proofCounts { proof blocks of }
  }
  ${CHAIN_EXTENT} ${FOLLOWING}
`

export interface HomeData {
  chains: ChainSummary[]
  blocks: Connection<BlockRow>
  reorgs: Connection<ReorgRow>
}
export const homeDocument = /* GraphQL */ `
  query Home(${declarePage('blocks')}) {
    chains { ...ChainSummary }
    blocks(${passPage('blocks')}) { nodes { ...BlockRow } ${PAGE_FIELDS} }
    reorgs(first: 5) { nodes { ...ReorgRow } ${PAGE_FIELDS} }
  }
  ${CHAIN_NAME} ${CHAIN_SUMMARY} ${BLOCK_ROW} ${REORG_ROW}
`

/** What pages listen to: the script only counts the answers and asks for the page again. */
export const liveDocument =
  'subscription NewBlocks($chain: String) { newBlocks(chain: $chain) { type history } }'
