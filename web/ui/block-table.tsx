import type { BlockRow } from '../data/graph.ts'
import { formatBytes, formatCount } from '../format.ts'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'
import { ChainLink } from './chain-mark.tsx'
import { Address, Hash } from './hash.tsx'
import { Table } from './list.tsx'
import { FinalityState } from './state.tsx'
import { Age } from './time.tsx'

/** Blocks, newest first; with their chain where there are several. */
export function BlockTable(props: {
  view: View
  blocks: readonly BlockRow[]
  caption: string
  chains: boolean
}) {
  const { view } = props
  const { columns } = view.text
  const count = (value: number) => formatCount(value, view.language)
  return (
    <Table
      caption={props.caption}
      rows={props.blocks}
      columns={[
        props.chains
          ? { head: columns.chain, cell: (block: BlockRow) => <ChainLink chain={block.chain} /> }
          : null,
        {
          head: columns.height,
          cell: block => (
            <a
              class="height"
              href={urls.block(block.chain.slug, block.finality === 'ORPHANED' ? block.hash : block.height)}
            >
              {count(block.height)}
            </a>
          ),
        },
        { head: columns.age, cell: block => <Age view={view} at={block.time} />, place: 'end' },
        {
          head: columns.hash,
          wide: true,
          cell: block => <Hash hash={block.hash} href={urls.block(block.chain.slug, block.hash)} />,
        },
        props.chains
          ? null
          : {
              head: columns.producer,
              wide: true,
              cell: block =>
                block.producer === null ? (
                  <span class="muted">–</span>
                ) : (
                  <Address view={view} chain={block.chain} address={block.producer} />
                ),
            },
        {
          head: columns.size,
          wide: true,
          place: 'end',
          cell: block => (block.size === null ? '–' : formatBytes(block.size, view.language)),
        },
        {
          head: columns.transactions,
          place: 'end',
          cell: block => (
            <>
              {count(block.transactionCount)}
              <span class="on-phone"> {view.text.units.transactions(block.transactionCount)}</span>
            </>
          ),
        },
        { head: columns.state, cell: block => <FinalityState view={view} finality={block.finality} /> },
      ]}
    />
  )
}
