import { CHAIN_EXTENT, CHAIN_NAME, type ChainExtent, REORG_ROW, type ReorgRow } from './graph.ts'
import { type Connection, declarePage, PAGE_FIELDS, passPage } from './lists.ts'

/** A transaction of a block that left its chain, and where it is now. */
export interface AffectedTransaction {
  hash: string
  index: number
  block: { height: number; hash: string }
  minedAgain: { index: number; block: { height: number; hash: string } } | null
}
export const AFFECTED_TRANSACTION = /* GraphQL */ `
  fragment AffectedTransaction on Transaction {
    hash index block { height hash } minedAgain { index block { height hash } }
  }
`

export interface OrphanedBlock {
  height: number
  hash: string
  transactionCount: number
  replacedBy: { height: number; hash: string } | null
}

export interface ReorgPage extends ReorgRow {
  dropped: number
  orphanedBlocks: OrphanedBlock[]
  affected: Connection<AffectedTransaction>
}

export interface ReorgData {
  chain: ChainExtent | null
  reorg: ReorgPage | null
}
export const reorgDocument = /* GraphQL */ `
  query Reorg($chain: String!, $batch: Height!, ${declarePage('affected')}) {
    chain(slug: $chain) { ...ChainExtent }
    reorg(chain: $chain, batch: $batch) {
      ...ReorgRow dropped
      orphanedBlocks { height hash transactionCount replacedBy { height hash } }
      affected(${passPage('affected')}) { nodes { ...AffectedTransaction } ${PAGE_FIELDS} }
    }
  }
  ${CHAIN_NAME} ${CHAIN_EXTENT} ${REORG_ROW} ${AFFECTED_TRANSACTION}
`
