import type { ChainName } from '../data/graph.ts'
import type { SearchData, SearchTarget } from '../data/search.ts'
import { formatCount } from '../format.ts'
import { ChainLink } from '../ui/chain-mark.tsx'
import { AssetLink, Hash } from '../ui/hash.tsx'
import { Table } from '../ui/list.tsx'
import { Page, SearchForm } from '../ui/page.tsx'
import { Ranges } from '../ui/ranges.tsx'
import { Age } from '../ui/time.tsx'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'

type Hit = SearchData['search']['hits'][number]

/** Where a hit is shown. */
export function hitUrl({ chain, target }: Hit): string {
  switch (target.kind) {
    case 'Block':
      return urls.block(chain.slug, target.hash)
    case 'Transaction':
      return urls.transaction(chain.slug, target.hash)
    case 'Address':
      return urls.address(chain.slug, target.address)
    case 'Asset':
      return target.contract === null ? urls.chain(chain.slug) : urls.address(chain.slug, target.contract)
    case 'Chain':
      return urls.chain(target.slug)
  }
}

/** Several hits, or why there is none and what to try. */
export function SearchPage({ view, query, data }: { view: View; query: string; data: SearchData | null }) {
  const { text } = view
  const hits = data?.search.hits ?? []
  return (
    <Page
      view={view}
      title={query === '' ? text.search.title : text.search.titleOf(query)}
      description={text.search.description}
      canonical="/search"
      hidden
      search={false}
    >
      <header class="title">
        <h1>
          {query === '' ? (
            text.search.title
          ) : (
            <>
              {text.search.heading} <bdi class="quote">{query}</bdi>
            </>
          )}
        </h1>
      </header>
      <SearchForm view={view} large />
      {data === null ? (
        <p class="sentence">{text.search.ask}</p>
      ) : hits.length > 0 ? (
        <>
          <p class="sentence">{text.search.found(formatCount(hits.length, view.language))}</p>
          <Hits view={view} hits={hits} />
        </>
      ) : (
        <Nothing view={view} data={data} />
      )}
    </Page>
  )
}

function Hits({ view, hits }: { view: View; hits: readonly Hit[] }) {
  const { text } = view
  const byChain = [...hits].sort((a, b) => a.chain.name.localeCompare(b.chain.name))
  return (
    <section class="list">
      <Table
        caption={text.search.heading}
        rows={byChain}
        columns={[
          { head: text.columns.chain, cell: hit => <ChainLink chain={hit.chain} /> },
          {
            head: text.columns.what,
            place: 'end',
            cell: hit => <span class="tag">{text.search.kinds[hit.target.kind]}</span>,
          },
          {
            head: text.columns.found,
            place: 'main',
            cell: hit => <Target view={view} chain={hit.chain} target={hit.target} href={hitUrl(hit)} />,
          },
          { head: text.columns.more, place: 'end', cell: hit => <More view={view} target={hit.target} /> },
        ]}
      />
    </section>
  )
}

function Target(props: { view: View; chain: ChainName; target: SearchTarget; href: string }) {
  const { view, chain, target, href } = props
  switch (target.kind) {
    case 'Block':
      return <a href={href}>{formatCount(target.height, view.language)}</a>
    case 'Transaction':
      return <Hash hash={target.hash} href={href} />
    case 'Address':
      return <Hash hash={target.address} href={href} />
    case 'Asset':
      return <AssetLink view={view} chain={chain} asset={target} />
    case 'Chain':
      return (
        <a href={href}>
          <bdi>{target.chainName}</bdi>
        </a>
      )
  }
}

function More({ view, target }: { view: View; target: SearchTarget }) {
  const { units } = view.text
  const count = (value: number) => formatCount(value, view.language)
  switch (target.kind) {
    case 'Block':
      return (
        <>
          {`${count(target.transactionCount)} ${units.transactions(target.transactionCount)}`} ·{' '}
          <Age view={view} at={target.time} />
        </>
      )
    case 'Transaction':
      return <Age view={view} at={target.time} />
    case 'Address':
      return `${count(target.addressTransactions)} ${units.transactions(target.addressTransactions)}`
    case 'Asset':
      return target.name === null ? null : <bdi>{target.name}</bdi>
    case 'Chain':
      return null
  }
}

function Nothing({ view, data }: { view: View; data: SearchData }) {
  const { text } = view
  const { readAs, notIndexed } = data.search
  return (
    <>
      <p class="sentence">{text.search.nothing}</p>
      {readAs.length === 0 ? (
        <p>{text.search.readAsNothing}</p>
      ) : (
        <>
          <p>{text.search.readAs}</p>
          <ul class="plain">
            {readAs.map(reading => (
              <li>{reading}</li>
            ))}
          </ul>
        </>
      )}
      {notIndexed.length === 0 ? null : (
        <>
          <h2>{text.search.notIndexed}</h2>
          <ul class="plain">
            {notIndexed.map(chain => (
              <li>
                <ChainLink chain={chain} /> <Ranges view={view} ranges={chain.ranges} />
              </li>
            ))}
          </ul>
        </>
      )}
      <h2>{text.search.try}</h2>
      <ul class="plain">
        {text.search.tries.map(entry => (
          <li>{entry}</li>
        ))}
      </ul>
    </>
  )
}
