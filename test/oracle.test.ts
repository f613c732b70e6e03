import { afterAll, beforeAll, expect, test } from 'vitest'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { readCheckpoint, writeCheckpoint, writeEntry } from '../splitter/journal.ts'
import { openTestStore, silent, type TestStore } from './harness.ts'
import type { Record } from './sim/life.ts'
import { runSeed } from './sim/run.ts'
import { mineBase } from './sim/script.ts'

/** Its chain forks, and it is short. */
const SEED = 5

let world: TestStore
beforeAll(async () => {
  world = await openTestStore()
})
afterAll(() => world?.close())

interface Damage {
  what: string
  /** What whoever judges says of it, and did not say before. */
  seenAs: string
  apply(left: { slug: string; record: Record }): Promise<unknown>
}

const alter = (table: string, change: string) =>
  world.sql.command(`ALTER TABLE ${BASE_DATABASE}.${table} ${change} SETTINGS mutations_sync = 2`)
/** Of the rows that stand, those of the highest block. */
const top = (table: string, slug: string) =>
  `chain = '${slug}' AND row_version = (SELECT argMax(row_version, height) FROM ${BASE_DATABASE}.${table} FINAL WHERE chain = '${slug}')`

const DAMAGES: readonly Damage[] = [
  {
    what: 'an amount is another',
    seenAs: 'view utxo_outputs',
    apply: ({ slug }) =>
      alter('utxo_outputs', `UPDATE amount = amount + 1 WHERE ${top('utxo_outputs', slug)}`),
  },
  {
    what: 'rows are lost',
    seenAs: 'view transactions',
    apply: ({ slug }) => alter('transactions', `DELETE WHERE ${top('transactions', slug)}`),
  },
  {
    what: 'rows stand twice',
    seenAs: 'view utxo_transactions',
    apply: ({ slug }) =>
      world.sql.command(
        `INSERT INTO ${BASE_DATABASE}.utxo_transactions SELECT * FROM ${BASE_DATABASE}.utxo_transactions FINAL WHERE ${top('utxo_transactions', slug)}`,
      ),
  },
  {
    what: 'a row is cancelled that never was',
    seenAs: 'signs of block_assets',
    apply: ({ slug }) =>
      world.sql.command(
        `INSERT INTO ${BASE_DATABASE}.block_assets SELECT * REPLACE (-1 AS row_sign, 7 AS row_version)
        FROM (SELECT * FROM ${BASE_DATABASE}.block_assets FINAL WHERE ${top('block_assets', slug)})`,
      ),
  },
  {
    what: 'a balance is another',
    seenAs: 'view balances',
    apply: ({ slug }) =>
      world.sql.command(
        `INSERT INTO ${BASE_DATABASE}.balance_sums SELECT chain, address, asset, 1, 0 FROM ${BASE_DATABASE}.balance_sums WHERE chain = '${slug}' LIMIT 1`,
      ),
  },
  {
    what: 'a reorg is forgotten',
    seenAs: 'reorgs',
    apply: ({ slug }) => alter('reorgs', `DELETE WHERE chain = '${slug}'`),
  },
  {
    what: 'an event was set aside',
    seenAs: 'dead letter',
    apply: ({ slug }) =>
      world.sql.command(
        `INSERT INTO ${BASE_DATABASE}.dead_letters (chain, partition, offset, height, time, reason) VALUES ('${slug}', 0, 9, 9, now(), 'a reason')`,
      ),
  },
  {
    what: 'a removal was not told',
    seenAs: 'announced',
    apply: async ({ record }) => {
      const at = record.announcements.findIndex(({ type }) => type === 'block.removed')
      expect(at).toBeGreaterThan(0)
      record.announcements.splice(at, 1)
    },
  },
  {
    what: 'the last block was not told',
    seenAs: 'folded announcements',
    apply: async ({ record }) => record.announcements.pop(),
  },
  {
    what: 'a height is hidden',
    seenAs: 'published heights',
    apply: async ({ slug }) => {
      const checkpoint = (await readCheckpoint(world.sql, slug, 0))!
      const ranges = checkpoint.ranges.map(([from, to], at) => [at === 0 ? from + 1 : from, to] as const)
      await writeCheckpoint(world.sql, slug, 0, { ...checkpoint, version: checkpoint.version + 2n, ranges })
    },
  },
  {
    what: 'a batch is open',
    seenAs: 'journal',
    apply: async ({ slug }) => {
      const checkpoint = (await readCheckpoint(world.sql, slug, 0))!
      await writeEntry(world.sql, {
        chain: slug,
        partition: 0,
        batch: checkpoint.committed + 1,
        owner: 'nobody',
        time: 1,
        splitVersion: 1,
        offsets: { from: 1n, to: 1n },
        blocks: [],
        cancels: [{ height: 1, version: 1n }],
        reorg: false,
        tables: [],
      })
    },
  },
]

test('who judges the simulations sees each kind of damage, by its name', async () => {
  const seen: string[] = []
  const { problems, reorgs } = await runSeed(SEED, {
    sql: world.sql,
    base: mineBase(),
    logger: silent,
    inspect: async (left, judgeAgain) => {
      expect(await judgeAgain()).toEqual([])
      for (const { what, seenAs, apply } of DAMAGES) {
        const isNamed = (problem: string) => problem.startsWith(seenAs)
        expect((await judgeAgain()).filter(isNamed), `before: ${what}`).toEqual([])
        await apply(left)
        expect((await judgeAgain()).filter(isNamed), what).not.toEqual([])
        seen.push(what)
      }
    },
  })
  expect(problems).toEqual([])
  expect(reorgs).toBeGreaterThan(0)
  expect(seen).toEqual(DAMAGES.map(({ what }) => what))
})
