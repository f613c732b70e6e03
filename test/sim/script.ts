import type { Transaction } from 'bitcoinjs-lib'
import type { Chain } from '../../crawlers/chain.ts'
import { bitcoinRegtest } from '../../crawlers/chains/bitcoin-regtest.ts'
import { createRegtestChain, type RegtestBlock, type RegtestChain } from '../../deploy/dev/bitcoin-regtest.ts'
import { createRandomness, type Randomness } from '../../deploy/dev/randomness.ts'
import { varyPayments } from '../../deploy/dev/varied-payments.ts'

/** What a node's chain is at one time, from block 0 on. */
export type View = readonly RegtestBlock[]

/** How long the world waits after a step. */
export type Wait = { until: 'handed on' | 'announced' } | { ms: number }

/** What becomes of the program: an orderly stop, or it is gone at some call to the store or the log. */
export type Fate =
  | { kind: 'lives' }
  | { kind: 'stops' }
  | { kind: 'dies'; afterCalls: number; effect: 'before' | 'after' }

export interface Step {
  view: View
  /** What the second endpoint shows, where that is another branch. */
  other?: View
  fate: Fate
  wait: Wait
}

/** Chances are of 10,000 calls. */
export interface NodeFaults {
  error: number
  silent: number
  stale: number
  wrong: number
  truncated: number
  /** Calls of an endpoint, from and to, that are all refused with 429. */
  storms: readonly (readonly [number, number])[]
  /** Blocks that each endpoint is behind; one endpoint for each. */
  lags: readonly number[]
}

/** Chances are of 10,000 calls. */
export interface StoreFaults {
  /** The client gives up; whether the insert was carried out is not known to it. */
  lost: number
  /** The client repeats it and says so. */
  repeated: number
  slow: number
  slowMs: number
}

/** Everything that a seed decides. */
export interface Script {
  seed: number
  /** How long a step waits for what it waits for; then the world goes on, and that is a case too. */
  stepPatienceMs: number
  chain: Chain
  historyFrom: number
  maxUnreadBytes: number
  /** Two splitters on the partition of the tip. */
  rivals: boolean
  lookAhead: number
  steps: readonly Step[]
  /** What the chain is in the end. */
  final: View
  node: NodeFaults
  store: StoreFaults
}

/** Blocks that all scripts share: enough that coins are ripe. */
const BASE_BLOCKS = 101
export const WALLET = 'simulation'
/** Branches of one seed never meet those of another. */
const BRANCHES = 1_000

/** Blocks 1 to 101 of every script's chain. */
export function mineBase(): Uint8Array[] {
  const chain = createRegtestChain({ seed: WALLET })
  return Array.from({ length: BASE_BLOCKS }, () => chain.mine().bytes)
}

/** Makes a script of a seed; each concern draws by itself, so that a change to one leaves the others as they were. */
export function writeScript(seed: number, base: readonly Uint8Array[]): Script {
  const draws = (concern: string) => createRandomness(`${seed}/${concern}`)
  const views = writeViews(
    createRegtestChain({ seed: WALLET, blocks: base, branch: (seed + 1) * BRANCHES }),
    draws('views'),
  )
  const random = draws('settings')
  const maxReorgDepth = deepest(views) + 1 + random.integer(10)
  const safe = 1 + random.integer(5)
  const finality = { kind: 'confirmations', safe, final: 2 * safe } as const
  const { definition } = bitcoinRegtest
  return {
    seed,
    stepPatienceMs: 4_000,
    chain: {
      ...bitcoinRegtest,
      definition: { ...definition, slug: `sim-${seed}`, finality, maxReorgDepth },
    } as Chain,
    // Mostly the blocks with transactions, and a few before.
    historyFrom: random.integer(4) === 0 ? 0 : 80 + random.integer(22),
    maxUnreadBytes: random.pick([64 * 1024 * 1024, 64 * 1024, 16 * 1024]),
    rivals: random.integer(4) === 0,
    lookAhead: random.pick([1, 4, 16]),
    steps: withFates(views, draws('fates')),
    final: views.at(-1)!,
    node: nodeFaults(draws('node faults')),
    store: storeFaults(draws('store faults')),
  }
}

function writeViews(chain: RegtestChain, random: Randomness): View[] {
  const path = (height = chain.head.height): View =>
    Array.from({ length: height + 1 }, (_, at) => chain.blockAt(at)!)
  const views: View[] = []
  const mine = () => (random.integer(4) === 0 ? chain.mineVaried().block : chain.mine())
  const grow = (blocks: number) => {
    for (let at = 0; at < blocks; at++) mine()
  }
  const reorg = (depth: number) => {
    let mined = 0
    // Most blocks of long branches are empty: what matters is that they are others.
    chain.reorg(depth, () => (mined++ % 8 === 0 ? payments(chain, random) : []))
  }
  // A young chain, or one that is there for long.
  if (random.integer(6) === 0) {
    for (let at = 0; at < 3; at++) views.push(path(1 + at * 30 + random.integer(20)))
  }
  grow(1 + random.integer(25))
  views.push(path())
  const steps = 1 + random.integer(4)
  for (let at = 0; at < steps; at++) {
    const height = chain.head.height
    const kind = random.integer(10)
    if (kind < 4) {
      grow(1 + random.integer(6))
    } else if (kind < 7) {
      reorg(depthOf(random))
    } else if (kind < 8) {
      // At first the new branch is as high as the old one.
      reorg(depthOf(random))
      views.push(path(height))
    } else if (kind < 9) {
      // The node falls back before it goes another way.
      const depth = depthOf(random)
      views.push(path(height - depth))
      reorg(depth)
    } else {
      // Two branches in turn, each a block higher than the other was: the same blocks leave and come back.
      const extra = 2 + random.integer(3)
      grow(extra)
      const first = path()
      reorg(1 + random.integer(6) + extra)
      const second = path()
      for (let top = height + 1; top <= height + extra; top++) {
        views.push((top % 2 === height % 2 ? first : second).slice(0, top + 1))
      }
    }
    views.push(path())
  }
  // In the end one branch is the longest by far.
  grow(4)
  views.push(path())
  return views
}

/** Mostly a few blocks, now and then up to 64. */
function depthOf(random: Randomness): number {
  const kind = random.integer(20)
  if (kind < 12) return 1 + random.integer(3)
  return kind < 17 ? 4 + random.integer(13) : 17 + random.integer(48)
}

/** Payments of all kinds for the next block. */
function payments(chain: RegtestChain, random: Randomness): Transaction[] {
  return varyPayments(chain.wallet, chain.spendable(), chain.head.height + 1, random).map(
    payment => payment.transaction,
  )
}

/** The most blocks that anybody who follows one view has to give up for another. */
export function deepest(views: readonly View[]): number {
  let most = 1
  for (const one of views) {
    for (const other of views) {
      let common = Math.min(one.length, other.length) - 1
      while (one[common] !== other[common]) common--
      most = Math.max(most, one.length - 1 - common)
    }
  }
  return most
}

function withFates(views: readonly View[], random: Randomness): Step[] {
  const restless = random.integer(3) === 0 ? 0 : 4
  return views.map(view => {
    const kind = random.integer(12)
    const afterCalls = 1 + random.integer(random.pick([20, 150, 400]))
    const effect = random.pick(['before', 'after'] as const)
    const fate: Fate =
      kind >= restless
        ? { kind: 'lives' }
        : kind === 0
          ? { kind: 'stops' }
          : { kind: 'dies', afterCalls, effect }
    const waiting = random.integer(6)
    const wait: Wait =
      waiting < 2
        ? { until: 'handed on' }
        : waiting < 4
          ? { until: 'announced' }
          : { ms: random.integer(120) }
    return { view, fate, wait }
  })
}

function nodeFaults(random: Randomness): NodeFaults {
  const storms = Array.from({ length: random.integer(4) }, () => {
    const from = random.integer(1_500)
    return [from, from + 5 + random.integer(60)] as const
  })
  return {
    error: random.pick([0, 100, 200, 500]),
    silent: random.pick([0, 0, 10]),
    stale: random.pick([0, 0, 200, 1_000]),
    wrong: random.pick([0, 0, 50, 200]),
    truncated: random.pick([0, 0, 50, 200]),
    storms: random.integer(2) === 0 ? [] : storms,
    lags: random.pick([[0], [0, 0], [0, 5 + random.integer(30)], [5 + random.integer(30), 0]]),
  }
}

function storeFaults(random: Randomness): StoreFaults {
  return {
    lost: random.pick([0, 0, 30, 100]),
    repeated: random.pick([0, 0, 50, 200]),
    slow: random.pick([0, 300, 2_000]),
    slowMs: 5 + random.integer(60),
  }
}
