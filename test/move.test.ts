import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DoctorReport } from '../deploy/commands/doctor.ts'
import { createRegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { type RegtestNode, startRegtestNode } from '../deploy/dev/regtest-node.ts'
import { expectNothingOf, moveTables } from '../deploy/move.ts'
import { isAlive } from '../deploy/pid.ts'
import { createSql, type SqlClient } from '../deploy/sql.ts'
import type { CheckReport } from '../splitter/check.ts'
import { type Running, runCli, startCli, summaryOf } from './cli.ts'
import { dumpViews, openTestStore, silent, withDirectory } from './harness.ts'
import { describeKafka, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'
import { askHttp } from './sim/kills.ts'

const SLUG = 'bitcoin-regtest'
const PASSWORD = 'of the test'
const BLOCKS = 40

describeKafka('from the embedded mode to servers', await whyNoKafka(), () => {
  const chain = createRegtestChain({ seed: 'move' })
  let kafka: TestKafka
  let node: RegtestNode
  let root: string
  let store: Running
  let sql: SqlClient
  let url: string
  let prefix: string
  let config: string
  const running: Running[] = []

  const servers = () => ({
    WANLIAN_LOG: 'error',
    WANLIAN_CLICKHOUSE_URL: url,
    WANLIAN_CLICKHOUSE_PASSWORD: PASSWORD,
    WANLIAN_KAFKA_BROKERS: kafka.brokers.join(','),
    WANLIAN_KAFKA_PREFIX: prefix,
  })

  function start(args: string[], environment: Record<string, string>): Running {
    const one = startCli(args, environment)
    running.push(one)
    return one
  }

  async function untilTip(address: string): Promise<void> {
    const query = `SELECT count(), argMax(hash, height) FROM blocks WHERE chain = '${SLUG}'`
    const expected = `${chain.head.height + 1}\t${chain.head.hash}`
    let got = ''
    for (let look = 0; look < 1_200; look++) {
      got = (await askHttp(address, query)).trim()
      if (got === expected) return
      await pause(100)
    }
    throw new Error(`expected ${expected}, got ${got}`)
  }

  async function followTo(data: string, environment: Record<string, string>, end: NodeJS.Signals) {
    const ports = ['--port', '0', '--clickhouse-port', '0']
    const chosen = ['--node', `${SLUG}=${node.url}`]
    const up = start(['up', '--data', data, '--config', config, ...chosen, ...ports], environment)
    await untilTip((JSON.parse(await up.firstLine) as { clickhouse: string }).clickhouse)
    return async () => {
      process.kill(up.pid, end)
      return (await up.finished).code
    }
  }

  beforeAll(async () => {
    for (let count = 0; count < BLOCKS; count++) count % 5 === 0 ? chain.mineVaried() : chain.mine()
    ;[kafka, node, root] = await Promise.all([
      startKafka(),
      startRegtestNode(chain),
      mkdtemp(join(tmpdir(), 'wanlian-move-')),
    ])
    prefix = kafka.settings().prefix
    config = join(root, 'wanlian.yaml')
    await writeFile(config, JSON.stringify({ chains: { [SLUG]: { pollSeconds: 0.2 } } }))
    store = start(['store', '--data', join(root, 'there'), '--port', '0'], {
      WANLIAN_LOG: 'error',
      WANLIAN_CLICKHOUSE_PASSWORD: PASSWORD,
    })
    url = (JSON.parse(await store.firstLine) as { url: string }).url
    sql = createSql({ url, username: 'default', password: PASSWORD, headers: {} })
  })
  afterAll(async () => {
    await sql?.close()
    for (const { pid, finished } of running.reverse()) {
      if (isAlive(pid)) process.kill(pid, 'SIGTERM')
      await finished
    }
    await Promise.all([node?.close(), kafka?.close()])
    if (root) await rm(root, { recursive: true, force: true })
  })

  test('what stands in a directory stands on the servers, and is followed from there without a gap or a double', async () => {
    const here = join(root, 'here')
    const kill = await followTo(here, { WANLIAN_LOG: 'error' }, 'SIGKILL')
    chain.reorg(3)
    for (let count = 0; count < 5; count++) chain.mineVaried()
    // In the middle of it, perhaps.
    await pause(500)
    await kill()
    await pause(1_500)

    const move = ['move', '--data', here, '--config', config]
    const moved = await runCli(move, servers())
    expect([moved.code, moved.stderr]).toEqual([0, ''])
    const summary = summaryOf<{ chains: string[]; rows: number }>(moved)
    expect([summary.chains, summary.rows > 10 * BLOCKS]).toEqual([[SLUG], true])
    const embedded = await withDirectory(here, client => dumpViews(client, SLUG))
    expect(await dumpViews(sql, SLUG)).toEqual(embedded)

    const again = await runCli(move, servers())
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringContaining(`the other store holds rows of ${SLUG} already`),
    ])

    const stop = await followTo(join(root, 'nothing'), servers(), 'SIGTERM')
    chain.reorg(2)
    for (let count = 0; count < 10; count++) chain.mineVaried()
    expect(await stop()).toBe(0)
    const goOn = await followTo(join(root, 'nothing'), servers(), 'SIGTERM')
    expect(await goOn()).toBe(0)
    const checked = await runCli(['check', SLUG, '--config', config], servers())
    const report = summaryOf<CheckReport>(checked)
    expect([checked.code, report.proven, report.differences]).toEqual([0, chain.head.height + 1, []])

    const words = ['doctor', '--json', '--data', join(root, 'nothing'), '--config', config]
    const looked = await runCli([...words, '--node', `${SLUG}=${node.url}`], servers())
    const { findings } = summaryOf<DoctorReport>(looked)
    const ofStore = findings
      .filter(({ area }) => area === 'store')
      .map(({ level, text }) => `${level} ${text}`)
    expect(ofStore).toContainEqual(expect.stringMatching(/^ok ClickHouse [\d.]+ answers$/))
    expect(ofStore.filter(text => !text.startsWith('ok'))).toEqual([])
  })

  test('a move that breaks off anywhere is given again: nothing is copied twice', async () => {
    const other = await openTestStore()
    try {
      await withDirectory(join(root, 'here'), async from => {
        const id = 'broken off'
        let copies = 0
        for (const fatal of [1, 4, 9, 14]) {
          let left = fatal
          const to: SqlClient = {
            ...other.sql,
            async copy(...args) {
              copies++
              // The rows are there or not: who broke off does not know.
              if (left-- === 1) {
                if (fatal % 2 === 0) await other.sql.copy(...args)
                throw new Error('broken off')
              }
              await other.sql.copy(...args)
            },
          }
          await expect(moveTables({ from, to, id, logger: silent })).rejects.toThrow('broken off')
        }
        await moveTables({ from, to: other.sql, id, logger: silent })
        expect(copies).toBe(1 + 4 + 9 + 14)
        expect(await dumpViews(other.sql, SLUG)).toEqual(await dumpViews(from, SLUG))
        await expect(expectNothingOf(from, other.sql)).rejects.toThrow(
          /holds rows of bitcoin-regtest already/,
        )
      })
    } finally {
      await other.close()
    }
  })
})
