import { openEmbeddedLog } from '../deploy/log-embedded.ts'

/** Appends numbered messages for ever and tells the number of each that was acknowledged: to be killed. */
const place = { topic: 'blocks.test', partition: 0 }
const log = await openEmbeddedLog({ directory: process.argv[2]! })
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
