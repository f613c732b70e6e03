import type { ChainName, TransferRow } from '../data/graph.ts'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'
import { Amount, assetUnit } from './amount.tsx'
import { alignment } from './effect-table.tsx'
import { Address, AssetLink, Hash } from './hash.tsx'
import { Icon } from './icon.tsx'
import { Table } from './list.tsx'
import { Age } from './time.tsx'

/** Transfers of tokens as their contracts tell them; a row for each id of a batch. */
export function TransferTable(props: {
  view: View
  chain: ChainName
  transfers: readonly TransferRow[]
  caption: string
  /** Of a contract: with their transactions. */
  transactions: boolean
}) {
  const { view, chain, transfers } = props
  const { columns, words } = view.text
  return (
    <Table
      caption={props.caption}
      rows={transfers}
      {...alignment(transfers)}
      columns={[
        props.transactions
          ? {
              head: columns.transaction,
              cell: (row: TransferRow) => (
                <Hash hash={row.transactionHash} href={urls.transaction(chain.slug, row.transactionHash)} />
              ),
            }
          : null,
        props.transactions
          ? { head: columns.age, wide: true, cell: (row: TransferRow) => <Age view={view} at={row.time} /> }
          : null,
        {
          head: columns.asset,
          cell: row => <AssetLink view={view} chain={chain} asset={row.asset} />,
        },
        {
          head: columns.fromTo,
          place: 'second',
          cell: row => (
            <span class="from-to">
              <Address view={view} chain={chain} address={row.from} />
              <Icon shape="arrow" label={words.to} />
              <Address view={view} chain={chain} address={row.to} />
            </span>
          ),
        },
        {
          head: columns.amount,
          place: 'end',
          cell: row => <Amount view={view} amount={row.amount} unit={assetUnit(row.asset)} />,
        },
      ]}
    />
  )
}
