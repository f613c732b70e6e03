import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DoctorReport } from '../deploy/commands/doctor.ts'
import type { DemoChain } from '../deploy/dev/demo-chain.ts'
import { startDemoEvm } from '../deploy/dev/demo-evm.ts'
import { startDemoRegtest } from '../deploy/dev/demo-regtest.ts'
import { type Anvil, startAnvil } from '../deploy/dev/evm-local.ts'
import { within } from '../deploy/doctor/finding.ts'
import { isAtLeast } from '../deploy/doctor/machine.ts'
import { lockDirectory } from '../deploy/lock.ts'
import { runCli } from './cli.ts'
import { openTestStore, silent, type TestStore } from './harness.ts'

let directory: string
let evm: DemoChain
let regtest: DemoChain
let store: TestStore
const ports = ['--port', '0', '--clickhouse-port', '0']

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-doctor-test-'))
  evm = await startDemoEvm({ directory, logger: silent, seed: 'doctor' })
  regtest = await startDemoRegtest({ directory, seed: 'doctor' })
  store = await openTestStore()
})

afterAll(async () => {
  await store?.close()
  await evm?.close()
  await regtest?.close()
  await rm(directory, { recursive: true, force: true })
})

async function examine(...args: string[]): Promise<{ code: number | null; report: DoctorReport }> {
  const { code, stdout, stderr } = await runCli(['doctor', '--json', ...ports, ...args])
  try {
    return { code, report: JSON.parse(stdout) as DoctorReport }
  } catch {
    throw new Error(`expected a report, got ${JSON.stringify(stdout)}; stderr: ${stderr}`)
  }
}

/** In front of a node, without some of its methods. */
async function startLacking(
  target: string,
  lacks: (call: string) => boolean,
): Promise<{ url: string; close(): void }> {
  const server = createHttpServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    const { id, method, params } = JSON.parse(body)
    if (lacks(method) || lacks(JSON.stringify([method, ...params]))) {
      response.end(JSON.stringify({ id, result: null, error: { code: -32601, message: 'Method not found' } }))
    } else {
      const told = await fetch(target, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      })
      response.writeHead(told.status).end(await told.text())
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

const textsOf = (report: DoctorReport, area: string) =>
  report.findings
    .filter(finding => finding.area === area)
    .map(({ level, text, hint }) => [level, text, hint].filter(Boolean).join(' '))
    .join('\n')

describe('doctor', () => {
  test('finds nothing wrong with two nodes and what is stored of them', async () => {
    const nodes = ['--node', `evm-local=${evm.urls[0]}`, '--node', `bitcoin-regtest=${regtest.urls[0]}`]
    const data = ['--data', store.directory]
    for (const heights of ['0-5', '9-9', '20-24']) {
      const [from, to] = heights.split('-') as [string, string]
      const asked = ['--node', evm.urls[0]!, '--from', from, '--to', to]
      expect((await runCli(['index', 'evm-local', ...asked, ...data])).code).toBe(0)
    }
    const { code, report } = await examine(...nodes, ...data)
    expect([code, report.fix, report.wait]).toEqual([0, 0, 0])
    const evmText = textsOf(report, 'evm-local')
    expect(evmText).toMatch(/ok http:\/\/127.*answers in [\d.]+ ms, head 27, finalized \d+/)
    expect(evmText).toMatch(/is of the chain \(chainId compared; not told: genesisHash\)/)
    expect(evmText).toMatch(/block 27 is proven: hash txRoot/)
    expect(evmText).toMatch(/12 blocks are stored, the tip is 24/)
    expect(evmText).toMatch(/note 2 gaps between the stored blocks: 6–8, 10–19/)
    expect(evmText).toMatch(/the store is 3 blocks behind the nodes/)
    expect(textsOf(report, 'bitcoin-regtest')).toMatch(/is of the chain \(genesisHash, network compared\)/)
    expect(textsOf(report, 'store')).toMatch(/ok ClickHouse \d+.*\nok the schema is that of this program/)
    expect(textsOf(report, 'machine')).toMatch(/ok Node\.js .*\nok .*glibc.*\nok .* can be written/)
    // It only looked.
    expect(await store.sql.rows('SELECT chain FROM chains')).toEqual([{ chain: 'evm-local' }])
  })

  test('tells of messages that could not be stored, and of a schema that is not its own', async () => {
    const own = await openTestStore()
    try {
      await own.sql.command(
        `INSERT INTO wanlian.chains (chain, caip2, name) VALUES ('evm-local', 'eip155:31337', 'EVM Local')`,
      )
      await own.sql.command(
        `INSERT INTO wanlian.dead_letters (chain, offset, height, time, hash, code, reason, payload)
          VALUES ('evm-local', 1, 7, now(), '', 'PROOF', 'txRoot: no', '')`,
      )
      const args = ['--data', own.directory, '--node', `evm-local=${evm.urls[1]}`]
      const dead = await examine(...args)
      expect([dead.code, dead.report.fix]).toEqual([1, 1])
      expect(textsOf(dead.report, 'evm-local')).toMatch(/fix 1 messages could not be stored look at them/)
      await own.sql.command(`INSERT INTO wanlian.migrations (name, checksum) VALUES ('999_future', 'x')`)
      const newer = await examine(...args)
      expect([newer.code, newer.report.fix]).toEqual([1, 1])
      expect(textsOf(newer.report, 'store')).toMatch(/fix .*does not know: 999_future run the version/)
    } finally {
      await own.close()
    }
  })

  test('of nodes: another chain, one that is away, one whose clock or chain is off', async () => {
    const strange: Anvil[] = await Promise.all([
      startAnvil({ chainId: 4242 }),
      startAnvil({ genesisTime: Math.floor(Date.now() / 1000) + 86_400 }),
      startAnvil(),
    ])
    try {
      const data = ['--data', join(directory, 'never')]
      const [wrong, early, old, away] = await Promise.all([
        examine(...data, '--node', `evm-local=${strange[0]!.url}`),
        examine(...data, '--node', `evm-local=${strange[1]!.url}`),
        examine(...data, '--node', `evm-local=${strange[2]!.url}`),
        examine(...data, '--node', 'evm-local=http://alice:hush@127.0.0.1:1'),
      ])
      expect([wrong!.code, early!.code, old!.code, away!.code]).toEqual([1, 1, 0, 75])
      expect(textsOf(wrong!.report, 'evm-local')).toMatch(/fix evm-local: expected chain id 31337, got 4242/)
      expect(textsOf(early!.report, 'evm-local')).toMatch(/fix .*block 0 is 86\d{3} s ahead .*NTP/)
      expect(textsOf(old!.report, 'evm-local')).toMatch(/note .*block 0 is \d+ h old/)
      const text = textsOf(away!.report, 'evm-local')
      expect(text).toMatch(/wait http:\/\/127\.0\.0\.1:1\/: eth_chainId failed: .*ECONNREFUSED/)
      expect(text).toMatch(/wait no endpoint answers: the chain cannot be followed name one/)
      expect(JSON.stringify(away!.report)).not.toMatch(/hush|alice/)
    } finally {
      for (const anvil of strange) await anvil.close()
    }
  })

  test('of what nodes lack: what that means', async () => {
    const bare = await Promise.all([
      startLacking(evm.urls[0]!, call => /^(debug|trace)_|BlockReceipts|getBalance/.test(call)),
      startLacking(regtest.urls[0]!, call => /^getrawtransaction|"getblock",.*,3\]$/.test(call)),
    ])
    try {
      const nodes = ['--node', `evm-local=${bare[0].url}`, '--node', `bitcoin-regtest=${bare[1].url}`]
      const { code, report } = await examine('--data', join(directory, 'never'), ...nodes)
      expect(code).toBe(0)
      const lacking = (area: string) => [
        ...textsOf(report, area).matchAll(/^note .*does not give ([^:]*): /gm),
      ]
      expect(lacking('evm-local').map(match => match[1])).toEqual([
        'receipts of a block in one call',
        'call frames',
        'old states',
      ])
      expect(lacking('bitcoin-regtest').map(match => match[1])).toEqual([
        'spent outputs with a block',
        'any transaction by its id',
      ])
    } finally {
      for (const one of bare) one.close()
    }
  })

  test('of the machine: ports that are taken, by others or by ours, and a directory that is none', async () => {
    const other: Server = createServer()
    await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    const node = ['--node', `bitcoin-regtest=${regtest.urls[0]}`]
    const held = join(directory, 'held')
    await mkdir(held)
    const file = join(directory, 'file')
    await writeFile(file, '')
    const lock = await lockDirectory(held)
    try {
      const [taken, ours, none] = await Promise.all([
        examine('--data', join(directory, 'never'), '--port', String(port), ...node),
        examine('--data', held, '--port', String(port), ...node),
        examine('--data', join(file, 'data'), ...node),
      ])
      expect([taken!.code, ours!.code, none!.code]).toEqual([1, 0, 1])
      const hint = 'end that program, or choose another port with --port or in wanlian.yaml'
      expect(textsOf(taken!.report, 'machine')).toContain(
        `fix port ${port} on 127.0.0.1, for site and API, is taken by another program ${hint}`,
      )
      expect(textsOf(ours!.report, 'machine')).toMatch(
        new RegExp(`ok .*in use by process ${process.pid}\n(.*\n)*ok port ${port} is taken, and process`),
      )
      expect(textsOf(none!.report, 'machine')).toMatch(/fix .*file is no directory/)
    } finally {
      await lock.release()
      other.close()
    }
  })

  test('reads well on a terminal, and refuses what is no option', async () => {
    const args = ['doctor', ...ports, '--data', join(directory, 'never')]
    const good = await runCli([...args, '--node', `bitcoin-regtest=${regtest.urls[0]}`])
    expect(good.code).toBe(0)
    expect(good.stdout).toMatch(/^configuration\n {2}ok {4}to be followed: bitcoin-regtest\n\nmachine\n/)
    expect(good.stdout).toMatch(/\n\nall is well\n$/)
    const unknown = await runCli([...args, '--node', 'nothing=http://127.0.0.1:1'])
    expect([unknown.code, unknown.stdout]).toEqual([
      1,
      expect.stringMatching(/fix {3}no chain .*nothing(.*\n)*1 to fix/),
    ])
  })

  test('what takes too long is told and not waited for', async () => {
    const never = new Promise<never>(() => {})
    expect(await within(20, 'store', 'the store', never)).toEqual([
      { area: 'store', level: 'wait', text: 'the store did not come to an end within 0.02 s' },
    ])
    expect([
      isAtLeast('20.18.1', '20.18.1'),
      isAtLeast('20.9.0', '20.18.1'),
      isAtLeast('22.0.0', '20.18.1'),
    ]).toEqual([true, false, true])
  })
})
