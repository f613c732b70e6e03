import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createRandomness, type Randomness } from '../../deploy/dev/randomness.ts'
import { openKafka } from '../../deploy/kafka/open.ts'
import { isAlive } from '../../deploy/pid.ts'
import type { KafkaSettings } from '../../deploy/servers.ts'
import { createSql } from '../../deploy/sql.ts'
import { type Finished, type Running, startCli } from '../cli.ts'
import { silent } from '../harness.ts'
import { askHttp, configText, type Followed, killStoreOf, type Program, readRecord } from './kills.ts'

const PASSWORD = 'of the test'

/** Two of each, but for the store: it is the one place where the tables are. */
const ROLES = ['crawl-1', 'crawl-2', 'split-1', 'split-2', 'api-1', 'api-2'] as const
export type Role = (typeof ROLES)[number] | 'split-3'

/** A program of several processes. */
export interface Installation extends Program {
  /** Starts one that does not run. Returns when it is ready. */
  join(role: Role): Promise<void>
  leave(role: Role, signal: NodeJS.Signals): Promise<Finished>
}

/**
 * Every role as processes of its own, on brokers that run already: `kill` kills one or two of them, drawn from the seed,
 * `start` starts what is missing.
 */
export function openInstallation(
  directory: string,
  followed: Followed,
  {
    settings: kafka,
    seed,
    killed,
    disturb,
  }: {
    settings: KafkaSettings
    seed: string
    killed: string[]
    /** Instead of killing: is given the process id of each role. */
    disturb?(pids: ReadonlyMap<Role, number>): Promise<void>
  },
): Installation {
  const random: Randomness = createRandomness(`${seed}/installation`)
  const config = join(directory, 'wanlian.yaml')
  const running = new Map<Role, Running>()
  const addresses = new Map<Role, string>()
  let store: (Running & { url: string }) | null = null

  const shared = () => ({
    WANLIAN_LOG: 'error',
    WANLIAN_KAFKA_BROKERS: kafka.brokers.join(','),
    WANLIAN_KAFKA_PREFIX: kafka.prefix,
    WANLIAN_CLICKHOUSE_URL: store!.url,
    WANLIAN_CLICKHOUSE_PASSWORD: PASSWORD,
  })

  async function startStore(): Promise<void> {
    if (store) return
    const started = startCli(['store', '--data', directory, '--port', '0'], {
      WANLIAN_LOG: 'error',
      WANLIAN_CLICKHOUSE_PASSWORD: PASSWORD,
    })
    const { url } = JSON.parse(await started.firstLine) as { url: string }
    store = { ...started, url }
  }

  async function startRole(role: Role): Promise<void> {
    const [name] = role.split('-') as ['crawl' | 'split' | 'api']
    const options = {
      crawl: Object.keys(followed),
      split: [],
      api: ['--port', '0', '--clickhouse-port', '0'],
    }[name]
    const started = startCli([name, ...options, '--config', config], shared())
    running.set(role, started)
    const line = JSON.parse(await started.firstLine) as { clickhouse?: string }
    if (line.clickhouse) addresses.set(role, line.clickhouse)
  }

  async function end(role: Role, signal: NodeJS.Signals): Promise<Finished> {
    const one = running.get(role)!
    if (isAlive(one.pid)) process.kill(one.pid, signal)
    const finished = await one.finished
    running.delete(role)
    addresses.delete(role)
    return finished
  }

  return {
    join: startRole,
    leave: end,
    async start() {
      await writeFile(config, configText(followed))
      await startStore()
      await Promise.all(ROLES.filter(role => !running.has(role)).map(startRole))
    },
    async kill() {
      if (disturb) {
        await disturb(new Map([...running].map(([role, { pid }]) => [role, pid])))
        return
      }
      const victims =
        random.integer(3) === 0 ? [random.pick(ROLES), random.pick(ROLES)] : [random.pick(ROLES)]
      const here = [...new Set(victims)].filter(role => running.has(role))
      killed.push(...here)
      await Promise.all(here.map(role => end(role, 'SIGKILL')))
    },
    killStore: () => killStoreOf(directory),
    async ask(statement) {
      const [url] = addresses.values()
      return url === undefined ? 'no API runs' : askHttp(url, statement)
    },
    async stop() {
      const ended = await Promise.all(
        [...running.keys()].map(async role => ({ role, ...(await end(role, 'SIGTERM')) })),
      )
      return ended.flatMap(({ role, code, stderr }) =>
        code === 0 ? [] : [`${role} ended with ${code}: ${stderr.slice(-2_000)}`],
      )
    },
    async look(run) {
      const { url } = store!
      const sql = createSql({ url, username: 'default', password: PASSWORD, headers: {} })
      const opened = await openKafka(kafka, silent)
      try {
        return await run(sql, slug => readRecord(opened.log, slug))
      } finally {
        await opened.close()
        await sql.close()
      }
    },
    async close() {
      await Promise.all([...running.keys()].map(role => end(role, 'SIGKILL')))
      if (store && isAlive(store.pid)) process.kill(store.pid, 'SIGTERM')
      await store?.finished
    },
  }
}
