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
          ...(props.chains ? { place: 'end' as const } : {}),
          cell: block => (
            <a
              class="height"
              href={urls.block(block.chain.slug, block.finality === 'ORPHANED' ? block.hash : block.height)}
            >
              {count(block.height)}
            </a>
          ),
        },
        {
          head: columns.hash,
          wide: props.chains,
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
          head: columns.state,
          place: 'second',
          cell: block => <FinalityState view={view} finality={block.finality} />,
        },
        {
          head: columns.size,
          wide: true,
          place: 'end',
          cell: block => (block.size === null ? '–' : formatBytes(block.size, view.language)),
        },
        {
          head: columns.transactions,
          wide: true,
          place: 'end',
          cell: block => count(block.transactionCount),
        },
        {
          head: columns.age,
          place: 'last',
          cell: block => (
            <>
              <span class="on-phone">
                {`${count(block.transactionCount)} ${view.text.units.transactions(block.transactionCount)} · `}
              </span>
              <Age view={view} at={block.time} />
            </>
          ),
        },
      ]}
    />
  )
}
