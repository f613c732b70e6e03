import pino from 'pino'
import { openKafkaLog } from '../deploy/kafka/log.ts'
import type { TopicPartition } from '../schema/ports.ts'

/** Takes a share of a group's places, tells each message it reads and commits it: to be killed. */
const [settings, group, topic] = process.argv.slice(2) as [string, string, string]
const log = await openKafkaLog(JSON.parse(settings), { logger: pino({ level: 'silent' }) })
let mine: readonly TopicPartition[] = []
await log.share(group, [topic], places => {
  mine = places
})
for (;;) {
  for (const place of mine) {
    const from = await log.committed(place, group)
    const messages = await log.read(place, from, { maxMessages: 3 })
    for (const { value } of messages) process.stdout.write(`${place.partition} ${Buffer.from(value)}\n`)
    const last = messages.at(-1)
    if (last) await log.commit(place, group, last.offset + 1n).catch(() => {})
  }
  await new Promise(resolve => setTimeout(resolve, 20))
}
