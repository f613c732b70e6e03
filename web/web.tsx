import { createHash, randomUUID } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import { secureHeaders } from 'hono/secure-headers'
import type { Gql } from '../schema/ports.ts'
import { FAVICON, ROBOTS, readAssets } from './assets.ts'
import { type AddressData, addressDocument } from './data/address.ts'
import { type BlockData, blockDocument } from './data/block.ts'
import { type ChainData, chainDocument } from './data/chain.ts'
import { type ExtentsData, extentsDocument } from './data/extents.ts'
import type { ChainExtent, Finality } from './data/graph.ts'
import { type HomeData, homeDocument } from './data/home.ts'
import { pageVariables } from './data/lists.ts'
import { type ReorgData, reorgDocument } from './data/reorg.ts'
import { type ReorgsData, reorgsDocument } from './data/reorgs.ts'
import { type SearchData, searchDocument } from './data/search.ts'
import { type StatusData, statusDocument } from './data/status.ts'
import { type TransactionData, transactionDocument } from './data/transaction.ts'
import { listFiles, writeFile } from './export.ts'
import type { LanguageCode } from './format.ts'
import { isLanguage, languages, preferredLanguage } from './language.ts'
import { AddressPage } from './pages/address.tsx'
import { BlockPage } from './pages/block.tsx'
import { ChainPage } from './pages/chain.tsx'
import { HomePage } from './pages/home.tsx'
import { BadRequestPage, ErrorPage, NotFoundPage, type Sought } from './pages/message.tsx'
import { ReorgPage } from './pages/reorg.tsx'
import { ReorgsPage } from './pages/reorgs.tsx'
import { hitUrl, SearchPage } from './pages/search.tsx'
import { StatusPage } from './pages/status.tsx'
import { TransactionPage } from './pages/transaction.tsx'
import { type ExportFormat, urls } from './urls.ts'
import type { View } from './view.ts'
import { webhookRoutes } from './webhooks.tsx'

export interface WebDeps {
  gql: Gql
  /** Where people reach the site, `https://explorer.example`; without it the address of each request is taken. */
  publicUrl?: string
  logger: { error(details: object, message: string): void }
}

/** A part of the address cannot be answered: said by the graph, shown to the reader. */
class BadQuestion extends Error {}

/** Codes with which the graph refuses a question for what is in it. */
const READER_CODES = new Set(['BAD_REQUEST', 'TOO_LARGE', 'GRAPHQL_VALIDATION_FAILED'])

const LIST_SIZES = { short: 10, home: 15, page: 25, transactions: 50, file: 100 } as const
const DIRECTIONS: Readonly<Record<string, string>> = { in: 'IN', out: 'OUT' }
const YEAR = 31_536_000
/** No chain has so many batches that their number would be longer. */
const batchNumber = (digits: string) => Number(digits.slice(0, 15))

const LONGEST_QUERY = 200
const HEIGHT = /^[0-9]{1,15}$/

/** The explorer website. Needs nothing but answers to GraphQL documents. */
export function createWeb(deps: WebDeps): Hono {
  const { gql, logger } = deps
  const assets = readAssets()
  const app = new Hono()
  const viewOf = (c: Context) => createView(c, assets.urls, deps.publicUrl)

  async function ask<Data>(document: string, variables: Readonly<Record<string, unknown>>): Promise<Data> {
    const { data, errors } = await gql.run<Data>(document, variables)
    const refused = errors.find(error => error.code !== null && READER_CODES.has(error.code))
    if (refused !== undefined) throw new BadQuestion(refused.message)
    if (data === null || errors.length > 0) {
      throw new Error(errors[0] ? `${errors[0].message} (at ${errors[0].path?.join('.')})` : 'no data')
    }
    return data
  }

  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
      referrerPolicy: 'same-origin',
      xFrameOptions: 'DENY',
      // Whether the site is reached by https is for the operator's proxy to say.
      strictTransportSecurity: false,
    }),
  )

  app.get('/assets/:file', c => {
    const asset = assets.files.get(c.req.param('file'))
    if (asset === undefined) return c.notFound()
    return c.body(asset.bytes, 200, {
      'content-type': asset.type,
      'cache-control': `public, max-age=${YEAR}, immutable`,
    })
  })
  app.get(urls.favicon, c =>
    c.body(FAVICON, 200, { 'content-type': 'image/svg+xml', 'cache-control': 'public, max-age=86400' }),
  )
  app.get('/favicon.ico', c => c.redirect(urls.favicon, 301))
  app.get('/robots.txt', c => c.text(ROBOTS, 200, { 'cache-control': 'public, max-age=86400' }))

  async function notFound(c: Context, sought: Sought, name: string, chain: ChainExtent | null) {
    const view = viewOf(c)
    const known = chain === null ? (await ask<ExtentsData>(extentsDocument, {})).chains : []
    const page = <NotFoundPage view={view} sought={sought} name={name} chain={chain} chains={known} />
    return respond(c, page, { status: 404 })
  }

  app.get('/', async c => {
    const view = viewOf(c)
    const data = await ask<HomeData>(homeDocument, pageVariables(view.query, 'blocks', LIST_SIZES.home))
    return respond(c, <HomePage view={view} data={data} />)
  })

  app.get('/search', async c => {
    const view = viewOf(c)
    const query = (view.query.get('q') ?? '').trim().slice(0, LONGEST_QUERY)
    if (query === '') return respond(c, <SearchPage view={view} query="" data={null} />)
    const data = await ask<SearchData>(searchDocument, { query })
    const [hit, ...others] = data.search.hits
    if (hit !== undefined && others.length === 0) return c.redirect(hitUrl(hit), 302)
    return respond(c, <SearchPage view={view} query={query} data={data} />)
  })

  app.get('/status', async c => {
    const data = await ask<StatusData>(statusDocument, {})
    return respond(c, <StatusPage view={viewOf(c)} data={data} />)
  })

  app.get('/reorgs', async c => {
    const view = viewOf(c)
    const data = await ask<ReorgsData>(reorgsDocument, {
      chain: view.query.get('chain') || null,
      ...pageVariables(view.query, 'reorgs', LIST_SIZES.page),
    })
    return respond(c, <ReorgsPage view={view} data={data} />)
  })

  app.route('/', webhookRoutes({ gql, viewOf, notFound: (c, name) => notFound(c, 'page', name, null) }))

  app.get('/:list{[a-z]+\\.(?:csv|json)}', c =>
    exportList(c, 'home', { chain: c.req.query('chain') || null }),
  )

  app.get('/:chain', async c => {
    const view = viewOf(c)
    const slug = c.req.param('chain')
    const { chain } = await ask<ChainData>(chainDocument, {
      chain: slug,
      ...pageVariables(view.query, 'blocks', LIST_SIZES.page),
      ...pageVariables(view.query, 'assets', LIST_SIZES.short),
    })
    if (chain === null) return notFound(c, 'chain', slug, null)
    return respond(c, <ChainPage view={view} chain={chain} />)
  })
  app.get('/:chain/:list{[a-z]+\\.(?:csv|json)}', c =>
    exportList(c, 'chain', { chain: c.req.param('chain') }),
  )

  app.get('/:chain/block/:block', async c => {
    const view = viewOf(c)
    const { chain: slug, block: name } = c.req.param()
    const data = await ask<BlockData>(blockDocument, {
      chain: slug,
      ...blockVariables(name),
      ...pageVariables(view.query, 'transactions', LIST_SIZES.transactions),
      ...pageVariables(view.query, 'withdrawals', LIST_SIZES.short),
      ...pageVariables(view.query, 'effects', LIST_SIZES.short),
    })
    const { chain, block } = data
    if (chain === null) return notFound(c, 'chain', slug, null)
    if (block === null) return notFound(c, 'block', name, chain)
    return respond(c, <BlockPage view={view} chain={chain} block={block} />, { finality: block.finality })
  })
  app.get('/:chain/block/:block/:list{[a-z]+\\.(?:csv|json)}', c =>
    exportList(c, 'block', { chain: c.req.param('chain'), ...blockVariables(c.req.param('block')) }),
  )

  app.get('/:chain/tx/:hash', async c => {
    const view = viewOf(c)
    const { chain: slug, hash } = c.req.param()
    const { chain, transaction } = await ask<TransactionData>(transactionDocument, {
      chain: slug,
      hash,
      ...pageVariables(view.query, 'inputs', LIST_SIZES.page),
      ...pageVariables(view.query, 'outputs', LIST_SIZES.page),
      ...pageVariables(view.query, 'movements', LIST_SIZES.page),
      ...pageVariables(view.query, 'effects', LIST_SIZES.page),
      ...pageVariables(view.query, 'transfers', LIST_SIZES.page),
      ...pageVariables(view.query, 'events', LIST_SIZES.page),
      ...pageVariables(view.query, 'calls', LIST_SIZES.transactions),
    })
    if (chain === null) return notFound(c, 'chain', slug, null)
    if (transaction === null) return notFound(c, 'transaction', hash, chain)
    const page = <TransactionPage view={view} chain={chain} transaction={transaction} />
    return respond(c, page, { finality: transaction.block.finality })
  })
  app.get('/:chain/tx/:hash/:list{[a-z]+\\.(?:csv|json)}', c =>
    exportList(c, 'transaction', { chain: c.req.param('chain'), hash: c.req.param('hash') }),
  )

  app.get('/:chain/reorg/:batch{[0-9]+}', async c => {
    const view = viewOf(c)
    const { chain: slug, batch } = c.req.param()
    const { chain, reorg } = await ask<ReorgData>(reorgDocument, {
      chain: slug,
      batch: batchNumber(batch),
      ...pageVariables(view.query, 'affected', LIST_SIZES.page),
    })
    if (chain === null) return notFound(c, 'chain', slug, null)
    if (reorg === null) return notFound(c, 'page', `${slug}/reorg/${batch}`, chain)
    return respond(c, <ReorgPage view={view} chain={chain} reorg={reorg} />)
  })
  app.get('/:chain/reorg/:batch{[0-9]+}/:list{[a-z]+\\.(?:csv|json)}', c =>
    exportList(c, 'reorg', { chain: c.req.param('chain'), batch: batchNumber(c.req.param('batch')) }),
  )

  app.get('/:chain/address/:address', async c => {
    const view = viewOf(c)
    const { chain: slug, address: name } = c.req.param()
    const { chain, address } = await ask<AddressData>(addressDocument, {
      chain: slug,
      address: name,
      ...historyVariables(view.query),
      ...pageVariables(view.query, 'balances', LIST_SIZES.page),
      ...pageVariables(view.query, 'history', LIST_SIZES.page),
      ...pageVariables(view.query, 'tokens', LIST_SIZES.short),
      ...pageVariables(view.query, 'transfers', LIST_SIZES.short),
    })
    if (chain === null) return notFound(c, 'chain', slug, null)
    if (address === null) return notFound(c, 'address', name, chain)
    return respond(c, <AddressPage view={view} chain={chain} address={address} />)
  })
  app.get('/:chain/address/:address/:list{[a-z]+\\.(?:csv|json)}', c =>
    exportList(c, 'address', {
      chain: c.req.param('chain'),
      address: c.req.param('address'),
      ...historyVariables(viewOf(c).query),
    }),
  )

  /** A list as a file, sent page by page as it is read. */
  async function exportList(c: Context, page: string, variables: Readonly<Record<string, unknown>>) {
    const name = c.req.param('list') ?? ''
    const [key = '', format] = name.split('.') as [string, ExportFormat]
    const files = listFiles[page] ?? {}
    const list = Object.hasOwn(files, key) ? files[key] : undefined
    if (list === undefined) return notFound(c, 'page', c.req.path, null)
    const fetchPage = async (after: string | null) =>
      list.page((await ask<never>(list.document, { ...variables, first: LIST_SIZES.file, after })) as never)
    const first = await fetchPage(null)
    if (first === null) return notFound(c, 'page', c.req.path, null)
    const text = writeFile(list, format, first, async cursor => {
      const next = await fetchPage(cursor)
      if (next === null) throw new Error(`${name}: what was being written is not there any more`)
      return next
    })
    c.header('cache-control', 'no-cache')
    c.header('content-type', format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json; charset=utf-8')
    c.header('content-disposition', `attachment; filename="${fileName(c.req.path)}"`)
    return c.body(
      textStream(text, error => logger.error({ err: error, path: c.req.path }, 'a file broke off')),
    )
  }

  app.notFound(c => notFound(c, 'page', c.req.path, null))
  app.onError((error, c) => {
    const view = viewOf(c)
    if (error instanceof BadQuestion) {
      return respond(c, <BadRequestPage view={view} reason={error.message} />, { status: 400 })
    }
    const reference = randomUUID().slice(0, 8)
    logger.error({ err: error, path: c.req.path, reference }, 'a page failed')
    return respond(c, <ErrorPage view={view} reference={reference} />, { status: 500 })
  })
  return app
}

function blockVariables(name: string): { height: number } | { hash: string } {
  return HEIGHT.test(name) ? { height: Number(name) } : { hash: name }
}

function historyVariables(query: URLSearchParams): Record<string, unknown> {
  const height = query.get('height') ?? ''
  return {
    direction: DIRECTIONS[query.get('direction') ?? ''] ?? null,
    asset: query.get('asset') || null,
    toHeight: HEIGHT.test(height) ? Number(height) : null,
  }
}

/** `/bitcoin/block/170/transactions.csv` → `bitcoin-block-170-transactions.csv`. */
function fileName(path: string): string {
  return decodeURIComponent(path)
    .slice(1)
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .slice(-120)
}

/** Pulled as fast as the reader takes it; an error breaks the answer off, so that half a file is not taken for a whole. */
function textStream(
  text: AsyncGenerator<string>,
  onError: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await text.next()
        if (done) controller.close()
        else controller.enqueue(encoder.encode(value))
      } catch (error) {
        onError(error)
        controller.error(error)
      }
    },
    async cancel() {
      await text.return(undefined)
    },
  })
}

const LANGUAGE_COOKIE = 'lang'

function createView(c: Context, assets: View['assets'], publicUrl: string | undefined): View {
  const url = new URL(c.req.url)
  const language = languageOf(c)
  return {
    language,
    text: languages[language],
    now: Date.now(),
    origin: publicUrl?.replace(/\/+$/, '') ?? url.origin,
    path: url.pathname,
    query: url.searchParams,
    assets,
  }
}

/** The address decides, then what was chosen before, then what the browser prefers. */
function languageOf(c: Context): LanguageCode {
  const asked = c.req.query('lang')
  if (isLanguage(asked)) return asked
  const chosen = getCookie(c, LANGUAGE_COOKIE)
  return isLanguage(chosen) ? chosen : preferredLanguage(c.req.header('accept-language'))
}

/** Final blocks may be shown again for a minute without asking; all else is asked for, and sent if it changed. */
async function respond(
  c: Context,
  page: Child,
  options: { status?: 400 | 404 | 500; finality?: Finality } = {},
): Promise<Response> {
  const body = String(await html`<!doctype html>${page}`)
  const { status = 200, finality } = options
  const asked = c.req.query('lang')
  if (isLanguage(asked)) {
    setCookie(c, LANGUAGE_COOKIE, asked, { path: '/', maxAge: YEAR, sameSite: 'Lax', httpOnly: true })
  }
  c.header('vary', 'accept-language, cookie')
  c.header(
    'cache-control',
    status === 200 && finality === 'FINAL' && asked === undefined ? 'private, max-age=60' : 'no-cache',
  )
  if (status !== 200) return c.html(body, status)
  const etag = `W/"${createHash('sha1').update(body).digest('base64url')}"`
  c.header('etag', etag)
  const known = c.req.header('if-none-match')?.split(/\s*,\s*/) ?? []
  return known.includes(etag) ? c.body(null, 304) : c.html(body)
}
