import type { ReorgRow } from '../data/graph.ts'
import { formatCount } from '../format.ts'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'
import { ChainLink } from './chain-mark.tsx'
import { Hash } from './hash.tsx'
import { Table } from './list.tsx'
import { Age } from './time.tsx'

/** Reorgs that were followed: what left the chain and what is there now. */
export function ReorgTable(props: { view: View; reorgs: readonly ReorgRow[]; caption: string }) {
  const { view } = props
  const { columns } = view.text
  const count = (value: number) => formatCount(value, view.language)
  return (
    <Table
      caption={props.caption}
      rows={props.reorgs}
      columns={[
        { head: columns.chain, cell: (reorg: ReorgRow) => <ChainLink chain={reorg.chain} /> },
        {
          head: columns.age,
          cell: reorg => (
            <a href={urls.reorg(reorg.chain.slug, reorg.batch)}>
              <Age view={view} at={reorg.time} />
            </a>
          ),
          place: 'end',
        },
        {
          head: columns.fromHeight,
          cell: reorg => <a href={urls.block(reorg.chain.slug, reorg.height)}>{count(reorg.height)}</a>,
        },
        {
          head: columns.depth,
          place: 'end',
          cell: reorg => view.text.units.blocks(reorg.depth, count(reorg.depth)),
        },
        {
          head: columns.oldTip,
          cell: reorg => <Hash hash={reorg.oldHash} href={urls.block(reorg.chain.slug, reorg.oldHash)} />,
        },
        {
          head: columns.newTip,
          cell: reorg => <Hash hash={reorg.newHash} href={urls.block(reorg.chain.slug, reorg.newHash)} />,
        },
        {
          head: columns.transactionsLeft,
          place: 'end',
          wide: true,
          cell: reorg => count(reorg.transactions),
        },
      ]}
    />
  )
}
