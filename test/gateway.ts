import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSqlGateway, type SqlGateway, type SqlGatewayLimits } from '../api/sql-gateway.ts'
import { createSql, type SqlClient } from '../deploy/sql.ts'
import { openStore, type Store } from '../deploy/store/supervisor.ts'
import { runCli } from './cli.ts'
import { silent } from './harness.ts'

export interface TestGateway {
  directory: string
  store: Store
  /** With the operator's rights, past the gateway. */
  sql: SqlClient
  gateway: SqlGateway
  port: number
  url: string
  /** What the gateway found that was not the caller's doing. */
  troubles: unknown[]
  /** Another gateway before the same store. */
  open(limits: Partial<SqlGatewayLimits>): Promise<number>
  close(): Promise<void>
}

const FIXTURES = ['bitcoin-regtest', 'evm-local']

/** A store with the blocks of the two development chains, and the gateway in front of it. */
export async function openTestGateway(): Promise<TestGateway> {
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-gateway-'))
  for (const chain of FIXTURES) {
    const node = `file:test/fixtures/recordings/${chain}`
    const finished = await runCli(['index', chain, '--node', node, '--recorded', '--data', directory])
    if (finished.code !== 0) throw new Error(finished.stderr)
  }
  const store = await openStore({ dataDirectory: directory, logger: silent })
  const sql = createSql(store)
  const opened: SqlGateway[] = []
  const troubles: unknown[] = []
  const create = (limits: Partial<SqlGatewayLimits>) => {
    const gateway = createSqlGateway({
      store: { url: store.url, headers: store.headers, ...store.outsider },
      limits,
      onTrouble: error => troubles.push(error),
    })
    opened.push(gateway)
    return gateway
  }
  const gateway = create({})
  const port = await gateway.listen(0)
  return {
    directory,
    store,
    sql,
    gateway,
    port,
    url: `http://127.0.0.1:${port}`,
    troubles,
    open: limits => create(limits).listen(0),
    async close() {
      for (const one of opened) await one.close(0)
      await sql.close()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export interface Answer {
  status: number
  /** ClickHouse's number of the error, where there is one. */
  code: number | null
  headers: Record<string, string | string[] | undefined>
  text: string
}

export interface Ask {
  path?: string
  method?: string
  headers?: Record<string, string>
  body?: string | Buffer
  /** Address on loopback that the caller has. */
  from?: string
}

/** One HTTP request, just as it is given. */
export function ask(port: number, options: Ask = {}): Promise<Answer> {
  const { path = '/', body, method = body === undefined ? 'GET' : 'POST', headers, from } = options
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path, method, headers, localAddress: from, agent: false },
      answer => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () => {
          const code = answer.headers['x-clickhouse-exception-code']
          resolve({
            status: answer.statusCode ?? 0,
            code: code === undefined ? null : Number(code),
            headers: answer.headers,
            text: Buffer.concat(chunks).toString('utf8'),
          })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Bytes on a connection; what came back when the other side closed it, or `ms` after the last byte. */
export function sendRaw(
  port: number,
  bytes: string | Buffer,
  options: { close?: boolean } = {},
): Promise<string> {
  return new Promise(resolve => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes, () => {
        if (options.close) socket.destroy()
      })
    })
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}
