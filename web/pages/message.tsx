import type { ChainExtent } from '../data/graph.ts'
import { formatCount } from '../format.ts'
import { ChainLink } from '../ui/chain-mark.tsx'
import { Facts } from '../ui/facts.tsx'
import { Page } from '../ui/page.tsx'
import { Ranges } from '../ui/ranges.tsx'
import { Age } from '../ui/time.tsx'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'

export type Sought = 'page' | 'chain' | 'block' | 'transaction' | 'address'

/** What was looked for, where, how far the chain is, and what to try. */
export function NotFoundPage(props: {
  view: View
  sought: Sought
  name: string
  chain: ChainExtent | null
  chains: readonly ChainExtent[]
}) {
  const { view, sought, name, chain, chains } = props
  const { text } = view
  return (
    <Page
      view={view}
      title={text.missing.title}
      description={text.missing.title}
      canonical={view.path}
      hidden
      chain={chain ?? undefined}
    >
      <header class="title">
        {chain === null ? null : (
          <p class="crumb">
            <ChainLink chain={chain} />
          </p>
        )}
        <h1>{text.missing.heading[sought]}</h1>
      </header>
      <p class="sentence">
        {text.missing.looked[sought](<bdi class="sought">{name}</bdi>, chain?.name ?? '')}
      </p>
      {chain === null ? null : (
        <Facts
          facts={[
            {
              label: text.facts.tipHeight,
              value:
                chain.tip === null ? (
                  text.words.none
                ) : (
                  <>
                    <a href={urls.block(chain.slug, chain.tip.height)}>
                      {formatCount(chain.tip.height, view.language)}
                    </a>{' '}
                    <span class="muted">
                      · <Age view={view} at={chain.tip.time} />
                    </span>
                  </>
                ),
            },
            {
              label: text.facts.head,
              value: chain.head === null ? text.words.unknown : formatCount(chain.head, view.language),
            },
            { label: text.facts.stored, wide: true, value: <Ranges view={view} ranges={chain.ranges} /> },
          ]}
        />
      )}
      <h2>{text.missing.try}</h2>
      <ul class="plain">
        {text.missing.tries[sought].map(entry => (
          <li>{entry}</li>
        ))}
        {sought === 'page' || sought === 'chain' ? null : (
          <li>
            <a href={urls.search(name)}>{text.missing.everywhere}</a>
          </li>
        )}
      </ul>
      {chains.length === 0 ? null : (
        <>
          <h2>{text.home.chains}</h2>
          <ul class="plain">
            {chains.map(other => (
              <li>
                <ChainLink chain={other} />
              </li>
            ))}
          </ul>
        </>
      )}
    </Page>
  )
}

/** Something of ours failed: the reader can only come back. */
export function ErrorPage({ view, reference }: { view: View; reference: string }) {
  const { text } = view
  return (
    <Page
      view={view}
      title={text.failure.title}
      description={text.failure.title}
      canonical={view.path}
      hidden
    >
      <header class="title">
        <h1>{text.failure.title}</h1>
      </header>
      <p class="sentence">{text.failure.sentence}</p>
      <p>
        <a href={view.path}>{text.failure.again}</a>
      </p>
      <p class="note">
        {text.failure.reference} <code>{reference}</code>
      </p>
    </Page>
  )
}

/** The address asks for something that cannot be: a broken cursor, a wrong parameter. */
export function BadRequestPage({ view, reason }: { view: View; reason: string }) {
  const { text } = view
  return (
    <Page
      view={view}
      title={text.badRequest.title}
      description={text.badRequest.title}
      canonical={view.path}
      hidden
    >
      <header class="title">
        <h1>{text.badRequest.title}</h1>
      </header>
      <p class="sentence">{text.badRequest.sentence}</p>
      <p class="quote">
        <bdi>{reason}</bdi>
      </p>
      <p>
        <a href={view.path}>{text.badRequest.first}</a>
      </p>
    </Page>
  )
}
