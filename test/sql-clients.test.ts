import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSqlGateway, type SqlGatewayLimits } from '../api/sql-gateway.ts'
import { ask, openTestGateway, type TestGateway } from './gateway.ts'

/** The gateway as its callers know it: the unmodified client, curl, large answers, and a store that goes away. */
let world: TestGateway
let client: ClickHouseClient

beforeAll(async () => {
  world = await openTestGateway()
  client = createClient({ url: world.url, log: { level: ClickHouseLogLevel.OFF } })
})
afterAll(async () => {
  await client?.close()
  await world?.close()
})

const WIDE = (2n ** 256n - 1n).toString()
/** Works for as long as it may: 30 s. */
const ENDLESS = 'SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1'

/** Statements of outsiders that the store is working on. */
async function running(): Promise<number> {
  const [row] = await world.sql.rows<{ running: string }>(
    "SELECT count() AS running FROM system.processes WHERE user = 'outsider'",
  )
  return Number(row?.running)
}

/** An answer that takes 25 s, of which the first bytes are read. The store sends when it has some 100 KB. */
async function readSlow(): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const answer = await fetch(`${world.url}/?max_block_size=1`, {
    method: 'POST',
    headers: { 'Accept-Encoding': 'identity' },
    body: "SELECT number, repeat('x', 1000000), sleepEachRow(1) FROM numbers(25)",
  })
  const reader = answer.body!.getReader()
  const { value } = await reader.read()
  expect(Buffer.from(value!).toString()).toMatch(/^0\tx/)
  return reader
}

async function curl(...args: string[]): Promise<{ code: number; text: string }> {
  const child = spawn('curl', ['-sS', ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  const [code] = (await once(child, 'close')) as [number]
  return { code, text: Buffer.concat(chunks).toString('utf8') }
}

describe('the unmodified @clickhouse/client', () => {
  test('connects, asks with parameters, and keeps every digit', async () => {
    expect(await client.ping()).toEqual({ success: true })
    expect(await client.ping({ select: true })).toMatchObject({ success: true })
    const answer = await client.query({
      query:
        'SELECT chain, count() AS blocks FROM {view:Identifier} WHERE chain = {chain:String} GROUP BY chain',
      query_params: { view: 'blocks', chain: 'evm-local' },
      format: 'JSONEachRow',
      query_id: 'my-own.name',
    })
    expect([answer.query_id, await answer.json()]).toEqual([
      'my-own.name',
      [{ chain: 'evm-local', blocks: '22' }],
    ])
    const wide = await client.query({
      query: `SELECT toUInt256('${WIDE}') AS amount, {text:String} AS text`,
      query_params: { text: `a'b"c\`d\\e\tf\ng\u{1f600}` },
      format: 'JSON',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
    })
    expect((await wide.json()).data).toEqual([{ amount: WIDE, text: `a'b"c\`d\\e\tf\ng\u{1f600}` }])
  })

  test('streams rows, and takes compressed answers', async () => {
    const packed = createClient({ url: world.url, compression: { response: true } })
    for (const one of [client, packed]) {
      const answer = await one.query({ query: 'SELECT number FROM numbers(200000)', format: 'JSONEachRow' })
      let sum = 0
      for await (const rows of answer.stream<{ number: string }>()) {
        for (const row of rows) sum += Number(row.json().number)
      }
      expect(sum).toBe((200_000 * 199_999) / 2)
    }
    await packed.close()
  })

  test('reads binary formats', async () => {
    const first = async (format: string) => {
      const { stream } = await client.exec({ query: `SELECT toUInt32(258) AS a FORMAT ${format}` })
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks)
    }
    expect((await first('RowBinary')).toString('hex')).toBe('02010000')
    expect((await first('Native')).toString('latin1')).toBe('\x01\x01\x01a\x06UInt32\x02\x01\x00\x00')
    const parquet = (await first('Parquet')).toString('latin1')
    expect([parquet.slice(0, 4), parquet.slice(-4)]).toEqual(['PAR1', 'PAR1'])
    expect((await first('Arrow')).toString('latin1').slice(0, 6)).toBe('ARROW1')
  })

  test('browses what there is', async () => {
    const list = async (query: string) =>
      (await client.query({ query, format: 'JSONEachRow' })).json<Record<string, string>>()
    const tables = await world.sql.rows<{ name: string }>('SHOW TABLES FROM default')
    expect(await list('SHOW TABLES')).toEqual(tables)
    expect((await list('DESCRIBE blocks')).map(row => row.name)).toContain('proofs')
    expect(await list('SELECT DISTINCT database FROM system.tables ORDER BY 1')).toEqual([
      { database: 'default' },
      { database: 'information_schema' },
      { database: 'system' },
    ])
    expect(
      await list(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'default' ORDER BY 1",
      ),
    ).toEqual(tables.map(row => ({ table_name: row.name })))
    expect(
      await list("SELECT name FROM system.columns WHERE table = 'balances' AND name = 'complete'"),
    ).toHaveLength(1)
  })

  test('is told of errors, also in the middle of an answer', async () => {
    await expect(client.query({ query: 'SELECT nothing FROM blocks' })).rejects.toMatchObject({ code: '47' })
    await expect(client.command({ query: 'DROP TABLE blocks' })).rejects.toMatchObject({
      code: '164',
      type: 'READONLY',
    })
    await expect(
      createClient({ url: world.url, username: 'bob', log: { level: ClickHouseLogLevel.OFF } }).query({
        query: 'SELECT 1',
      }),
    ).rejects.toMatchObject({
      code: '516',
    })
    const answer = await client.query({
      query: 'SELECT number, throwIf(number = 900000) FROM numbers(10000000)',
      format: 'JSONEachRow',
    })
    const read = async () => {
      let rows = 0
      for await (const some of answer.stream()) rows += some.length
      return rows
    }
    await expect(read()).rejects.toMatchObject({ code: '395' })
  })

  test('aborts, and the store stops working on it', async () => {
    const controller = new AbortController()
    const asked = client.query({ query: ENDLESS, abort_signal: controller.signal })
    const failed = expect(asked).rejects.toThrow()
    await expect.poll(running, { timeout: 15_000 }).toBe(1)
    controller.abort()
    await failed
    await expect.poll(running, { timeout: 15_000 }).toBe(0)
  })
})

describe('curl', () => {
  test('asks in the address, in the body, or both', async () => {
    for (const args of [
      [`${world.url}/?query=SELECT%20count()%20FROM%20transactions`],
      [world.url, '-d', 'SELECT count() FROM transactions'],
      [`${world.url}/?query=SELECT%20count()`, '-d', 'FROM transactions'],
      [
        world.url,
        '-H',
        'Expect: 100-continue',
        '--data-binary',
        'SELECT count() FROM transactions FORMAT TSV',
      ],
      ['-u', 'default:', '--compressed', world.url, '-d', 'SELECT count() FROM transactions'],
      ['-0', world.url, '-d', 'SELECT count() FROM transactions'],
    ]) {
      expect([args, await curl(...args)]).toEqual([args, { code: 0, text: '226\n' }])
    }
    const limited = await curl(
      `${world.url}/?max_result_rows=5&result_overflow_mode=break&max_block_size=5`,
      '-d',
      'SELECT * FROM numbers(100)',
    )
    expect(limited.text.trim().split('\n')).toHaveLength(5)
    for (const coding of ['gzip', 'br', 'zstd', 'deflate']) {
      const { text } = await curl(
        '--raw',
        '-H',
        `Accept-Encoding: ${coding}`,
        '-i',
        world.url,
        '-d',
        'SELECT 1',
      )
      expect(text.toLowerCase()).toContain(`content-encoding: ${coding}`)
    }
  })

  test('notices that an answer breaks off', async () => {
    const { code, text } = await curl(
      world.url,
      '-d',
      'SELECT throwIf(number = 900000) FROM numbers(10000000)',
    )
    expect(code).toBe(18)
    expect(text).toContain('Code: 395. DB::Exception')
  })
})

describe('limits', () => {
  test('every honoured setting reaches the store within its bounds, larger ones are lowered', async () => {
    for (const [name, value, used] of [
      ['max_execution_time', '7', '7'],
      ['max_execution_time', '60', '30'],
      ['max_execution_time', '0', '30'],
      ['max_result_rows', '99999999999', '1000000'],
      ['max_result_rows', '10', '10'],
      ['max_result_bytes', '1000000', '1000000'],
      ['max_block_size', '10000000', '65536'],
      ['result_overflow_mode', 'break', 'break'],
      ['extremes', '1', 'true'],
      ['date_time_output_format', 'iso', 'iso'],
    ] as const) {
      const { text } = await ask(world.port, {
        path: `/?${name}=${value}`,
        body: `SELECT toString(getSetting('${name}'))`,
      })
      expect([name, value, text.split('\n')[0]]).toEqual([name, value, used])
    }
  })

  test('each caller has a quota, and nobody uses up that of another', async () => {
    const codes = async (limits: Partial<SqlGatewayLimits>, body: string) => {
      const port = await world.open(limits)
      const found: (number | null)[] = []
      for (const from of ['127.0.3.1', '127.0.3.1', '127.0.3.1', '127.0.3.2']) {
        found.push((await ask(port, { from, body })).code)
      }
      return found
    }
    expect(await codes({ statementsPerMinute: 2 }, 'SELECT 1')).toEqual([null, null, 201, null])
    expect(await codes({ busyMsPerMinute: 300 }, 'SELECT sleep(0.5)')).toEqual([null, 201, 201, null])
    // The store has one besides, told apart by the caller's address.
    const [row] = (
      await ask(world.port, { from: '127.0.3.4', body: 'SELECT quota_key FROM system.quota_usage' })
    ).text.split('\n')
    expect(row).toBe('127.0.3.4')
  })

  test('a caller has so many statements and connections at once', async () => {
    const port = await world.open({ statementsOfCaller: 1, waitingOfCaller: 0, connectionsOfCaller: 2 })
    const abort = new AbortController()
    const first = fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: ENDLESS, signal: abort.signal })
    const failed = expect(first).rejects.toThrow()
    await expect.poll(running, { timeout: 15_000 }).toBe(1)
    expect((await ask(port, { body: 'SELECT 1' })).code).toBe(202)
    expect((await ask(port, { body: 'SELECT 1', from: '127.0.3.3' })).text).toBe('1\n')
    const held = connect(port, '127.0.0.1')
    await once(held, 'connect')
    await expect(ask(port, { path: '/ping' })).rejects.toThrow()
    held.destroy()
    abort.abort()
    await failed
  })
})

describe('large answers', () => {
  test('the first row is there before the last is computed', async () => {
    const reader = await readSlow()
    expect(await running()).toBe(1)
    await reader.cancel()
    await expect.poll(running, { timeout: 15_000 }).toBe(0)
  })

  test('flow at the pace of the reader, in little memory', async () => {
    const size = 300_000_000
    const statement = `SELECT repeat('x', 1000) FROM numbers(${size / 1000}) FORMAT RawBLOB`
    const socket = connect(world.port, '127.0.0.1')
    await once(socket, 'connect')
    const before = process.memoryUsage().arrayBuffers
    socket.pause()
    socket.write(`POST / HTTP/1.0\r\nHost: a\r\nContent-Length: ${statement.length}\r\n\r\n${statement}`)
    // Nobody reads: the store comes to a stop with most of the rows still to do.
    const progress = async () => {
      const [row] = await world.sql.rows<{ rows: string }>(
        "SELECT max(read_rows) AS rows FROM system.processes WHERE user = 'outsider'",
      )
      return Number(row?.rows)
    }
    let [last, same] = [0, 0]
    for (let look = 0; look < 200 && same < 5; look++) {
      await new Promise(resolve => setTimeout(resolve, 50))
      const now = await progress()
      same = now > 0 && now === last ? same + 1 : 0
      last = now
    }
    expect(same).toBe(5)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50_000_000)
    let bytes = 0
    socket.on('data', chunk => {
      bytes += chunk.length
    })
    socket.resume()
    await once(socket, 'close')
    expect(bytes).toBeGreaterThan(size)
    expect(bytes).toBeLessThan(size + 2_000)
  }, 60_000)
})

describe('a store that goes away', () => {
  test('killed: statements wait for it, and one that runs ends in an error', async () => {
    const pid = world.store.pid()
    const reader = await readSlow()
    process.kill(pid, 'SIGKILL')
    const rest = async () => {
      while (!(await reader.read()).done);
    }
    await expect(rest()).rejects.toThrow()
    expect((await ask(world.port, { body: 'SELECT count() FROM blocks' })).text).toBe('133\n')
    expect(world.store.pid()).not.toBe(pid)
  })

  test('a statement that ends the store is not repeated for ever; the caller is told to try again', async () => {
    let connections = 0
    const dead = createServer(socket => {
      connections++
      socket.on('error', () => {})
      socket.once('data', () => socket.destroy())
    })
    dead.listen(0, '127.0.0.1')
    await once(dead, 'listening')
    const address = dead.address() as { port: number }
    const { headers, outsider } = world.store
    const gateway = createSqlGateway({
      store: { url: `http://127.0.0.1:${address.port}`, headers, ...outsider },
      limits: { restartMs: 300 },
    })
    const port = await gateway.listen(0)
    const broken = await ask(port, { body: 'SELECT 1' })
    expect([broken.status, broken.code, connections]).toEqual([503, 210, 2])
    dead.close()
    await once(dead, 'close')
    const gone = await ask(port, { body: 'SELECT 1' })
    expect([gone.status, gone.code, gone.headers['retry-after']]).toEqual([503, 210, '1'])
    expect(gone.text).toBe(
      'Code: 210. DB::Exception: The store is not there at the moment. Try again. (NETWORK_ERROR)\n',
    )
    await gateway.close()
  })
})
