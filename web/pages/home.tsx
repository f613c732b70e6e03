import type { HomeData } from '../data/home.ts'
import { liveDocument } from '../data/home.ts'
import { formatCount } from '../format.ts'
import { BlockTable } from '../ui/block-table.tsx'
import { ChainTable } from '../ui/chain-overview.tsx'
import { List } from '../ui/list.tsx'
import { LiveMore } from '../ui/live.tsx'
import { Page, SearchForm } from '../ui/page.tsx'
import { ReorgTable } from '../ui/reorg-table.tsx'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'

/** Search, chains, newest blocks of all of them. */
export function HomePage({ view, data }: { view: View; data: HomeData }) {
  const { text } = view
  const { chains, blocks, reorgs } = data
  const count = (value: number) => formatCount(value, view.language)
  const sum = (of: (chain: HomeData['chains'][number]) => number) =>
    chains.reduce((all, chain) => all + of(chain), 0)
  const examples = exampleQueries(data)
  return (
    <Page
      view={view}
      title={text.home.title}
      description={text.site.description}
      canonical={urls.home}
      live={urls.live(liveDocument, {})}
      search={false}
    >
      <section class="front">
        <h1>{text.home.heading}</h1>
        <p class="sentence" data-region="sentence">
          {chains.length === 0
            ? text.home.noChains
            : text.home.sentence(
                count(chains.length),
                chains.length,
                count(sum(chain => chain.blockCount)),
                count(sum(chain => chain.transactionCount)),
              )}
        </p>
        <SearchForm view={view} large />
        {examples.length === 0 ? null : (
          <p class="examples">
            {text.home.examples}{' '}
            {examples.map(({ shown, query }, place) => (
              <>
                {place > 0 ? ' · ' : ''}
                <a href={urls.search(query)}>{shown}</a>
              </>
            ))}
          </p>
        )}
      </section>
      <section class="list" aria-labelledby="chains-title">
        <header>
          <h2 id="chains-title">{text.home.chains}</h2>
        </header>
        <div data-region="chains">
          {chains.length === 0 ? (
            <p class="empty">{text.home.noChains}</p>
          ) : (
            <ChainTable view={view} chains={chains} caption={text.home.chains} />
          )}
        </div>
      </section>
      <LiveMore view={view} />
      <div data-region="blocks" data-region-list>
        <List
          view={view}
          key_="blocks"
          title={text.home.blocks}
          connection={blocks}
          empty={text.home.noBlocks}
          byTime
        >
          <BlockTable view={view} blocks={blocks.nodes} caption={text.home.blocks} chains />
        </List>
      </div>
      <div data-region="reorgs">
        <section class="list" aria-labelledby="reorgs-title">
          <header>
            <h2 id="reorgs-title">
              {text.reorgs.title} <span class="count">{count(reorgs.totalCount)}</span>
            </h2>
            <p class="exports">
              <a href={urls.reorgs}>{text.lists.all}</a>
            </p>
          </header>
          {reorgs.nodes.length === 0 ? (
            <p class="empty">{text.reorgs.empty}</p>
          ) : (
            <ReorgTable view={view} reorgs={reorgs.nodes} caption={text.reorgs.title} />
          )}
        </section>
      </div>
    </Page>
  )
}

const SHOWN = 10

/** Something of each kind that this store can answer. */
function exampleQueries({ chains, blocks }: HomeData): { shown: string; query: string }[] {
  const block = blocks.nodes[0]
  if (block === undefined) return []
  const short = (text: string) => (text.length > SHOWN + 4 ? `${text.slice(0, SHOWN)}…` : text)
  const producer = blocks.nodes.find(({ producer }) => producer !== null)?.producer
  const name = chains[0]?.name
  return [String(block.height), block.hash, producer, name]
    .filter(query => query !== undefined && query !== null)
    .map(query => ({ shown: short(query), query }))
}
