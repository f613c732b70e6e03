import {
  ASSET_NAME,
  type AssetName,
  CHAIN_EXTENT,
  CHAIN_NAME,
  type ChainExtent,
  type ChainName,
} from './graph.ts'

export type SearchTarget =
  | { kind: 'Block'; height: number; hash: string; time: string; transactionCount: number }
  | { kind: 'Transaction'; hash: string; time: string; block: { height: number } }
  | { kind: 'Address'; address: string; addressTransactions: number }
  | ({ kind: 'Asset' } & AssetName)
  | { kind: 'Chain'; slug: string; chainName: string }

export interface SearchData {
  search: {
    readAs: string[]
    hits: { chain: ChainName; target: SearchTarget }[]
    notIndexed: ChainExtent[]
  }
  chains: ChainExtent[]
}
export const searchDocument = /* GraphQL */ `
  query Search($query: String!) {
    search(query: $query) {
      readAs
      hits {
        chain { ...ChainName }
        target {
          kind: __typename
          ... on Block { height hash time transactionCount }
          ... on Transaction { hash time block { height } }
          ... on Address { address addressTransactions: transactionCount }
          ... on Asset { ...AssetName }
          ... on Chain { slug chainName: name }
        }
      }
      notIndexed { ...ChainExtent }
    }
    chains { ...ChainExtent }
  }
  ${CHAIN_NAME} ${CHAIN_EXTENT} ${ASSET_NAME}
`
