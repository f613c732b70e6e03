import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { recordEvm } from './record-evm.ts'
import { recordRegtest } from './record-regtest.ts'

/** `node --import tsx deploy/dev/record-fixtures.ts`: makes the recordings of the two dev chains anew. */
const recordings = fileURLToPath(new URL('../../test/fixtures/recordings', import.meta.url))
const chains = { 'bitcoin-regtest': recordRegtest, 'evm-local': recordEvm }

for (const [name, record] of Object.entries(chains)) {
  const directory = join(recordings, name)
  await rm(directory, { recursive: true, force: true })
  await record(directory)
}
