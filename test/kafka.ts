import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import kafkajs from 'kafkajs'
import { describe } from 'vitest'
import type { KafkaSettings } from '../deploy/servers.ts'
import { fetchJars } from './jars.ts'

const run = promisify(execFile)

const VERSION = '4.1.1'
const READY_MS = 90_000

/** A Kafka of the test's own, or the one that KAFKA_BROKERS names: then nothing of it can be stopped. */
export interface TestKafka {
  brokers: readonly string[]
  nodes: readonly KafkaNode[]
  /** Settings under a prefix of their own, so that tests do not meet. */
  settings(changes?: Partial<KafkaSettings>): KafkaSettings
  /** The node that leads a partition now. */
  leader(topic: string, partition: number): Promise<number>
  close(): Promise<void>
}

export interface KafkaNode {
  id: number
  broker: string
  pid(): number | null
  kill(signal: NodeJS.Signals): Promise<void>
  start(): Promise<void>
}

export interface KafkaOptions {
  nodes?: 1 | 3
  /** More lines for server.properties, instead of those of the same name. */
  properties?: Readonly<Record<string, string>>
}

/** Why no Kafka can be started here; null when one can. */
export async function whyNoKafka(): Promise<string | null> {
  if (process.env.KAFKA_BROKERS) return null
  try {
    await kafkaJars()
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/**
 * Tests that need a Kafka. Where there is none and none can be started they are left out, and say so; in continuous
 * integration they fail.
 */
export function describeKafka(name: string, reason: string | null, tests: () => void): void {
  if (reason === null) {
    describe(name, tests)
    return
  }
  if (process.env.CI) throw new Error(`no Kafka for the tests: ${reason}`)
  describe.skip(`${name} (no Kafka: ${reason})`, tests)
}

/** Starts Apache Kafka (KRaft) with stock settings on free ports of the loopback; ready once it returns. */
export async function startKafka(options: KafkaOptions = {}): Promise<TestKafka> {
  const given = process.env.KAFKA_BROKERS
  if (given && !options.properties && (options.nodes ?? 1) === 1) {
    return {
      brokers: given.split(','),
      nodes: [],
      settings: settingsOf(given.split(',')),
      leader: leaderOf(given.split(',')),
      close: async () => {},
    }
  }
  const count = options.nodes ?? 1
  const lib = await kafkaJars()
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-kafka-'))
  const ports = await freePorts(count * 2)
  // A cluster id that begins with a dash would read as an option of the tool that takes it.
  const cluster = randomBytes(16).toString('base64url').replace(/^-/, 'A')
  const voters = Array.from({ length: count }, (_, at) => `${at + 1}@127.0.0.1:${ports[count + at]}`).join(
    ',',
  )
  const nodes: KafkaNode[] = []
  for (let id = 1; id <= count; id++) {
    const [port, controller] = [ports[id - 1]!, ports[count + id - 1]!]
    const home = join(directory, `node${id}`)
    await mkdir(home, { recursive: true })
    const copies = String(count)
    const properties: Record<string, string> = {
      'process.roles': 'broker,controller',
      'node.id': String(id),
      'controller.quorum.voters': voters,
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'log.dirs': join(home, 'data'),
      'offsets.topic.replication.factor': copies,
      'offsets.topic.num.partitions': '4',
      'default.replication.factor': copies,
      'transaction.state.log.replication.factor': copies,
      'transaction.state.log.min.isr': '1',
      'group.initial.rebalance.delay.ms': '0',
      ...Object.fromEntries(
        Object.entries(options.properties ?? {}).map(([name, value]) => [
          name,
          value.replaceAll('{port}', String(port)).replaceAll('{controller}', String(controller)),
        ]),
      ),
    }
    const file = join(home, 'server.properties')
    const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
    await writeFile(file, lines.join(''))
    const classes = ['-cp', join(lib, '*')]
    await run('java', [...classes, 'kafka.tools.StorageTool', 'format', '-t', cluster, '-c', file])
    nodes.push(createNode(id, `127.0.0.1:${port}`, [...classes, 'kafka.Kafka', file], join(home, 'out.log')))
  }
  const close = async () => {
    await Promise.all(nodes.map(node => node.kill('SIGKILL')))
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await Promise.all(nodes.map(node => node.start()))
  } catch (error) {
    await close()
    throw error
  }
  const brokers = nodes.map(({ broker }) => broker)
  return { brokers, nodes, settings: settingsOf(brokers), leader: leaderOf(brokers), close }
}

function createNode(id: number, broker: string, command: readonly string[], output: string): KafkaNode {
  let child: ChildProcess | null = null
  return {
    id,
    broker,
    pid: () => child?.pid ?? null,
    async kill(signal) {
      const dying = child
      if (!dying) return
      child = null
      await new Promise<void>(done => {
        if (dying.exitCode !== null || dying.signalCode !== null) return done()
        dying.once('exit', () => done())
        dying.kill(signal)
      })
    },
    async start() {
      const started = spawn('java', ['-Xmx384m', '-Xms128m', '-XX:+UseSerialGC', ...command], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      child = started
      const log = createWriteStream(output, { flags: 'a' })
      started.stdout.pipe(log, { end: false })
      started.stderr.pipe(log, { end: false })
      const end = Date.now() + READY_MS
      while (!(await answers(broker))) {
        if (started.exitCode !== null)
          throw new Error(`Kafka node ${id} ended with ${started.exitCode}, see ${output}`)
        if (Date.now() > end) throw new Error(`Kafka node ${id} does not answer at ${broker}`)
        await new Promise(resolve => setTimeout(resolve, 100))
      }
    },
  }
}

function settingsOf(brokers: readonly string[]): TestKafka['settings'] {
  return changes => ({
    brokers,
    tls: false,
    sasl: null,
    prefix: `t-${randomUUID().slice(0, 8)}.`,
    replication: null,
    retentionBytes: 1024 ** 3,
    ...changes,
  })
}

function leaderOf(brokers: readonly string[]): TestKafka['leader'] {
  return async (topic, partition) => {
    const admin = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING }).admin()
    await admin.connect()
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    await admin.disconnect()
    return topics[0]!.partitions.find(({ partitionId }) => partitionId === partition)!.leader
  }
}

const kafkaJars = () =>
  fetchJars(`kafka-${VERSION}`, [`org.apache.kafka:kafka_2.13:${VERSION}`], process.env.WANLIAN_KAFKA_HOME)

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
      return server
    }),
  )
  return Promise.all(
    servers.map(async server => {
      const { port } = server.address() as { port: number }
      await new Promise(done => server.close(done))
      return port
    }),
  )
}

function answers(broker: string): Promise<boolean> {
  const [host, port] = broker.split(':')
  return new Promise(done => {
    const socket = connect({ host: host!, port: Number(port) })
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

/** A record as anybody's program gets it. */
export interface TopicRecord {
  partition: number
  key: string
  value: Buffer
  headers: Record<string, string>
}

/** Every record of a topic, in order within each partition. */
export async function readRecords({ brokers, prefix }: KafkaSettings, topic: string): Promise<TopicRecord[]> {
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(prefix + topic)
  await admin.disconnect()
  const left = new Map(
    ends.filter(({ low, high }) => low !== high).map(({ partition, high }) => [partition, Number(high)]),
  )
  const found: TopicRecord[] = []
  const consumer = kafka.consumer({ groupId: `${prefix}somebody-${randomUUID()}` })
  await consumer.connect()
  await consumer.subscribe({ topic: prefix + topic, fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`${topic} could not be read to its end`)), READY_MS)
    const end = () => {
      clearTimeout(limit)
      resolve()
    }
    if (left.size === 0) end()
    consumer
      .run({
        eachMessage: async ({ partition, message: { key, value, headers, offset } }) => {
          const words = Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)])
          found.push({
            partition,
            key: String(key),
            value: value ?? Buffer.alloc(0),
            headers: Object.fromEntries(words),
          })
          if (Number(offset) + 1 >= (left.get(partition) ?? Number.POSITIVE_INFINITY)) left.delete(partition)
          if (left.size === 0) end()
        },
      })
      .catch(reject)
  })
  await consumer.disconnect()
  return found
}
