import { serve } from '@hono/node-server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Announcement } from '../schema/events.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { prepareBlock } from '../splitter/prepare.ts'
import { openWriter, type Writer } from '../splitter/writer.ts'
import { type ApiWorld, type Data, openApiWorld } from './api-world.ts'
import { type PaperBlock, paperBlocks, paperChain, paperHash } from './paper-chain.ts'

/** GraphQL while the chain moves: reorgs, cursors, events; what is refused; what operators ask. */

const paper = paperChain('paper')
const busy = paperChain('busy')
let world: ApiWorld
let writer: Writer
let busyWriter: Writer
let url: string
let stop: () => Promise<unknown>

const ask = (document: string, variables?: Record<string, unknown>): Promise<Data> =>
  world.ask(document, variables)

function prepared(chain: typeof paper, blocks: readonly PaperBlock[]) {
  return blocks.map((raw, at) =>
    prepareBlock(
      chain,
      raw,
      raw.height === 0 ? null : paperHash(raw.height - 1, at === 0 ? raw.parentFork : raw.fork),
    ),
  )
}

const hex = (height: number, fork: number) => paperHash(height, fork).toString('hex')

beforeAll(async () => {
  world = await openApiWorld({}, { timeMs: 10_000 })
  await registerChain(world.sql, paper.definition)
  await registerChain(world.sql, busy.definition)
  writer = await openWriter({ sql: world.sql, chain: paper, owner: 'paper' })
  busyWriter = await openWriter({ sql: world.sql, chain: busy, owner: 'busy' })
  await writer.write({ add: prepared(paper, paperBlocks(0, 20)) })
  // The same height as before, written as another branch: 19 and 20 leave the chain.
  await writer.write({ add: prepared(paper, paperBlocks(19, 22, 1, 0)), cancel: [19, 20], reorg: true })
  const server = serve({ fetch: world.api.app.fetch, port: 0, hostname: '127.0.0.1' })
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  stop = () =>
    new Promise(resolve => {
      server.close(resolve)
      if ('closeAllConnections' in server) server.closeAllConnections()
    })
}, 400_000)
afterAll(async () => {
  await stop?.()
  await world?.close()
})

describe('a reorg', () => {
  test('is told, with the blocks that left', async () => {
    const { reorgs, chain } = await ask(`{
      reorgs(first: 5) { totalCount pageInfo { hasNextPage } edges { cursor } nodes {
        id chain { slug } time height depth oldHash newHash commonAncestor transactions
        orphanedBlocks { height hash finality }
      } }
      chain(slug: "paper") { reorgs { totalCount } blockCount transactionCount complete }
    }`)
    expect(reorgs).toMatchObject({
      totalCount: 1,
      pageInfo: { hasNextPage: false },
      nodes: [
        {
          chain: { slug: 'paper' },
          height: 19,
          depth: 2,
          oldHash: hex(20, 0),
          newHash: hex(22, 1),
          commonAncestor: hex(18, 0),
          transactions: 10,
          orphanedBlocks: [
            { height: 19, hash: hex(19, 0), finality: 'ORPHANED' },
            { height: 20, hash: hex(20, 0), finality: 'ORPHANED' },
          ],
        },
      ],
    })
    expect(chain).toEqual({
      reorgs: { totalCount: 1 },
      blockCount: 23,
      transactionCount: 115,
      complete: true,
    })
    const { node } = await ask('query ($id: ID!) { node(id: $id) { ... on Reorg { height } } }', {
      id: reorgs.nodes[0].id,
    })
    expect(node).toEqual({ height: 19 })
  })

  test('tells what became of the transactions, page by page', async () => {
    const { reorgs } = await ask('{ reorgs(first: 5) { nodes { batch height } } }')
    const { batch } = reorgs.nodes.find((one: { height: number }) => one.height === 19)
    const affected = async (args: string) => {
      const { reorg } = await ask(`{ reorg(chain: "paper", batch: ${batch}) {
        transactions dropped affected(${args}) { totalCount pageInfo { hasNextPage endCursor }
          nodes { index block { hash reorg { batch } } minedAgain { index block { height hash } minedAgain { index } } } } } }`)
      expect(reorg).toMatchObject({ transactions: 10, dropped: 8, affected: { totalCount: 10 } })
      return reorg.affected
    }
    const first = await affected('first: 7')
    const second = await affected(`first: 7, after: "${first.pageInfo.endCursor}"`)
    expect([first.pageInfo.hasNextPage, second.pageInfo.hasNextPage]).toEqual([true, false])
    const nodes = [...first.nodes, ...second.nodes]
    expect(nodes.map(node => [node.block.hash, node.index])).toEqual(
      [19, 20].flatMap(height => [0, 1, 2, 3, 4].map(index => [hex(height, 0), index])),
    )
    for (const [at, node] of nodes.entries()) {
      const height = at < 5 ? 19 : 20
      const again =
        node.index === 4 ? { index: 4, block: { height, hash: hex(height, 1) }, minedAgain: null } : null
      expect([node.block.reorg, node.minedAgain]).toEqual([{ batch }, again])
    }
    const backwards = await affected('last: 3')
    expect(backwards.nodes).toEqual(nodes.slice(-3))
    expect(await ask('{ reorg(chain: "paper", batch: 1) { height } }')).toEqual({ reorg: null })
    const { block } = await ask(`{ block(chain: "paper", hash: "${hex(22, 1)}") { reorg { batch } } }`)
    expect(block).toEqual({ reorg: null })
  })

  test('an orphaned block is found by its hash and says what replaced it; so are its transactions', async () => {
    const { block, search } = await ask(`{
      block(chain: "paper", hash: "${hex(20, 0)}") {
        height finality confirmations previous { height } details { __typename } fees unproven { proof }
        replacedBy { hash finality }
        effects { totalCount } transactions(first: 2) { totalCount pageInfo { hasNextPage } nodes { hash index amount senders effects { totalCount }
          movements { totalCount } tokenTransfers { totalCount } details { __typename } error block { hash finality } } }
      }
      search(query: "${hex(20, 0)}") { hits { target { ... on Block { height finality } } } }
    }`)
    expect(block).toMatchObject({
      height: 20,
      finality: 'ORPHANED',
      confirmations: 0,
      previous: null,
      details: null,
      replacedBy: { hash: hex(20, 1), finality: 'FINAL' },
      transactions: { totalCount: 5, pageInfo: { hasNextPage: true } },
    })
    expect(search.hits).toEqual([{ target: { height: 20, finality: 'ORPHANED' } }])
    const gone = block.transactions.nodes[1]
    expect(gone).toMatchObject({
      index: 1,
      amount: null,
      senders: [],
      block: { hash: hex(20, 0), finality: 'ORPHANED' },
    })
    const found = await ask(
      `query ($hash: String!) { transaction(chain: "paper", hash: $hash) { hash block { finality } }
        search(query: $hash) { hits { target { ... on Transaction { block { height } } } } } }`,
      { hash: gone.hash },
    )
    expect(found).toEqual({
      transaction: { hash: gone.hash, block: { finality: 'ORPHANED' } },
      search: { hits: [{ target: { block: { height: 20 } } }] },
    })
  })

  test('a chain of a family that nobody here knows still has blocks, parties, balances and search', async () => {
    const { block, address } = await ask(`{
      block(chain: "paper", height: 22) { details { __typename } unproven { proof } transactions(first: 1) { nodes { senders receivers amount } } }
      address(chain: "paper", address: "account-3") { complete balances { nodes { amount asset { symbol decimals } } } transactionCount }
    }`)
    expect(block).toEqual({
      details: null,
      unproven: [],
      transactions: {
        nodes: [{ senders: [], receivers: [expect.stringMatching(/^account-\d$/)], amount: '23' }],
      },
    })
    const [row] = await world.sql.rows<{ amount: string; transactions: string }>(
      `SELECT sum(amount) AS amount, uniqExact(transaction_hash) AS transactions FROM effects WHERE chain = 'paper' AND address = 'account-3'`,
    )
    expect(address).toEqual({
      complete: true,
      balances: { nodes: [{ amount: row!.amount, asset: { symbol: 'PPR', decimals: 2 } }] },
      transactionCount: Number(row!.transactions),
    })
  })
})

test('cursors stay where they are while blocks come', async () => {
  await busyWriter.write({ add: prepared(busy, paperBlocks(0, 9, 5)) })
  const page = `query ($after: String) { blocks(chain: "busy", first: 4, after: $after) { nodes { height } pageInfo { endCursor hasNextPage } } }`
  const first = (await ask(page)).blocks
  expect(first.nodes.map((node: Data) => node.height)).toEqual([9, 8, 7, 6])
  await busyWriter.write({ add: prepared(busy, paperBlocks(10, 15, 5)) })
  const second = (await ask(page, { after: first.pageInfo.endCursor })).blocks
  expect(second.nodes.map((node: Data) => node.height)).toEqual([5, 4, 3, 2])
  const effects = `query ($after: String) { address(chain: "busy", address: "account-0") { effects(first: 5, after: $after) {
    nodes { height index } pageInfo { endCursor hasNextPage } } } }`
  const history = (await ask(effects)).address.effects
  await busyWriter.write({ add: prepared(busy, paperBlocks(16, 18, 5)) })
  const rest: Data[] = [...history.nodes]
  for (let cursor = history.pageInfo.endCursor, pages = 0; pages < 20; pages++) {
    const next: Data = (await ask(effects, { after: cursor })).address.effects
    rest.push(...next.nodes)
    cursor = next.pageInfo.endCursor
    if (!next.pageInfo.hasNextPage) break
  }
  const rows = await world.sql.rows<{ height: string; index: number }>(
    `SELECT height, index FROM address_effects WHERE chain = 'busy' AND address = 'account-0' AND height <= 15 ORDER BY height DESC, index DESC`,
  )
  expect(rest).toEqual(rows.map(row => ({ height: Number(row.height), index: row.index })))
})

describe('limits', () => {
  const refused = async (query: string) => {
    const { data, errors } = await world.api.gql.run(query)
    expect([data, errors.length]).toEqual([data, expect.any(Number)])
    expect(errors.length).toBeGreaterThan(0)
    return errors[0]!
  }

  test('pages, depth, aliases, length and the number of nodes', async () => {
    const before = world.statements.length
    expect(await refused('{ reorgs(first: 101) { totalCount } }')).toMatchObject({
      code: 'TOO_LARGE',
      message: 'expected a page of at most 100 nodes, got 101',
    })
    expect(world.statements.length).toBe(before)
    const deep = `{ chain(slug: "paper") { tip ${'{ previous '.repeat(20)}{ height } ${'}'.repeat(20)} } }`
    expect((await refused(deep)).message).toMatch(/depth/i)
    const aliases = `{ ${Array.from({ length: 40 }, (_, at) => `a${at}: chain(slug: "paper") { slug }`).join(' ')} }`
    expect((await refused(aliases)).message).toMatch(/alias/i)
    expect((await refused(`{ chains { ${'slug '.repeat(3_000)} } }`)).message).toMatch(/token/i)
    const many = `{ blocks(first: 100) { nodes { transactions(first: 100) { nodes { effects(first: 100) { nodes { amount } } } } } } }`
    expect(await refused(many)).toMatchObject({
      code: 'TOO_LARGE',
      message: expect.stringContaining('25000 nodes'),
    })
    expect(world.statements.length).toBe(before)
  })

  test('fragments hide nothing', async () => {
    const query = `fragment T on Block { transactions(first: 100) { nodes { effects(first: 100) { nodes { amount } } } } }
      query ($n: Int) { blocks(first: $n) { nodes { ...T } } }`
    const { errors } = await world.api.gql.run(query, { n: 100 })
    expect(errors[0]).toMatchObject({ code: 'TOO_LARGE' })
    expect((await world.api.gql.run(query, { n: 1 })).errors).toEqual([])
  })

  test('the playground can ask for the whole schema', async () => {
    const { __schema } = await ask(
      '{ __schema { types { name fields { name type { name ofType { name ofType { name ofType { name } } } } } } } }',
    )
    expect(__schema.types.map((type: Data) => type.name)).toContain('Transaction')
  })

  test('a question that takes too long ends', async () => {
    const slow = await openApiWorld({}, { timeMs: 1 })
    try {
      const { errors } = await slow.api.gql.run('{ chains { slug } status { deadLetters } }')
      expect(errors).toMatchObject([{ code: 'TIME_LIMIT' }])
    } finally {
      await slow.close()
    }
  })

  test('what goes wrong inside is told to the log, not to the asker', async () => {
    const original = world.sql.rows
    const logged = world.logged.length
    await world.sql.command('RENAME TABLE wanlian.dead_letters TO wanlian.dead_letters_away')
    try {
      const { data, errors } = await world.api.gql.run('{ status { version deadLetters } }')
      expect(data).toBe(null)
      expect(errors).toMatchObject([
        { code: 'INTERNAL', message: expect.stringMatching(/^internal error [0-9a-f-]{36}$/) },
      ])
      expect(JSON.stringify(errors)).not.toMatch(/wanlian|ClickHouse/)
      const facts = world.logged.at(-1) as { id: string; err: Error }
      expect(world.logged.length).toBe(logged + 1)
      expect(errors[0]!.message).toContain(facts.id)
      expect(facts.err.message).toContain('dead_letters')
    } finally {
      await world.sql.command('RENAME TABLE wanlian.dead_letters_away TO wanlian.dead_letters')
    }
    expect(world.sql.rows).toBe(original)
  })
})

describe('over HTTP', () => {
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })

  test('questions are answered, from any site, by GET and POST; a mutation there is none', async () => {
    const answer = await post(
      { query: '{ chain(slug: "paper") { name } }' },
      { origin: 'https://example.org' },
    )
    expect(['*', 'https://example.org']).toContain(answer.headers.get('access-control-allow-origin'))
    expect(answer.headers.get('access-control-allow-credentials')).not.toBe('true')
    expect(await answer.json()).toEqual({ data: { chain: { name: 'Paper' } } })
    const got = await fetch(`${url}/graphql?query=${encodeURIComponent('{ chain(slug: "paper") { name } }')}`)
    expect(await got.json()).toEqual({ data: { chain: { name: 'Paper' } } })
    expect((await (await post({ query: 'mutation { x }' })).json()).errors.length).toBe(1)
  })

  test('bodies have a limit, rubbish gets an answer', async () => {
    const large = await post({ query: `{ chains { slug } } # ${'x'.repeat(100_000)}` })
    expect([large.status, (await large.json()).errors[0].extensions.code]).toEqual([413, 'TOO_LARGE'])
    for (const body of ['', '{', '[]', '{"query": 1}']) {
      const answer = await post(body)
      expect([body, answer.status >= 400 && answer.status < 500]).toEqual([body, true])
      await answer.text()
    }
  })

  test('the playground is served without anything from elsewhere', async () => {
    const page = await (await fetch(`${url}/graphql`, { headers: { accept: 'text/html' } })).text()
    expect(page).toContain('Wanlian GraphQL')
    expect(page).not.toMatch(/(src|href)=["']?https?:/)
  })

  test('an announced block is told to whoever listens, and can be asked for by then', async () => {
    const ending = new AbortController()
    const query =
      'subscription ($chain: String) { newBlocks(chain: $chain) { id type chain { slug tip { height } } height hash time transactionCount history block { hash finality transactions(first: 1) { nodes { index } } } } }'
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query, variables: { chain: 'paper' } }),
      signal: ending.signal,
    })
    expect(response.headers.get('content-type')).toMatch(/text\/event-stream/)
    const events = readEvents(response)
    await until(() => world.hub.listeners === 1)

    await writer.write({ add: prepared(paper, paperBlocks(23, 23, 1, 1)) })
    const added = announcement(23, 1)
    world.hub.publish({ ...added, id: 'other', chain: 'busy' })
    world.hub.publish(added)
    expect((await events.next()).value).toEqual({
      data: {
        newBlocks: {
          id: added.id,
          type: 'ADDED',
          chain: { slug: 'paper', tip: { height: 23 } },
          height: 23,
          hash: hex(23, 1),
          time: '2023-11-14T22:13:43Z',
          transactionCount: 5,
          history: false,
          block: { hash: hex(23, 1), finality: 'SAFE', transactions: { nodes: [{ index: 0 }] } },
        },
      },
    })

    await writer.write({ add: prepared(paper, paperBlocks(23, 24, 2, 1)), cancel: [23], reorg: true })
    world.hub.publish({ ...added, id: 'removed', type: 'block.removed' })
    world.hub.publish(announcement(24, 2))
    expect((await events.next()).value.data.newBlocks).toMatchObject({
      type: 'REMOVED',
      block: { hash: hex(23, 1), finality: 'ORPHANED' },
      chain: { tip: { height: 24 } },
    })
    expect((await events.next()).value.data.newBlocks).toMatchObject({
      type: 'ADDED',
      height: 24,
      block: { hash: hex(24, 2) },
    })
    ending.abort()
    await until(() => world.hub.listeners === 0)
  })

  function announcement(height: number, fork: number): Announcement {
    return {
      id: `paper:0:${height}:${fork}`,
      type: 'block.added',
      chain: 'paper',
      height,
      hash: hex(height, fork),
      parentHash: hex(height - 1, fork),
      time: 1_700_000_000 + height,
      transactionCount: 5,
      history: false,
    }
  }
})

/** Data of server-sent events, as they come. */
async function* readEvents(response: Response): AsyncGenerator<Data> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = /^data: (.+)$/m.exec(text.slice(0, end))?.[1]
      text = text.slice(end + 2)
      if (data) yield JSON.parse(data)
    }
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let rounds = 0; rounds < 500; rounds++) {
    if (holds()) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error('did not come about')
}

describe('what operators ask', () => {
  test('health, and readiness with reasons', async () => {
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'ok', version: '0.0.0-test' })
    expect((await fetch(`${url}/ready`)).status).toBe(200)
    const follow = {
      state: 'starting' as const,
      problem: null,
      waitingFor: null,
      head: null,
      safe: null,
      final: null,
      missing: 0,
      blocksPerSecond: null,
      etaSeconds: null,
      nodes: [],
    }
    world.follows.push({ ...follow, chain: 'moon' }, { ...follow, chain: 'paper' })
    const answer = await fetch(`${url}/ready`)
    expect([answer.status, await answer.json()]).toEqual([
      503,
      { ready: false, reasons: [{ chain: 'moon', reason: 'no block is stored yet (starting)' }] },
    ])
    world.follows.length = 0
    world.follows.push({ ...follow, chain: 'moon', state: 'stopped', problem: 'no node answers: start one' })
    expect((await fetch(`${url}/ready`)).status).toBe(200)
    world.follows.length = 0
  })

  test('metrics of chains, nodes, questions and statements', async () => {
    world.follows.push({
      chain: 'paper',
      state: 'following',
      problem: null,
      waitingFor: null,
      head: 30,
      safe: 25,
      final: 20,
      missing: 3,
      blocksPerSecond: 1.5,
      etaSeconds: 2,
      nodes: [
        {
          name: 'node "a"',
          reachable: true,
          head: 30,
          latencyMs: 20,
          callsPerSecond: null,
          calls: 7,
          errors: 2,
          lastError: null,
        },
      ],
    })
    const answer = await fetch(`${url}/metrics`)
    const text = await answer.text()
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
    world.follows.length = 0
    const tip = (await ask('{ chain(slug: "paper") { tip { height } } }')).chain.tip.height
    for (const line of [
      `wanlian_chain_tip_height{chain="paper"} ${tip}`,
      'wanlian_chain_head_height{chain="paper"} 30',
      `wanlian_chain_lag_blocks{chain="paper"} ${30 - tip}`,
      'wanlian_chain_missing_blocks{chain="paper"} 3',
      'wanlian_chain_blocks_per_second{chain="paper"} 1.5',
      'wanlian_chain_dead_letters{chain="paper"} 0',
      'wanlian_node_calls{chain="paper",node="node \\"a\\""} 7',
      'wanlian_node_errors{chain="paper",node="node \\"a\\""} 2',
      'wanlian_node_latency_seconds{chain="paper",node="node \\"a\\""} 0.02',
    ]) {
      expect(text).toContain(line)
    }
    expect(text).toMatch(/wanlian_chain_reorgs\{chain="paper"\} [1-9]/)
    expect(text).toMatch(/wanlian_store_statement_seconds_count\{outcome="ok"\} [1-9]/)
    expect(text).toMatch(/wanlian_graphql_answer_seconds_count\{outcome="ok"\} [1-9]/)
    expect(text).toMatch(/wanlian_http_request_seconds_count\{route="\/graphql",status="200"\} [1-9]/)
  })
})
