import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isAlive } from '../deploy/pid.ts'
import type { Addresses } from '../deploy/serve.ts'
import { type Running, runCli, startCli, summaryOf } from './cli.ts'
import { describeRecorded, recordings } from './recordings.ts'

const ANY_PORT = ['--port', '0', '--clickhouse-port', '0']

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-up-'))
})
/** What a failed test leaves running. */
const started: number[] = []
afterAll(async () => {
  for (const pid of started) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

interface Up extends Running {
  addresses: Addresses
}

async function startUp(data: string, nodes: readonly string[]): Promise<Up> {
  const asked = nodes.flatMap(node => ['--node', node])
  const running = startCli(['up', '--data', data, ...ANY_PORT, ...asked], { WANLIAN_LOG: 'warn' })
  started.push(running.pid)
  return { ...running, addresses: JSON.parse(await running.firstLine) as Addresses }
}

async function ask<Data>(up: Up, query: string, variables: object = {}): Promise<Data> {
  const answer = await fetch(up.addresses.graphql, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await answer.json()) as { data: Data; errors?: unknown }
  expect(errors).toBeUndefined()
  return data
}

async function until(what: string, done: () => Promise<boolean>, seconds = 120): Promise<void> {
  const deadline = Date.now() + seconds * 1000
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

async function storePid(data: string): Promise<number> {
  return (JSON.parse(await readFile(join(data, 'store.json'), 'utf8')) as { pid: number }).pid
}

test('what is done ends, though something in the process is still open', async () => {
  const open = 'data:text/javascript,setInterval(()=>{},1e6)'
  const { code, stdout } = await runCli(['--help'], { NODE_OPTIONS: `--import=${open}` })
  expect([code, stdout]).toEqual([0, expect.stringContaining('wanlian')])
}, 60_000)

describeRecorded('recordings of five chains', () => {
  const chains = ['bitcoin', 'dogecoin', 'ethereum', 'ethereum-classic', 'litecoin']
  let up: Up
  let data: string
  beforeAll(async () => {
    data = join(directory, 'recorded')
    up = await startUp(
      data,
      chains.map(chain => `${chain}=file:${recordings}/${chain}`),
    )
  })

  test('are followed to the end of their listings, every block proven', async () => {
    interface Followed {
      chains: {
        slug: string
        blockCount: number
        transactionCount: number
        following: { state: string; problem: string | null; missing: number }
      }[]
    }
    const query = `{ chains { slug blockCount transactionCount following { state problem missing } } }`
    await until('the end of every recording', async () => {
      const { chains } = await ask<Followed>(up, query)
      return chains.length === 5 && chains.every(({ following }) => following.state === 'ENDED')
    })
    const { chains: followed } = await ask<Followed>(up, query)
    expect(
      Object.fromEntries(
        followed.map(({ slug, blockCount, transactionCount }) => [slug, [blockCount, transactionCount]]),
      ),
    ).toMatchObject({
      bitcoin: [307, 5362],
      dogecoin: [3, expect.any(Number)],
      ethereum: [32, expect.any(Number)],
      'ethereum-classic': [4, expect.any(Number)],
      litecoin: [172, expect.any(Number)],
    })
    expect(followed.map(({ following }) => [following.problem, following.missing])).toEqual(
      chains.map(() => [null, 0]),
    )
    const report = summaryOf<{ differences: unknown[]; proven: number }>(
      await runCli(['check', 'ethereum', '--data', data]),
    )
    expect(report.differences).toEqual([])
  })

  test('pages, probes and the ClickHouse interface answer', async () => {
    const page = await fetch(`${up.addresses.site}/bitcoin/block/170`)
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('12 January 2009')])
    for (const path of ['/health', '/ready', '/metrics', '/status']) {
      expect([path, (await fetch(`${up.addresses.site}${path}`)).status]).toEqual([path, 200])
    }
    const client = createClient({ url: up.addresses.clickhouse })
    const answer = await client.query({
      query: `SELECT transaction_count FROM blocks WHERE chain = 'ethereum' AND height = {height:UInt64}`,
      query_params: { height: 15_753_009 },
      format: 'JSONEachRow',
    })
    expect(await answer.json()).toEqual([{ transaction_count: 210 }])
    await client.close()
  })

  test('a second one in the same directory is refused, and a taken port', async () => {
    const second = await runCli([
      'up',
      '--data',
      data,
      ...ANY_PORT,
      '--node',
      `bitcoin=file:${recordings}/bitcoin`,
    ])
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('is in use by process')])
    const port = new URL(up.addresses.site).port
    const elsewhere = await runCli([
      'up',
      ...['--data', join(directory, 'elsewhere'), '--port', port, '--clickhouse-port', '0'],
      ...['--node', `bitcoin=file:${recordings}/bitcoin`],
    ])
    expect([elsewhere.code, elsewhere.stderr]).toEqual([
      1,
      expect.stringContaining('choose another with --port'),
    ])
  })

  test('Ctrl-C stops in order and leaves nothing running', async () => {
    const store = await storePid(data)
    process.kill(up.pid, 'SIGINT')
    const { code, stderr } = await up.finished
    expect([code, stderr.match(/"level":[56]0/g)]).toEqual([0, null])
    expect(isAlive(store)).toBe(false)
  })
})
