import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { bitcoinRegtest } from '../crawlers/chains/bitcoin-regtest.ts'
import { fetchBlocks } from '../crawlers/fetch.ts'
import { openRpc } from '../crawlers/rpc.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { checkChain } from '../splitter/check.ts'
import { createIngest } from '../splitter/ingest.ts'
import { openWriter } from '../splitter/writer.ts'
import { dumpViews, openTestStore } from './harness.ts'
import { type PaperBlock, paperBlocks, paperChain, paperHash } from './paper-chain.ts'

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

test('a reorg longer than a batch: what the first batch takes away is not in the way of the next', async () => {
  const store = await openTestStore()
  try {
    const paper = paperChain('long-reorg')
    const { sql } = store
    await registerChain(sql, paper.definition)
    const writer = await openWriter({ sql, chain: paper, owner: 'test' })
    const ingest = createIngest({ sql, chain: paper, writer, batchBlocks: 3, fromLog: true })
    let offset = 0n
    const add = async (raw: PaperBlock) => {
      const logged = { hash: paperHash(raw.height, raw.fork), offset: ++offset }
      expect(await ingest.add({ height: raw.height, raw, logged })).toEqual([])
    }
    for (const raw of paperBlocks(0, 12)) await add(raw)
    expect(await ingest.revert({ height: 4, hash: paperHash(4, 0) }, ++offset)).toEqual([])
    for (const raw of paperBlocks(5, 14, 1, 0)) await add(raw)
    expect(await ingest.flush()).toEqual([])
    const rows = await sql.rows<{ hash: string }>(
      `SELECT hash FROM blocks WHERE chain = 'long-reorg' ORDER BY height`,
    )
    expect(rows.map(({ hash }) => hash)).toEqual(
      Array.from({ length: 15 }, (_, height) => paperHash(height, height < 5 ? 0 : 1).toString('hex')),
    )
    expect((await checkChain({ sql, chain: paper })).differences).toEqual([])
  } finally {
    await store.close()
  }
})
