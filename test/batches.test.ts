import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { bitcoinRegtest } from '../crawlers/chains/bitcoin-regtest.ts'
import { fetchBlocks } from '../crawlers/fetch.ts'
import { openRpc } from '../crawlers/rpc.ts'
import { createIngest } from '../splitter/ingest.ts'
import { openWriter } from '../splitter/writer.ts'
import { dumpViews, openTestStore } from './harness.ts'

const recording = fileURLToPath(new URL('fixtures/recordings/bitcoin-regtest', import.meta.url))
const chain = bitcoinRegtest

/** What outsiders see after the recording was stored in batches of a size, and how many batches there were. */
async function storedInBatches(batchBlocks: number) {
  const store = await openTestStore()
  const rpc = await openRpc([{ url: `file:${recording}` }])
  try {
    // Nobody is asked for spent outputs: they are found in the store, in this batch, or in the one before.
    const source = chain.open(rpc)
    const writer = await openWriter({ sql: store.sql, chain, owner: 'test' })
    const ingest = createIngest({ sql: store.sql, chain, writer, source: {}, batchBlocks })
    for await (const block of fetchBlocks(source, (await source.recordedHeights())!)) {
      if ('error' in block) throw block.error
      expect(await ingest.add(block)).toEqual([])
    }
    expect(await ingest.flush()).toEqual([])
    // Every output was found on the way: nothing is left to be resolved.
    expect(await ingest.resolveInputs()).toEqual([])
    const [journal] = await store.sql.rows<{ batches: string }>('SELECT max(batch) AS batches FROM journal')
    return { views: await dumpViews(store.sql, chain.definition.slug), batches: Number(journal?.batches) }
  } finally {
    await rpc.close()
    await store.close()
  }
}

test('a batch that is prepared while the one before is written knows its links and outputs', async () => {
  const small = await storedInBatches(10)
  const large = await storedInBatches(1_000)
  expect(large.batches).toBe(1)
  expect(small.batches).toBeGreaterThan(5)
  expect(small.views).toEqual(large.views)
})
