import { readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, type Ask, ask, openTestGateway, sendRaw, type TestGateway } from './gateway.ts'
import { dumpViews } from './harness.ts'
import {
  FORBIDDEN_NAMES,
  HARMLESS,
  NOT_READING,
  REFUSED_BY_THE_STORE,
  SETTINGS,
  WITHOUT_EFFECT,
} from './sql-attacks.ts'

/** What outsiders try. Whatever it is: nothing written, nothing told, and the store lives on in the same process. */
let world: TestGateway
let before: { pid: number; files: string[]; rows: unknown }
const answers: { what: string; answer: Answer }[] = []

beforeAll(async () => {
  world = await openTestGateway()
  before = await state()
})
afterAll(() => world?.close())

async function state() {
  const rows = [await dumpViews(world.sql, 'bitcoin-regtest'), await dumpViews(world.sql, 'evm-local')]
  return { pid: world.store.pid(), files: (await readdir(world.directory)).sort(), rows }
}

/** Every few statements from another address, as no single caller has a quota for all of them. */
async function attempt(what: string, options: Ask): Promise<Answer> {
  const from = `127.0.2.${1 + (Math.floor(answers.length / 100) % 200)}`
  const answer = await ask(world.port, { from, ...options })
  answers.push({ what, answer })
  return answer
}

const inside = (statement: string) => statement.replaceAll('{dir}', world.directory)
const attack = (statement: string) => attempt(statement, { body: inside(statement) })

/** The same past the gateway, as the gateway's user: what the store's own rights are worth. */
async function direct(statement: string): Promise<Response> {
  const { outsider, headers, url } = world.store
  return fetch(url, {
    method: 'POST',
    body: inside(statement),
    // An idle connection would delay the store's stop by seconds.
    headers: {
      ...headers,
      connection: 'close',
      'X-ClickHouse-User': outsider.username,
      'X-ClickHouse-Key': outsider.password,
    },
  })
}

describe('statements', () => {
  test('nothing but reading', async () => {
    for (const statement of NOT_READING) {
      expect([statement, (await attack(statement)).code]).toEqual([statement, 164])
    }
  })

  test('nothing but the views: the store refuses by itself', async () => {
    for (const [code, statements] of Object.entries(REFUSED_BY_THE_STORE)) {
      for (const statement of statements) {
        expect([statement, (await attack(statement)).code]).toEqual([statement, Number(code)])
      }
    }
  })

  test('and would refuse the rest if it came that far', async () => {
    const taken: string[] = []
    for (const statement of [...NOT_READING, ...Object.values(REFUSED_BY_THE_STORE).flat()]) {
      const answer = await direct(statement)
      await answer.arrayBuffer()
      if (answer.ok) taken.push(statement)
    }
    expect(taken).toEqual(WITHOUT_EFFECT)
  })

  test('no settings, in a subquery neither', async () => {
    for (const statement of SETTINGS) {
      const { code, text } = await attack(statement)
      expect([statement, code, text]).toEqual([
        statement,
        164,
        expect.stringContaining('Cannot modify settings'),
      ])
    }
    // The hole is real: the store itself takes them from a read-only user.
    const answer = await direct("SELECT * FROM (SELECT getSetting('readonly') SETTINGS readonly = 0)")
    expect([answer.status, await answer.text()]).toEqual([200, '0\n'])
  })

  test('no file, port, path or name of the machine, in whatever disguise', async () => {
    for (const statement of FORBIDDEN_NAMES) {
      const { code, text } = await attack(statement)
      expect([statement, code, text]).toEqual([statement, 497, expect.stringContaining('is not allowed')])
    }
    for (const [statement, query] of [
      ["SELECT arrayMap({f:Identifier}, ['/etc/hostname'])", 'param_f=file'],
      ["SELECT arrayMap({f:Identifier}, ['/etc/hostname'])", 'param_f=FILE'],
      ["SELECT arrayMap({ f : Identifier }, ['/etc/hostname'])", 'param_f=file'],
      ["SELECT arrayMap({f:Identifier}, [''])", 'param_f=hostName'],
    ] as const) {
      const answer = await attempt(statement, { path: `/?${query}`, body: statement })
      expect([statement, answer.code]).toEqual([statement, 497])
    }
    for (const value of ['fi%5Cx6ce', '%60file%60', 'file%60', 'a%20b', '%22file%22', 'a.fi%5Cl']) {
      const statement = "SELECT arrayMap({f:Identifier}, ['/etc/hostname'])"
      const answer = await attempt(value, { path: `/?param_f=${value}`, body: statement })
      expect([value, answer.code]).toEqual([value, 36])
    }
    // The hole is real.
    const answer = await direct("SELECT file('/etc/hostname')")
    expect([answer.status, (await answer.text()).includes(hostname())]).toEqual([200, true])
  })

  test('the rest is answered', async () => {
    for (const statement of HARMLESS) {
      const { status, text } = await attack(statement)
      expect([statement, status, text.slice(0, 200)]).toEqual([statement, 200, expect.anything()])
    }
  })

  test('runaways end at the limits, and the store with them not', async () => {
    for (const [statement, code] of [
      // Hundreds of gigabytes in one piece, and so refused before any of it is taken.
      [
        'SELECT arraySum(arrayMap(x -> arraySum(arrayMap(y -> sipHash64(x, y), range(100000))), range(1000000)))',
        241,
      ],
      ['SELECT length(arrayResize([1], 100000000000))', 128],
      ['SELECT * FROM numbers(10000000) FORMAT Null', 396],
      ['WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count() FROM r', 306],
      [`SELECT ${'('.repeat(5_000)}1${')'.repeat(5_000)}`, 306],
      [`SELECT ${'NOT '.repeat(20_000)}1`, 167],
      [`SELECT ${'1+'.repeat(20_000)}1`, 167],
    ] as const) {
      const { code: got } = await attack(statement)
      expect([statement.slice(0, 60), got]).toEqual([statement.slice(0, 60), code])
    }
    const slow = await attempt('slow', {
      path: '/?max_execution_time=1',
      body: 'SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1',
    })
    expect(slow.code).toBe(159)
  })
})

describe('requests', () => {
  test('what is smuggled in beside the statement does not arrive', async () => {
    const cases: [what: string, options: Ask, code: number][] = [
      ...[
        'readonly=0',
        'readonly=2',
        'profile=default',
        'max_threads=9',
        'format_schema=x',
        'log_comment=x',
      ].map((query): [string, Ask, number] => [query, { path: `/?${query}` }, 164]),
      ...[
        'allow_introspection_functions=1',
        'implicit_select=0',
        'additional_table_filters={}',
        'constructor=1',
      ].map((query): [string, Ask, number] => [query, { path: `/?${query}` }, 164]),
      ['setting by an odd name', { path: '/?__proto__=1' }, 164],
      ['external table by address', { path: '/?_external_structure=a+String&_external_format=CSV' }, 164],
      ['user', { path: '/?user=wanlian' }, 516],
      ['password', { path: '/?user=default&password=x' }, 516],
      ['user in a header', { headers: { 'X-ClickHouse-User': 'wanlian' } }, 516],
      ['key in a header', { headers: { 'X-ClickHouse-Key': world.store.outsider.password } }, 516],
      ['basic', { headers: { Authorization: `Basic ${Buffer.from('wanlian:x').toString('base64')}` } }, 516],
      [
        'basic of the gateway',
        {
          headers: {
            Authorization: `Basic ${Buffer.from(`outsider:${world.store.outsider.password}`).toString('base64')}`,
          },
        },
        516,
      ],
      ['basic without sense', { headers: { Authorization: 'Basic ~~~' } }, 516],
      ['bearer', { headers: { Authorization: 'Bearer abc' } }, 516],
      ['certificate', { headers: { 'X-ClickHouse-SSL-Certificate-Auth': 'on' } }, 516],
      ['role', { path: '/?role=default' }, 511],
      ['database', { path: '/?database=wanlian' }, 81],
      ['database in a header', { headers: { 'X-ClickHouse-Database': 'system' } }, 81],
      ['native blocks', { path: '/?decompress=1' }, 36],
      ['protocol version', { path: '/?client_protocol_version=1%26readonly%3D0' }, 36],
      ['format', { path: '/?default_format=JSON%0d%0aX-Bad:1' }, 73],
      ['format in a header', { headers: { 'X-ClickHouse-Format': 'JSON&readonly=0' } }, 73],
      ['twice', { path: '/?query=SELECT+1&query=SELECT+2' }, 36],
      ['twice in disguise', { path: '/?query=SELECT+1&%71uery=SELECT+2' }, 36],
      ['not UTF-8', { path: '/?query=%ff' }, 36],
      ['cut percent', { path: '/?query=%f' }, 36],
      ['NUL', { path: '/?query=SELECT+1%00' }, 62],
      ['NUL in a parameter', { path: '/?param_a=%00' }, 36],
      ['name of a parameter', { path: '/?param_a%26readonly%3D0=1' }, 36],
      ['no name of a parameter', { path: '/?param_=1' }, 36],
      ['wrong value of a setting', { path: '/?max_result_rows=1+OR+1' }, 36],
      ['wrong word of a setting', { path: '/?result_overflow_mode=any' }, 36],
      [
        'external table by body',
        {
          headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
          body: '--b\r\nContent-Disposition: form-data; name="t"; filename="t"\r\n\r\n1\r\n--b--\r\n',
        },
        36,
      ],
      ['coding', { headers: { 'Content-Encoding': 'zstd' } }, 36],
      ['coding of an object', { headers: { 'Content-Encoding': 'constructor' } }, 36],
      ['no gzip', { headers: { 'Content-Encoding': 'gzip' } }, 36],
      ['bomb', { headers: { 'Content-Encoding': 'gzip' }, body: gzipSync(Buffer.alloc(50_000_000, 32)) }, 62],
      ['long', { body: `SELECT 1 ${' '.repeat(300_000)}` }, 62],
      ['not UTF-8 in the body', { body: Buffer.from('SELECT \xff', 'latin1') }, 62],
      ['NUL in the body', { body: 'SELECT 1\0, 2' }, 62],
      ['empty', { body: ' ' }, 62],
      ['joined to two', { path: '/?query=SELECT+1;', body: 'SELECT 2' }, 62],
      ['joined to a hole', { path: '/?query=SELECT+file', body: "('/etc/hostname')" }, 497],
      ['comment over the seam', { path: '/?query=SELECT+--', body: "file('/etc/hostname')" }, 497],
    ]
    for (const [what, options, code] of cases) {
      const answer = await attempt(what, { body: 'SELECT 1', ...options })
      expect([what, answer.code, answer.text.startsWith(`Code: ${code}. DB::Exception: `)]).toEqual([
        what,
        code,
        true,
      ])
    }
  })

  test('dropped: the answer is the same without it', async () => {
    for (const [what, options] of [
      ['session', { path: '/?session_id=a&session_timeout=10&session_check=1' }],
      ['foreign query id', { path: '/?query_id=a%0d%0aX-Bad:+1' }],
      ['quota of another', { path: '/?quota_key=b', headers: { 'X-ClickHouse-Quota': 'b' } }],
      ['buffers', { path: '/?buffer_size=99999999999&wait_end_of_query=1&stacktrace=1' }],
      ['the key', { headers: { 'X-Wanlian-Key': 'guess' } }],
      [
        'forwarded',
        { headers: { 'X-Forwarded-For': '1.2.3.4', Forwarded: 'for=1.2.3.4', traceparent: 'x' } },
      ],
      [
        'upgrade to h2c',
        { headers: { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': '' } },
      ],
      ['websocket', { headers: { Connection: 'Upgrade', Upgrade: 'websocket' } }],
      ['value that looks like more', { path: '/?param_a=1%26readonly%3D0' }],
    ] as [string, Ask][]) {
      const answer = await attempt(what, { body: "SELECT getSetting('readonly')", ...options })
      expect([what, answer.status, answer.text]).toEqual([what, 200, '1\n'])
      expect(answer.headers['x-bad']).toBeUndefined()
    }
  })

  test('nothing but / and /ping, and no other method', async () => {
    for (const path of [
      '/play',
      '/dashboard',
      '/merges',
      '/binary',
      '/query',
      '//',
      '/%2f',
      '/ping/',
      '/./',
      '/../ping',
      '/x/..',
      '/ping%00',
      `http://127.0.0.1:${new URL(world.store.url).port}/?query=SELECT+1`,
      '*',
    ]) {
      const answer = await attempt(path, { path, headers: {} })
      expect([path, answer.status]).toEqual([path, 404])
    }
    for (const method of ['PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND']) {
      expect([method, (await attempt(method, { method, path: '/?query=SELECT+1' })).status]).toEqual([
        method,
        405,
      ])
    }
    for (const path of ['/', '/ping', '/replicas_status']) {
      expect([path, (await attempt(path, { path })).text]).toEqual([path, 'Ok.\n'])
    }
    expect((await attempt('OPTIONS', { method: 'OPTIONS' })).status).toBe(204)
    const head = await attempt('HEAD', { method: 'HEAD', path: '/?query=SELECT+1' })
    expect([head.status, head.text]).toEqual([200, ''])
    const cors = await attempt('origin', {
      path: '/?add_http_cors_header=1',
      headers: { Origin: 'http://elsewhere.example' },
      body: 'SELECT 1',
    })
    expect(Object.keys(cors.headers).filter(name => name.startsWith('access-control'))).toEqual([])
  })

  test('bytes that are no request, or two in one, end at the gateway', async () => {
    const post = 'POST / HTTP/1.1\r\nHost: a\r\n'
    for (const [what, bytes] of [
      ['garbage', 'FOO BAR BAZ\r\n\r\n'],
      ['random', Buffer.from(Array.from({ length: 200 }, (_, at) => (at * 167 + 13) & 255))],
      ['TLS hello', Buffer.from('160301006a010000660303', 'hex')],
      ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
      [
        'length and chunks',
        `${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /ping HTTP/1.1\r\n\r\n`,
      ],
      ['two lengths', `${post}Content-Length: 8\r\nContent-Length: 9\r\n\r\nSELECT 1`],
      ['list of lengths', `${post}Content-Length: 8, 8\r\n\r\nSELECT 1`],
      ['negative length', `${post}Content-Length: -1\r\n\r\nSELECT 1`],
      ['odd coding', `${post}Transfer-Encoding: xchunked\r\n\r\nSELECT 1`],
      ['coding behind a tab', `${post}Transfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n`],
      ['chunk size', `${post}Transfer-Encoding: chunked\r\n\r\n-8\r\nSELECT 1\r\n0\r\n\r\n`],
      ['space before the colon', `${post}Content-Length : 8\r\n\r\nSELECT 1`],
      ['control byte in a header', `${post}X: a\x01b\r\n\r\n`],
      ['no host', 'GET /?query=SELECT+1 HTTP/1.1\r\n\r\n'],
      ['version', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n'],
      ['headers without end', `${post}${`X: ${'a'.repeat(1_000)}\r\n`.repeat(100)}`],
      ['long address', `GET /?query=${'a'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    ] as const) {
      const text = await sendRaw(world.port, bytes)
      expect([what, text.slice(0, 12), text.split('HTTP/1.1').length]).toEqual([
        what,
        expect.stringMatching(/^HTTP\/1\.1 4\d\d$/),
        2,
      ])
    }
    expect(await sendRaw(world.port, 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: a\r\n\r\n')).toBe('')
  })

  test('half-sent requests and callers who leave do not reach the store', async () => {
    const whole = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n${'SELECT count() FROM numbers(100000000) WHERE number % 7 = 1'.padEnd(60)}`
    for (let cut = 1; cut <= whole.length; cut++) {
      await sendRaw(world.port, whole.slice(0, cut), { close: true })
    }
    // Those who leave while their statement is on its way: large ones take more than one write to pass on.
    const large = `SELECT count() FROM numbers(100000000) WHERE number % 7 = 1 --${'x'.repeat(250_000)}`
    for (let round = 0; round < 60; round++) {
      const leave = new AbortController()
      const asked = fetch(world.url, {
        method: 'POST',
        body: round % 2 ? large : 'SELECT sleep(1)',
        signal: leave.signal,
      })
      setTimeout(() => leave.abort(), round % 20)
      await asked.then(answer => answer.arrayBuffer()).catch(() => {})
    }
    expect((await ask(world.port, { body: 'SELECT 1', from: '127.0.2.250' })).text).toBe('1\n')
    expect(world.store.pid()).toBe(before.pid)
  })

  test('who sends too slowly is cut', async () => {
    const port = await world.open({ headerMs: 200, requestMs: 400 })
    for (const bytes of [
      'GET / HTTP/1.1\r\nHo',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\nSELECT',
    ]) {
      expect(await sendRaw(port, bytes)).toMatch(/^HTTP\/1\.1 408 /)
    }
  })
})

describe('after all of that', () => {
  test('no answer told a secret', async () => {
    const { store, directory } = world
    const secrets = [
      new URL(store.url).port,
      store.password,
      store.outsider.password,
      ...Object.values(store.headers),
      directory,
      'users.xml',
      'formatQuerySingleLine(',
    ]
    expect(answers.length).toBeGreaterThan(280)
    for (const { what, answer } of answers) {
      // What the caller said may come back to him.
      const told = `${answer.text} ${JSON.stringify(answer.headers)}`.replaceAll(inside(what), '')
      const found = secrets.filter(secret =>
        new RegExp(`(?<![0-9a-f])${secret.replace(/\W/g, '\\$&')}(?![0-9a-f])`).test(told),
      )
      expect([what, found.filter(secret => !inside(what).includes(secret))]).toEqual([what, []])
    }
  })

  test('nothing is written or changed, the store is the same process', async () => {
    expect(await state()).toEqual(before)
    expect(world.troubles).toEqual([])
  })
})
