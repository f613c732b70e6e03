import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import kafkajs, { type Consumer, type Kafka } from 'kafkajs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type KafkaLog, openKafkaLog } from '../deploy/kafka/log.ts'
import type { KafkaSettings } from '../deploy/servers.ts'
import { FencedError } from '../schema/errors.ts'
import type { TopicPartition } from '../schema/ports.ts'
import { silent } from './harness.ts'
import { describeKafka, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'
import { blocks, other, readAll, testContract, text, values } from './log-contract.ts'

const reader = fileURLToPath(new URL('./log-reader-child.ts', import.meta.url))
const TOPICS = [{ topic: 'blocks.test', partitions: 2 }]

describeKafka('log: Kafka', await whyNoKafka(), () => {
  let kafka: TestKafka
  let settings: KafkaSettings
  const open: KafkaLog[] = []
  const children: ChildProcess[] = []

  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(() => kafka?.close())
  beforeEach(() => {
    settings = kafka.settings()
  })
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await Promise.all(open.splice(0).map(log => log.close()))
  })

  async function openLog(
    of = settings,
    deps: { wrapClient?: (kafka: Kafka) => Kafka; silenceMs?: number } = {},
  ) {
    const log = await openKafkaLog(of, { logger: silent, ...deps })
    open.push(log)
    await log.ensureTopics(TOPICS)
    return log
  }

  async function withAdmin<Result>(step: (admin: ReturnType<Kafka['admin']>) => Promise<Result>) {
    const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING })
    const admin = client.admin()
    await admin.connect()
    try {
      return await step(admin)
    } finally {
      await admin.disconnect()
    }
  }

  const eraseTopic = (of = settings) =>
    withAdmin(async admin => {
      await admin.deleteTopics({ topics: [`${of.prefix}blocks.test`] })
      while ((await admin.listTopics()).includes(`${of.prefix}blocks.test`)) await soon()
    })

  describe('contract', () => {
    const known = new Map<string, KafkaSettings>()
    const settingsOf = (directory: string) => {
      const found = known.get(directory) ?? kafka.settings()
      known.set(directory, found)
      return found
    }
    testContract({
      open: directory =>
        openLog(settingsOf(directory)).then(log => ({
          ...log,
          close: async () => {
            open.splice(open.indexOf(log), 1)
            await log.close()
          },
        })),
      erase: directory => eraseTopic(settingsOf(directory)),
      writer: directory => ['kafka', JSON.stringify(settingsOf(directory))],
    })
  })

  test('who claimed last is the writer: what another appends later is passed over from wherever one reads', async () => {
    const [first, second] = [await openLog(), await openLog()]
    await first.claim(blocks)
    await first.append(blocks, values(0, 3))
    await second.claim(blocks)
    await expect(first.append(blocks, values(100, 102))).rejects.toThrow(/another writer has claimed/)
    await expect(first.append(blocks, values(102, 103))).rejects.toThrow(/another writer has claimed/)
    const end = await second.append(blocks, values(3, 5))
    const all = await readAll(second, blocks)
    expect(text(all)).toEqual(values(0, 5).map(String))
    expect(all.at(-1)!.offset).toBe(end)
    const fresh = await openLog()
    for (let from = all[0]!.offset; from <= end; from++) {
      const expected = all.filter(({ offset }) => offset >= from)
      expect(text(await fresh.read(blocks, from))).toEqual(text(expected))
    }
    // It may claim it back.
    await first.claim(blocks)
    await first.append(blocks, values(5, 6))
    await expect(second.append(blocks, values(200, 201))).rejects.toThrow(/another writer has claimed/)
    expect(text(await readAll(fresh, blocks))).toEqual(values(0, 6).map(String))
  })

  test('a group that has read everything is at the end, claims and what does not count notwithstanding', async () => {
    const [writer, splitter] = [await openLog(), await openLog()]
    const isDone = async () => (await writer.committed(blocks, 'g')) >= (await writer.end(blocks))
    await splitter.commit(blocks, 'g', 0n)
    await writer.claim(blocks)
    await readAll(splitter, blocks)
    expect(await isDone()).toBe(true)
    await writer.append(blocks, values(0, 2))
    expect(await isDone()).toBe(false)
    const all = await readAll(splitter, blocks)
    await splitter.commit(blocks, 'g', all.at(-1)!.offset + 1n)
    expect(await isDone()).toBe(true)
    await writer.claim(blocks)
    await writer.claim(blocks)
    expect(await isDone()).toBe(false)
    const stop = new AbortController()
    const waiting = splitter.wait(blocks, all.at(-1)!.offset + 1n, stop.signal)
    while (!(await isDone())) await soon()
    stop.abort()
    expect(await waiting).toBe(false)
    expect(await splitter.lag(blocks, 'g')).toBe(0n)
  })

  test('blocks larger than a broker takes at once come back as they were, from any place in them', async () => {
    const log = await openLog()
    const large = [randomBytes(4_000_000), randomBytes(20_000_000), Buffer.alloc(30_000_000, 'trace ')]
    await log.claim(blocks)
    const last = await log.append(blocks, [Buffer.from('before'), ...large, Buffer.from('after')])
    const all = await readAll(log, blocks)
    expect(all.map(({ value }) => value.length)).toEqual([6, 4_000_000, 20_000_000, 30_000_000, 5])
    expect(large.every((value, at) => value.equals(all[at + 1]!.value))).toBe(true)
    expect(all.at(-1)!.offset).toBe(last)
    const [middle] = await log.read(blocks, all[2]!.offset - 3n, { maxMessages: 1 })
    expect(middle!.offset).toBe(all[2]!.offset)
    expect(large[1]!.equals(middle!.value)).toBe(true)
  })

  test('a topic that was deleted beneath a reader is read from its beginning', async () => {
    const log = await openLog()
    const before = await log.append(blocks, values(0, 10))
    expect((await readAll(log, blocks)).length).toBe(10)
    await eraseTopic()
    const again = await openLog()
    const after = await again.append(blocks, values(20, 23))
    expect(after).toBeGreaterThan(before)
    const stop = new AbortController()
    expect(await log.wait(blocks, before + 1n, stop.signal)).toBe(true)
    expect(text(await log.read(blocks, before + 1n))).toEqual(values(20, 23).map(String))
  })

  test('messages that retention took unread are a gap, not nothing', async () => {
    const log = await openLog()
    await log.append(blocks, values(0, 10))
    const all = await readAll(log, blocks)
    await log.commit(blocks, 'slow', all[2]!.offset)
    await withAdmin(async admin => {
      const topic = `${settings.prefix}blocks.test`
      await admin.fetchTopicOffsets(topic)
      // One more stands before the first message: it begins the place.
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '7' }] })
    })
    for (const reads of [log, await openLog()]) {
      await expect(
        reads.committed(blocks, 'slow').then(async from => {
          await reads.read(other, 0n)
          return reads.read(blocks, from + 1n)
        }),
      ).rejects.toThrow(/kept from/)
      expect(text(await reads.read(blocks, 0n))).toEqual(values(6, 10).map(String))
    }
  })

  test('a process of two that share dies: the other goes on where it had come, nothing is lost', async () => {
    const places: TopicPartition[] = [blocks, other]
    const log = await openLog()
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', reader, JSON.stringify(settings), 'g', 'blocks.test'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    children.push(child)
    const seen = new Map<string, number>()
    const see = (line: string) => seen.set(line, (seen.get(line) ?? 0) + 1)
    let rest = ''
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      lines.forEach(see)
    })
    for (const place of places) await log.append(place, values(0, 5))
    while (seen.size < 10) await soon()
    let mine: readonly TopicPartition[] = []
    await log.share('g', ['blocks.test'], places => {
      mine = places
    })
    const share = () => mine.length
    while (share() !== 1) await soon()
    for (const place of places) await log.append(place, values(5, 40))
    while (seen.size < 20) await soon()
    child.kill('SIGKILL')
    while (share() !== 2) await soon()
    for (const place of mine) {
      const from = await log.committed(place, 'g')
      for (const { value } of await readAll(log, place, from)) see(`${place.partition} ${Buffer.from(value)}`)
      await log.commit(place, 'g', await log.end(place))
    }
    expect(seen.size).toBe(80)
    // What was read and not committed comes again: three messages of each place at most.
    expect([...seen.values()].reduce((sum, times) => sum + times, 0)).toBeLessThanOrEqual(80 + 6 + 35)
  })

  test('what waits to be committed while topics are shared out anew is told to ask again, and can', async () => {
    const log = await openLog()
    const place = blocks
    await log.append(place, values(0, 1))
    const end = await log.end(place)
    // Nobody can join that: one of the topics is not there.
    await log.share('g', ['blocks.test', 'blocks.none'], () => {})
    const early = log.commit(place, 'g', end).catch(error => error)
    for (let at = 0; at < 5; at++) await soon()
    await log.share('g', ['blocks.test'], () => {})
    expect(await early).toBeInstanceOf(FencedError)
    await log.commit(place, 'g', end)
    expect(await log.committed(place, 'g')).toBe(end)
  })

  test('a consumer that stopped without a word is replaced, for reading and for committing', async () => {
    const consumers: Consumer[] = []
    const wrapClient = (client: Kafka): Kafka =>
      Object.assign(Object.create(client), {
        consumer: (config: Parameters<Kafka['consumer']>[0]) => {
          const consumer = client.consumer(config)
          consumers.push(consumer)
          return consumer
        },
      })
    const log = await openLog(settings, { wrapClient })
    await log.append(blocks, values(0, 5))
    const all = await readAll(log, blocks)
    await log.commit(blocks, 'g', all[2]!.offset)
    expect(consumers.length).toBeGreaterThanOrEqual(2)
    for (let round = 1; round <= 2; round++) {
      for (const consumer of consumers.splice(0)) await consumer.stop()
      await log.append(blocks, values(round * 5, round * 5 + 5))
      const stop = new AbortController()
      const next = (await log.end(blocks)) - 5n
      expect(await log.wait(blocks, next, stop.signal)).toBe(true)
      expect(text(await log.read(blocks, next))).toEqual(values(round * 5, round * 5 + 5).map(String))
      await log.commit(blocks, 'g', next)
      expect(await log.committed(blocks, 'g')).toBe(next)
    }
  })

  test('a broker that is killed and started again is survived by everything', async context => {
    const [node] = kafka.nodes
    if (!node) return context.skip('the brokers of KAFKA_BROKERS are not this test’s to stop')
    const log = await openLog()
    const cursor = { topic: 'journal.test', partition: 0 }
    await log.claim(blocks)
    await log.append(blocks, values(0, 5))
    await log.commit(cursor, 'announcer', 41n)
    const all = await readAll(log, blocks)
    await log.commit(blocks, 'g', all[2]!.offset)
    const stop = new AbortController()
    const waiting = log.wait(blocks, all.at(-1)!.offset + 1n, stop.signal)
    await node.kill('SIGKILL')
    const appended = log.append(blocks, values(5, 10))
    const committed = log.commit(blocks, 'g', all[4]!.offset)
    const noted = log.commit(cursor, 'announcer', 42n)
    await new Promise(resolve => setTimeout(resolve, 500))
    await node.start()
    await Promise.all([appended, committed, noted])
    expect(await waiting).toBe(true)
    expect(text(await readAll(log, blocks))).toEqual(values(0, 10).map(String))
    const fresh = await openLog()
    expect(text(await readAll(fresh, blocks))).toEqual(values(0, 10).map(String))
    expect(await fresh.committed(blocks, 'g')).toBe(all[4]!.offset)
    expect(await fresh.committed(cursor, 'announcer')).toBe(42n)
  })
})

function soon(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 20))
}
