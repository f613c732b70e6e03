import type { ChainName, EndpointStatus } from '../data/graph.ts'
import { formatCount, formatRate } from '../format.ts'
import type { View } from '../view.ts'
import { ChainLink } from './chain-mark.tsx'
import { Icon } from './icon.tsx'
import { Table } from './list.tsx'

type NodeRow = EndpointStatus & { chain: ChainName }

/** Nodes that are asked, and how well they answer. */
export function NodeTable({
  view,
  nodes,
  chains,
}: {
  view: View
  nodes: readonly NodeRow[]
  chains: boolean
}) {
  const { text } = view
  const count = (value: number) => formatCount(value, view.language)
  return (
    <Table
      caption={text.statusPage.nodes}
      rows={nodes}
      columns={[
        chains
          ? { head: text.columns.chain, cell: (node: NodeRow) => <ChainLink chain={node.chain} /> }
          : null,
        {
          head: text.columns.node,
          place: 'main',
          cell: (node: NodeRow) => (
            <>
              <bdi class="node">{node.name}</bdi>
              {node.lastError === null ? null : <bdi class="last-error">{node.lastError}</bdi>}
            </>
          ),
        },
        {
          head: text.columns.state,
          cell: node => (
            <span class={`state ${node.reachable ? 'success' : 'failed'}`}>
              <Icon shape={node.reachable ? 'check' : 'cross'} />
              {node.reachable ? text.statusPage.reachable : text.statusPage.unreachable}
            </span>
          ),
        },
        {
          head: text.columns.head,
          place: 'end',
          cell: node => (node.head === null ? '–' : count(node.head)),
        },
        {
          head: text.columns.latency,
          place: 'end',
          wide: true,
          cell: node =>
            node.latencyMs === null ? '–' : text.units.ms(formatRate(node.latencyMs, view.language)),
        },
        {
          head: text.columns.callsPerSecond,
          place: 'end',
          wide: true,
          cell: node => (node.callsPerSecond === null ? '–' : formatRate(node.callsPerSecond, view.language)),
        },
        { head: text.columns.calls, place: 'end', wide: true, cell: node => count(node.calls) },
        { head: text.columns.errors, place: 'end', cell: node => count(node.errors) },
      ]}
    />
  )
}
