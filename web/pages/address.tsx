import type { AddressData, AddressPage as AddressFacts } from '../data/address.ts'
import { formatCount } from '../format.ts'
import { Amount, assetUnit } from '../ui/amount.tsx'
import { ChainLink } from '../ui/chain-mark.tsx'
import { alignment, EffectTable } from '../ui/effect-table.tsx'
import { type Fact, Facts } from '../ui/facts.tsx'
import { AssetLink, Hash, Pattern } from '../ui/hash.tsx'
import { List, Table } from '../ui/list.tsx'
import { Notice } from '../ui/notice.tsx'
import { Page } from '../ui/page.tsx'
import { Age } from '../ui/time.tsx'
import { TransferTable } from '../ui/transfer-table.tsx'
import { urls, withQuery } from '../urls.ts'
import type { View } from '../view.ts'

interface Props {
  view: View
  chain: NonNullable<AddressData['chain']>
  address: AddressFacts
}

/** One address: what it holds, when it was seen, its history. */
export function AddressPage({ view, chain, address }: Props) {
  const { text } = view
  const { balances, tokens, tokenTransfers, effects } = address
  const short = address.address.length > 20 ? `${address.address.slice(0, 14)}…` : address.address
  const native = balances.nodes.find(balance => balance.asset.contract === null)
  const others = balances.totalCount - (native === undefined ? 0 : 1)
  const balancesTitle = address.complete ? text.address.balances : text.address.changes
  return (
    <Page
      view={view}
      title={text.address.title(chain.name, short)}
      description={text.address.description(chain.name, address.address)}
      canonical={urls.address(chain.slug, address.address)}
      chain={chain}
    >
      <header class="title">
        <p class="crumb">
          <ChainLink chain={chain} />
        </p>
        <h1 class="address-title">
          <Pattern of={address.address} />
          <span class="unseen">{text.address.heading} </span>
          <Hash hash={address.address} />
        </h1>
      </header>
      <p class="sentence">
        {text.address.sentence({
          complete: address.complete,
          amount: (
            <Amount
              view={view}
              amount={native?.amount ?? '0'}
              unit={chain.native}
              signed={!address.complete}
            />
          ),
          others: formatCount(others, view.language),
          hasOthers: others > 0,
          count: formatCount(address.transactionCount, view.language),
          single: address.transactionCount === 1,
          since: (
            <a href={urls.block(chain.slug, address.since)}>{formatCount(address.since, view.language)}</a>
          ),
        })}
      </p>
      {address.complete ? null : <Notice>{text.address.incomplete(chain.incompleteBecause)}</Notice>}
      <Facts facts={facts({ view, chain, address })} />
      {tokens.totalCount === 0 ? null : (
        <List
          view={view}
          key_="tokens"
          title={text.address.tokens}
          connection={tokens}
          empty={text.address.noTokens}
        >
          <ul class="assets">
            {tokens.nodes.map(asset => (
              <li>
                <AssetLink view={view} chain={chain} asset={asset} />
              </li>
            ))}
          </ul>
        </List>
      )}
      <List
        view={view}
        key_="balances"
        title={balancesTitle}
        connection={balances}
        empty={text.address.noBalances}
      >
        <Table
          caption={balancesTitle}
          rows={balances.nodes}
          {...alignment(balances.nodes)}
          columns={[
            {
              head: text.columns.asset,
              place: 'main',
              cell: balance => <AssetLink view={view} chain={chain} asset={balance.asset} />,
            },
            {
              head: text.columns.amount,
              place: 'end',
              cell: balance => (
                <Amount
                  view={view}
                  amount={balance.amount}
                  unit={assetUnit(balance.asset)}
                  signed={!address.complete}
                />
              ),
            },
          ]}
        />
      </List>
      {tokenTransfers.totalCount === 0 ? null : (
        <List
          view={view}
          key_="transfers"
          title={text.address.transfers}
          connection={tokenTransfers}
          empty={text.address.noTransfers}
          byTime
        >
          <TransferTable
            view={view}
            chain={chain}
            transfers={tokenTransfers.nodes}
            caption={text.address.transfers}
            transactions
          />
        </List>
      )}
      <List
        view={view}
        key_="history"
        title={text.address.history}
        connection={effects}
        empty={text.address.noHistory}
        byTime
        note={<Filters view={view} chain={chain} address={address} />}
      >
        <EffectTable
          view={view}
          chain={chain}
          effects={effects.nodes}
          caption={text.address.history}
          of="address"
        />
      </List>
    </Page>
  )
}

function facts({ view, chain, address }: Props): Fact[] {
  const { text } = view
  const seen = (block: { height: number; time: string } | null) =>
    block === null ? (
      <span class="muted">–</span>
    ) : (
      <>
        <a href={urls.block(chain.slug, block.height)}>{formatCount(block.height, view.language)}</a>{' '}
        <span class="muted">
          · <Age view={view} at={block.time} />
        </span>
      </>
    )
  return [
    { label: text.facts.firstSeen, value: seen(address.firstSeen) },
    { label: text.facts.lastSeen, value: seen(address.lastSeen) },
    { label: text.facts.transactions, value: formatCount(address.transactionCount, view.language) },
    {
      label: text.facts.alsoOn,
      value:
        address.alsoOn.length === 0 ? (
          <span class="muted">{text.address.nowhereElse}</span>
        ) : (
          address.alsoOn.map(other => (
            <a class="also" href={urls.address(other.slug, address.address)}>
              <bdi>{other.name}</bdi>
            </a>
          ))
        ),
    },
  ]
}

/** Ways to narrow the history: links and a form, no script. */
function Filters({ view, address }: Props) {
  const { text, path, query } = view
  const direction = query.get('direction')
  const asset = query.get('asset')
  const anew = { 'history-after': null, 'history-before': null, lang: null }
  const choices = [
    [null, text.address.all],
    ['in', text.address.in],
    ['out', text.address.out],
  ] as const
  return (
    <div class="filters">
      <nav aria-label={text.address.filter}>
        {choices.map(([value, word]) => (
          <a
            href={withQuery(path, query, { ...anew, direction: value }, 'history')}
            {...(direction === value ? { 'aria-current': 'true' as const } : {})}
          >
            {word}
          </a>
        ))}
      </nav>
      <form action={`${path}#history`} method="get">
        {direction === null ? null : <input type="hidden" name="direction" value={direction} />}
        <label>
          {text.columns.asset}{' '}
          <select name="asset">
            <option value="">{text.address.anyAsset}</option>
            {address.balances.nodes.map(balance => (
              <option value={balance.asset.asset} selected={balance.asset.asset === asset}>
                {assetOption(balance.asset)}
              </option>
            ))}
          </select>
        </label>{' '}
        <label>
          {text.address.upTo}{' '}
          <input
            name="height"
            inputmode="numeric"
            pattern="[0-9]{1,15}"
            size={10}
            value={query.get('height') ?? ''}
          />
        </label>{' '}
        <button type="submit">{text.address.apply}</button>
      </form>
    </div>
  )
}

const OPTION_LENGTH = 28

function assetOption(asset: { symbol: string | null; name: string | null; asset: string }): string {
  const called = asset.symbol ?? asset.name ?? asset.asset
  return called.length > OPTION_LENGTH ? `${called.slice(0, OPTION_LENGTH)}…` : called
}
