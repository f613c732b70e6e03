import type { Chain } from '../../crawlers/chain.ts'
import { bitcoinRegtest } from '../../crawlers/chains/bitcoin-regtest.ts'
import { createRegtestChain, type RegtestChain } from '../../deploy/dev/bitcoin-regtest.ts'
import { createRandomness } from '../../deploy/dev/randomness.ts'
import { deepest, type Script, type Step, type View, WALLET } from './script.ts'

/** A world without faults. */
export const CALM: Pick<Script, 'node' | 'store'> = {
  node: { error: 0, silent: 0, stale: 0, wrong: 0, truncated: 0, storms: [], lags: [0, 0] },
  store: { lost: 0, repeated: 0, slow: 0, slowMs: 0 },
}

/** Steps of a world without faults: only the chain itself is restless. */
function calmScript(name: string, steps: readonly Pick<Step, 'view' | 'other'>[]): Script {
  const maxReorgDepth = deepest(steps.flatMap(({ view, other }) => (other ? [view, other] : [view]))) + 1
  const { definition } = bitcoinRegtest
  return {
    seed: 0,
    stepPatienceMs: 30_000,
    chain: { ...bitcoinRegtest, definition: { ...definition, slug: name, maxReorgDepth } } as Chain,
    historyFrom: 90,
    maxUnreadBytes: 64 * 1024 * 1024,
    rivals: false,
    lookAhead: 16,
    steps: steps.map(step => ({ ...step, fate: { kind: 'lives' }, wait: { until: 'announced' } })),
    final: steps.at(-1)!.view,
    ...CALM,
  }
}

function pathOf(chain: RegtestChain): View {
  return Array.from({ length: chain.head.height + 1 }, (_, height) => chain.blockAt(height)!)
}

function mineSome(chain: RegtestChain, blocks: number): void {
  for (let at = 0; at < blocks; at++) {
    if (at === 0) chain.mineVaried()
    else chain.mine()
  }
}

/** How deep reorg number `at` of a storm goes: from 1 to 64, mostly a few blocks. */
export function stormDepth(at: number): number {
  return at % 20 === 5 ? 64 : 1 + ((at * 7) % (at % 5 === 4 ? 30 : 6))
}

/**
 * Two nodes that are split and joined, `rounds` times: each mines a branch of its own, then both are on the one that has
 * a block more, which is not the one that was seen first.
 */
export function writeStorm(base: readonly Uint8Array[], rounds: number): Script {
  const chain = createRegtestChain({ seed: WALLET, blocks: base, branch: 900_000_000 })
  mineSome(chain, 5)
  const steps: Pick<Step, 'view' | 'other'>[] = [{ view: pathOf(chain) }]
  for (let at = 0; at < rounds; at++) {
    const depth = stormDepth(at)
    mineSome(chain, depth)
    const first = pathOf(chain)
    chain.reorg(depth, () => [])
    const second = pathOf(chain)
    // The two may take either place; the second branch begins with as many blocks as the first, or with fewer.
    const shorter = second.slice(0, first.length - (at % 2))
    steps.push({ view: first, other: at % 3 === 0 ? first : shorter })
    steps.push({ view: second })
  }
  mineSome(chain, 3)
  return calmScript('storm', [...steps, { view: pathOf(chain) }])
}

/** Branch A is replaced by B, A comes back, then B: each time one block longer than the other was. */
export function writeFlipFlop(base: readonly Uint8Array[], turns: number): Script {
  const chain = createRegtestChain({ seed: WALLET, blocks: base, branch: 900_500_000 })
  const random = createRandomness('flip-flop')
  mineSome(chain, 5)
  const { height } = chain.head
  mineSome(chain, turns + 2)
  const first = pathOf(chain)
  chain.reorg(turns + 2, () => [])
  for (let at = random.integer(2); at < 2; at++) chain.mineVaried()
  const second = pathOf(chain)
  const steps = Array.from({ length: turns }, (_, at) => ({
    view: (at % 2 === 0 ? first : second).slice(0, height + 2 + at),
  }))
  return calmScript('flip-flop', [...steps, { view: second }])
}
