import type { ChainName, TransactionRow } from '../data/graph.ts'
import { formatCount, fractionDigits } from '../format.ts'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'
import { MaybeAmount } from './amount.tsx'
import { Addresses, Hash } from './hash.tsx'
import { Icon } from './icon.tsx'
import { Table } from './list.tsx'
import { StatusState } from './state.tsx'

/** Transactions of a block: one dense row each. */
export function TransactionTable(props: {
  view: View
  chain: ChainName
  transactions: readonly TransactionRow[]
  caption: string
}) {
  const { view, chain, transactions } = props
  const { columns, words } = view.text
  const unit = chain.native
  return (
    <Table
      caption={props.caption}
      rows={transactions}
      fraction={Math.max(
        0,
        ...transactions.map(({ amount }) => (amount === null ? 0 : fractionDigits(amount, unit.decimals))),
      )}
      columns={[
        {
          head: columns.number,
          wide: true,
          cell: (row: TransactionRow) => <span class="muted">{formatCount(row.index, view.language)}</span>,
        },
        {
          head: columns.hash,
          cell: row => <Hash hash={row.hash} href={urls.transaction(chain.slug, row.hash)} />,
        },
        { head: columns.what, place: 'second', cell: row => <What view={view} row={row} /> },
        {
          head: columns.fromTo,
          wide: true,
          place: 'main',
          cell: row => (
            <span class="from-to">
              {row.senders.length === 0 ? (
                <span class="nobody">{words.ledger}</span>
              ) : (
                <Addresses
                  view={view}
                  chain={chain}
                  addresses={row.senders.slice(0, 1)}
                  count={row.senderCount}
                />
              )}
              <Icon shape="arrow" label={words.to} />
              {row.receivers.length === 0 ? (
                <span class="muted">–</span>
              ) : (
                <Addresses
                  view={view}
                  chain={chain}
                  addresses={row.receivers.slice(0, 1)}
                  count={row.receiverCount}
                />
              )}
            </span>
          ),
        },
        {
          head: columns.amount,
          place: 'end',
          cell: row => <MaybeAmount view={view} amount={row.amount} unit={unit} />,
        },
        {
          head: columns.fee,
          place: 'end',
          wide: true,
          cell: row => <MaybeAmount view={view} amount={row.fee} unit={{ ...unit, symbol: '' }} />,
        },
      ]}
    />
  )
}

/** What a transaction does, in a word: the function that was called, a payment, a new contract. */
function What({ view, row }: { view: View; row: TransactionRow }) {
  const { kinds } = view.text
  const { details } = row
  const word =
    details === null
      ? kinds.transaction
      : details.kind === 'UtxoTransaction'
        ? details.isCoinbase
          ? kinds.coinbase
          : kinds.payment
        : details.to === null
          ? kinds.creation
          : (details.call?.name ?? (row.amount !== null && row.amount !== '0' ? kinds.payment : kinds.call))
  return (
    <span class="what">
      {row.status === 'FAILED' ? <StatusState view={view} status="FAILED" /> : null}
      <bdi class="tag">{word}</bdi>
    </span>
  )
}
