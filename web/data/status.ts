import {
  CHAIN_EXTENT,
  CHAIN_NAME,
  type ChainExtent,
  type ChainName,
  FOLLOWING,
  type Following,
} from './graph.ts'

export interface ChainStatus extends ChainExtent {
  finalHeight: number | null
  blockCount: number
  transactionCount: number
  incompleteBecause: string
  following: Following | null
  reorgs: { nodes: { time: string }[]; totalCount: number }
}

export interface DeadLetter {
  chain: ChainName
  height: number | null
  code: string
  reason: string
  time: string
  attempts: number
}

export interface DifferingRange {
  chain: ChainName
  fromHeight: number
  toHeight: number
  differences: string[]
  time: string
}

export interface StatusData {
  status: {
    version: string
    startedAt: string
    deadLetters: number
    setAside: DeadLetter[]
    differences: DifferingRange[]
    chains: ChainStatus[]
  }
}
export const statusDocument = /* GraphQL */ `
  query Status {
    status {
      version startedAt deadLetters
      setAside { chain { ...ChainName } height code reason time attempts }
      differences { chain { ...ChainName } fromHeight toHeight differences time }
      chains {
        ...ChainExtent finalHeight blockCount transactionCount incompleteBecause following { ...Following }
        reorgs(first: 1) { nodes { time } totalCount }
      }
    }
  }
  ${CHAIN_NAME} ${CHAIN_EXTENT} ${FOLLOWING}
`
