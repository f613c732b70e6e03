import type { Chain } from '../../crawlers/chain.ts'
import { readAnswer } from '../../crawlers/endpoint.ts'
import { callEach, type Rpc } from '../../crawlers/rpc.ts'
import { answerRegtestCall } from '../../deploy/dev/regtest-node.ts'
import type { SqlClient } from '../../deploy/sql.ts'
import { BASE_DATABASE } from '../../schema/ddl.ts'
import { TIP_PARTITION } from '../../schema/events.ts'
import type { Sql } from '../../schema/ports.ts'
import type { Ranges } from '../../schema/ranges.ts'
import { blockTableNames } from '../../schema/tables.ts'
import { registerChain } from '../../splitter/chain-row.ts'
import { checkTotals } from '../../splitter/check-totals.ts'
import { createIngest } from '../../splitter/ingest.ts'
import { readEntry, readPublished } from '../../splitter/journal.ts'
import { openWriter } from '../../splitter/writer.ts'
import { dumpViews } from '../harness.ts'
import type { Record } from './life.ts'
import { asNodeView, type Blocks } from './node.ts'
import type { Script, View } from './script.ts'

/** What is not as it should be; empty where everything is. */
export type Problems = string[]

/** How a spent output came to be known, and what a chain is called, depend on the run. */
const RUN_DEPENDENT = ['raw_blocks', 'utxo_inputs', 'chains']

/** What a run is measured by. */
export interface Course extends Pick<Script, 'seed' | 'chain' | 'historyFrom'> {
  /** The chain at the end, from height 0 on; hashes in the chain's form. */
  final: readonly { height: number; hash: string }[]
}

interface OracleDeps {
  sql: SqlClient
  script: Course
  /** Has the final chain. */
  rpc: Rpc
  record: Record
}

/** Compares everything that a run left behind with a clean run over the final chain of its script. */
export function judge({
  script,
  blocks,
  ...deps
}: Omit<OracleDeps, 'rpc'> & { script: Course & { final: View }; blocks: Blocks }): Promise<Problems> {
  return judgeCourse({ ...deps, script, rpc: answeringRpc(script.final, blocks) })
}

export async function judgeCourse(deps: OracleDeps): Promise<Problems> {
  const { sql, script, record } = deps
  const { slug } = script.chain.definition
  const published = await readPublished(sql, slug)
  const problems = [
    ...compareValues('published heights', [[script.historyFrom, script.final.length - 1]], published),
    ...(await compareDumps(deps)),
    ...(await signs(sql, slug)),
    ...(script.seed % TOTALS_EVERY === 0 ? await totals(sql, script, published) : []),
    ...(await deadLetters(sql, slug)),
    ...(await openEntries(sql, slug)),
    ...foldAnnouncements(record, script),
    ...(await compareReorgs(sql, script.chain, record)),
  ]
  return problems.length === 0 ? [] : [...problems, ...(await story(sql, slug, record))]
}

/** What came about, for whoever looks for the reason. */
async function story(sql: Sql, slug: string, record: Record): Promise<string[]> {
  const short = (height: number | string, hash: string) => `${height}:${hash.slice(0, 4)}`
  const events = record.events.map(({ partition, event }) => {
    if (event.kind === 'finalize') return ''
    const { height, hash } = event.kind === 'block' ? event : event.to
    const place = short(height, Buffer.from(hash).toString('hex'))
    return `${event.kind === 'revert' ? 'back to ' : ''}${place}${partition === TIP_PARTITION ? '' : 'h'}`
  })
  const entries = await sql.rows<{
    partition: number
    batch: string
    owner: string
    reorg: number
    added: [string, string][]
    cancelled: string[]
  }>(
    `SELECT partition, batch, owner, reorg, arrayZip(blocks.height, arrayMap(x -> lower(hex(x)), blocks.hash)) AS added,
      cancels.height AS cancelled
    FROM ${BASE_DATABASE}.journal WHERE chain = {slug:String} ORDER BY partition, batch`,
    { slug },
  )
  return [
    `log: ${events.filter(text => text !== '').join(' ')}`,
    ...entries.map(
      ({ partition, batch, owner, reorg, added, cancelled }) =>
        `batch ${partition}/${batch} ${owner}${reorg ? ' reorg' : ''} -[${cancelled.join(' ')}] +[${added
          .map(([height, hash]) => short(height, hash))
          .join(' ')}]`,
    ),
  ]
}

/** All views and totals are compared for some seeds: many statements, which say what the tables say as well. */
const TOTALS_EVERY = 8

async function totals(sql: Sql, { chain }: Course, published: Ranges): Promise<Problems> {
  const found = await checkTotals(sql, chain.definition, published)
  return found.map(({ table, height, difference }) => `${table} ${height ?? ''}: ${difference}`)
}

/** Rows that were added less those that were cancelled are the rows that stand. */
async function signs(sql: Sql, chain: string): Promise<Problems> {
  const tables = [...blockTableNames, 'effects_by_address']
  const rows = await sql.rows<{ name: string; stand: string; signed: string }>(
    tables
      .map(
        table =>
          `SELECT '${table}' AS name, toInt64((SELECT count() FROM ${BASE_DATABASE}.${table} FINAL WHERE chain = {chain:String})) AS stand,
            (SELECT sum(toInt64(row_sign)) FROM ${BASE_DATABASE}.${table} WHERE chain = {chain:String}) AS signed`,
      )
      .join(' UNION ALL '),
    { chain },
  )
  return rows.flatMap(({ name, stand, signed }) => compareValues(`signs of ${name}`, stand, signed))
}

export function compareValues(what: string, expected: unknown, got: unknown): Problems {
  const [one, other] = [expected, got].map(value => JSON.stringify(value))
  return one === other ? [] : [`${what}: expected ${one}, got ${other}`]
}

async function compareDumps({ sql, script, rpc }: OracleDeps): Promise<Problems> {
  const clean = `${script.chain.definition.slug}-clean`
  const isThere = (await readPublished(sql, clean)).length > 0
  if (!isThere) await indexCleanly(sql, { ...script, slug: clean, rpc })
  const both = [script.chain.definition.slug, clean] as const
  const [got, expected] =
    script.seed % TOTALS_EVERY === 0
      ? await Promise.all(both.map(slug => dumpChain(sql, slug)))
      : await dumpTables(sql, both)
  return Object.keys(expected!).flatMap(view => compareValues(`view ${view}`, expected![view], got![view]))
}

/** Rows of the tables as they stand, without what tells one run from another, and the balances. */
async function dumpTables(sql: Sql, chains: readonly string[]): Promise<{ [table: string]: string }[]> {
  const without = (table: string) =>
    `chain, row_sign, row_version${table === 'utxo_inputs' ? ', source' : ''}`
  const selects = [...blockTableNames, 'effects_by_address']
    .filter(table => table !== 'raw_blocks')
    .map(table => [table, `${BASE_DATABASE}.${table} FINAL`, without(table)])
  const rows = await sql.rows<{ name: string; chain: string; rows: string; digest: string }>(
    [...selects, ['balances', 'balances', 'chain']]
      .map(
        ([name, source, columns]) =>
          `SELECT '${name}' AS name, toString(chain) AS chain, count() AS rows, sum(cityHash64(* EXCEPT (${columns}))) AS digest
          FROM ${source} WHERE chain IN {chains:Array(String)} GROUP BY chain`,
      )
      .join(' UNION ALL '),
    { chains: [...chains] },
  )
  return chains.map(chain =>
    Object.fromEntries(
      rows.filter(row => row.chain === chain).map(row => [row.name, `${row.rows} rows ${row.digest}`]),
    ),
  )
}

/** All that is to be the same in every run. */
export async function dumpChain(sql: SqlClient, slug: string): Promise<{ [view: string]: string }> {
  const dump = await dumpViews(sql, slug)
  for (const view of RUN_DEPENDENT) delete dump[view]
  const [inputs] = await sql.rows<{ rows: string; digest: string }>(
    `SELECT count() AS rows, sum(cityHash64(* EXCEPT (chain, source))) AS digest FROM utxo_inputs WHERE chain = {slug:String}`,
    { slug },
  )
  return { ...dump, utxo_inputs: `${inputs?.rows} rows ${inputs?.digest}` }
}

/** What `index` does: the final chain in one go, from a node without faults. */
async function indexCleanly(
  sql: Sql,
  { chain, slug, final, historyFrom, rpc }: Course & { slug: string; rpc: Rpc },
): Promise<void> {
  const clean = { ...chain, definition: { ...chain.definition, slug } } as Chain
  const source = clean.open(rpc)
  await registerChain(sql, clean.definition)
  const writer = await openWriter({ sql, chain: clean, owner: 'clean' })
  const ingest = createIngest({ sql, chain: clean, writer, source })
  for (let height = historyFrom; height < final.length; height++) {
    await ingest.add({ height, raw: await source.blockAt(height) })
  }
  const failed = await ingest.flush()
  if (failed.length > 0) throw new Error(`the clean run refused blocks: ${JSON.stringify(failed)}`)
}

function answeringRpc(view: View, blocks: Blocks): Rpc {
  const served = asNodeView(view, blocks)
  const call: Rpc['call'] = async (method, params, options) => {
    const { status, body } = answerRegtestCall(served, JSON.stringify({ id: 1, method, params }))
    return readAnswer(
      { name: 'clean', method, status, body, retryAfterMs: null },
      options?.parse ?? JSON.parse,
    )
  }
  return { call, callMany: callEach(call), recordings: [], names: ['clean'], close: async () => {} }
}

async function deadLetters(sql: Sql, chain: string): Promise<Problems> {
  const rows = await sql.rows<{ height: string; reason: string }>(
    'SELECT height, reason FROM dead_letters WHERE chain = {chain:String} ORDER BY time',
    { chain },
  )
  return rows.map(({ height, reason }) => `dead letter ${height}: ${reason}`)
}

async function openEntries(sql: Sql, chain: string): Promise<Problems> {
  const rows = await sql.rows<{ partition: number; committed: string; last: string }>(
    `SELECT partition, committed, (SELECT max(batch) FROM ${BASE_DATABASE}.journal
      WHERE journal.chain = {chain:String} AND journal.partition = 0) AS last
    FROM ${BASE_DATABASE}.checkpoints FINAL WHERE chain = {chain:String}`,
    { chain },
  )
  const open = await Promise.all(
    rows.map(row => readEntry(sql, chain, row.partition, Number(row.committed) + 1)),
  )
  return open.flatMap(entry => (entry ? [`journal: batch ${entry.batch} of ${entry.owner} is open`] : []))
}

/** Added blocks minus removed ones are the chain; nothing is removed that was not added, or added twice. */
export function foldAnnouncements(
  { announcements }: Record,
  { final, historyFrom }: Pick<Course, 'final' | 'historyFrom'>,
): Problems {
  const problems: Problems = []
  const seen = new Set<string>()
  const present = new Map<number, string>()
  for (const { id, type, height, hash } of announcements) {
    if (seen.has(id)) continue
    seen.add(id)
    const there = present.get(height)
    if (type === 'block.added') {
      if (there !== undefined) problems.push(`announced ${id} ${hash} where ${there} is`)
      present.set(height, hash)
    } else {
      if (there !== hash) problems.push(`announced ${id} ${hash} where ${there} is`)
      present.delete(height)
    }
  }
  const got = [...present].sort(([a], [b]) => a - b)
  const expected = final.slice(historyFrom).map(block => [block.height, block.hash])
  return [...problems, ...compareValues('folded announcements', expected, got)]
}

interface ReorgRow {
  height: number
  depth: number
  old_hash: string
  common_ancestor: string
}

/** Each revert that was handed on above stored blocks stands in `reorgs`, once. */
async function compareReorgs(sql: Sql, chain: Chain, record: Record): Promise<Problems> {
  const expected: ReorgRow[] = []
  const stored = new Map<number, { hash: string; parent: string }>()
  const { formatHash } = chain
  for (const { partition, event } of record.events) {
    if (partition !== TIP_PARTITION) continue
    if (event.kind === 'block') {
      stored.set(event.height, { hash: formatHash(event.hash), parent: formatHash(event.parentHash) })
    }
    if (event.kind !== 'revert') continue
    const gone = [...stored].filter(([height]) => height > event.to.height).sort(([a], [b]) => b - a)
    for (const [height] of gone) stored.delete(height)
    const [last, first] = [gone[0], gone.at(-1)]
    if (!last || !first) continue
    expected.push({
      height: event.to.height + 1,
      depth: gone.length,
      old_hash: last[1].hash,
      // Where nothing is stored below, the blocks that come may follow on another one.
      common_ancestor: first[1].parent,
    })
  }
  const rows = await sql.rows<{ height: string; depth: number; old_hash: string; common_ancestor: string }>(
    'SELECT height, depth, old_hash, common_ancestor FROM reorgs WHERE chain = {chain:String} ORDER BY batch',
    { chain: chain.definition.slug },
  )
  return compareValues(
    'reorgs',
    expected,
    rows.map(row => ({ ...row, height: Number(row.height) })),
  )
}
