import type { ReorgsData } from '../data/reorgs.ts'
import { formatCount } from '../format.ts'
import { List } from '../ui/list.tsx'
import { Page } from '../ui/page.tsx'
import { ReorgTable } from '../ui/reorg-table.tsx'
import { urls, withQuery } from '../urls.ts'
import type { View } from '../view.ts'

/** What left the chains, and what is there now. */
export function ReorgsPage({ view, data }: { view: View; data: ReorgsData }) {
  const { text } = view
  const { reorgs, chains } = data
  const chosen = view.query.get('chain')
  const choice = (slug: string | null, name: string) => (
    <a
      href={withQuery(urls.reorgs, new URLSearchParams(), { chain: slug })}
      {...(chosen === slug ? { 'aria-current': 'true' as const } : {})}
    >
      <bdi>{name}</bdi>
    </a>
  )
  return (
    <Page view={view} title={text.reorgs.title} description={text.reorgs.description} canonical={urls.reorgs}>
      <header class="title">
        <h1>{text.reorgs.title}</h1>
      </header>
      <p class="sentence">
        {reorgs.totalCount === 0
          ? text.reorgs.empty
          : text.reorgs.sentence(formatCount(reorgs.totalCount, view.language), reorgs.totalCount)}
      </p>
      <p class="note">{text.reorgs.meaning}</p>
      <List
        view={view}
        key_="reorgs"
        title={text.reorgs.list}
        connection={reorgs}
        empty={text.reorgs.empty}
        byTime
        note={
          <div class="filters">
            <nav aria-label={text.columns.chain}>
              {choice(null, text.reorgs.allChains)}
              {chains.map(chain => choice(chain.slug, chain.name))}
            </nav>
          </div>
        }
      >
        <ReorgTable view={view} reorgs={reorgs.nodes} caption={text.reorgs.list} />
      </List>
    </Page>
  )
}
