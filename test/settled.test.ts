import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { registerChain } from '../splitter/chain-row.ts'
import { prepareBlock } from '../splitter/prepare.ts'
import { openWriter } from '../splitter/writer.ts'
import { createWeb } from '../web/web.tsx'
import { type ApiWorld, openApiWorld } from './api-world.ts'
import { type PaperBlock, paperBlocks, paperChain, paperHash } from './paper-chain.ts'

/**
 * How sure blocks are to stay, and what people see of those that left. Of five transactions of a paper block, four differ
 * between branches.
 */
let world: ApiWorld
let site: Hono
const paper = paperChain()
const hex = (height: number, fork: number) => paperHash(height, fork).toString('hex')

function prepared(blocks: readonly PaperBlock[]) {
  return blocks.map((raw, at) => {
    const parent = raw.height === 0 ? null : paperHash(raw.height - 1, at === 0 ? raw.parentFork : raw.fork)
    return prepareBlock(paper, raw, parent)
  })
}

beforeAll(async () => {
  world = await openApiWorld({})
  await registerChain(world.sql, paper.definition)
  const writer = await openWriter({ sql: world.sql, chain: paper, owner: 'paper' })
  await writer.write({ add: prepared(paperBlocks(0, 20)) })
  await writer.write({ add: prepared(paperBlocks(19, 22, 1, 0)), cancel: [19, 20], reorg: true })
  site = new Hono()
  site.route('/', world.api.app)
  site.route('/', createWeb({ gql: world.api.gql, logger: { error: facts => world.logged.push(facts) } }))
})
afterAll(() => world?.close())

async function get(path: string, language = 'en') {
  const answer = await site.request(path, { headers: { 'accept-language': language } })
  const html = await answer.text()
  return { status: answer.status, html, text: html.replace(/<[^>]*>/g, '').replace(/\s+/g, ' ') }
}

/** Where the page of the only reorg is, as the list of reorgs links to it. */
async function reorgUrl(): Promise<string> {
  return /href="(\/paper\/reorg\/\d+)"/.exec((await get('/reorgs')).html)![1]!
}

describe('how sure blocks are', () => {
  /** Heights as [pending, safe, final] by the view, and by the API for single blocks. */
  async function told(heights: readonly number[]) {
    const [counts] = await world.sql.rows<{ pending: string; safe: string; final: string }>(
      `SELECT countIf(finality = 'pending') AS pending, countIf(finality = 'safe') AS safe,
        countIf(finality = 'final') AS final FROM block_finality WHERE chain = 'paper'`,
    )
    const parts = heights.map(height => `b${height}: block(chain: "paper", height: ${height}) { finality }`)
    const { chain, ...blocks } = await world.ask(
      `{ chain(slug: "paper") { safeHeight finalHeight } ${parts.join(' ')} }`,
    )
    const single = heights.map(height => blocks[`b${height}`].finality)
    return { counts, chain, single }
  }

  test('follows from confirmations; what a follower said last stands when nobody follows any more', async () => {
    expect(await told([21, 22])).toEqual({
      counts: { pending: '0', safe: '1', final: '22' },
      chain: { safeHeight: 22, finalHeight: 21 },
      single: ['FINAL', 'SAFE'],
    })
    await world.sql.command(
      `INSERT INTO wanlian.finality (chain, safe, final, version) VALUES ('paper', 15, 10, 1)`,
    )
    expect(await told([10, 11, 15, 16])).toEqual({
      counts: { pending: '7', safe: '5', final: '11' },
      chain: { safeHeight: 15, finalHeight: 10 },
      single: ['FINAL', 'SAFE', 'SAFE', 'PENDING'],
    })
    await world.sql.command(`TRUNCATE TABLE wanlian.finality`)
  })
})

describe('a reorg', () => {
  test('has a page: what left, what is there now, what became of the transactions', async () => {
    const url = await reorgUrl()
    const page = await get(url)
    expect(page.status).toBe(200)
    expect(page.text).toContain('Of 10 transactions in them, 2 are in the chain again and 8 were dropped.')
    for (const hash of [hex(18, 0), hex(19, 0), hex(20, 0), hex(22, 1)]) {
      expect(page.html).toContain(`href="/paper/block/${hash}"`)
    }
    expect(page.html.match(/>dropped</g)).toHaveLength(8)
    expect(page.html).toContain('href="/paper/block/19"')
    const zh = await get(url, 'zh')
    expect([zh.status, zh.text.includes('8 笔被丢弃')]).toEqual([200, true])
    const rows = JSON.parse((await get(`${url}/affected.json`)).html) as {
      mined_again_height: number | null
    }[]
    expect(rows.map(row => row.mined_again_height)).toEqual([
      ...[null, null, null, null, 19],
      ...[null, null, null, null, 20],
    ])
  })

  test('is named on the page of each block that left, with what replaced it', async () => {
    const page = await get(`/paper/block/${hex(20, 0)}`)
    expect(page.status).toBe(200)
    expect(page.text).toContain('This block left the chain: it was replaced by')
    expect(page.html).toContain('href="/paper/block/20"')
    expect(page.html).toContain(`href="${await reorgUrl()}"`)
    expect(page.html.match(/href="\/paper\/tx\//g)!.length).toBe(5)
  })

  test('that there is not is not found', async () => {
    for (const path of ['/paper/reorg/1', '/paper/reorg/99999999999999999999', '/paper/reorg/x']) {
      expect([path, (await get(path)).status]).toEqual([path, 404])
    }
    expect(world.logged).toEqual([])
  })
})

test('an event that was set aside is listed with its reason, until it is resolved', async () => {
  const columns = 'chain, partition, offset, height, time, hash, code, reason, attempts, resolved_at'
  const letter = (offset: number, rest: string) =>
    world.sql.command(`INSERT INTO wanlian.dead_letters (${columns}) VALUES ('paper', 0, ${offset}, ${rest})`)
  await letter(5, `7, toDateTime(1700000007, 'UTC'), 'ab', 'PROOF', 'txRoot: <b>no</b>', 2, NULL`)
  await letter(6, `0, toDateTime(1700000006, 'UTC'), '', 'MALFORMED', 'no event', 0, NULL`)
  await letter(7, `8, toDateTime(1700000008, 'UTC'), 'cd', 'PROOF', 'was wrong', 0, now()`)
  const { status } = await world.ask(
    '{ status { deadLetters setAside { chain { slug } height hash code reason time attempts } } }',
  )
  const chain = { slug: 'paper' }
  expect(status).toEqual({
    deadLetters: 2,
    setAside: [
      {
        chain,
        height: 7,
        hash: 'ab',
        code: 'PROOF',
        reason: 'txRoot: <b>no</b>',
        time: '2023-11-14T22:13:27Z',
        attempts: 2,
      },
      {
        chain,
        height: null,
        hash: null,
        code: 'MALFORMED',
        reason: 'no event',
        time: '2023-11-14T22:13:26Z',
        attempts: 0,
      },
    ],
  })
  for (const [language, word] of [
    ['en', 'Set aside with the reason'],
    ['zh', '已连同原因搁置'],
  ] as const) {
    const page = await get('/status', language)
    expect(page.text).toContain(word)
    expect(page.html).toContain('txRoot: &lt;b&gt;no&lt;/b&gt;')
    expect(page.html).not.toContain('was wrong')
  }
  await world.sql.command('TRUNCATE TABLE wanlian.dead_letters')
  expect((await get('/status')).text).not.toContain('Set aside with the reason')
})

test('heights whose tables do not hold what was delivered are listed with what differs, until they do', async () => {
  const columns = 'chain, height, to_height, time, delivered, stored, differences'
  const look = (from: number, seconds: number, differences: string) =>
    world.sql.command(
      `INSERT INTO wanlian.reconciliation (${columns})
      VALUES ('paper', ${from}, ${from + 999}, toDateTime64(${seconds}, 3, 'UTC'), 1000, 999, ${differences})`,
    )
  await look(2_000, 1_700_000_000, `['block 2007: expected <1> rows in blocks, got 0', 'another']`)
  await look(5_000, 1_700_000_000, `['gone']`)
  await look(5_000, 1_700_000_060, '[]')
  const { status } = await world.ask(
    '{ status { differences { chain { slug } fromHeight toHeight delivered stored differences time } } }',
  )
  expect(status.differences).toEqual([
    {
      chain: { slug: 'paper' },
      fromHeight: 2_000,
      toHeight: 2_999,
      delivered: 1_000,
      stored: 999,
      differences: ['block 2007: expected <1> rows in blocks, got 0', 'another'],
      time: '2023-11-14T22:13:20Z',
    },
  ])
  for (const [language, word] of [
    ['en', 'The tables do not hold what was delivered'],
    ['zh', '与已交付的内容不一致'],
  ] as const) {
    const page = await get('/status', language)
    expect(page.text).toContain(word)
    expect(page.html).toContain('block 2007: expected &lt;1&gt; rows in blocks, got 0')
    expect(page.html).not.toContain('gone')
  }
  await world.sql.command('TRUNCATE TABLE wanlian.reconciliation')
  expect((await get('/status')).text).not.toContain('The tables do not hold')
})
