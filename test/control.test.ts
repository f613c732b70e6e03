import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultSchedule } from '../api/webhooks/retry.ts'
import type { Chain } from '../crawlers/chain.ts'
import { bitcoinRegtest } from '../crawlers/chains/bitcoin-regtest.ts'
import { runIndex } from '../deploy/commands/index.ts'
import type { ChainSettings } from '../deploy/config.ts'
import { askControl, type Control, openControl } from '../deploy/control.ts'
import { createRegtestChain, type RegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { startRegtestNode } from '../deploy/dev/regtest-node.ts'
import { openEmbeddedLog } from '../deploy/log-embedded.ts'
import { openPaused } from '../deploy/paused.ts'
import { isAlive } from '../deploy/pid.ts'
import { type Pipeline, startPipeline } from '../deploy/pipeline.ts'
import { ConfigError } from '../schema/errors.ts'
import type { BlockLog } from '../schema/ports.ts'
import type { FollowStatus } from '../schema/status.ts'
import { type Running, runCli, startCli, summaryOf } from './cli.ts'
import { until } from './follow-world.ts'
import { openFollowed } from './followed.ts'
import { dumpViews, openTestStore, silent, type TestStore, withDirectory } from './harness.ts'
import { type Balancer, blocksOf, startBalancer, viewOf } from './views.ts'

const FIRST = 'bitcoin-regtest'
const SECOND = 'second-regtest'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-control-'))
})
const opened: { close(): unknown }[] = []
/** What a failed test leaves running. */
const started: number[] = []
afterAll(async () => {
  for (const pid of started) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  for (const one of opened.reverse()) await one.close()
  await rm(directory, { recursive: true, force: true })
})

function keep<T extends { close(): unknown }>(one: T): T {
  opened.push(one)
  return one
}

function mined(seed: string, blocks: number): RegtestChain {
  const chain = createRegtestChain({ seed })
  for (let count = 0; count < blocks; count++) chain.mineVaried()
  return chain
}

const settingsOf = (chain: Chain, url: string): ChainSettings => ({
  chain,
  endpoints: [{ url }],
  recoverSenders: false,
  traces: true,
  historyFrom: 0,
  pollMs: 50,
  confirmWith: 1,
})

/** What readers see after one undisturbed run of `index` over the node's chain. */
async function viewsOfCleanRun(url: string, head: number): Promise<Record<string, string>> {
  const dataDirectory = await mkdtemp(join(directory, 'clean-'))
  const config = {
    file: null,
    dataDirectory,
    host: '127.0.0.1',
    port: 0,
    clickhousePort: 0,
    kafka: null,
    clickhouse: null,
    webhooks: { allow: [], key: null, schedule: defaultSchedule, keepDays: 30 },
    adminToken: null,
    chains: new Map([[FIRST, settingsOf(bitcoinRegtest, url)]]),
  }
  const context = { config, logger: silent, stdout: new PassThrough().resume(), terminal: process.stderr }
  expect(await runIndex(context, FIRST, { node: [url], from: 0, to: head })).toBe(0)
  return withDirectory(dataDirectory, sql => dumpViews(sql, FIRST))
}

/** How a spent output came to be known, and how a block was asked for, depend on when. */
function settled({ chains: _, raw_blocks: __, utxo_inputs: ___, ...views }: Record<string, string>) {
  return views
}

describe('a pipeline of two chains', () => {
  const second = { ...bitcoinRegtest, definition: { ...bitcoinRegtest.definition, slug: SECOND } }
  const chains: Record<string, RegtestChain> = {
    [FIRST]: mined('control', 40),
    [SECOND]: mined('control too', 40),
  }
  const nodes: Record<string, Balancer> = {}
  let data: string
  let store: TestStore
  let log: BlockLog
  let pipeline: Pipeline
  let control: Control | null = null

  async function start(): Promise<void> {
    pipeline = await startPipeline({
      chains: [bitcoinRegtest, second].map(chain => settingsOf(chain, nodes[chain.definition.slug]!.url)),
      sql: store.sql,
      log,
      logger: silent,
      paused: await openPaused(data),
      commandLine: words => `wanlian ${words}`,
    })
    control = await openControl(data, pipeline, silent)
  }
  async function stop(): Promise<void> {
    if (control === null) return
    await control.close()
    control = null
    await pipeline.stop()
  }

  beforeAll(async () => {
    // Longer than what the address of a socket holds.
    data = join(directory, 'long'.repeat(30), 'data')
    await mkdir(data, { recursive: true })
    store = keep(await openTestStore())
    log = keep(await openEmbeddedLog({ directory: join(directory, 'log') }))
    for (const [slug, chain] of Object.entries(chains)) {
      const node = keep(await startRegtestNode(chain))
      nodes[slug] = keep(await startBalancer([node.url]))
    }
    await start()
    keep({ close: stop })
  })

  const ask = (command: 'pause' | 'resume', chain: string) => askControl(data, { command, chain })
  const statusOf = (slug: string): FollowStatus => pipeline.follows().find(({ chain }) => chain === slug)!

  async function stored(slug: string): Promise<{ blocks: number; hash: string }> {
    const [row] = await store.sql.rows<{ hash: string; blocks: string }>(
      'SELECT argMax(hash, height) AS hash, count() AS blocks FROM blocks WHERE chain = {slug:String}',
      { slug },
    )
    return { blocks: Number(row?.blocks), hash: row?.hash ?? '' }
  }

  async function hasCaughtUp(slug: string): Promise<void> {
    const chain = chains[slug]!
    await until(`${slug} at block ${chain.head.height}`, async () => {
      const { blocks, hash } = await stored(slug)
      return hash === chain.head.hash && blocks === chain.head.height + 1
    })
  }

  test('one is paused: its nodes are left alone, the other goes on', async () => {
    await Promise.all([hasCaughtUp(FIRST), hasCaughtUp(SECOND)])
    expect(await ask('pause', FIRST)).toEqual({ changed: true })
    expect([statusOf(FIRST).state, statusOf(FIRST).head, statusOf(FIRST).problem]).toEqual([
      'paused',
      40,
      null,
    ])
    const { calls } = nodes[FIRST]!
    for (let count = 0; count < 5; count++) for (const chain of Object.values(chains)) chain.mineVaried()
    await hasCaughtUp(SECOND)
    expect([nodes[FIRST]!.calls, (await stored(FIRST)).blocks]).toEqual([calls, 41])
    expect(await ask('pause', FIRST)).toEqual({ changed: false })
    expect(await ask('resume', SECOND)).toEqual({ changed: false })
    expect(JSON.parse(await readFile(join(data, 'paused.json'), 'utf8'))).toEqual({ paused: [FIRST] })
  })

  test('it is paused after a restart too, and goes on without a gap when it is told to', async () => {
    await stop()
    const { calls } = nodes[FIRST]!
    await start()
    chains[SECOND]!.mineVaried()
    await hasCaughtUp(SECOND)
    expect([statusOf(FIRST).state, nodes[FIRST]!.calls, (await stored(FIRST)).blocks]).toEqual([
      'paused',
      calls,
      41,
    ])
    // What the node forgot meanwhile is a reorg like any other.
    chains[FIRST]!.reorg(7)
    expect(await ask('resume', FIRST)).toEqual({ changed: true })
    await hasCaughtUp(FIRST)
    await until('following', async () => statusOf(FIRST).state === 'following')
  })

  test('it is taken back while blocks come, and ends as if nothing had been', async () => {
    const chain = chains[FIRST]!
    const before = chain.head.height
    const mining = setInterval(() => chain.mineVaried(), 500)
    try {
      const rewound = await askControl(data, { command: 'rewind', chain: FIRST, height: 15 })
      expect([rewound!.remaining, rewound!.blocks >= before - 15]).toEqual([0, true])
      const away = askControl(data, { command: 'rewind', chain: FIRST, height: 100_000 })
      await expect(away).rejects.toThrow('expected the height of a stored block, got 100000')
      // Two at once, and a pause beside them, are done one after the other, whichever is read first.
      await until('some blocks', async () => (await stored(FIRST)).blocks > 20)
      const answers = await Promise.all([
        askControl(data, { command: 'rewind', chain: FIRST, height: 11 }),
        ask('pause', FIRST),
        askControl(data, { command: 'rewind', chain: FIRST, height: 11 }),
      ])
      expect(answers[1]).toEqual({ changed: true })
      expect([statusOf(FIRST).state, (await stored(FIRST)).blocks]).toEqual(['paused', 12])
      await ask('resume', FIRST)
    } finally {
      clearInterval(mining)
    }
    await hasCaughtUp(FIRST)
    await until('nothing left to link', async () => {
      const [row] = await store.sql.rows<{ open: string }>(
        `SELECT countIf(NOT has(proofs, 'parent')) AS open FROM blocks WHERE chain = {slug:String}`,
        { slug: FIRST },
      )
      return row?.open === '1'
    })
    const clean = await viewsOfCleanRun(nodes[FIRST]!.url, chain.head.height)
    expect(settled(await dumpViews(store.sql, FIRST))).toEqual(settled(clean))
    const twice =
      'SELECT height FROM wanlian.blocks WHERE chain = {slug:String} GROUP BY height HAVING sum(row_sign) != 1'
    expect(await store.sql.rows(twice, { slug: FIRST })).toEqual([])
    expect(statusOf(SECOND)).toMatchObject({ state: 'following', problem: null })
  })

  /** Sends bytes as they are; what comes back until the other side ends. */
  async function send(bytes: string | Buffer, ends: boolean): Promise<string> {
    // The directory's path is too long for an address, a link to it is not.
    const socket = connect(join(directory, 'short', 'control.sock'))
    let answer = ''
    return new Promise((done, fail) => {
      socket.on('data', part => {
        answer += part
      })
      socket.once('end', () => done(answer)).once('error', fail)
      if (ends) socket.end(bytes)
      else socket.write(bytes)
    })
  }

  test('whatever is sent to the socket is answered with what was expected, and nothing stops', async () => {
    await symlink(data, join(directory, 'short'))
    expect((await stat(join(data, 'control.sock'))).mode & 0o777).toBe(0o600)
    const refused: [sent: string | Buffer, told: RegExp][] = [
      ['hello\n', /expected \{.*got \\"hello/],
      ['\n', /expected/],
      ['null\n', /got null/],
      ['[]\n', /got \[\]/],
      ['{"command":"stop"}\n', /expected .*\\"pause/],
      ['{"command":"pause"}\n', /expected/],
      ['{"command":"pause","chain":7}\n', /expected/],
      ['{"command":"status","more":1}\n', /expected/],
      ['{"command":"rewind","chain":"bitcoin-regtest","height":-1}\n', /expected/],
      ['{"command":"rewind","chain":"bitcoin-regtest","height":1e300}\n', /expected/],
      ['{"command":"rewind","chain":"bitcoin-regtest","height":"1; DROP TABLE blocks"}\n', /expected/],
      [
        '{"command":"pause","chain":"__proto__"}\n',
        /not followed here: expected one of bitcoin-regtest, second/,
      ],
      ['{"command":"pause","chain":"../../etc"}\n', /not followed here/],
      [`${'['.repeat(4_000)}\n`, /expected/],
      [Buffer.from([0xff, 0xfe, 0, 0x0a]), /expected/],
      ['x'.repeat(200_000), /expected a line of at most 4096 bytes/],
    ]
    for (const [sent, told] of refused) {
      const answer = await send(sent, false)
      expect([sent.slice(0, 40).toString(), answer]).toEqual([
        sent.slice(0, 40).toString(),
        expect.stringMatching(told),
      ])
      expect(JSON.parse(answer)).toHaveProperty('error.code')
    }
    expect(await send('{"command":"status"}', true)).toMatch(/ended before a whole line/)
    expect(await send('{"command":"status"}\n', true)).toMatch(/^\{"value":\[/)
    const silentOnes = Array.from({ length: 40 }, () => send('{"comm', false).catch(() => 'refused'))
    expect((await Promise.all(silentOnes)).filter(answer => answer.includes('within 5 s')).length).toBe(16)
    expect(pipeline.follows().map(({ state }) => state)).toEqual(['following', 'following'])
    expect(await askControl(data, { command: 'status' })).toHaveLength(2)
    await expect(ask('pause', 'bitcoin')).rejects.toMatchObject({ code: 'CONFIG', retryable: false })
  })

  test('nobody listens any more after the end, and nothing is left', async () => {
    const pending = askControl(data, { command: 'rewind', chain: FIRST, height: 10 }).catch(error => error)
    await until('being taken back', async () => statusOf(FIRST).waitingFor !== null)
    await stop()
    expect(await pending).toMatchObject({ retryable: true })
    expect(await askControl(data, { command: 'status' })).toBeNull()
    expect(await readdir(data)).toEqual(['paused.json'])
  })

  test('a file of paused chains that is not one is refused, and kept', async () => {
    const place = await mkdtemp(join(directory, 'kept-'))
    for (const text of ['', '{"paused":"bitcoin"}', '{"paused":[1]}', '[]', '{"paused":[],"x":1}']) {
      await writeFile(join(place, 'paused.json'), text)
      await expect(openPaused(place)).rejects.toBeInstanceOf(ConfigError)
      expect(await readFile(join(place, 'paused.json'), 'utf8')).toBe(text)
    }
  })
})

test('a chain that was stopped goes on when its nodes come back to it', async () => {
  const chain = mined('and back', 30)
  const ours = blocksOf(chain)
  chain.reorg(9)
  const theirs = blocksOf(chain)
  let shown = ours
  const node = keep(await startRegtestNode(viewOf(chain, () => shown)))
  const { definition } = bitcoinRegtest
  const shallow = { ...bitcoinRegtest, definition: { ...definition, maxReorgDepth: 6 } }
  const followed = keep(await openFollowed(shallow, [node.url]))
  const status = () => followed.follower.status()
  await until('all blocks', async () => followed.hashes().length === 31)
  shown = theirs
  await until('stopped', async () => status().state === 'stopped')
  expect(status().problem).toContain('`wanlian rewind bitcoin-regtest 21`')
  shown = ours
  await until('following', async () => status().state === 'following')
  expect([status().problem, followed.reverts, followed.hashes().length]).toEqual([null, [], 31])
})

describe('up', () => {
  const DEPTH = 6
  const ports = ['--port', '0', '--clickhouse-port', '0']
  let where: string[]
  let up: Running
  let site: string

  async function start(url: string): Promise<void> {
    const asked = ['up', ...where, ...ports, '--node', `${FIRST}=${url}`]
    up = startCli(asked, { WANLIAN_LOG: 'warn' })
    started.push(up.pid)
    site = (JSON.parse(await up.firstLine) as { site: string }).site
  }

  interface Told {
    tip: { height: number; hash: string } | null
    blockCount: number
    following: { state: string; problem: string | null }
    reorgs: { nodes: { depth: number; commonAncestor: string }[] }
  }

  async function look(): Promise<Told> {
    const query = `{ chain(slug: "${FIRST}") { tip { height hash } blockCount following { state problem }
      reorgs(first: 5) { nodes { depth commonAncestor } } } }`
    const answer = await fetch(`${site}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    })
    const { data, errors } = (await answer.json()) as { data: { chain: Told }; errors?: unknown }
    expect(errors).toBeUndefined()
    return data.chain
  }

  const state = async () => (await look()).following.state
  const gauge = async (name: string) =>
    (await (await fetch(`${site}/metrics`)).text()).match(
      new RegExp(`^${name}\\{chain="${FIRST}"\\} (.*)$`, 'm'),
    )?.[1]

  test('a fork that is too deep: stopped, until the very command that is named; paused over a kill -9', async () => {
    const data = join(directory, 'up')
    const config = join(directory, 'wanlian.yaml')
    await writeFile(config, `chains:\n  ${FIRST}:\n    maxReorgDepth: ${DEPTH}\n    pollSeconds: 0.1\n`)
    where = ['--data', data, '--config', config]
    const chain = mined('too deep', 30)
    const node = keep(await startRegtestNode(chain))
    await start(node.url)
    await until('following', async () => (await look()).blockCount === 31 && (await state()) === 'FOLLOWING')

    const { commonAncestor } = chain.reorg(DEPTH + 3)
    // Which block both have is not known while blocks are written anew.
    await until('stopped', async () => (await look()).following.problem?.includes('`wanlian rewind') === true)
    const { state: stopped, problem } = (await look()).following
    const [, named] = problem!.match(/`wanlian ([^`]+)`/)!
    expect(stopped).toBe('STOPPED')
    expect(named).toBe(`rewind ${FIRST} ${commonAncestor.height} ${where.join(' ')}`)
    expect(await gauge('wanlian_chain_stopped')).toBe('1')
    expect(await (await fetch(`${site}/status`)).text()).toContain(
      `wanlian rewind ${FIRST} ${commonAncestor.height} `,
    )
    const doctor = await runCli(['doctor', '--json', ...where, ...ports, '--node', `${FIRST}=${node.url}`])
    const { findings } = summaryOf<{ findings: { area: string; level: string; text: string }[] }>(doctor)
    expect(findings).toContainEqual({ area: FIRST, level: 'fix', text: `stopped: ${problem}` })
    expect(doctor.code).toBe(1)
    chain.mineVaried()
    expect([(await look()).tip?.height, await state()]).toEqual([30, 'STOPPED'])

    const rewound = await runCli(named!.split(' '))
    expect(summaryOf(rewound)).toEqual({ chain: FIRST, height: commonAncestor.height, blocks: DEPTH + 3 })
    expect(rewound.code).toBe(0)
    await until('the new branch', async () => {
      const { tip, blockCount } = await look()
      return tip?.hash === chain.head.hash && blockCount === chain.head.height + 1
    })
    await until('following', async () => (await state()) === 'FOLLOWING')
    expect((await look()).following.problem).toBeNull()
    // What came as history leaves by itself: together they are the fork.
    const { nodes: reorgs } = (await look()).reorgs
    expect([
      reorgs.reduce((sum, { depth }) => sum + depth, 0),
      reorgs.map(one => one.commonAncestor),
    ]).toEqual([DEPTH + 3, expect.arrayContaining([commonAncestor.hash])])

    const paused = await runCli(['pause', FIRST, ...where])
    expect([paused.code, summaryOf(paused)]).toEqual([0, { chain: FIRST, paused: true, changed: true }])
    const unknown = await runCli(['pause', 'bitcoin', ...where])
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('is not followed here')])
    process.kill(up.pid, 'SIGKILL')
    const { stderr } = await up.finished
    expect(stderr).toMatch(/"level":50.*stopped: the operator has to decide/)
    // The killed one's socket is still there: nobody answers.
    expect(await askControl(data, { command: 'status' })).toBeNull()
    expect((await stat(join(data, 'control.sock'))).isSocket()).toBe(true)

    chain.mineVaried()
    await start(node.url)
    expect([await state(), await gauge('wanlian_chain_paused')]).toEqual(['PAUSED', '1'])
    const resumed = await runCli(['resume', FIRST, ...where])
    expect([resumed.code, summaryOf(resumed)]).toEqual([0, { chain: FIRST, paused: false, changed: true }])
    await until('the new block', async () => (await look()).tip?.hash === chain.head.hash)
    process.kill(up.pid, 'SIGTERM')
    const ended = await up.finished
    expect([ended.code, ended.stderr]).toEqual([
      0,
      expect.stringMatching(/paused by the operator: wanlian resume bitcoin-regtest --data/),
    ])
    const got = settled(await withDirectory(data, sql => dumpViews(sql, FIRST)))
    expect(got).toEqual(settled(await viewsOfCleanRun(node.url, chain.head.height)))

    const offline = await runCli(['pause', FIRST, ...where])
    expect([offline.code, summaryOf(offline)]).toEqual([0, { chain: FIRST, paused: true, changed: true }])
    const nothing = await runCli(['resume', 'nothing', ...where])
    expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining('no chain')])
  })
})
