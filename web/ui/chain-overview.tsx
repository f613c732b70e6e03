import type { ProofCount } from '../data/graph.ts'
import type { ChainSummary } from '../data/home.ts'
import { formatCount, formatShare } from '../format.ts'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'
import { Bars } from './bars.tsx'
import { ChainLink } from './chain-mark.tsx'
import { Table } from './list.tsx'
import { FollowingState } from './state.tsx'
import { Age } from './time.tsx'

/** How many of the newest blocks have the proof that most of them have. */
export function provenShare(view: View, counts: readonly ProofCount[]): string {
  const best = counts[0]
  return best === undefined ? '–' : formatShare(best.blocks, best.of, view.language)
}

/** Chains with their tips: one line each. */
export function ChainTable(props: { view: View; chains: readonly ChainSummary[]; caption: string }) {
  const { view } = props
  const { columns, units } = view.text
  const count = (value: number) => formatCount(value, view.language)
  return (
    <Table
      caption={props.caption}
      rows={props.chains}
      columns={[
        { head: columns.chain, cell: (chain: ChainSummary) => <ChainLink chain={chain} /> },
        {
          head: columns.tip,
          place: 'end',
          cell: chain =>
            chain.tip === null ? (
              <span class="muted">–</span>
            ) : (
              <a class="height" href={urls.block(chain.slug, chain.tip.height)}>
                {count(chain.tip.height)}
              </a>
            ),
        },
        {
          head: columns.age,
          place: 'end',
          wide: true,
          cell: chain => (chain.tip === null ? '–' : <Age view={view} at={chain.tip.time} />),
        },
        {
          head: columns.blocks,
          place: 'end',
          wide: true,
          cell: chain => count(chain.blockCount),
        },
        {
          head: columns.transactions,
          place: 'end',
          wide: true,
          cell: chain => count(chain.transactionCount),
        },
        {
          head: columns.proven,
          place: 'end',
          wide: true,
          cell: chain => provenShare(view, chain.proofCounts),
        },
        {
          head: columns.state,
          cell: chain => (
            <>
              <FollowingState view={view} state={chain.following?.state ?? null} />
              {chain.following?.lag ? (
                <span class="muted"> {units.behind(count(chain.following.lag))}</span>
              ) : null}
            </>
          ),
        },
        {
          head: columns.activity,
          place: 'end',
          cell: chain => (
            <Bars
              points={chain.activity}
              label={view.text.home.activity(
                chain.activity.map(point => count(point.transactions)).join(', '),
              )}
            />
          ),
        },
      ]}
    />
  )
}
