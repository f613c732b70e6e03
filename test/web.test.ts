import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { knownChains } from '../crawlers/chains.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { describeRecorded } from './recordings.ts'
import {
  FAILED_CALL,
  FIRST_PAYMENT,
  LARGEST,
  LARGEST_MINT,
  openWebWorld,
  TOKEN_BATCH,
  type WebWorld,
} from './web-world.ts'

interface Answer {
  status: number
  headers: Headers
  html: string
  /** What the page says, without its marks. */
  text: string
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
const decode = (text: string) => text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name]!)
const textOf = (html: string) =>
  decode(
    html
      .replace(/<(script|style)\b.*?<\/\1>/gs, '')
      .replace(/<\/(p|li|td|th|dt|dd|h1|h2|h3|section|caption)>/g, ' ')
      .replace(/<[^>]*>/g, ''),
  ).replace(/\s+/g, ' ')

const hostileName = '"><script>alert(1)</script>\u202e'

describeRecorded('the site', () => {
  let world: WebWorld

  beforeAll(async () => {
    world = await openWebWorld()
    const { definition } = knownChains.find(chain => chain.definition.slug === 'evm-local')!
    await registerChain(world.sql, { ...definition, slug: 'hostile', name: hostileName })
  })
  afterAll(() => world.close())

  /** Pages that several tests look at are made once. */
  const made = new Map<string, Promise<Answer>>()
  function look(path: string): Promise<Answer> {
    const page = made.get(path) ?? get(path)
    made.set(path, page)
    return page
  }

  async function get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await world.site.request(path, { headers: { 'accept-language': 'en', ...headers } })
    const html = await answer.text()
    return { status: answer.status, headers: answer.headers, html, text: textOf(html) }
  }
  const sentence = ({ html }: Answer) => textOf(/<p class="sentence".*?<\/p>/s.exec(html)?.[0] ?? '').trim()

  const PAGES = [
    '/',
    '/bitcoin',
    '/evm-local',
    '/bitcoin/block/170',
    '/ethereum/block/4370006',
    '/ethereum/block/18000000',
    `/bitcoin/tx/${FIRST_PAYMENT}`,
    `/ethereum/tx/${FAILED_CALL}`,
    `/ethereum/tx/${TOKEN_BATCH}`,
    `/evm-local/tx/${LARGEST_MINT}`,
    '/evm-local/address/0x90F79bf6EB2c4f870365E785982E1f101E93b906',
    '/evm-local/address/0xA51c1fc2f0D1a1b8494Ed1FE312d7C3a78Ed91C0',
    '/search?q=9',
    '/search',
    '/status',
    '/reorgs',
  ]

  describe('what pages say', () => {
    test('the first payment of Bitcoin', async () => {
      const page = await look(`/bitcoin/tx/${FIRST_PAYMENT}`)
      expect(page.status).toBe(200)
      expect(sentence(page)).toMatch(
        /^script:[0-9a-f]{64} paid 10 BTC to script:[0-9a-f]{64} in block 170, 12 January 2009; fee 0 BTC\.$/,
      )
      expect(page.text).toContain('spent in 181 →')
      expect(page.html).toMatch(/<svg class="bands"/)
    })

    test('a block: sentence, finality, proofs with their meaning', async () => {
      const page = await look('/bitcoin/block/170')
      expect(sentence(page)).toBe(
        'Block 170 of Bitcoin, made on 12 January 2009, holds 2 transactions that paid 0 BTC in fees.',
      )
      expect(page.text).toMatch(/Proven hash ?parent ?transactions/)
      expect(page.text).toContain('none is missing, added or changed')
      expect(page.text).toContain('The block’s hash meets the target that its header states.')
      expect(page.html).toContain('href="/bitcoin/block/169"')
      expect(page.html).toContain('href="/bitcoin/block/171"')
      const byHash = await get(
        '/bitcoin/block/00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee',
      )
      expect(sentence(byHash)).toBe(sentence(page))
    })

    test('a failed transaction with its reason, and that nothing moved but the fee', async () => {
      const page = await look(`/ethereum/tx/${FAILED_CALL}`)
      expect(sentence(page)).toContain('and failed: nothing moved but the fee of 0.001483027 ETH.')
      expect(page.text).toContain('It failed, by what the node tells: execution reverted')
      expect(page.text).toContain('undone')
    })

    test('an uncle with its reward, and withdrawals', async () => {
      const uncles = await look('/ethereum/block/4370006')
      expect(uncles.text).toMatch(/Uncles 1/)
      expect(uncles.text).toContain('2.625 ETH')
      const withdrawals = await look('/ethereum/block/18000000')
      expect(withdrawals.text).toMatch(/Withdrawals 16/)
      expect(withdrawals.text).toMatch(/validator [0-9,]+ 0\.015\d+ ETH/)
      expect(withdrawals.text).toContain('not proven')
    })

    test('a batch of tokens, a row for each id', async () => {
      const page = await look(`/ethereum/tx/${TOKEN_BATCH}`)
      expect(page.text).toMatch(/Token transfers 5/)
      for (const id of [6, 12, 14, 18, 20]) expect(page.text).toContain(`#${id} ERC-1155`)
      expect(page.text).toContain('TransferBatch')
    })

    test('the largest amount there can be, digit for digit', async () => {
      const page = await look(`/evm-local/tx/${LARGEST_MINT}`)
      expect(page.text).toContain(LARGEST)
    })

    test('messages in outputs, and an address with its history', async () => {
      const { html } = await get('/bitcoin-regtest/block/108')
      const hashes = [...html.matchAll(/href="\/bitcoin-regtest\/tx\/([0-9a-f]{64})"/g)].map(
        match => match[1]!,
      )
      const carriers = await world.sql.rows<{ hash: string }>(
        `SELECT transaction_hash AS hash FROM utxo_outputs
         WHERE chain = 'bitcoin-regtest' AND height = 108 AND startsWith(script_type, 'null')`,
      )
      expect(carriers.length).toBeGreaterThan(0)
      expect(hashes).toContain(carriers[0]!.hash)
      const carrier = await get(`/bitcoin-regtest/tx/${carriers[0]!.hash}`)
      expect(carrier.text).toContain('message, carries no coins')
      const address = await look('/evm-local/address/0x90F79bf6EB2c4f870365E785982E1f101E93b906')
      expect(sentence(address)).toMatch(/^It holds 10000\.000000000000000077 ETH and 5 other/)
      const out = await get('/evm-local/address/0x90F79bf6EB2c4f870365E785982E1f101E93b906?direction=out')
      const history = (page: Answer) => Number(/History (\d+)/.exec(page.text)?.[1])
      expect(history(out)).toBeGreaterThan(0)
      expect(history(out)).toBeLessThan(history(address))
    })

    test('search goes to the one hit, lists several, and explains none', async () => {
      const one = await world.site.request(`/search?q=${FIRST_PAYMENT.slice(0, 12)}`)
      expect([one.status, one.headers.get('location')]).toEqual([302, `/bitcoin/tx/${FIRST_PAYMENT}`])
      const several = await look('/search?q=9')
      expect(several.text).toMatch(/things fit/)
      const none = await get('/search?q=nothing-like-this')
      expect(none.status).toBe(200)
      expect(none.text).toContain('Nothing that is stored fits.')
      expect(none.text).toContain('What to try')
    })

    test('what is not there is said, with how far the chain is', async () => {
      const block = await get('/bitcoin/block/99999999')
      expect(block.status).toBe(404)
      expect(block.text).toContain('We looked for block 99999999 of Bitcoin: it is not stored.')
      expect(block.text).toContain('168–171')
      expect((await get('/bitcoin/tx/zz')).status).toBe(404)
      expect((await get('/bitcoin/address/nobody')).status).toBe(404)
      const chain = await get('/no-such-chain')
      expect([chain.status, chain.html.includes('href="/bitcoin"')]).toEqual([404, true])
      expect((await get('/a/b/c/d/e')).status).toBe(404)
      expect((await get('/bitcoin?blocks-after=%00broken')).status).toBe(400)
    })
  })

  describe('how pages are made', () => {
    test('frame, headings, tables, titles', async () => {
      for (const path of PAGES) {
        const { html, status } = await look(path)
        const count = (pattern: RegExp) => [...html.matchAll(pattern)].length
        expect([path, status]).toEqual([path, 200])
        expect([path, html.startsWith('<!doctype html><html lang="en"')]).toEqual([path, true])
        expect([path, count(/<h1[ >]/g), count(/<main /g), count(/<title>/g)]).toEqual([path, 1, 1, 1])
        expect([path, count(/<header class="site"/g), count(/<footer /g)]).toEqual([path, 1, 1])
        expect([path, /<a class="skip" href="#main">/.test(html)]).toEqual([path, true])
        expect([path, count(/<table/g)]).toEqual([path, count(/<caption/g)])
        expect([path, count(/<table/g)]).toEqual([path, count(/<thead/g)])
        expect([path, count(/<th(?!ead)/g)]).toEqual([path, count(/<th scope="col"/g)])
        expect([path, /<meta name="description" content="[^"]{20,}"/.test(html)]).toEqual([path, true])
        const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(match => match[1])
        expect([path, ids.length]).toEqual([path, new Set(ids).size])
      }
      const title = /<title>(.*?)<\/title>/.exec((await look('/bitcoin/block/170')).html)?.[1]
      expect(title).toBe('Bitcoin block 170 · Wanlian')
    })

    test('nothing inline, and headers that forbid it', async () => {
      for (const path of [...PAGES, '/no-such-chain']) {
        const { html, headers } = await look(path)
        expect([path, headers.get('content-security-policy')]).toEqual([
          path,
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ])
        expect([path, headers.get('x-content-type-options'), headers.get('x-frame-options')]).toEqual([
          path,
          'nosniff',
          'DENY',
        ])
        expect([
          path,
          html.match(/ style=|<style| on[a-z]+=|javascript:|<script(?! src="\/assets\/)/g),
        ]).toEqual([path, null])
      }
    })

    test('strangers’ words stay words', async () => {
      for (const path of ['/', '/hostile', '/status']) {
        const { html, text } = await get(path)
        expect([path, html.includes('<script>alert')]).toEqual([path, false])
        expect([path, text.includes('<script>alert(1)</script>')]).toEqual([path, true])
      }
      const attack = '"><img src=x onerror=alert(1)>'
      for (const path of [`/search?q=${encodeURIComponent(attack)}`, `/${encodeURIComponent(attack)}`]) {
        const { html, text } = await get(path)
        expect([path, html.includes('<img')]).toEqual([path, false])
        expect([path, text.includes('<img src=x')]).toEqual([path, true])
      }
    })

    test('every link inside leads somewhere', async () => {
      const seen = new Set(PAGES)
      const broken: string[] = []
      for (const page of PAGES) {
        const { html } = await look(page)
        const links = [...html.matchAll(/ (?:href|src|action)="([^"]*)"/g)].map(match => decode(match[1]!))
        const inside = links.filter(link => link.startsWith('/') && !link.startsWith('/graphql'))
        // Of many alike a few of each page are tried.
        const fresh = [...new Set(inside)].filter(link => !seen.has(link))
        for (const link of fresh.filter((_, place) => place % Math.ceil(fresh.length / 3) === 0)) {
          seen.add(link)
          const { status } = await get(link)
          // A parent that is not stored, an address that was only asked by a call: said to be missing.
          const mayBeMissing = /\/(block|address)\//.test(link)
          if (status !== 200 && status !== 302 && !(status === 404 && mayBeMissing)) {
            broken.push(`${page} → ${link}: ${status}`)
          }
        }
      }
      expect(broken).toEqual([])
      expect(seen.size).toBeGreaterThan(PAGES.length + 25)
    })

    test('lists turn their pages without a script, both ways', async () => {
      const first = await get('/bitcoin-regtest')
      const heights = (page: Answer) =>
        [...page.html.matchAll(/class="height" href="\/bitcoin-regtest\/block\/(\d+)"/g)].map(
          match => +match[1]!,
        )
      const link = (page: Answer, rel: string) =>
        decode(new RegExp(`rel="${rel}" href="([^"#]*)`).exec(page.html)![1]!)
      const second = await get(link(first, 'next'))
      expect(heights(second)[0]).toBe(heights(first).at(-1)! - 1)
      const back = await get(link(second, 'prev'))
      expect(heights(back)).toEqual(heights(first))
    })

    test('lists as files, whole and exact', async () => {
      const csv = await get('/bitcoin-regtest/blocks.csv')
      expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
      expect(csv.headers.get('content-disposition')).toBe('attachment; filename="bitcoin-regtest-blocks.csv"')
      // 111 blocks are more than one page of the graph.
      expect(csv.html.trimEnd().split('\r\n').length).toBe(112)
      const json = await get(`/evm-local/tx/${LARGEST_MINT}/transfers.json`)
      expect(JSON.parse(json.html)).toMatchObject([
        { base_units: LARGEST, amount: LARGEST, standard: 'erc20' },
      ])
      const history = await get(
        '/evm-local/address/0x90F79bf6EB2c4f870365E785982E1f101E93b906/history.json?direction=out',
      )
      const amounts = (JSON.parse(history.html) as { base_units: string }[]).map(row => row.base_units)
      expect(amounts.length > 0 && amounts.every(amount => amount.startsWith('-'))).toBe(true)
      expect((await get('/bitcoin/nosuch.csv')).status).toBe(404)
      expect((await get('/bitcoin/block/99999999/transactions.csv')).status).toBe(404)
    })

    test('two languages: asked for, remembered, preferred', async () => {
      const zh = await get('/bitcoin/block/170?lang=zh')
      expect(zh.html).toContain('<html lang="zh-Hans"')
      expect(sentence(zh)).toBe('Bitcoin 的区块 170 产生于 2009年1月12日，含 2 笔交易，手续费合计 0 BTC。')
      expect(zh.headers.get('set-cookie')).toMatch(/^lang=zh; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/)
      expect((await get('/', { cookie: 'lang=zh' })).html).toContain('<html lang="zh-Hans"')
      expect((await get('/', { 'accept-language': 'zh-CN' })).html).toContain('<html lang="zh-Hans"')
      expect((await get('/', { cookie: 'lang=../../etc' })).html).toContain('<html lang="en"')
      for (const path of PAGES.filter((_, place) => place % 3 === 0)) {
        const { text, status } = await get(path, { cookie: 'lang=zh' })
        expect([path, status, /\b(undefined|null|NaN|\[object)/.test(text)]).toEqual([path, 200, false])
      }
    })

    test('answers are not sent twice', async () => {
      const first = await get('/bitcoin/block/169')
      expect(first.headers.get('vary')).toBe('accept-language, cookie')
      const again = await get('/bitcoin/block/169', { 'if-none-match': first.headers.get('etag')! })
      expect([again.status, again.html]).toEqual([304, ''])
      const style = /href="(\/assets\/style\.[0-9a-f]{12}\.css)"/.exec(first.html)![1]!
      const sheet = await get(style)
      expect(sheet.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      expect((await get('/assets/style.000000000000.css')).status).toBe(404)
      expect((await get('/favicon.svg')).headers.get('content-type')).toBe('image/svg+xml')
      expect((await get('/robots.txt')).text).toContain('Disallow: /search')
    })

    test('nothing of all this failed inside', () => {
      expect(world.logged).toEqual([])
    })
  })
})
