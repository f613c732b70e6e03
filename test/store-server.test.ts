import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clickhouseAddress, findOutsider } from '../deploy/clickhouse.ts'
import type { IndexSummary } from '../deploy/commands/index.ts'
import { migrate } from '../deploy/migrate.ts'
import { isAlive } from '../deploy/pid.ts'
import type { ClickHouseSettings } from '../deploy/servers.ts'
import { createSql, type SqlClient } from '../deploy/sql.ts'
import type { CheckReport } from '../splitter/check.ts'
import { type Running, runCli, startCli, summaryOf } from './cli.ts'
import { describeRecorded, recordings } from './recordings.ts'

/** `wanlian store` as an operator starts it, and everything that reaches it by URL. */
const PASSWORD = 'correct horse'

let directory: string
let server: Running
let url: string
let sql: SqlClient

const settings = (over: Partial<ClickHouseSettings> = {}): ClickHouseSettings => ({
  urls: [url],
  username: 'default',
  password: PASSWORD,
  cluster: null,
  ca: null,
  outsider: null,
  ...over,
})

/** Nobody listens here. */
const DEAD = 'http://127.0.0.1:1'

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-server-'))
  server = startCli(['store', '--data', directory, '--port', '0'], { WANLIAN_CLICKHOUSE_PASSWORD: PASSWORD })
  url = (JSON.parse(await server.firstLine) as { url: string }).url
  sql = createSql(await clickhouseAddress(settings()))
  await sql.command('CREATE DATABASE IF NOT EXISTS wanlian')
})
afterAll(async () => {
  await sql?.close()
  if (server && isAlive(server.pid)) process.kill(server.pid, 'SIGTERM')
  expect((await server?.finished)?.code).toBe(0)
  await rm(directory, { recursive: true, force: true })
})

/** The engine's own process, as the data directory names it. */
async function enginePid(): Promise<number> {
  return (JSON.parse(await readFile(join(directory, 'store.json'), 'utf8')) as { pid: number }).pid
}

const byUrl = () => ({ WANLIAN_CLICKHOUSE_URL: url, WANLIAN_CLICKHOUSE_PASSWORD: PASSWORD })

describe('wanlian store', () => {
  test('several processes bring it to the schema at the same time', async () => {
    const reports = await Promise.all([migrate(sql), migrate(sql), migrate(sql)])
    expect(reports.flatMap(report => report.applied).length).toBeGreaterThan(0)
    expect(await migrate(sql)).toEqual({ applied: [], views: [] })
    const finished = await runCli(['migrate'], byUrl())
    expect([finished.code, summaryOf(finished)]).toEqual([0, { applied: [], views: [] }])
  })

  test('takes credentials in every way that clients have, and no others', async () => {
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
    const ask = async (headers: Record<string, string>, fields: Record<string, string> = {}) => {
      const search = new URLSearchParams({ query: 'SELECT currentUser()', ...fields })
      const answer = await fetch(`${url}/?${search}`, { method: 'POST', headers })
      return [answer.status, answer.headers.get('x-clickhouse-exception-code')]
    }
    const key = { 'X-ClickHouse-User': 'default', 'X-ClickHouse-Key': PASSWORD }
    expect(await ask(key)).toEqual([200, null])
    expect(await ask({ 'X-ClickHouse-Key': PASSWORD })).toEqual([200, null])
    expect(await ask({ Authorization: basic(`default:${PASSWORD}`) })).toEqual([200, null])
    expect(await ask({}, { user: 'default', password: PASSWORD })).toEqual([200, null])
    const refused = [403, '516']
    expect(await ask({})).toEqual(refused)
    expect(await ask({}, { user: 'default', password: 'guess' })).toEqual(refused)
    expect(await ask({ ...key, 'X-ClickHouse-User': 'wanlian' })).toEqual(refused)
    expect(await ask({ ...key, 'X-ClickHouse-Key': '' })).toEqual(refused)
    expect(await ask({ Authorization: basic('default:') })).toEqual(refused)
    expect(await ask({ Authorization: `Bearer ${PASSWORD}` })).toEqual(refused)
    expect(await ask(key, { user: 'default', password: PASSWORD })).toEqual(refused)
    expect((await fetch(`${url}/ping`)).status).toBe(200)
    expect((await fetch(`${url}/play`)).status).toBe(404)
  })

  test('a wrong password ends a command with what to do', async () => {
    const finished = await runCli(['sql', 'SELECT 1'], { ...byUrl(), WANLIAN_CLICKHOUSE_PASSWORD: 'guess' })
    expect([finished.code, finished.stdout]).toEqual([1, ''])
    expect(finished.stderr).toContain('WANLIAN_CLICKHOUSE_PASSWORD')
  })

  test('listens on loopback only without a password, and one process has the directory', async () => {
    const nowhere = { WANLIAN_CLICKHOUSE_PASSWORD: '' }
    const open = await runCli(
      ['store', '--data', join(directory, 'none'), '--port', '0', '--host', '0.0.0.0'],
      nowhere,
    )
    expect([open.code, open.stdout]).toEqual([1, ''])
    expect(open.stderr).toContain('set WANLIAN_CLICKHOUSE_PASSWORD')
    for (const command of [
      ['store', '--port', '0'],
      ['up', '--port', '0', '--clickhouse-port', '0', '--node', 'dogecoin=file:/nowhere'],
    ]) {
      const second = await runCli([...command, '--data', directory], nowhere)
      expect([second.code, second.stdout]).toEqual([1, ''])
      expect(second.stderr).toContain(`is in use by process ${server.pid}`)
    }
  })

  test('half-sent requests do not reach the engine', async () => {
    const pid = await enginePid()
    const { hostname, port } = new URL(url)
    const pieces = [
      'GET / HTTP/1.1\r\nHo',
      'FOO BAR BAZ\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nSELECT',
      `POST / HTTP/1.1\r\nHost: a\r\nX-ClickHouse-Key: ${PASSWORD}\r\nContent-Length: 100\r\n\r\nSELECT`,
      `POST / HTTP/1.1\r\nHost: a\r\nX-ClickHouse-Key: ${PASSWORD}\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nSELE`,
    ]
    for (const piece of pieces) {
      for (const end of ['destroy', 'resetAndDestroy'] as const) {
        await new Promise<void>(resolve => {
          const socket = connect(Number(port), hostname, () => {
            socket.write(piece, 'latin1', () => setTimeout(() => socket[end](), 20))
          })
          socket.on('close', () => resolve())
          socket.on('error', () => {})
        })
      }
    }
    expect(await sql.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect(await enginePid()).toBe(pid)
    expect(isAlive(pid)).toBe(true)
  })

  test('the client of ClickHouse works as it is: parameters, inserts, streams, compression, cancelling', async () => {
    const client = createClient({
      url,
      password: PASSWORD,
      compression: { request: true, response: true },
      log: { level: ClickHouseLogLevel.OFF },
    })
    try {
      expect(await client.ping({ select: true })).toEqual({ success: true })
      await client.command({
        query: 'CREATE TABLE wanlian.client (id UInt64, text String) ENGINE = MergeTree ORDER BY id',
      })
      const values = Array.from({ length: 20_000 }, (_, id) => ({ id, text: `row ${id}\n\n` }))
      await client.insert({ table: 'wanlian.client', values, format: 'JSONEachRow' })
      const counted = await client.query({
        query: 'SELECT count() AS rows FROM wanlian.client WHERE id >= {from:UInt64}',
        query_params: { from: 5_000 },
        format: 'JSONEachRow',
      })
      expect(await counted.json()).toEqual([{ rows: '15000' }])

      const long = await client.query({ query: 'SELECT number FROM numbers(1000000)', format: 'JSONEachRow' })
      let rows = 0
      for await (const chunk of long.stream()) rows += chunk.length
      expect(rows).toBe(1_000_000)

      const stop = new AbortController()
      const endless = client.query({
        query: 'SELECT count() FROM system.numbers',
        query_id: 'endless',
        abort_signal: stop.signal,
      })
      const running = async () =>
        Number(
          (
            await sql.rows<{ n: string }>(
              "SELECT count() AS n FROM system.processes WHERE query_id = 'endless'",
            )
          )[0]?.n,
        )
      await expect.poll(running, { timeout: 15_000 }).toBe(1)
      stop.abort()
      await expect(endless).rejects.toThrow()
      await expect.poll(running, { timeout: 15_000 }).toBe(0)
    } finally {
      await client.close()
    }
  })

  test('outsiders are a read-only user of it, which needs no settings', async () => {
    const address = await clickhouseAddress(settings())
    const access = await findOutsider(sql, address, settings())
    const status = async (statement: string) => {
      const { username, password } = access
      const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password }
      const answer = await fetch(access.url, { method: 'POST', body: statement, headers })
      await answer.arrayBuffer()
      return answer.status
    }
    expect(await status('SELECT count() FROM default.blocks')).toBe(200)
    for (const statement of [
      'SELECT count() FROM wanlian.blocks',
      'DROP VIEW default.blocks',
      'SET readonly = 0',
    ]) {
      expect(await status(statement), statement).not.toBe(200)
    }
    const wrong = settings({ outsider: { username: 'nobody', password: 'x' } })
    await expect(findOutsider(sql, address, wrong)).rejects.toThrow(/refuses user nobody/)
    const writer = settings({ outsider: { username: 'default', password: PASSWORD } })
    await expect(findOutsider(sql, address, writer)).rejects.toThrow(/expected setting readonly = 1/)
  })

  test('addresses are tried in turn, compressed or not', async () => {
    for (const compress of [false, true]) {
      const address = { ...(await clickhouseAddress(settings({ urls: [DEAD, url] }))), compress }
      const several = createSql(address)
      try {
        expect(await several.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
        const bytes = Buffer.alloc(80_000, 3)
        const rows = { table: 'wanlian.turns', columns: { id: { type: 'UInt64' } }, bytes }
        await several.command(
          'CREATE OR REPLACE TABLE wanlian.turns (id UInt64) ENGINE = MergeTree ORDER BY id',
        )
        await several.insert(rows as never, { token: null })
        const back = await several.bytes('SELECT id FROM wanlian.turns FORMAT RowBinary')
        expect(back.equals(bytes)).toBe(true)
      } finally {
        await several.close()
      }
    }
    const finished = await runCli(['sql', 'SELECT 7'], {
      ...byUrl(),
      WANLIAN_CLICKHOUSE_URL: `${DEAD},${url}`,
    })
    expect([finished.code, finished.stdout.trim()]).toEqual([0, '7'])
  })

  test('kill -9 of the engine during inserts: nothing is lost or doubled', async () => {
    await sql.command(
      'CREATE TABLE wanlian.killed (id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 1000',
    )
    await sql.command(
      'CREATE TABLE wanlian.killed_sums (rows UInt64) ENGINE = SummingMergeTree ORDER BY tuple() SETTINGS non_replicated_deduplication_window = 1000',
    )
    await sql.command(
      'CREATE MATERIALIZED VIEW wanlian.killed_feed TO wanlian.killed_sums AS SELECT count() AS rows FROM wanlian.killed',
    )
    const batch = (number: number) => {
      const ids = BigUint64Array.from({ length: 20_000 }, (_, at) => BigInt(number * 20_000 + at))
      return { table: 'wanlian.killed', columns: { id: { type: 'UInt64' } }, bytes: Buffer.from(ids.buffer) }
    }
    for (let number = 0; number < 20; number++) {
      const pid = await enginePid()
      const inserted = sql.insert(batch(number) as never, { token: `killed:${number}` })
      if (number % 5 === 2) {
        await new Promise(resolve => setTimeout(resolve, number))
        process.kill(pid, 'SIGKILL')
        await inserted
        await expect.poll(enginePid, { timeout: 15_000 }).not.toBe(pid)
      }
      await inserted
    }
    // A writer repeats what it is not sure of.
    for (let number = 0; number < 20; number++) {
      await sql.insert(batch(number) as never, { token: `killed:${number}` })
    }
    const [counted] = await sql.rows(
      'SELECT count() AS rows, uniqExact(id) AS different, (SELECT sum(rows) FROM wanlian.killed_sums) AS summed FROM wanlian.killed',
    )
    expect(counted).toEqual({ rows: '400000', different: '400000', summed: '400000' })
  })
})

describeRecorded('a recorded chain on a store by URL', () => {
  test('is indexed, and check finds it right', async () => {
    const indexed = await runCli(
      ['index', 'litecoin', '--node', `file:${recordings}/litecoin`, '--recorded'],
      byUrl(),
    )
    const summary = summaryOf<IndexSummary>(indexed)
    expect([indexed.code, summary.blocks, summary.failed]).toEqual([0, 172, []])
    const checked = await runCli(['check', 'litecoin'], byUrl())
    const report = summaryOf<CheckReport>(checked)
    expect([checked.code, report.blocks, report.proven, report.differences]).toEqual([0, 172, 172, []])
  })
})
