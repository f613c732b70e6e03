import type { ChainSource, Identity } from '../schema/chain.ts'
import {
  type AppError,
  EndpointError,
  MalformedAnswerError,
  NotAvailableError,
  ProofError,
  RpcError,
} from '../schema/errors.ts'
import type { EndpointStatus } from '../schema/status.ts'
import type { Chain, SourceOptions } from './chain.ts'
import type { EndpointSettings } from './endpoint.ts'
import { openRpc, type RpcPool, type RpcSettings } from './rpc.ts'

/** Which block is asked for. */
export type Place = { height: number } | { hash: string }

/**
 * The nodes of one chain, as one source. All parts of a block come from one node as long as it answers; what comes out
 * wrong is asked of another. A node that is not of the chain, or not known to be, is never asked.
 */
export interface Nodes<Raw> extends ChainSource<Raw> {
  /**
   * @throws WrongChainError, ConfigError when some endpoint has to be corrected; EndpointError when none can be reached.
   */
  identify(): Promise<Identity>
  /** What each endpoint is, or why that is not known; in the order of `status`. */
  identifyEach(): Promise<(Identity | AppError)[]>
  /** The highest head of all nodes that answer soon after the first. */
  head(): Promise<number>
  /**
   * A block as `accept` makes it out of what a node gave; `source` is that node first. What `accept` refuses with
   * ProofError or MalformedAnswerError is asked of the next node, and the one that gave it rests. It must judge the block
   * by itself: that it does not follow on a stored one is no fault of the node.
   * @throws the most telling error when no node gives a block that is accepted.
   */
  take<Value>(
    place: Place,
    accept: (raw: Raw, source: ChainSource<Raw>) => Value | Promise<Value>,
  ): Promise<Value>
  /** What each node by itself says of the blocks at some heights, asked in this order; in the order of `status`. */
  sights(heights: readonly number[]): Promise<Sight[]>
  status(): EndpointStatus[]
  close(): Promise<void>
}

/** What one node says. */
export interface Sight {
  name: string
  /** The highest head that it ever told; null when it never did. */
  highest: number | null
  /** Hash at each height, null where it has no block; null when it does not answer. */
  hashes: readonly (Uint8Array | null)[] | null
}

export interface NodesOptions {
  source?: SourceOptions
  rpc?: Omit<RpcSettings, 'identify'>
}

/** How long the first head waits for others. */
const HEAD_PATIENCE_MS = 1_000
/** Rest of a node whose block was wrong, when there are others to ask. */
const WRONG_BLOCK_REST_MS = 30_000

/** Opens the endpoints of a chain; nothing is called yet. @throws ConfigError for an address that is not understood. */
export async function openNodes<Raw>(
  chain: Chain<Raw>,
  endpoints: readonly EndpointSettings[],
  options: NodesOptions = {},
): Promise<Nodes<Raw>> {
  const pool = await openRpc(endpoints, {
    ...options.rpc,
    identify: endpoint => chain.open(endpoint).identify(),
  })
  const together = chain.open(pool, options.source)
  const several = pool.names.length > 1
  const first = pool.names.map((_, at) => chain.open(pool.preferring(at), options.source))
  const alone = pool.names.map((_, at) => chain.open(pool.only(at), options.source))
  const heads: (number | null)[] = pool.names.map(() => null)
  const highest: (number | null)[] = pool.names.map(() => null)

  /** Blocks that each is being asked for. */
  const underWay = pool.names.map(() => 0)
  /** About how long it would take, in milliseconds. */
  const loadOf = (at: number) =>
    pool.waitMs(at) + underWay[at]! * Math.max(1, pool.health(at).latencyMs() ?? 1)
  /** Blocks that may still be replaced are asked of the same node as long as it is well: two may be on two branches. */
  const isSettled = (place: Place) =>
    'height' in place &&
    place.height + chain.definition.maxReorgDepth < Math.max(...heads.map(head => head ?? 0))
  const ordered = (place: Place) => inOrder(pool, heads, place, isSettled(place) ? loadOf : () => 0)

  async function head(): Promise<number> {
    if (!several) return keepHead(0, first[0]!)
    const asked = alone.map((source, at) => keepHead(at, source))
    const outcome = await settledSoon(asked, HEAD_PATIENCE_MS)
    // None of them answered at once: with the patience of other calls.
    return outcome.length > 0 ? Math.max(...outcome) : keepHead(0, first[0]!)
  }

  /** The highest that any ever told of. */
  let seen = 0

  async function keepHead(at: number, source: ChainSource<Raw>): Promise<number> {
    const told = await source.head()
    // There was more before: behind one address there may be several nodes, and another is asked this time.
    const height = told < seen ? Math.max(told, await source.head()) : told
    heads[at] = height
    highest[at] = Math.max(height, highest[at] ?? 0)
    seen = Math.max(height, seen)
    return height
  }

  /** What its head says it has is asked for again: behind one address there may be another that has it. */
  async function twice<Value>(at: number, place: Place, ask: () => Promise<Value>): Promise<Value> {
    try {
      return await ask()
    } catch (error) {
      const has = !('height' in place) || (heads[at] ?? -1) >= place.height
      if (!(error instanceof NotAvailableError) || !has) throw error
      return ask()
    }
  }

  async function hashAt(height: number): Promise<Uint8Array> {
    const errors: unknown[] = []
    for (const at of ordered({ height })) {
      try {
        return await twice(at, { height }, () => first[at]!.hashAt(height))
      } catch (error) {
        if (!mayBeElsewhere(error) && !isWrongBlock(error)) throw error
        errors.push(error)
      }
    }
    throw mostTelling(errors)
  }

  async function sightOf(at: number, heights: readonly number[]): Promise<Sight> {
    const source = alone[at]!
    const hashes: (Uint8Array | null)[] = []
    const sight = (told: Sight['hashes']) => ({
      name: pool.names[at]!,
      highest: highest[at]!,
      hashes: told,
    })
    try {
      await keepHead(at, source)
      // One after the other: behind one address there may be several nodes that answer by turns.
      for (const height of heights) {
        hashes.push(
          await source.hashAt(height).catch(error => {
            if (error instanceof NotAvailableError) return null
            throw error
          }),
        )
      }
      return sight(hashes)
    } catch (error) {
      if (!mayBeElsewhere(error) && !isWrongBlock(error)) throw error
      return sight(null)
    }
  }

  async function take<Value>(
    place: Place,
    accept: (raw: Raw, source: ChainSource<Raw>) => Value | Promise<Value>,
  ): Promise<Value> {
    const errors: unknown[] = []
    for (const at of ordered(place)) {
      const source = first[at]!
      underWay[at]!++
      // Where it is not, others answer in its place.
      const ready = pool.ready(at)
      try {
        const raw = await twice(at, place, () =>
          'height' in place ? source.blockAt(place.height) : source.blockByHash(place.hash),
        )
        const value = await accept(raw, source)
        // Left alone since it was asked, others have answered for it.
        if (ready && pool.ready(at)) pool.health(at).credit()
        return value
      } catch (error) {
        errors.push(error)
        const wrong = isWrongBlock(error)
        const empty = saidToHaveIt(at, place, error)
        if (!wrong && !empty && !mayBeElsewhere(error)) throw error
        // What it cannot show may be of one of several behind its address, soon of all: it rests longer each time.
        if ((wrong || empty) && ready)
          pool.health(at).blame(error as AppError, wrong && othersReady(at) ? WRONG_BLOCK_REST_MS : 0)
      } finally {
        underWay[at]!--
      }
    }
    throw mostTelling(errors)
  }

  const others = (at: number) => pool.names.map((_, other) => other).filter(other => other !== at)
  const othersReady = (at: number) => others(at).some(other => pool.ready(other))

  /** A head that nobody else has seen and that it cannot show must not lead the chain again. */
  function saidToHaveIt(at: number, place: Place, error: unknown): boolean {
    const said = heads[at] ?? -1
    if (!(error instanceof NotAvailableError) || !('height' in place) || said < place.height) return false
    heads[at] = null
    highest[at] = null
    return othersReady(at) && others(at).every(other => (heads[other] ?? -1) < place.height)
  }

  return {
    head,
    take,
    identifyEach: () => pool.identifyEach(),
    identify: async () => joinIdentities(await pool.identifyEach()),
    finalized: () => together.finalized(),
    hashAt,
    sights: heights => Promise.all(pool.names.map((_, at) => sightOf(at, heights))),
    blockAt: height => take({ height }, checked),
    blockByHash: hash => take({ hash }, checked),
    recordedHeights: () => together.recordedHeights(),
    ...(together.attachPrevious && { attachPrevious: raw => together.attachPrevious!(raw) }),
    ...(together.watchHead && { watchHead: (signal, wake) => together.watchHead!(signal, wake) }),
    ...(together.coins && { coins: together.coins }),
    ...(together.survey && { survey: () => together.survey!() }),
    status: () => pool.status().map((status, at) => ({ ...status, head: heads[at]! })),
    close: () => pool.close(),
  }

  /** Proven here only where another node could do better: whoever stores the block proves it anyway. */
  function checked(raw: Raw): Raw {
    if (several) chain.verify(raw)
    return raw
  }
}

/**
 * Nodes that may be asked now before the others, those that have the block before those that have not. Of these the
 * ones that are behind come last: what they say may be of a branch that the others have left. Among equals the one with
 * the least load.
 */
function inOrder(
  pool: RpcPool,
  heads: readonly (number | null)[],
  place: Place,
  loadOf: (at: number) => number,
): number[] {
  const best = Math.max(...heads.map(head => head ?? 0))
  const cost = (at: number) => {
    const head = heads[at] ?? best
    const lacks = 'height' in place && head < place.height
    return (pool.ready(at) ? 0 : 4) + (lacks ? 2 : 0) + (head < best ? 1 : 0)
  }
  return pool.names.map((_, at) => at).sort((a, b) => cost(a) - cost(b) || loadOf(a) - loadOf(b) || a - b)
}

const isWrongBlock = (error: unknown) => error instanceof ProofError || error instanceof MalformedAnswerError

/** Parts that do not fit are an EndpointError: they may have come from two nodes, or from two sides of a reorg. */
const mayBeElsewhere = (error: unknown) =>
  error instanceof EndpointError || error instanceof NotAvailableError || error instanceof RpcError

const mostTelling = (errors: readonly unknown[]) => [...errors].sort((a, b) => rankOf(a) - rankOf(b))[0]

function rankOf(error: unknown): number {
  if (isWrongBlock(error)) return 1
  if (error instanceof EndpointError) return 0
  return error instanceof NotAvailableError ? 3 : 2
}

/** What came within `patienceMs` after the first; empty when all failed. */
async function settledSoon<Value>(asked: readonly Promise<Value>[], patienceMs: number): Promise<Value[]> {
  const values: Value[] = []
  const all = Promise.allSettled(asked.map(one => one.then(value => void values.push(value))))
  const answered = await Promise.any(asked).then(
    () => true,
    () => false,
  )
  if (!answered) return []
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<void>(resolve => {
    timer = setTimeout(resolve, patienceMs)
  })
  await Promise.race([all, patience])
  clearTimeout(timer)
  return [...values]
}

/** What all that answered have checked. One that cannot be reached now is not asked before it is identified. */
function joinIdentities(outcomes: readonly (Identity | AppError)[]): Identity {
  const errors = outcomes.filter(outcome => outcome instanceof Error)
  const identities = outcomes.filter((outcome): outcome is Identity => !(outcome instanceof Error))
  const fatal = errors.find(error => !(error instanceof EndpointError))
  if (fatal) throw fatal
  if (identities.length === 0) throw errors[0]
  const unchecked = new Set(identities.flatMap(identity => identity.unchecked))
  const checked = new Set(identities.flatMap(identity => identity.checked))
  return { checked: [...checked].filter(what => !unchecked.has(what)), unchecked: [...unchecked] }
}
