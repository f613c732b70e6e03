import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { BASE_DATABASE } from '../../schema/ddl.ts'
import type { Sql } from '../../schema/ports.ts'
import { countHeights, type Ranges } from '../../schema/ranges.ts'
import { readPublished } from '../../splitter/journal.ts'
import { clickhouseAddress, explainRefusal } from '../clickhouse.ts'
import type { Config } from '../config.ts'
import { pendingMigrations } from '../migrate.ts'
import type { ClickHouseSettings } from '../servers.ts'
import { createSql } from '../sql.ts'
import { hasStore, openStore, type StoreAddress } from '../store/supervisor.ts'
import { type Finding, failure } from './finding.ts'

const AREA = 'store'

/** What is stored of a chain. */
export interface StoredChain {
  slug: string
  /** Highest published height; null when nothing is. */
  tip: number | null
}

export interface StoreLook {
  findings: Finding[]
  chains: StoredChain[]
}

/**
 * Joins the store that runs, or starts it for the moment, and changes nothing in it. Where there is none yet, one is
 * started in a temporary directory: that shows that the library runs here.
 */
export async function lookAtStore(
  { dataDirectory, clickhouse }: Pick<Config, 'dataDirectory' | 'clickhouse'>,
  logger: Logger,
): Promise<StoreLook> {
  if (clickhouse !== null) return lookAtServers(clickhouse)
  if (await hasStore(dataDirectory)) return lookInto(dataDirectory, logger, lookAtContent)
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-doctor-'))
  try {
    const { findings } = await lookInto(directory, logger, async () => ({ findings: [], chains: [] }))
    const nothing: Finding = { area: AREA, level: 'ok', text: `nothing is stored in ${dataDirectory} yet` }
    return { findings: [...findings, nothing], chains: [] }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The ClickHouse of the configuration. */
async function lookAtServers(settings: ClickHouseSettings): Promise<StoreLook> {
  try {
    const address = await clickhouseAddress(settings)
    return await ask(address, lookAtContent)
  } catch (error) {
    return { findings: [failure(AREA, explainRefusal(error, settings))], chains: [] }
  }
}

async function lookInto(
  directory: string,
  logger: Logger,
  look: (sql: Sql) => Promise<StoreLook>,
): Promise<StoreLook> {
  try {
    const store = await openStore({ dataDirectory: directory, logger })
    try {
      return await ask(store, look)
    } finally {
      await store.close()
    }
  } catch (error) {
    return { findings: [failure(AREA, error)], chains: [] }
  }
}

async function ask(address: StoreAddress, look: (sql: Sql) => Promise<StoreLook>): Promise<StoreLook> {
  const sql = createSql(address, { attempts: 3, requestTimeoutMs: 20_000 })
  try {
    const [told] = await sql.rows<{ version: string }>('SELECT version() AS version')
    const answers: Finding = { area: AREA, level: 'ok', text: `ClickHouse ${told?.version} answers` }
    const { findings, chains } = await look(sql)
    return { findings: [answers, ...findings], chains }
  } finally {
    await sql.close()
  }
}

async function lookAtContent(sql: Sql): Promise<StoreLook> {
  const pending = await pendingMigrations(sql)
  if (pending.length > 0) {
    const text = `the schema is older than this program: ${pending.join(', ')} to be applied`
    const hint = 'the next command that opens the store does it; or run wanlian migrate'
    return { findings: [{ area: AREA, level: 'note', text, hint }], chains: [] }
  }
  const current: Finding = { area: AREA, level: 'ok', text: 'the schema is that of this program' }
  const chains = await sql.rows<{ chain: string }>(
    `SELECT DISTINCT chain FROM ${BASE_DATABASE}.chains ORDER BY chain`,
  )
  const looked = await Promise.all(chains.map(({ chain }) => lookAtChain(sql, chain)))
  return {
    findings: [current, ...looked.flatMap(one => one.findings)],
    chains: looked.map(({ slug, tip }) => ({ slug, tip })),
  }
}

async function lookAtChain(sql: Sql, slug: string): Promise<StoredChain & { findings: Finding[] }> {
  const ranges = await readPublished(sql, slug)
  const counts = `SELECT
    (SELECT count() FROM ${BASE_DATABASE}.checkpoints FINAL WHERE chain = {chain:String} AND version % 2 = 0) AS open,
    (SELECT count() FROM ${BASE_DATABASE}.dead_letters FINAL
      WHERE chain = {chain:String} AND resolved_at IS NULL) AS dead,
    (SELECT groupArray(differing) FROM (SELECT (height, to_height, differences[1]) AS differing
      FROM ${BASE_DATABASE}.reconciliation FINAL
      WHERE chain = {chain:String} AND notEmpty(differences) ORDER BY height)) AS differing`
  const [counted] = await sql.rows<{ open: string; dead: string; differing: [string, string, string][] }>(
    counts,
    { chain: slug },
  )
  const tip = ranges.at(-1)?.[1] ?? null
  const stored =
    tip === null ? 'no block is stored' : `${countHeights(ranges)} blocks are stored, the tip is ${tip}`
  const findings: Finding[] = [{ area: slug, level: 'ok', text: stored }]
  const gaps = gapsOf(ranges)
  if (gaps.length > 0) {
    const named = gaps.slice(0, 3).map(([from, to]) => (from === to ? String(from) : `${from}–${to}`))
    findings.push({
      area: slug,
      level: 'note',
      text: `${gaps.length} gaps between the stored blocks: ${named.join(', ')}${gaps.length > 3 ? ', …' : ''}`,
      hint: 'up fills them in when nodes have the blocks; of a recording, what it does not hold is no gap',
    })
  }
  if (Number(counted?.open) > 0) {
    findings.push({
      area: slug,
      level: 'note',
      text: 'a batch is open',
      hint: 'a running pipeline is at work on it; otherwise the next start finishes it',
    })
  }
  if (Number(counted?.dead) > 0) {
    findings.push({
      area: slug,
      level: 'fix',
      text: `${counted?.dead} messages could not be stored`,
      hint:
        `look at them: wanlian sql "SELECT height, code, reason FROM dead_letters WHERE chain = '${slug}' ` +
        `AND resolved_at IS NULL"; once the cause is gone: wanlian replay ${slug}`,
    })
  }
  const [differing] = counted?.differing ?? []
  if (differing) {
    const [from, to, difference] = differing
    findings.push({
      area: slug,
      level: 'fix',
      text: `the tables do not hold what was delivered in ${counted!.differing.length} ranges; ${difference}`,
      hint: `stop up, then: wanlian check ${slug} --from ${from} --to ${to}, and wanlian repair ${slug}`,
    })
  }
  return { slug, tip, findings }
}

function gapsOf(ranges: Ranges): [from: number, to: number][] {
  return ranges.slice(1).map(([from], at) => [ranges[at]![1] + 1, from - 1])
}
