import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { WebhookDesk } from '../api/webhooks/contract.ts'
import { openApiWorld } from './api-world.ts'
import { type WebWorld, withSite } from './web-world.ts'

/** Pages for webhooks: who gets in, what forms do, and how they look in a browser. */

const TOKEN = 'the-token-of-the-operator'
let world: WebWorld
let desk: WebhookDesk
let server: ReturnType<typeof serve>
let base: string
let endpoint: Server
let hook: string

beforeAll(async () => {
  world = withSite(
    await openApiWorld({ 'evm-local': [0, 1, 2] }, {}, { chains: ['evm-local'], adminToken: TOKEN }),
  )
  desk = world.managed!.desk
  server = serve({ fetch: world.site.fetch, hostname: '127.0.0.1', port: 0 })
  if (!server.listening) await new Promise<void>(resolve => server.once('listening', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  endpoint = createServer((request, response) => {
    request.resume().once('end', () => response.writeHead(503).end('<b>closed</b> for today'))
  })
  endpoint.listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  hook = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/hook`
})
afterAll(async () => {
  await new Promise<void>(resolve => {
    server.close(() => resolve())
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  endpoint.closeAllConnections()
  endpoint.close()
  await world.close()
})

interface Sent {
  path: string
  form?: Record<string, string>
  headers?: Record<string, string>
}

/** A form as a page of the site sends it. */
function post({ path, form = {}, headers = {} }: Sent): Promise<Response> {
  return fetch(base + path, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: base, ...headers },
    body: new URLSearchParams(form).toString(),
  })
}

const operator = { cookie: `operator=${TOKEN}` }

async function newWebhook(description = ''): Promise<string> {
  const { webhook } = await desk.add({ url: hook, description, chains: ['evm-local'], events: ['reorg'] })
  return webhook.id
}

describe('who gets in', () => {
  test('strangers are told what webhooks give, and nothing of what there is', async () => {
    const id = await newWebhook('a private name')
    for (const path of ['/webhooks', `/webhooks/${id}`, '/webhooks/wh_nobody']) {
      for (const cookie of ['', 'operator=wrong', `other=${TOKEN}`]) {
        const answer = await fetch(base + path, { headers: { cookie } })
        const html = await answer.text()
        expect([path, answer.status, html.includes('name="token"')]).toEqual([path, 200, true])
        expect(html).not.toContain('a private name')
        expect(html).not.toContain(hook)
        expect(html).toContain('/webhooks/schema.json')
      }
    }
  })

  test('the token is kept in a cookie that no script and no other site gets', async () => {
    const wrong = await post({ path: '/webhooks/enter', form: { token: `${TOKEN}x` } })
    expect([wrong.status, wrong.headers.get('set-cookie')]).toEqual([401, null])
    const right = await post({ path: '/webhooks/enter', form: { token: TOKEN } })
    expect([right.status, right.headers.get('location')]).toEqual([303, '/webhooks'])
    const cookie = right.headers.get('set-cookie') ?? ''
    expect(cookie).toContain(`operator=${TOKEN}`)
    for (const part of ['HttpOnly', 'SameSite=Strict', 'Path=/webhooks']) expect(cookie).toContain(part)
    const left = await post({ path: '/webhooks/leave', headers: operator })
    expect(left.headers.get('set-cookie')).toMatch(/operator=;.*Max-Age=0/)
  })

  test('nothing is done for another site, by GET, or without the token', async () => {
    const id = await newWebhook()
    const before = JSON.stringify(await desk.list())
    const actions = ['pause', 'remove', 'test', 'rotate', 'replay']
    const paths = ['/webhooks', ...actions.map(action => `/webhooks/${id}/${action}`)]
    const form = { chain: 'evm-local', event: 'REORG', fromSequence: '1', keepHours: '0' }
    for (const path of paths) {
      for (const headers of [
        { origin: 'https://elsewhere.example' },
        { origin: 'null' },
        { origin: `${base}.elsewhere.example` },
        { origin: 'http://127.0.0.1:1' },
      ]) {
        const answer = await post({ path, form, headers: { ...operator, ...headers } })
        expect([path, headers.origin, answer.status]).toEqual([path, headers.origin, 403])
      }
      const bare = await fetch(base + path, {
        method: 'POST',
        headers: operator,
        body: new URLSearchParams(form),
      })
      expect([path, bare.status]).toEqual([path, 403])
      for (const cookie of ['', 'operator=', 'operator=wrong']) {
        const answer = await post({ path, form, headers: { cookie } })
        expect([path, cookie, answer.status]).toEqual([path, cookie, 401])
        await answer.text()
      }
    }
    for (const action of actions) {
      const got = await fetch(`${base}/webhooks/${id}/${action}`, { headers: operator })
      expect([action, got.status]).toEqual([action, 404])
    }
    expect(JSON.stringify(await desk.list())).toBe(before)
  })

  test('pages of the operator are kept by nobody', async () => {
    const id = await newWebhook()
    for (const path of ['/webhooks', `/webhooks/${id}`]) {
      const answer = await fetch(base + path, { headers: operator })
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(await answer.text()).toContain(id)
    }
    expect((await fetch(`${base}/webhooks/wh_nobody`, { headers: operator })).status).toBe(404)
  })
})

describe('what is refused', () => {
  test('is told, with what was typed', async () => {
    const form = {
      url: 'http://169.254.169.254/latest',
      description: 'typed "by" <me>',
      chain: 'evm-local',
      event: 'REORG',
    }
    const answer = await post({ path: '/webhooks', form, headers: operator })
    const html = await answer.text()
    expect(answer.status).toBe(400)
    expect(html).toContain('metadata')
    expect(html).toContain('typed &quot;by&quot; &lt;me&gt;')
    expect(html).not.toContain('<me>')
    for (const wrong of [
      { minimum: '1.5' },
      { event: 'PING' },
      { fromHeight: 'ten' },
      { fromTime: 'yesterday' },
      { when: 'CONFIRMATIONS' },
      { topics: '0x12' },
    ]) {
      const refused = await post({
        path: '/webhooks',
        form: { ...form, url: hook, ...wrong },
        headers: operator,
      })
      expect([JSON.stringify(wrong), refused.status]).toEqual([JSON.stringify(wrong), 400])
    }
    const id = await newWebhook()
    const replay = await post({ path: `/webhooks/${id}/replay`, headers: operator })
    expect([replay.status, await replay.text()]).toEqual([400, expect.stringContaining('one of the three')])
  })
})

const executablePath = process.env.WANLIAN_CHROMIUM ?? '/usr/bin/chromium'
if (!existsSync(executablePath) && process.env.CI) {
  throw new Error(`not found: ${executablePath}: browser tests must not be skipped in CI`)
}

describe.skipIf(!existsSync(executablePath))('in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  })
  afterAll(() => browser?.close())

  const pictures = process.env.WANLIAN_PICTURES

  async function visit(options: BrowserContextOptions, run: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext({ locale: 'en-GB', ...options })
    const complaints: string[] = []
    try {
      const page = await context.newPage()
      page.on('console', message => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
      })
      page.on('pageerror', error => complaints.push(error.message))
      await run(page)
      expect(complaints).toEqual([])
    } finally {
      await context.close()
    }
  }

  async function lookAt(page: Page, name: string): Promise<void> {
    const [scroll, inner] = (await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')) as [
      number,
      number,
    ]
    expect([name, scroll <= inner]).toEqual([name, true])
    if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true })
  }

  test('a webhook is made, tried, looked at, paused, given a new secret and removed', async () => {
    await visit({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' }, async page => {
      await page.goto(`${base}/webhooks`)
      await lookAt(page, 'door')
      await page.fill('input[name=token]', TOKEN)
      await page.click('form.fields button')
      await page.check('input[name=chain][value=evm-local]')
      await page.check('input[name=event][value=TRANSFER]')
      await page.fill('input[name=url]', hook)
      await page.fill('input[name=description]', 'Payments of the shop')
      for (const summary of await page.locator('form.fields summary').all()) await summary.click()
      await page.fill('textarea[name=addresses]', `0x${'1'.repeat(40)}\n0x${'2'.repeat(40)}`)
      await page.selectOption('select[name=when]', 'CONFIRMATIONS')
      await page.fill('input[name=confirmations]', '3')
      await lookAt(page, 'form')
      await page.click('form.fields > button')
      const secret = (await page.locator('#secret').textContent())!
      expect(secret).toMatch(/^whsec_/)
      await page.click('main a')
      const id = page.url().split('/').at(-1)!
      expect(await desk.isSecret(id, secret)).toBe(true)
      expect(await desk.get(id)).toMatchObject({
        url: hook,
        filters: { addresses: 2 },
        events: ['transfer'],
        when: { confirmations: 3 },
        allowPrivate: false,
      })
      expect(await page.content()).not.toContain(secret)

      const press = (action: string) => page.click(`form[action$="/${action}"] button`)
      await press('test')
      expect(await page.locator('.notice').textContent()).toContain('not taken')
      await page.click('.delivery summary')
      expect(await page.locator('.delivery').textContent()).toContain('<b>closed</b> for today')
      await lookAt(page, 'webhook')
      await press('pause')
      expect((await desk.get(id))?.status).toBe('paused')
      await press('resume')
      expect((await desk.get(id))?.status).toBe('unverified')

      await press('rotate')
      const next = (await page.locator('#secret').textContent())!
      expect([await desk.isSecret(id, next), await desk.isSecret(id, secret)]).toEqual([true, true])
      await page.click('main a')
      await page.click('.remove summary')
      await press('remove')
      await page.waitForURL(`${base}/webhooks`)
      expect(await desk.get(id)).toBeNull()
    })
  })

  test('nothing scrolls sideways, in both languages and themes', async () => {
    const id = await newWebhook(`${'long'.repeat(40)} name`)
    await desk.test(id)
    for (const [name, options] of Object.entries({
      'phone-light': { viewport: { width: 390, height: 844 }, colorScheme: 'light' as const },
      'phone-dark-zh': {
        viewport: { width: 390, height: 844 },
        colorScheme: 'dark' as const,
        locale: 'zh-CN',
      },
      'desk-dark': { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' as const },
    })) {
      await visit(options, async page => {
        await page.goto(`${base}/webhooks`)
        await lookAt(page, `${name}-door`)
        await page.fill('input[name=token]', TOKEN)
        await page.click('form.fields button')
        await lookAt(page, `${name}-list`)
        await page.goto(`${base}/webhooks/${id}`)
        await page.click('.delivery summary')
        await lookAt(page, `${name}-one`)
      })
    }
  })
})
