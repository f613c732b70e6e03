import { stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { admitStatement } from '../api/sql-gate.ts'
import { bytes, type Columns, count, RowWriter } from '../schema/columns.ts'
import { openTestStore, type TestStore, withDirectory } from './harness.ts'

/**
 * The contract of the store process. Its entry point is exported by the library but promised by nobody: when a later
 * version breaks any of this, it shows here.
 */
let world: TestStore

beforeAll(async () => {
  world = await openTestStore()
  await world.sql.command(`CREATE TABLE wanlian.contract (id UInt64, payload String)
    ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 1000`)
  await world.sql.command(`CREATE TABLE wanlian.contract_sums (key UInt8, rows UInt64)
    ENGINE = SummingMergeTree ORDER BY key SETTINGS non_replicated_deduplication_window = 1000`)
  await world.sql.command(`CREATE MATERIALIZED VIEW wanlian.contract_feed TO wanlian.contract_sums
    AS SELECT 1 AS key, count() AS rows FROM wanlian.contract`)
})
afterAll(() => world?.close())

const columns: Columns = { id: count, payload: bytes }

function encode(rows: readonly { id: number; payload: Uint8Array }[]): Uint8Array {
  const out = new RowWriter()
  for (const row of rows) {
    count.write(out, row.id)
    bytes.write(out, row.payload)
  }
  return out.view()
}

async function insert(rows: Parameters<typeof encode>[0], token: string | null): Promise<void> {
  await world.sql.insert({ table: 'wanlian.contract', columns, bytes: encode(rows) }, { token })
}

async function totals(): Promise<{ rows: number; summed: number }> {
  const [row] = await world.sql.rows<{ rows: string; summed: string }>(
    'SELECT (SELECT count() FROM wanlian.contract) AS rows, (SELECT sum(rows) FROM wanlian.contract_sums) AS summed',
  )
  return { rows: Number(row?.rows), summed: Number(row?.summed) }
}

async function format(statement: string): Promise<string> {
  const [row] = await world.sql.rows<{ text: string }>(
    'SELECT formatQuerySingleLine({statement:String}) AS text',
    { statement },
  )
  return row?.text ?? ''
}

/** A request with the secret key, as the gateway would send it for an outsider. */
function ask(statement: string, user: { username: string; password: string }): Promise<Response> {
  const address = new URL(world.store.url)
  address.search = new URLSearchParams({ user: user.username, password: user.password }).toString()
  return fetch(address, { method: 'POST', body: statement, headers: world.store.headers })
}

describe('the store process', () => {
  test('answers, and only those who know its key', async () => {
    const ping = await fetch(`${world.store.url}/ping`, { headers: world.store.headers })
    expect([ping.status, await ping.text()]).toEqual([200, 'Ok.\n'])
    for (const path of ['/ping', '/play', '/dashboard', '/?query=SELECT+1']) {
      expect((await fetch(world.store.url + path)).status, path).toBe(404)
    }
  })

  test('keeps its secrets to the operator', async () => {
    const run = join('run', String(process.pid))
    for (const file of ['store.json', join(run, 'users.xml'), join(run, 'config.xml')]) {
      expect((await stat(join(world.directory, file))).mode & 0o777, file).toBe(0o600)
    }
  })

  test('takes binary rows with every byte there is, empty lines too', async () => {
    const payload = Buffer.concat([
      Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
      Buffer.from('\n\n\r\n\n'),
    ])
    await insert(
      [
        { id: 1, payload },
        { id: 0x0a0a0a0a, payload: Buffer.from('\n\n') },
      ],
      'binary',
    )
    const rows = await world.sql.rows('SELECT id, hex(payload) AS payload FROM wanlian.contract ORDER BY id')
    expect(rows).toEqual([
      { id: '1', payload: payload.toString('hex').toUpperCase() },
      { id: String(0x0a0a0a0a), payload: '0A0A' },
    ])
  })

  test('keeps wide integers digit for digit in every format', async () => {
    const [row] = await world.sql.rows(
      'SELECT toUInt256(toUInt256(0) - 1) AS wide, toInt64(9007199254740993) AS narrow',
    )
    expect(row).toEqual({ wide: (2n ** 256n - 1n).toString(), narrow: '9007199254740993' })
  })

  test('refuses foreign users, and outsiders all but the views', async () => {
    const statuses = async (user: { username: string; password: string }, statement: string) =>
      (await ask(statement, user)).status
    expect(await statuses({ username: 'wanlian', password: 'guess' }, 'SELECT 1')).toBe(403)
    expect(await statuses({ username: 'nobody', password: '' }, 'SELECT 1')).toBe(403)
    const { outsider } = world.store
    expect(await statuses(outsider, 'SELECT count() FROM blocks')).toBe(200)
    for (const statement of [
      'SELECT count() FROM wanlian.blocks',
      'INSERT INTO wanlian.contract VALUES (9, 9)',
      'CREATE TABLE x (a UInt8) ENGINE = Memory',
      'DROP TABLE wanlian.contract',
      'SET readonly = 0',
      'SELECT 1 SETTINGS max_threads = 1',
      "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
      "SELECT * FROM file('/etc/hostname', 'LineAsString')",
      'SYSTEM SHUTDOWN',
    ]) {
      expect(await statuses(outsider, statement), statement).not.toBe(200)
    }
  })

  test('the gate closes `file` in every disguise, and nothing else', async () => {
    const disguises = [
      "SELECT file('/etc/hostname')",
      "SELECT FILE('/etc/hostname')",
      "SELECT `file`('/etc/hostname')",
      `SELECT "file"('/etc/hostname')`,
      "SELECT `fil\\x65`('/etc/hostname')",
      "SELECT file/**/('/etc/hostname')",
      "SELECT arrayMap(file, ['/etc/hostname'])",
      "SELECT arrayMap(x -> file(x), ['/etc/hostname'])",
      "SELECT * APPLY file FROM (SELECT '/etc/hostname' AS p)",
      "EXPLAIN PLAN SELECT file('/etc/hostname')",
      "WITH '/proc/self/environ' AS p SELECT file(p)",
      "SELECT 1 AS `'`, file('/etc/hostname') AS `'`",
    ]
    for (const statement of disguises) {
      await expect(admitStatement(format, statement), statement).rejects.toMatchObject({
        code: 'STATEMENT_REFUSED',
      })
    }
    // The hole is real: without the gate the engine reads the file for a user that may only read views.
    expect((await ask(disguises[0]!, world.store.outsider)).status).toBe(200)
    for (const statement of [
      "SELECT 'file(1)'",
      'SELECT 1 /* file(1) */',
      'SELECT count() FROM blocks',
      'SELECT profile FROM t',
    ]) {
      await expect(admitStatement(format, statement), statement).resolves.toBeUndefined()
    }
    await expect(admitStatement(format, 'SELECT FROM (WHERE')).rejects.toMatchObject({ code: 'STORE' })
  })

  test('kill -9 while inserts run: repeated under their tokens they are there once, in the view too', async () => {
    const before = await totals()
    const payload = Buffer.alloc(2_000, 7)
    const batches = Array.from({ length: 24 }, (_, batch) =>
      Array.from({ length: 500 }, (_, at) => ({ id: 1_000_000 + batch * 500 + at, payload })),
    )
    for (const [batch, rows] of batches.entries()) {
      const pid = world.store.pid()
      const inserted = insert(rows, `kill:${batch}`)
      if (batch % 6 === 3) {
        await new Promise(resolve => setTimeout(resolve, batch))
        process.kill(pid, 'SIGKILL')
      }
      await inserted
    }
    for (const [batch, rows] of batches.entries()) await insert(rows, `kill:${batch}`)
    expect(await totals()).toEqual({ rows: before.rows + 12_000, summed: before.summed + 12_000 })
  })

  test('rows without a token are stored as often as they are sent, in views too', async () => {
    const before = await totals()
    for (let time = 0; time < 3; time++) await insert([{ id: 4, payload: Buffer.from('again') }], null)
    expect(await totals()).toEqual({ rows: before.rows + 3, summed: before.summed + 3 })
  })

  test('a half-sent request from outside may end it: it comes back and nothing is lost', async () => {
    const before = await totals()
    const pid = world.store.pid()
    const port = Number(new URL(world.store.url).port)
    await new Promise<void>(resolve => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write('GET / HTTP/1.1\r\nHo', () => socket.destroy())
      })
      socket.on('close', () => resolve())
      socket.on('error', () => resolve())
    })
    await expect.poll(() => world.store.pid(), { timeout: 15_000 }).not.toBe(pid)
    expect(await totals()).toEqual(before)
    await insert([{ id: 5, payload: Buffer.from('after') }], 'after the half request')
    expect(await totals()).toEqual({ rows: before.rows + 1, summed: before.summed + 1 })
  })

  test('a second opener joins the store that runs', async () => {
    await withDirectory(world.directory, async (sql, store) => {
      expect(store.url).toBe(world.store.url)
      expect(await sql.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
    })
    expect(await world.sql.rows('SELECT 2 AS two')).toEqual([{ two: 2 }])
  })

  test('stops when it is told to, and its directory opens again', async () => {
    const other = await openTestStore()
    const pid = other.store.pid()
    await other.sql.close()
    await other.store.close()
    expect(() => process.kill(pid, 0)).toThrow()
    await withDirectory(other.directory, async sql => {
      expect(await sql.rows('SELECT count() AS blocks FROM blocks')).toEqual([{ blocks: '0' }])
    })
    await other.close()
  })
})
