import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRegistry } from '../api/webhooks/registry.ts'
import { migrate } from '../deploy/migrate.ts'
import { isAlive } from '../deploy/pid.ts'
import type { KafkaSettings } from '../deploy/servers.ts'
import { createSql } from '../deploy/sql.ts'
import { type Running, startCli } from './cli.ts'
import { describeKafka, readRecords, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'
import { SECRET_KEY } from './webhook-desk.ts'
import {
  openWebhookWorldIn,
  type Receiver,
  startReceiver,
  until,
  type WebhookWorld,
  type WorldStore,
} from './webhook-world.ts'

const PASSWORD = 'of the test'
const WEBHOOKS = 8
/** After that the others have what a deliverer had. */
const SESSION_MS = 10_000

describeKafka('deliverers that share the webhooks', await whyNoKafka(), () => {
  let kafka: TestKafka
  let directory: string
  let store: Running
  let world: WebhookWorld<WorldStore>
  let settings: KafkaSettings
  let environment: Record<string, string>
  const receivers: Receiver[] = []
  const running: Running[] = []

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wanlian-deliver-'))
    kafka = await startKafka()
    store = startCli(['store', '--data', directory, '--port', '0'], {
      WANLIAN_LOG: 'error',
      WANLIAN_CLICKHOUSE_PASSWORD: PASSWORD,
    })
    const { url } = JSON.parse(await store.firstLine) as { url: string }
    const sql = createSql({ url, username: 'default', password: PASSWORD, headers: {} })
    await migrate(sql)
    world = await openWebhookWorldIn({ sql, close: () => sql.close() }, 'paper-deliver')
    settings = kafka.settings()
    environment = {
      WANLIAN_LOG: 'error',
      WANLIAN_KAFKA_BROKERS: settings.brokers.join(','),
      WANLIAN_KAFKA_PREFIX: settings.prefix,
      WANLIAN_CLICKHOUSE_URL: url,
      WANLIAN_CLICKHOUSE_PASSWORD: PASSWORD,
      WANLIAN_SECRET_KEY: SECRET_KEY.toString('base64'),
      WANLIAN_WEBHOOK_RETRY_MS: '50',
    }
  })
  afterAll(async () => {
    for (const { pid } of running) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    await Promise.all(receivers.map(receiver => receiver.close()))
    await world?.close()
    if (isAlive(store.pid)) process.kill(store.pid, 'SIGTERM')
    await store.finished
    await kafka?.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function startDeliverer(): Promise<Running> {
    const started = startCli(['deliver', '--port', '0'], environment)
    running.push(started)
    await started.firstLine
    return started
  }

  async function metricsOf({ firstLine }: Running): Promise<string> {
    const { health } = JSON.parse(await firstLine) as { health: string }
    return (await fetch(`${health}/metrics`)).text()
  }

  const atTip = () =>
    receivers.every(receiver => receiver.taken().at(-1)?.hash === world.hashAt(world.height()))

  test('one is killed, one sleeps beyond its session: the others go on in seconds, in order, and a topic tells the same', async () => {
    await world.grow(10)
    for (let at = 0; at < WEBHOOKS; at++) {
      const receiver = await startReceiver()
      receivers.push(receiver)
      await world.desk.add({
        url: receiver.url,
        chains: [world.slug],
        events: ['block.added', 'block.removed'],
        start: { height: 3 },
        allowPrivate: true,
      })
    }
    const [first, second] = await Promise.all([startDeliverer(), startDeliverer()])
    await until('the tip', atTip)

    process.kill(first.pid, 'SIGKILL')
    await first.finished
    await world.grow(4)
    await world.reorg(2, 1, 1)
    await until('the tip after a death', atTip)

    const third = await startDeliverer()
    await world.grow(1)
    await until('the tip with another', atTip)
    process.kill(second.pid, 'SIGSTOP')
    await world.reorg(3, 2, 2)
    await pause(SESSION_MS)
    await until('the tip while one sleeps', atTip)
    process.kill(second.pid, 'SIGCONT')
    await world.grow(3)
    await until('the tip after it woke', atTip)

    await until('everything in the topic', async () => {
      const states = await createRegistry(world.store.sql).states(
        (await world.desk.list()).map(({ id }) => id),
      )
      return [...states.values()].every(({ published, delivered, sequence }) => {
        return published === sequence && delivered === sequence
      })
    })
    const metrics = await Promise.all([second, third].map(metricsOf))
    const sum = (name: string) =>
      metrics.reduce((all, text) => all + Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]), 0)
    expect(sum('wanlian_webhooks')).toBe(WEBHOOKS)
    for (const name of ['s_failing', 's_disabled', '_events_waiting', '_events_unpublished'])
      expect([name, sum(`wanlian_webhook${name}`)]).toEqual([name, 0])
    expect(metrics.join()).toContain('wanlian_webhook_attempt_seconds_count{outcome="taken"}')
    for (const one of [second, third]) process.kill(one.pid, 'SIGTERM')
    const ended = await Promise.all([second.finished, third.finished])
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
    ])

    const published = (await readRecords(settings, 'webhooks')).map(record => ({
      ...record,
      value: String(record.value),
    }))
    const webhooks = await world.desk.list()
    for (const { id, url } of webhooks) {
      const receiver = receivers.find(one => one.url === url)!
      const sent = receiver.taken().filter(({ sequence }) => sequence > 0)
      expect(sent.map(({ sequence }) => sequence)).toEqual(sent.map((_, at) => at + 1))
      const texts = new Map(receiver.requests.map(({ body, text }) => [body.id, text]))
      const own = published.filter(({ key }) => key === id)
      expect(new Set(own.map(({ partition }) => partition)).size).toBe(1)
      const seen = new Set<string>()
      const firsts = own.filter(({ value }) => !seen.has(value) && seen.add(value))
      expect(firsts.map(({ value }) => value)).toEqual(sent.map(body => texts.get(body.id)))
      expect(firsts.map(({ headers }) => headers)).toEqual(
        sent.map(({ id, sequence, type }) => ({ id, sequence: String(sequence), type })),
      )
    }
  }, 300_000)
})
