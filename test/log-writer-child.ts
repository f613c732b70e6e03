import pino from 'pino'
import { openKafkaLog } from '../deploy/kafka/log.ts'
import { openEmbeddedLog } from '../deploy/log-embedded.ts'

/** Appends numbered messages for ever and tells the number of each that was acknowledged: to be killed. */
const place = { topic: 'blocks.test', partition: 0 }
const [kind, where] = process.argv.slice(2) as [string, string]
const log =
  kind === 'kafka'
    ? await openKafkaLog(JSON.parse(where), { logger: pino({ level: 'silent' }) })
    : await openEmbeddedLog({ directory: where })
await log.claim(place)
let next = 0
for (let from = 0n; ; ) {
  const some = await log.read(place, from)
  if (some.length === 0) break
  next += some.length
  from = some.at(-1)!.offset + 1n
}
for (;;) {
  const size = 1 + (next % 5)
  await log.append(
    place,
    Array.from({ length: size }, (_, at) => Buffer.from(`message ${next + at}`)),
  )
  next += size
  process.stdout.write(`${next - 1}\n`)
}
