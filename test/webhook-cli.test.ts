import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Finished, runCli, startCli } from './cli.ts'

/** `wanlian webhook …` as an operator gives it, while nothing runs and beside `up`. */

let directory: string
let data: string[]
let endpoint: Server
let hook: string
let status = 204
const received: { headers: IncomingMessage['headers']; body: string }[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-webhook-'))
  const config = join(directory, 'wanlian.yaml')
  await writeFile(config, '{}')
  data = ['--data', join(directory, 'data'), '--config', config]
  endpoint = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.once('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(parts).toString() })
      response.writeHead(status).end('said the endpoint')
    })
  })
  endpoint.listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  hook = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/hook`
})
afterAll(async () => {
  endpoint?.closeAllConnections()
  endpoint?.close()
  await rm(directory, { recursive: true, force: true })
})

const webhook = (...args: string[]): Promise<Finished> =>
  runCli(['webhook', ...args, ...data], { WANLIAN_LOG: 'warn' })

// biome-ignore lint/suspicious/noExplicitAny: each command has its own shape
async function told(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await webhook(...args)
  expect([args.join(' '), code, stderr]).toEqual([args.join(' '), 0, ''])
  return JSON.parse(stdout)
}

async function refusal(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await webhook(...args)
  expect([args.join(' '), code, stdout]).toEqual([args.join(' '), 1, ''])
  return stderr
}

const least = () => ['--url', hook, '--chain', 'evm-local', '--event', 'block.added,reorg']

describe('webhook', () => {
  test('is refused in words, with what is expected', async () => {
    expect(await refusal('add', ...least())).toContain('--allow-private')
    expect(await refusal('add', ...least(), '--event', 'block.moved')).toMatch(
      /expected one or more of block\.added, .*record\.changed/,
    )
    expect(await refusal('add', ...least(), '--chain', 'moon')).toMatch(
      /no chain .*moon.*expected one of .*bitcoin/,
    )
    expect(await refusal('show', 'wh_nobody')).toContain('wh_nobody')
    expect(await refusal('pause', 'wh_nobody')).toContain('wh_nobody')
    expect(await refusal('replay', 'wh_nobody')).toContain('--from SEQUENCE')
    expect(await refusal('add', ...least(), '--from', 'ten')).toContain('expected a block height')
    expect(await refusal('walk')).toContain('walk')
  })

  test('is managed while nothing runs', async () => {
    const added = await told('add', ...least(), '--allow-private', '--description', 'mine', '--when', '2')
    expect(added).toMatchObject({
      url: hook,
      chains: ['evm-local'],
      events: ['block.added', 'reorg'],
      when: { confirmations: 2 },
      description: 'mine',
      status: 'unverified',
    })
    const { id, secret } = added as { id: string; secret: string }
    expect(secret).toMatch(/^whsec_/)
    expect((await stat(join(directory, 'data', 'webhooks.key'))).mode & 0o777).toBe(0o600)
    expect((await told('list')).map((one: { id: string }) => one.id)).toEqual([id])
    const shown = await told('show', id)
    expect(JSON.stringify(shown)).not.toContain(secret)
    expect((await told('pause', id)).status).toBe('paused')
    expect((await told('resume', id)).status).toBe('unverified')

    expect(await told('test', id)).toMatchObject({ ok: true, status: 204, type: 'test' })
    expect(JSON.parse(received.at(-1)!.body)).toMatchObject({ type: 'test', data: { webhook: id } })
    expect(received.at(-1)!.headers['webhook-signature']).toMatch(/^v1,/)
    const rotated = await told('rotate', id, '--keep-hours', '1')
    expect(rotated).toMatchObject({ id, secret: expect.stringMatching(/^whsec_/) })
    status = 500
    const failed = await webhook('test', id)
    expect([failed.code, JSON.parse(failed.stdout)]).toEqual([2, expect.objectContaining({ status: 500 })])
    // Both secrets sign.
    expect(received.at(-1)!.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/)
    expect(await told('deliveries', id)).toHaveLength(2)
    const [newest, ...others] = await told('deliveries', id, '--failed', '--limit', '5')
    expect([newest, others]).toEqual([
      expect.objectContaining({ ok: false, status: 500, responseBody: 'said the endpoint' }),
      [],
    ])
    expect(await told('skipped', id)).toEqual([])
    expect(await refusal('replay', id, '--from', '1')).toContain('expected events up to 0')
    expect(await told('remove', id)).toEqual({ id, removed: true })
    expect(await told('list')).toEqual([])
  })

  test('is managed beside the product that runs, by whoever has its directory', async () => {
    const ports = ['--port', '0', '--clickhouse-port', '0']
    const up = startCli(
      ['up', ...data, ...ports, '--node', 'evm-local=file:test/fixtures/recordings/evm-local'],
      {
        WANLIAN_LOG: 'warn',
      },
    )
    try {
      const { graphql } = JSON.parse(await up.firstLine) as { graphql: string }
      const { id } = await told(
        'add',
        '--stream',
        '--chain',
        'evm-local',
        '--event',
        'block.added',
        '--from',
        '0',
      )
      expect((await told('show', id)).url).toBeNull()
      const document = JSON.stringify({ query: '{ webhooks { id } }' })
      const ask = async (token: string) => {
        const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
        return (await fetch(graphql, { method: 'POST', headers, body: document })).json()
      }
      const token = (await readFile(join(directory, 'data', 'admin.token'), 'utf8')).trim()
      expect(await ask(token)).toEqual({ data: { webhooks: [{ id }] } })
      expect(await ask(`${token}x`)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHORIZED' } }] })
    } finally {
      process.kill(up.pid, 'SIGTERM')
      await up.finished
    }
  })
})
