import type { Child } from 'hono/jsx'
import { hueOf } from '../format.ts'
import { languages } from '../language.ts'
import { urls, withQuery } from '../urls.ts'
import type { View } from '../view.ts'
import { Icon } from './icon.tsx'

export interface PageProps {
  view: View
  /** For the tab, most telling part first; the site's name is added. */
  title: string
  description: string
  /** Path that stands for this page, whatever parameters it was asked with. */
  canonical: string
  /** Colours the thin edge. */
  chain?: { slug: string } | undefined
  /** Where news of new blocks comes from. */
  live?: string
  /** Not for search engines. */
  hidden?: boolean
  /** The home page has a search of its own. */
  search?: boolean
  children: Child
}

/** The frame of every page: head, search, main part, foot. */
export function Page(props: PageProps) {
  const { view, title, chain } = props
  const { text, language } = view
  const here = view.origin + props.canonical
  return (
    <html lang={text.tag} class={chain === undefined ? '' : `h${hueOf(chain.slug)}`}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{`${title} · ${text.site.name}`}</title>
        <meta name="description" content={props.description} />
        <meta property="og:title" content={title} />
        <meta property="og:description" content={props.description} />
        <meta property="og:site_name" content={text.site.name} />
        <meta name="color-scheme" content="light dark" />
        {props.hidden ? <meta name="robots" content="noindex" /> : <link rel="canonical" href={here} />}
        {Object.entries(languages).map(([code, { tag }]) => (
          <link rel="alternate" hreflang={tag} href={`${here}?lang=${code}`} />
        ))}
        <link rel="icon" href={urls.favicon} type="image/svg+xml" />
        <link rel="stylesheet" href={view.assets.style} />
        <script src={view.assets.script} defer />
      </head>
      <body {...(props.live === undefined ? {} : { 'data-live': props.live })}>
        <a class="skip" href="#main">
          {text.site.skip}
        </a>
        <header class="site">
          <div class="measure">
            <a class="wordmark" href={urls.home}>
              <span lang="zh-Hans" class="han">
                {text.site.han}
              </span>{' '}
              {text.site.latin}
            </a>
            {props.search === false ? null : <SearchForm view={view} />}
            <nav aria-label={text.site.navigation}>
              <a href={urls.status}>{text.statusPage.short}</a>
              <a href={urls.reorgs}>{text.reorgs.short}</a>
              <a href={urls.webhooks}>{text.webhooks.short}</a>
              <a href={urls.graphql}>{text.site.api}</a>
            </nav>
          </div>
        </header>
        <main id="main" class="measure" tabindex={-1}>
          {props.children}
        </main>
        <footer class="site">
          <div class="measure">
            <p>{text.site.motto}</p>
            <nav class="languages" aria-label={text.site.language}>
              {Object.entries(languages).map(([code, { tag, ownName }]) =>
                code === language ? (
                  <span aria-current="true" lang={tag}>
                    {ownName}
                  </span>
                ) : (
                  <a href={withQuery(view.path, view.query, { lang: code })} lang={tag} hreflang={tag}>
                    {ownName}
                  </a>
                ),
              )}
            </nav>
          </div>
        </footer>
      </body>
    </html>
  )
}

/** One search for everything; works as a plain form. */
export function SearchForm({ view, large = false }: { view: View; large?: boolean }) {
  const { text } = view
  return (
    <search>
      <form class={large ? 'search large' : 'search'} action="/search" method="get">
        <label class="unseen" for="q">
          {text.search.label}
        </label>
        <input
          id="q"
          name="q"
          type="search"
          required
          maxlength={200}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          placeholder={text.search.placeholder}
          value={view.path === '/search' ? (view.query.get('q') ?? '') : ''}
          autofocus={large}
        />
        <button type="submit">
          <Icon shape="search" />
          <span class={large ? '' : 'unseen'}>{text.search.button}</span>
        </button>
      </form>
    </search>
  )
}
