import type { BlockPage as Block, EvmBlockDetails, UtxoBlockDetails } from '../data/block.ts'
import type { ChainExtent } from '../data/graph.ts'
import { formatBits, formatBytes, formatCount, formatRate, formatShare } from '../format.ts'
import { Amount, gasUnit, MaybeAmount } from '../ui/amount.tsx'
import { ChainLink } from '../ui/chain-mark.tsx'
import { EffectTable } from '../ui/effect-table.tsx'
import { type Fact, Facts } from '../ui/facts.tsx'
import { Address, Hash } from '../ui/hash.tsx'
import { List, Table } from '../ui/list.tsx'
import { Notice } from '../ui/notice.tsx'
import { Page } from '../ui/page.tsx'
import { Proofs } from '../ui/proofs.tsx'
import { FinalityState } from '../ui/state.tsx'
import { Age, Day, TimeFact } from '../ui/time.tsx'
import { TransactionTable } from '../ui/transaction-table.tsx'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'

interface Props {
  view: View
  chain: ChainExtent
  block: Block
}

/** One block: what it holds, how sure it is, what was proven about it. */
export function BlockPage({ view, chain, block }: Props) {
  const { text } = view
  const { details, transactions, effects } = block
  const height = formatCount(block.height, view.language)
  const canonical = urls.block(chain.slug, block.finality === 'ORPHANED' ? block.hash : block.height)
  return (
    <Page
      view={view}
      title={text.block.title(chain.name, height)}
      description={text.block.description(chain.name, height, block.transactionCount, block.hash)}
      canonical={canonical}
      chain={chain}
    >
      <header class="title">
        <p class="crumb">
          <ChainLink chain={chain} />
        </p>
        <h1>{text.block.heading(height)}</h1>
        <p>
          <FinalityState view={view} finality={block.finality} confirmations={block.confirmations} />
        </p>
        <Neighbours view={view} chain={chain} block={block} />
      </header>
      <p class="sentence">
        {text.block.sentence({
          chain: chain.name,
          height,
          day: <Day view={view} at={block.time} />,
          count: formatCount(block.transactionCount, view.language),
          single: block.transactionCount === 1,
          fees: block.fees === null ? null : <Amount view={view} amount={block.fees} unit={chain.native} />,
        })}{' '}
        {block.producer === null
          ? null
          : text.block.produced({
              producer: <Address view={view} chain={chain} address={block.producer} />,
              reward:
                block.reward === null || block.reward === '0' ? null : (
                  <Amount view={view} amount={block.reward} unit={chain.native} />
                ),
            })}
      </p>
      {block.finality === 'ORPHANED' ? (
        <Notice tone="warning">
          {block.replacedBy === null
            ? text.block.orphaned
            : text.block.replaced(
                <Hash hash={block.replacedBy.hash} href={urls.block(chain.slug, block.replacedBy.height)} />,
              )}{' '}
          {block.reorg === null ? null : (
            <a href={urls.reorg(chain.slug, block.reorg.batch)}>{text.block.reorg}</a>
          )}
        </Notice>
      ) : null}
      <Proofs view={view} proofs={block.proofs} unproven={block.unproven} />
      <Facts facts={[...commonFacts({ view, chain, block }), ...ledgerFacts({ view, chain, block })]} />
      <List
        view={view}
        key_="transactions"
        title={text.block.transactions}
        connection={transactions}
        empty={block.finality === 'ORPHANED' ? text.block.noOrphaned : text.block.noTransactions}
      >
        <TransactionTable
          view={view}
          chain={chain}
          transactions={transactions.nodes}
          caption={text.block.transactions}
        />
      </List>
      {details?.kind === 'EvmBlock' ? <EvmLists view={view} chain={chain} details={details} /> : null}
      {effects.totalCount === 0 ? null : (
        <List
          view={view}
          key_="effects"
          title={text.block.effects}
          connection={effects}
          empty={text.block.noEffects}
          note={<p class="note">{text.block.effectsNote}</p>}
        >
          <EffectTable
            view={view}
            chain={chain}
            effects={effects.nodes}
            caption={text.block.effects}
            of="block"
          />
        </List>
      )}
    </Page>
  )
}

function Neighbours({ view, chain, block }: Props) {
  const { text } = view
  const link = (height: number, rel: 'prev' | 'next') => (
    <a
      rel={rel}
      href={urls.block(chain.slug, height)}
      aria-label={text.block.heading(formatCount(height, view.language))}
    >
      {rel === 'prev' ? '‹ ' : ''}
      {formatCount(height, view.language)}
      {rel === 'next' ? ' ›' : ''}
    </a>
  )
  return (
    <nav class="neighbours" aria-label={text.block.neighbours}>
      {block.previous === null ? null : link(block.previous.height, 'prev')}
      {block.next === null ? null : link(block.next.height, 'next')}
    </nav>
  )
}

function commonFacts({ view, chain, block }: Props): Fact[] {
  const { facts } = view.text
  const unit = chain.native
  return [
    { label: facts.hash, wide: true, value: <Hash hash={block.hash} /> },
    {
      label: facts.parent,
      wide: true,
      value: <Hash hash={block.parentHash} href={urls.block(chain.slug, block.parentHash)} />,
    },
    block.producer === null
      ? null
      : {
          label: facts.producer,
          wide: true,
          value: <Address view={view} chain={chain} address={block.producer} />,
        },
    { label: facts.time, value: <TimeFact view={view} at={block.time} /> },
    { label: facts.transactions, value: formatCount(block.transactionCount, view.language) },
    { label: facts.fees, value: <MaybeAmount view={view} amount={block.fees} unit={unit} /> },
    block.reward === null
      ? null
      : { label: facts.reward, value: <Amount view={view} amount={block.reward} unit={unit} /> },
    block.size === null ? null : { label: facts.size, value: formatBytes(block.size, view.language) },
  ]
}

function ledgerFacts({ view, chain, block }: Props): Fact[] {
  if (block.details === null) return []
  return block.details.kind === 'UtxoBlock'
    ? utxoFacts(view, chain, block.details)
    : evmFacts(view, chain, block.details)
}

function utxoFacts(view: View, chain: ChainExtent, details: UtxoBlockDetails): Fact[] {
  const { facts, units } = view.text
  const count = (value: number) => formatCount(value, view.language)
  return [
    { label: facts.weight, value: units.weight(count(details.weight)) },
    { label: facts.strippedSize, value: formatBytes(details.strippedSize, view.language) },
    { label: facts.inputs, value: count(details.inputCount) },
    { label: facts.outputs, value: count(details.outputCount) },
    details.subsidy === null
      ? null
      : { label: facts.subsidy, value: <Amount view={view} amount={details.subsidy} unit={chain.native} /> },
    { label: facts.difficulty, value: formatRate(details.difficulty, view.language) },
    { label: facts.bits, value: <code>{details.bits}</code> },
    { label: facts.nonce, value: count(details.nonce) },
    {
      label: facts.version,
      value: <code>{formatBits(details.version)}</code>,
    },
    details.medianTime === null
      ? null
      : { label: facts.medianTime, value: <TimeFact view={view} at={details.medianTime} /> },
    { label: facts.merkleRoot, wide: true, value: <Hash hash={details.merkleRoot} /> },
    details.proofHash === null
      ? null
      : { label: facts.proofHash, wide: true, value: <Hash hash={details.proofHash} /> },
    details.coinbaseText === ''
      ? null
      : { label: facts.coinbaseText, wide: true, value: <bdi class="quote">{details.coinbaseText}</bdi> },
    { label: facts.coinbaseScript, wide: true, value: <code class="raw">{details.coinbaseScript}</code> },
  ]
}

function evmFacts(view: View, chain: ChainExtent, details: EvmBlockDetails): Fact[] {
  const { facts } = view.text
  const count = (value: number) => formatCount(value, view.language)
  const amount = (label: string, value: string | null): Fact =>
    value === null ? null : { label, value: <Amount view={view} amount={value} unit={chain.native} /> }
  const root = (label: string, hash: string | null): Fact =>
    hash === null ? null : { label, wide: true, value: <Hash hash={hash} /> }
  return [
    {
      label: facts.gasUsed,
      value: `${count(details.gasUsed)} / ${count(details.gasLimit)} · ${formatShare(details.gasUsed, details.gasLimit, view.language)}`,
    },
    details.baseFeePerGas === null
      ? null
      : {
          label: facts.baseFee,
          value: <Amount view={view} amount={details.baseFeePerGas} unit={gasUnit(chain)} />,
        },
    amount(facts.burnt, details.burnt),
    amount(facts.feeReward, details.feeReward),
    amount(facts.blockReward, details.blockReward),
    amount(facts.uncleInclusion, details.uncleInclusionReward),
    details.evmDifficulty === '0'
      ? null
      : { label: facts.difficulty, value: count(Number(details.evmDifficulty)) },
    details.blobGasUsed === null ? null : { label: facts.blobGas, value: count(details.blobGasUsed) },
    {
      label: facts.traces,
      value:
        details.traceSource === null ? (
          <span class="muted">{view.text.words.none}</span>
        ) : (
          details.traceSource
        ),
    },
    { label: facts.nonce, value: <code>{details.evmNonce}</code> },
    root(facts.stateRoot, details.stateRoot),
    root(facts.transactionsRoot, details.transactionsRoot),
    root(facts.receiptsRoot, details.receiptsRoot),
    root(facts.withdrawalsRoot, details.withdrawalsRoot),
    root(facts.beaconRoot, details.parentBeaconBlockRoot),
    root(facts.mixHash, details.mixHash),
    details.extraText === ''
      ? null
      : { label: facts.extraText, wide: true, value: <bdi class="quote">{details.extraText}</bdi> },
    { label: facts.extraData, wide: true, value: <code class="raw">{details.extraData}</code> },
  ]
}

function EvmLists({ view, chain, details }: { view: View; chain: ChainExtent; details: EvmBlockDetails }) {
  const { text } = view
  const { uncles, withdrawals } = details
  return (
    <>
      {uncles.length === 0 ? null : (
        <section class="list" id="uncles" aria-labelledby="uncles-title">
          <header>
            <h2 id="uncles-title">
              {text.block.uncles} <span class="count">{uncles.length}</span>
            </h2>
          </header>
          <p class="note">{text.block.unclesNote}</p>
          <Table
            caption={text.block.uncles}
            rows={uncles}
            columns={[
              { head: text.columns.hash, cell: uncle => <Hash hash={uncle.hash} /> },
              {
                head: text.columns.height,
                place: 'end',
                cell: uncle => formatCount(uncle.height, view.language),
              },
              { head: text.columns.age, wide: true, cell: uncle => <Age view={view} at={uncle.time} /> },
              {
                head: text.columns.producer,
                place: 'second',
                cell: uncle => <Address view={view} chain={chain} address={uncle.producer} />,
              },
              {
                head: text.columns.reward,
                place: 'end',
                cell: uncle => <MaybeAmount view={view} amount={uncle.reward} unit={chain.native} />,
              },
            ]}
          />
        </section>
      )}
      {withdrawals.totalCount === 0 ? null : (
        <List
          view={view}
          key_="withdrawals"
          title={text.block.withdrawals}
          connection={withdrawals}
          empty={text.block.noWithdrawals}
          note={<p class="note">{text.block.withdrawalsNote}</p>}
        >
          <Table
            caption={text.block.withdrawals}
            rows={withdrawals.nodes}
            fraction={9}
            columns={[
              { head: text.columns.number, wide: true, cell: row => formatCount(row.index, view.language) },
              {
                head: text.columns.address,
                place: 'main',
                cell: row => <Address view={view} chain={chain} address={row.address} />,
              },
              {
                head: text.columns.validator,
                place: 'second',
                cell: row => (
                  <span class="tag">
                    {text.block.validator(formatCount(row.validatorIndex, view.language))}
                  </span>
                ),
              },
              {
                head: text.columns.amount,
                place: 'end',
                cell: row => <Amount view={view} amount={row.amount} unit={chain.native} />,
              },
            ]}
          />
        </List>
      )}
    </>
  )
}
