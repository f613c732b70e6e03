import { CHAIN_NAME, type ChainName, REORG_ROW, type ReorgRow } from './graph.ts'
import { type Connection, declarePage, PAGE_FIELDS, passPage } from './lists.ts'

export interface ReorgsData {
  reorgs: Connection<
    ReorgRow & { orphanedBlocks: { height: number; hash: string; transactionCount: number }[] }
  >
  chains: ChainName[]
}
export const reorgsDocument = /* GraphQL */ `
  query Reorgs($chain: String, ${declarePage('reorgs')}) {
    reorgs(chain: $chain, ${passPage('reorgs')}) {
      nodes { ...ReorgRow orphanedBlocks { height hash transactionCount } }
      ${PAGE_FIELDS}
    }
    chains { ...ChainName }
  }
  ${CHAIN_NAME} ${REORG_ROW}
`
