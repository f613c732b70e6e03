import { formatCount } from '../format.ts'
import { Amount, assetUnit, MaybeAmount } from '../ui/amount.tsx'
import { ChainLink } from '../ui/chain-mark.tsx'
import { alignment, EffectTable } from '../ui/effect-table.tsx'
import { type Fact, Facts } from '../ui/facts.tsx'
import { Address, AssetLink, Hash } from '../ui/hash.tsx'
import { List, Table } from '../ui/list.tsx'
import { Notice } from '../ui/notice.tsx'
import { Page } from '../ui/page.tsx'
import { Proofs } from '../ui/proofs.tsx'
import { FinalityState, StatusState } from '../ui/state.tsx'
import { TimeFact } from '../ui/time.tsx'
import { TransferTable } from '../ui/transfer-table.tsx'
import { urls } from '../urls.ts'
import { BlockOf, type TransactionProps } from './block-of.tsx'
import { AccountParts, accountFacts, accountSentence } from './transaction-account.tsx'
import { Flow, utxoFacts, utxoSentence } from './transaction-utxo.tsx'

/** One transaction: what it did in a sentence, its facts, and what it moved. */
export function TransactionPage({ view, chain, transaction }: TransactionProps) {
  const { text } = view
  const { block, details, tokenTransfers, effects } = transaction
  const short = `${transaction.hash.slice(0, 10)}…`
  return (
    <Page
      view={view}
      title={text.transaction.title(chain.name, short)}
      description={text.transaction.description(chain.name, transaction.hash)}
      canonical={urls.transaction(chain.slug, transaction.hash)}
      chain={chain}
    >
      <header class="title">
        <p class="crumb">
          <ChainLink chain={chain} />
        </p>
        <h1>{text.transaction.heading}</h1>
        <p>
          <StatusState view={view} status={transaction.status} />
          <FinalityState view={view} finality={block.finality} confirmations={block.confirmations} />
        </p>
      </header>
      <p class="sentence">{sentence({ view, chain, transaction })}</p>
      {block.finality === 'ORPHANED' ? (
        <Notice tone="warning">
          {text.transaction.orphaned(<Hash hash={block.hash} href={urls.block(chain.slug, block.hash)} />)}
        </Notice>
      ) : null}
      {transaction.status === 'FAILED' ? (
        <Notice tone="warning">
          {transaction.error === null ? text.transaction.failedUnknown : text.transaction.failedBecause}
          {transaction.error === null ? null : <bdi class="quote">{transaction.error}</bdi>}
        </Notice>
      ) : null}
      {details?.kind === 'UtxoTransaction' ? <Flow view={view} chain={chain} details={details} /> : null}
      <Facts facts={facts({ view, chain, transaction })} />
      <Proofs view={view} proofs={block.proofs} unproven={block.unproven} />
      {details?.kind === 'UtxoTransaction' && transaction.movements.totalCount === 0 ? null : (
        <Movements view={view} chain={chain} transaction={transaction} />
      )}
      {tokenTransfers.totalCount === 0 ? null : (
        <List
          view={view}
          key_="transfers"
          title={text.transaction.transfers}
          connection={tokenTransfers}
          empty={text.transaction.noTransfers}
        >
          <TransferTable
            view={view}
            chain={chain}
            transfers={tokenTransfers.nodes}
            caption={text.transaction.transfers}
            transactions={false}
          />
        </List>
      )}
      {details?.kind === 'EvmTransaction' ? (
        <AccountParts view={view} chain={chain} details={details} />
      ) : null}
      <List
        view={view}
        key_="effects"
        title={text.transaction.effects}
        connection={effects}
        empty={text.transaction.noEffects}
        note={<p class="note">{text.transaction.effectsNote}</p>}
      >
        <EffectTable
          view={view}
          chain={chain}
          effects={effects.nodes}
          caption={text.transaction.effects}
          of="transaction"
        />
      </List>
    </Page>
  )
}

function sentence(props: TransactionProps) {
  const { details } = props.transaction
  if (details?.kind === 'UtxoTransaction') return utxoSentence(props, details)
  if (details?.kind === 'EvmTransaction') return accountSentence(props, details)
  return props.view.text.transaction.plain
}

function facts(props: TransactionProps): Fact[] {
  const { view, chain, transaction } = props
  const { text } = view
  const { details, block } = transaction
  return [
    { label: text.facts.hash, wide: true, value: <Hash hash={transaction.hash} /> },
    {
      label: text.facts.block,
      value: [
        <BlockOf {...props} />,
        ` · ${text.transaction.place(formatCount(transaction.index + 1, view.language), formatCount(block.transactionCount, view.language))}`,
      ],
    },
    { label: text.facts.time, value: <TimeFact view={view} at={transaction.time} /> },
    details?.kind === 'UtxoTransaction' && details.isCoinbase
      ? null
      : {
          label: text.facts.fee,
          value: <MaybeAmount view={view} amount={transaction.fee} unit={chain.native} />,
        },
    ...(details?.kind === 'UtxoTransaction' ? utxoFacts(view, chain, details) : []),
    ...(details?.kind === 'EvmTransaction' ? accountFacts(view, chain, details) : []),
  ]
}

/** Who gained and who lost, net. */
function Movements({ view, chain, transaction }: TransactionProps) {
  const { text } = view
  const { movements } = transaction
  return (
    <List
      view={view}
      key_="movements"
      title={text.transaction.movements}
      connection={movements}
      empty={text.transaction.noMovements}
      note={
        <p class="note">
          {transaction.effectsComplete
            ? text.transaction.movementsNote
            : text.transaction.movementsIncomplete}
        </p>
      }
    >
      <Table
        caption={text.transaction.movements}
        rows={movements.nodes}
        {...alignment(movements.nodes)}
        columns={[
          {
            head: text.columns.address,
            place: 'main',
            cell: movement => <Address view={view} chain={chain} address={movement.address} />,
          },
          {
            head: text.columns.asset,
            place: 'second',
            cell: movement => <AssetLink view={view} chain={chain} asset={movement.asset} />,
          },
          {
            head: text.columns.change,
            place: 'end',
            cell: movement => (
              <Amount view={view} amount={movement.amount} unit={assetUnit(movement.asset)} signed />
            ),
          },
        ]}
      />
    </List>
  )
}
