import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fillFromRecording, recordingOf } from './api-world.ts'
import { recordings } from './recordings.ts'
import {
  FAILED_CALL,
  FIRST_PAYMENT,
  LARGEST,
  LARGEST_MINT,
  openWebWorld,
  TOKEN_BATCH,
  type WebWorld,
} from './web-world.ts'

const executablePath = process.env.WANLIAN_CHROMIUM ?? '/usr/bin/chromium'
const missing = [executablePath, recordings].filter(path => !existsSync(path))
if (missing.length > 0 && process.env.CI) {
  throw new Error(`not found: ${missing.join(', ')}: browser tests must not be skipped in CI`)
}

const title = 'the site in a browser'
const describeBrowser = (tests: () => void) =>
  missing.length === 0
    ? describe(title, tests)
    : describe.skip(`${title} (SKIPPED: no ${missing.join(', ')})`, tests)

const PAGES = [
  '/',
  '/bitcoin',
  '/bitcoin/block/170',
  '/ethereum/block/18000000',
  `/bitcoin/tx/${FIRST_PAYMENT}`,
  `/ethereum/tx/${FAILED_CALL}`,
  `/ethereum/tx/${TOKEN_BATCH}`,
  `/evm-local/tx/${LARGEST_MINT}`,
  '/evm-local/address/0x90F79bf6EB2c4f870365E785982E1f101E93b906',
  '/evm-local/address/0xA51c1fc2f0D1a1b8494Ed1FE312d7C3a78Ed91C0',
  '/search?q=9',
  '/status',
  '/reorgs',
]
const NEWEST = 21

describeBrowser(() => {
  let world: WebWorld
  let server: ReturnType<typeof serve>
  let base: string
  let browser: Browser

  beforeAll(async () => {
    const before = Array.from({ length: NEWEST }, (_, height) => height)
    world = await openWebWorld({ 'evm-local': before })
    server = serve({ fetch: world.site.fetch, hostname: '127.0.0.1', port: 0 })
    if (!server.listening) await new Promise<void>(resolve => server.once('listening', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    await browser?.close()
    await new Promise<void>(resolve => {
      server.close(() => resolve())
      if ('closeAllConnections' in server) server.closeAllConnections()
    })
    await world.close()
  })

  /** Runs on a page of its own; whatever the browser complains of is an error. */
  async function visit<T>(options: BrowserContextOptions, run: (page: Page) => Promise<T>): Promise<T> {
    const context = await browser.newContext({ locale: 'en-GB', ...options })
    const complaints: string[] = []
    try {
      const page = await context.newPage()
      page.on('console', message => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
      })
      page.on('pageerror', error => complaints.push(error.message))
      const result = await run(page)
      expect(complaints).toEqual([])
      return result
    } finally {
      await context.close()
    }
  }

  const phone = { viewport: { width: 390, height: 844 } }
  const desk = { viewport: { width: 1280, height: 900 } }

  for (const [name, size] of Object.entries({ phone, desk })) {
    test(`nothing scrolls sideways and nothing is refused: ${name}`, async () => {
      await visit({ ...size, locale: name === 'desk' ? 'zh-CN' : 'en-GB' }, async page => {
        for (const path of PAGES) {
          await page.goto(base + path, { waitUntil: 'load' })
          const widths = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')
          const [scroll, inner] = widths as [number, number]
          expect([path, scroll <= inner]).toEqual([path, true])
          const wide = await page.evaluate(`(() => {
            const edge = document.querySelector('main').getBoundingClientRect().right
            const inside = parseFloat(getComputedStyle(document.querySelector('main')).paddingRight)
            return [...document.querySelectorAll('table')]
              .filter(table => table.getBoundingClientRect().right > edge - inside + 1)
              .map(table => table.caption.textContent)
          })()`)
          expect([path, wide]).toEqual([path, []])
        }
      })
    })
  }

  test('colours are read easily in both themes', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await visit({ ...desk, colorScheme }, async page => {
        await page.goto(`${base}/bitcoin/block/170`)
        const pairs = (await page.evaluate(CONTRASTS)) as [string, number][]
        expect(pairs.length).toBeGreaterThan(35)
        expect([colorScheme, pairs.filter(([, ratio]) => ratio < 4.5)]).toEqual([colorScheme, []])
        const paper = await page.evaluate('getComputedStyle(document.body).backgroundColor')
        expect(paper).toBe(colorScheme === 'light' ? 'oklch(0.99 0.003 95)' : 'oklch(0.18 0.01 260)')
      })
    }
  })

  test('what is cut on a phone is whole when copied', async () => {
    await visit(phone, async page => {
      await page.goto(`${base}/bitcoin/tx/${FIRST_PAYMENT}`)
      const copied = await page.evaluate(`(() => {
        const hash = document.querySelector('.facts .hash')
        getSelection().selectAllChildren(hash)
        const head = hash.querySelector('.head')
        return [getSelection().toString(), head.scrollWidth > head.clientWidth]
      })()`)
      expect(copied).toEqual([FIRST_PAYMENT, true])
      await page.goto(`${base}/evm-local/tx/${LARGEST_MINT}`)
      const amount = await page.evaluate(`(() => {
        getSelection().selectAllChildren(document.querySelector('#transfers .amount .digits'))
        return getSelection().toString()
      })()`)
      expect(amount).toBe(LARGEST)
    })
  })

  test('pages work without a script', async () => {
    await visit({ ...desk, javaScriptEnabled: false }, async page => {
      await page.goto(`${base}/bitcoin/block/170`)
      await page.locator('details.proofs summary').click()
      expect(await page.locator('details.proofs dd').first().isVisible()).toBe(true)
      await page.locator('#q').fill(FIRST_PAYMENT)
      await page.locator('#q').press('Enter')
      await page.waitForURL(`${base}/bitcoin/tx/${FIRST_PAYMENT}`)
      await page.getByRole('link', { name: '简体中文' }).click()
      await page.waitForURL(/lang=zh/)
      await page.goto(`${base}/status`)
      expect(await page.locator('h1').textContent()).toBe('状态')
    })
  })

  test('keyboard: the skip link comes first, a slash goes to the search', async () => {
    await visit(desk, async page => {
      await page.goto(`${base}/bitcoin/block/170`)
      await page.keyboard.press('Tab')
      expect(await page.evaluate('document.activeElement.className')).toBe('skip')
      await page.keyboard.press('Enter')
      expect(await page.evaluate('document.activeElement.id')).toBe('main')
      await page.keyboard.press('/')
      expect(await page.evaluate('document.activeElement.id')).toBe('q')
    })
  })

  test('times are told in the reader’s zone', async () => {
    await visit({ ...desk, timezoneId: 'Asia/Shanghai' }, async page => {
      await page.goto(`${base}/bitcoin/block/170`)
      const time = page.locator('.facts time[data-local]').first()
      expect(await time.textContent()).toBe('2009-01-12 11:30:25')
      expect(await time.getAttribute('title')).toBe('2009-01-12 03:30:25 UTC')
      expect(await page.locator('.facts .zone').first().textContent()).toBe('UTC+8')
    })
  })

  test('a new block comes into the list by itself, or waits for a click', async () => {
    await visit(desk, async page => {
      await page.goto(`${base}/evm-local`)
      await expect.poll(() => world.hub.listeners, { timeout: 60_000 }).toBe(1)
      const newest = page.locator('#blocks tbody tr').first()
      expect(await newest.locator('.height').textContent()).toBe(String(NEWEST - 1))
      await fillFromRecording(world.sql, 'evm-local', recordingOf('evm-local'), [NEWEST])
      await announce(world, NEWEST)
      await page.locator('#blocks tbody tr.fresh').waitFor()
      expect(await newest.locator('.height').textContent()).toBe(String(NEWEST))
      // Who reads further down is asked first, and nothing moves.
      await page.setViewportSize({ width: 1280, height: 300 })
      await page.locator('#blocks tbody tr').nth(12).scrollIntoViewIfNeeded()
      await page
        .locator('#blocks tbody tr')
        .nth(12)
        .evaluate('element => element.scrollIntoView({ block: "start" })')
      const place = () =>
        page
          .locator('#blocks tbody tr')
          .nth(12)
          .evaluate('element => Math.round(element.getBoundingClientRect().top)')
      const before = await place()
      await announce(world, NEWEST)
      const more = page.getByRole('button', { name: '1 new block: show' })
      await more.waitFor()
      expect(await place()).toBe(before)
      await more.click()
      await more.waitFor({ state: 'hidden' })
      expect(await page.evaluate('document.querySelector("#blocks").getBoundingClientRect().top >= 0')).toBe(
        true,
      )
    })
  })

  test('nothing failed inside', () => {
    expect(world.logged).toEqual([])
  })
})

async function announce(world: WebWorld, height: number): Promise<void> {
  const [block] = await world.sql.rows<{ hash: string; parent_hash: string; time: string }>(
    `SELECT hash, parent_hash, toUnixTimestamp(time) AS time FROM blocks WHERE chain = 'evm-local' AND height = {height:UInt64}`,
    { height },
  )
  world.hub.publish({
    id: `evm-local:${height}:${block!.hash}`,
    type: 'block.added',
    chain: 'evm-local',
    height,
    hash: block!.hash,
    parentHash: block!.parent_hash,
    time: Number(block!.time),
    transactionCount: 1,
    history: false,
  })
}

/**
 * Runs in the page: the contrast (WCAG 2.2, 1.4.3) of every pair of colours that text is set in, as the browser itself
 * turns them into sRGB.
 */
const CONTRASTS = `(() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
  const context = canvas.getContext('2d', { willReadFrequently: true })
  const style = getComputedStyle(document.documentElement)
  const value = name => style.getPropertyValue(name).trim()
  const luminance = colour => {
    context.fillStyle = colour
    context.fillRect(0, 0, 1, 1)
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map(part => {
      const share = part / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const ratio = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x)
    return (light + 0.05) / (dark + 0.05)
  }
  const pairs = []
  for (const paper of ['--paper', '--surface']) {
    for (const ink of ['--ink', '--muted', '--accent', '--good', '--warn', '--bad']) {
      pairs.push([ink + ' on ' + paper, ratio(value(ink), value(paper))])
    }
  }
  pairs.push(['button', ratio(value('--paper'), value('--accent'))])
  for (let hue = 0; hue < 360; hue += 15) {
    const ink = 'oklch(' + value('--mark-ink-l') + ' ' + value('--mark-ink-c') + ' ' + hue + ')'
    const paper = 'oklch(' + value('--mark-paper-l') + ' ' + value('--mark-paper-c') + ' ' + hue + ')'
    pairs.push(['mark ' + hue, ratio(ink, paper)])
  }
  return pairs
})()`
