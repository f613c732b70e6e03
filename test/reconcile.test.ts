import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { Logger } from '../schema/ports.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { createIngest } from '../splitter/ingest.ts'
import { RANGE_HEIGHTS, reconcile, startReconciler } from '../splitter/reconcile.ts'
import { repairChain } from '../splitter/repair.ts'
import { openWriter } from '../splitter/writer.ts'
import { type ContractStore, openContractStore, silent } from './harness.ts'
import { type PaperBlock, paperBlocks, paperChain, paperHash } from './paper-chain.ts'

let world: ContractStore
beforeAll(async () => {
  world = await openContractStore()
})
afterAll(() => world?.close())

async function openChain(slug: string, partition = 0) {
  const { sql } = world
  const chain = paperChain(slug)
  await registerChain(sql, chain.definition)
  const writer = await openWriter({ sql, chain, owner: `test:${slug}:${partition}`, partition })
  const ingest = createIngest({ sql, chain, writer, batchBlocks: 3 })
  let offset = 0n
  return {
    chain,
    ingest,
    async add(blocks: readonly PaperBlock[]) {
      for (const raw of blocks) {
        const hash = paperHash(raw.height, raw.fork)
        expect(await ingest.add({ height: raw.height, raw, logged: { hash, offset: ++offset } })).toEqual([])
      }
      expect(await ingest.flush()).toEqual([])
    },
    revert: (height: number, fork: number) =>
      ingest.revert({ height, hash: paperHash(height, fork) }, ++offset),
  }
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 3_000; round++) {
    if (await isSo()) return
    await sleep(20)
  }
  throw new Error(`waited in vain for: ${what}`)
}

/** What was said aloud. */
function heard(): Logger & { said: { message: string; differences?: string[] }[] } {
  const said: { message: string }[] = []
  const hear = (facts: object, message: string) => void said.push({ ...facts, message })
  return { ...silent, debug() {}, info: hear, warn: hear, error: hear, said }
}

async function told(slug: string): Promise<string[]> {
  const rows = await world.sql.rows<{ differences: string[] }>(
    `SELECT differences FROM reconciliation WHERE chain = {slug:String} ORDER BY height`,
    { slug },
  )
  return rows.flatMap(({ differences }) => differences)
}

test('no alarm while the tip is reorganized, history is filled in from above and blocks are written anew', async () => {
  const slug = 'reconciled-live'
  const top = RANGE_HEIGHTS + 10
  const tip = await openChain(slug)
  const history = await openChain(slug, 1)
  await tip.add(paperBlocks(top - 5, top))
  const logger = heard()
  const stopping = new AbortController()
  const { definition } = tip.chain
  const running = startReconciler({ definition, sql: world.sql, logger, intervalMs: 100 }, stopping.signal)
  let below = top - 6
  for (let fork = 1; fork <= 6; fork++) {
    await tip.revert(top - 3, 0)
    await tip.add(paperBlocks(top - 2, top + (fork % 3), fork, 0))
    await history.add(paperBlocks(below - 3, below).reverse())
    below -= 4
    await tip.ingest.linkParents()
    await history.ingest.linkParents()
    const before = running.looks()
    if (fork % 2 === 0) await until('a look', () => running.looks() > before)
  }
  const during = running.looks()
  // Both ranges as they are in the end.
  await until('the last looks', async () => {
    const rows = await world.sql.rows<{ stored: string }>(
      `SELECT sum(stored) AS stored FROM reconciliation WHERE chain = {slug:String}`,
      { slug },
    )
    return Number(rows[0]?.stored) === top - below
  })
  stopping.abort()
  await running.done
  expect(logger.said).toEqual([])
  expect(await told(slug)).toEqual([])
  // It says nothing because there is nothing to say, not because it did not look.
  expect(during).toBeGreaterThanOrEqual(3)
})

/** What hands that are not ours do to a chain of blocks 0 to 12 in batches of three, and what is said of it. */
const DAMAGES: readonly (readonly [statement: string, difference: RegExp])[] = [
  [
    'ALTER TABLE transactions DELETE WHERE height = 1 AND index = 2',
    /^block 1: expected 5 rows in transactions, got 4$/,
  ],
  [
    'ALTER TABLE effects_by_address DELETE WHERE height = 2',
    /^block 2: expected 10 rows in effects_by_address, got 0$/,
  ],
  [
    'INSERT INTO hashes SELECT * FROM hashes WHERE height = 6 LIMIT 1',
    /^blocks 6 to 8: expected 18 rows in hashes, got 19$/,
  ],
  ['ALTER TABLE blocks DELETE WHERE height = 9', /^block 9: expected the one that was delivered, got none$/],
  [
    'INSERT INTO raw_blocks SELECT * FROM raw_blocks WHERE height = 4',
    /^block 4: expected 1 rows in raw_blocks, got 2$/,
  ],
  [
    `ALTER TABLE blocks UPDATE parent_hash = reverse(parent_hash) WHERE height = 7`,
    /^block 7: expected the parent [0-9a-f]{64}, stored below is/,
  ],
  [
    'ALTER TABLE blocks UPDATE block_hash = reverse(block_hash) WHERE height = 3',
    /^block 3: expected the one that was delivered, got [0-9a-f]{64}$/,
  ],
  [
    'INSERT INTO effects SELECT * REPLACE (77 AS row_version) FROM (SELECT * FROM effects WHERE height = 5)',
    /^block 5: expected no other rows, got 10 in effects, 10 in effects_by_address$/,
  ],
  [
    'ALTER TABLE journal DELETE WHERE batch = 4',
    /^block 10: expected the one that was delivered, got [0-9a-f]{64}$/,
  ],
]

test('whatever another hand does to the rows is an alarm that names it, until it is repaired', async () => {
  const slug = 'reconciled-damaged'
  const { sql } = world
  const { chain, add, revert } = await openChain(slug)
  await add(paperBlocks(0, 11))
  await revert(10, 0)
  await add(paperBlocks(11, 12, 1, 0))
  const clean = await reconcile(sql, chain.definition, 0)
  expect(clean).toMatchObject({ delivered: 13, stored: 13, differences: [] })

  for (const [statement] of DAMAGES) {
    const ofChain = statement
      .replaceAll(/(TABLE|INTO|FROM) (?!\()/g, `$1 ${BASE_DATABASE}.`)
      .replace('WHERE', `WHERE chain = '${slug}' AND`)
    await sql.command(statement.startsWith('ALTER') ? `${ofChain} SETTINGS mutations_sync = 2` : ofChain)
  }
  const logger = heard()
  const stopping = new AbortController()
  const running = startReconciler(
    { definition: chain.definition, sql, logger, intervalMs: 10 },
    stopping.signal,
  )
  await until('the alarm', () => logger.said.length > 0)
  const [alarm] = logger.said
  expect(alarm).toMatchObject({ chain: slug, from: 0, message: 'the tables do not hold what was delivered' })
  const unnamed = DAMAGES.filter(([, difference]) => !alarm!.differences!.some(said => difference.test(said)))
  expect(
    unnamed.map(([statement]) => statement),
    alarm!.differences!.join('\n'),
  ).toEqual([])
  expect(await told(slug)).toEqual(alarm!.differences)

  await repairChain({
    sql,
    chain,
    openSource: async () => null,
    owner: 'test:repair',
    isGone: () => true,
    logger: silent,
  })
  const after = await reconcile(sql, chain.definition, 0)
  expect(after?.differences).toEqual([])
  await until('the end of the alarm', async () => (await told(slug)).length === 0)
  stopping.abort()
  await running.done
  expect(logger.said.at(-1)!.message).toBe('the tables hold what was delivered again')
}, 600_000)

test('a batch under way is no difference: the look is taken another time', async () => {
  const slug = 'reconciled-busy'
  const { sql } = world
  const { chain, add } = await openChain(slug)
  await add(paperBlocks(0, 5))
  let isOver = false
  const looking = (async () => {
    const outcomes: (string[] | null)[] = []
    while (!isOver) outcomes.push((await reconcile(sql, chain.definition, 0))?.differences ?? null)
    return outcomes
  })()
  for (let height = 6; height < 36; height += 3) await add(paperBlocks(height, height + 2))
  isOver = true
  const outcomes = await looking
  expect(outcomes.filter(outcome => outcome !== null && outcome.length > 0)).toEqual([])
  expect(outcomes.some(outcome => outcome === null)).toBe(true)
})
