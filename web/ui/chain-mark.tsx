import type { ChainName } from '../data/graph.ts'
import { chainMark, hueOf } from '../format.ts'
import { urls } from '../urls.ts'

/** Two letters on the chain's hue; the name stands beside it or is said by `label`. */
export function ChainMark({ chain }: { chain: { slug: string } }) {
  return (
    <span class={`mark h${hueOf(chain.slug)}`} aria-hidden="true">
      {chainMark(chain.slug)}
    </span>
  )
}

export function ChainLink({ chain }: { chain: ChainName }) {
  return (
    <a class="chain-link" href={urls.chain(chain.slug)}>
      <ChainMark chain={chain} />
      <bdi>{chain.name}</bdi>
    </a>
  )
}
