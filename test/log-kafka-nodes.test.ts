import { afterAll, beforeAll, expect, test } from 'vitest'
import { openKafkaLog } from '../deploy/kafka/log.ts'
import type { KafkaSettings } from '../deploy/servers.ts'
import { silent } from './harness.ts'
import { describeKafka, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'
import { blocks, readAll, text, values } from './log-contract.ts'

const ROUNDS = 2
const STEP = 40

describeKafka('log: three Kafka brokers', await whyNoKafka(), () => {
  let kafka: TestKafka
  let settings: KafkaSettings
  beforeAll(async () => {
    kafka = await startKafka({ nodes: 3 })
    settings = kafka.settings({ replication: 3 })
  })
  afterAll(() => kafka?.close())

  test('the leader is killed during appends, reads and commits: nothing lost, nothing twice', async () => {
    const [writer, reader] = [
      await openKafkaLog(settings, { logger: silent }),
      await openKafkaLog(settings, { logger: silent }),
    ]
    await writer.ensureTopics([{ topic: 'blocks.test', partitions: 2 }])
    await writer.claim(blocks)
    const total = (2 * ROUNDS + 1) * STEP
    const read: string[] = []
    let committed = 0n
    const reading = (async () => {
      const never = new AbortController().signal
      for (let from = 0n; read.length < total; ) {
        await reader.wait(blocks, from, never)
        const messages = await reader.read(blocks, from, { maxMessages: 10 })
        read.push(...text(messages))
        from = (messages.at(-1)?.offset ?? from - 1n) + 1n
        if (messages.length > 0) {
          await reader.commit(blocks, 'g', from)
          committed = from
        }
      }
    })()
    let next = 0
    const append = async (count: number) => {
      for (let sent = 0; sent < count; sent += 4, next += 4)
        await writer.append(blocks, values(next, next + 4))
    }
    await append(STEP)
    for (let round = 0; round < ROUNDS; round++) {
      const leader = await kafka.leader(`${settings.prefix}blocks.test`, 0)
      const node = kafka.nodes.find(({ id }) => id === leader)!
      const appending = append(STEP)
      await node.kill('SIGKILL')
      await appending
      await node.start()
      await append(STEP)
    }
    await reading
    expect(read).toEqual(values(0, total).map(String))
    const fresh = await openKafkaLog(settings, { logger: silent })
    expect(text(await readAll(fresh, blocks))).toEqual(values(0, total).map(String))
    expect(await fresh.committed(blocks, 'g')).toBe(committed)
    for (const log of [writer, reader, fresh]) await log.close()
  })
})
