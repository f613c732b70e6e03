import {
  ASSET_NAME,
  type AssetName,
  BLOCK_ROW,
  type BlockRow,
  CHAIN_NAME,
  REORG_ROW,
  type ReorgRow,
} from './graph.ts'
import { CHAIN_SUMMARY, type ChainSummary } from './home.ts'
import { type Connection, declarePage, PAGE_FIELDS, passPage } from './lists.ts'

export interface ChainPage extends ChainSummary {
  caip2: string
  family: string
  genesisHash: string | null
  safeHeight: number | null
  finalHeight: number | null
  incompleteBecause: string
  blocks: Connection<BlockRow>
  assets: Connection<AssetName>
  reorgs: Connection<ReorgRow>
}

export interface ChainData {
  chain: ChainPage | null
}
export const chainDocument = /* GraphQL */ `
  query Chain($chain: String!, ${declarePage('blocks')}, ${declarePage('assets')}) {
    chain(slug: $chain) {
      ...ChainSummary caip2 family genesisHash safeHeight finalHeight incompleteBecause
      blocks(${passPage('blocks')}) { nodes { ...BlockRow } ${PAGE_FIELDS} }
      assets(${passPage('assets')}) { nodes { ...AssetName } ${PAGE_FIELDS} }
      reorgs(first: 5) { nodes { ...ReorgRow } ${PAGE_FIELDS} }
    }
  }
  ${CHAIN_NAME} ${CHAIN_SUMMARY} ${BLOCK_ROW} ${ASSET_NAME} ${REORG_ROW}
`
