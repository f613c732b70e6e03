/** How the following of a chain is going. */
export type FollowState = 'starting' | 'catching-up' | 'following' | 'ended' | 'stopped' | 'paused'

export interface EndpointStatus {
  /** Without credentials. */
  name: string
  reachable: boolean
  head: number | null
  /** Median of the last answers, in milliseconds. */
  latencyMs: number | null
  /** How often it is asked at most, as configured or as it was seen to allow; null while no limit is known. */
  callsPerSecond: number | null
  calls: number
  errors: number
  lastError: string | null
}

export interface FollowStatus {
  chain: string
  state: FollowState
  /** One sentence with what to do, when something is wrong. */
  problem: string | null
  /** One sentence on what the nodes have to do or to agree on first, where following waits for that. */
  waitingFor: string | null
  /** Height of the node's head. */
  head: number | null
  safe: number | null
  final: number | null
  /** Heights that are still to be filled in, of those known now. */
  missing: number
  blocksPerSecond: number | null
  etaSeconds: number | null
  nodes: readonly EndpointStatus[]
}

/** Where the API learns what only the crawlers know. */
export interface StatusBoard {
  /** One for every chain that is being followed. */
  follows(): readonly FollowStatus[]
}
