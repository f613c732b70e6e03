import { CHAIN_EXTENT, CHAIN_NAME, type ChainExtent } from './graph.ts'

/** What is there at all: for whoever asked for something that is not. */
export interface ExtentsData {
  chains: ChainExtent[]
}
export const extentsDocument = /* GraphQL */ `
  query Extents { chains { ...ChainExtent } }
  ${CHAIN_NAME} ${CHAIN_EXTENT}
`
