import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { createRegtestChain, type RegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { type RegtestNode, startRegtestNode } from '../deploy/dev/regtest-node.ts'
import { isAlive } from '../deploy/pid.ts'
import { outsiderPassword } from '../deploy/store/server.ts'
import { type Running, runCli, startCli } from './cli.ts'
import { type Compose, inOrder, readCompose, root, SECRETS, type Service } from './compose.ts'
import { describeKafka, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'

const CHAIN = 'bitcoin-regtest'
const BLOCKS = 30
const ROUNDS = 120

/** Properties of a broker that say where it is, or which of how many: the test's own are others. */
const PLACE = /^(CLUSTER_ID|KAFKA_(NODE_ID|PROCESS_ROLES|CONTROLLER_\w+|\w*LISTENER\w*|LOG_DIRS|HEAP_OPTS))$/

/** As the Kafka image makes lines of server.properties of its environment. */
function brokerProperties({ environment }: Service): Record<string, string> {
  const own = Object.entries(environment).filter(([name]) => !PLACE.test(name))
  return Object.fromEntries(
    own.map(([name, value]) => [
      name
        .replace(/^KAFKA_/, '')
        .toLowerCase()
        .replaceAll('_', '.'),
      value,
    ]),
  )
}

describeKafka('what docker-compose.yml says, as plain processes', await whyNoKafka(), () => {
  // As an operator would draw it.
  const password = randomBytes(24).toString('hex')
  const secrets = {
    WANLIAN_CLICKHOUSE_PASSWORD: password,
    // The store in place of the ClickHouse service has no other.
    WANLIAN_OUTSIDER_PASSWORD: outsiderPassword(password),
    WANLIAN_ADMIN_TOKEN: SECRETS.WANLIAN_ADMIN_TOKEN,
    WANLIAN_SECRET_KEY: SECRETS.WANLIAN_SECRET_KEY,
    WANLIAN_CHAINS: CHAIN,
    WANLIAN_LOG: 'warn',
  }
  let compose: Compose
  let directory: string
  let chain: RegtestChain
  let node: RegtestNode
  let kafka: TestKafka
  let config: string
  let url = ''
  const running = new Map<string, Running>()
  const told = new Map<string, { health?: string; site: string; clickhouse: string }>()

  beforeAll(async () => {
    compose = readCompose(secrets)
    directory = await mkdtemp(join(tmpdir(), 'wanlian-compose-'))
    chain = createRegtestChain({ seed: 'compose' })
    for (let height = 1; height < BLOCKS; height++) chain.mineVaried()
    node = await startRegtestNode(chain)
    // As an operator names endpoints: in a copy of the configuration that is mounted.
    config = join(directory, 'wanlian.yaml')
    const mounted = parse(await readFile(join(root, 'deploy/image/wanlian.yaml'), 'utf8'))
    await writeFile(config, stringify({ ...mounted, chains: { [CHAIN]: { endpoints: [node.url] } } }))
    for (const name of inOrder(compose)) await start(name)
  })
  afterAll(async () => {
    for (const { pid } of running.values()) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    await kafka?.close()
    await node?.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** A service's environment, with the places of this machine instead of those of the containers. */
  function environmentOf({ environment }: Service): Record<string, string> {
    const places: Record<string, string> = {
      'kafka:9092': kafka.brokers.join(','),
      'http://clickhouse:8123': url,
      '/etc/wanlian/wanlian.yaml': config,
    }
    return {
      WANLIAN_DATA: join(directory, 'nothing'),
      ...Object.fromEntries(
        Object.entries(environment).map(([name, value]) => [name, places[value] ?? value]),
      ),
    }
  }

  /** Any free ports of the loopback instead of those of a container. */
  function commandOf({ command = [] }: Service): string[] {
    return command.map((word, at) => {
      const option = command[at - 1] ?? ''
      if (option === '--host') return '127.0.0.1'
      return /^--(clickhouse-)?port$/.test(option) ? '0' : word
    })
  }

  async function start(name: string): Promise<void> {
    const service = compose.services[name]!
    switch (name) {
      case 'kafka':
        kafka = await startKafka({ properties: brokerProperties(service) })
        return
      case 'clickhouse': {
        const args = ['store', '--data', join(directory, 'store'), '--port', '0']
        const store = startCli(args, {
          WANLIAN_CLICKHOUSE_PASSWORD: service.environment.WANLIAN_CLICKHOUSE_PASSWORD!,
        })
        running.set(name, store)
        url = JSON.parse(await store.firstLine).url
        return
      }
    }
    const started = startCli(commandOf(service), environmentOf(service))
    running.set(name, started)
    const isOnce = Object.values(compose.services).some(
      ({ depends_on }) => depends_on?.[name]?.condition === 'service_completed_successfully',
    )
    if (isOnce) {
      const { code, stderr } = await started.finished
      expect([name, code, stderr.slice(-1_000)]).toEqual([name, 0, expect.anything()])
      running.delete(name)
    } else told.set(name, JSON.parse(await started.firstLine))
  }

  /** What a service listens on for its health check, here. */
  const portOf = (name: string) => new URL(told.get(name)!.health ?? told.get(name)!.site).port

  async function until<T>(read: () => Promise<T>, done: (value: T) => boolean): Promise<T> {
    for (let round = 0; ; round++) {
      const value = await read()
      if (done(value)) return value
      if (round === ROUNDS) throw new Error(`still ${JSON.stringify(value).slice(0, 500)}`)
      await new Promise(resolve => setTimeout(resolve, 250))
    }
  }

  test('blocks come through Kafka and ClickHouse onto the site and into SQL', async () => {
    const { site, clickhouse } = told.get('api')!
    const { hash } = chain.head
    const page = await until(
      async () => (await fetch(`${site}/${CHAIN}`)).text(),
      text => text.includes(hash),
    )
    expect(page).toContain(hash)
    const sql = createClient({ url: clickhouse })
    try {
      const count = async () => {
        const answer = await sql.query({
          query: 'SELECT count() AS blocks FROM blocks',
          format: 'JSONEachRow',
        })
        const [row] = await answer.json<{ blocks: string }>()
        return Number(row!.blocks)
      }
      expect(await until(count, blocks => blocks >= BLOCKS)).toBe(BLOCKS)
    } finally {
      await sql.close()
    }
  })

  test('every service is healthy by its own check, and fails it where nothing listens', async () => {
    for (const name of ['crawl', 'split', 'deliver', 'api']) {
      const [, program, script] = compose.services[name]!.healthcheck!.test!
      expect(program).toBe('node')
      const check = (port: string) => promisify(execFile)(process.execPath, [join(root, script!), port])
      await check(portOf(name))
      await expect(check('1')).rejects.toMatchObject({ code: 1 })
    }
  })

  test('every role gives its measurements where Prometheus asks', async () => {
    const scrape = async (name: string) => (await fetch(`http://127.0.0.1:${portOf(name)}/metrics`)).text()
    expect(await scrape('api')).toMatch(
      new RegExp(`^wanlian_chain_tip_height{chain="${CHAIN}"} ${BLOCKS - 1}$`, 'm'),
    )
    expect(await scrape('crawl')).toMatch(
      new RegExp(`^wanlian_role_work{role="crawl",name="${CHAIN}"} 1$`, 'm'),
    )
    // The next blocks are the last that were waited for.
    await until(
      () => scrape('split'),
      text => new RegExp(`^wanlian_log_lag{chain="${CHAIN}",partition="0"} 0$`, 'm').test(text),
    )
  })

  test('a wrong password is something to mend, not to try again', async () => {
    const { command } = compose.services.migrate!
    const environment = environmentOf(compose.services.migrate!)
    const { code, stderr } = await runCli(command!, {
      ...environment,
      WANLIAN_CLICKHOUSE_PASSWORD: 'another',
    })
    expect([code, stderr]).toEqual([1, expect.stringContaining('WANLIAN_CLICKHOUSE_PASSWORD')])
  })

  test('they end in order when they are told to, and kept nothing of their own', async () => {
    for (const name of inOrder(compose).toReversed()) {
      const one = running.get(name)
      if (!one) continue
      process.kill(one.pid, 'SIGTERM')
      const { code, stderr } = await one.finished
      expect([name, code, stderr.slice(-1_000)]).toEqual([name, 0, expect.anything()])
    }
    expect(existsSync(join(directory, 'nothing'))).toBe(false)
  })
})
