import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { StoreError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { createViewSql, views } from '../schema/views.ts'

const DIRECTORY = fileURLToPath(new URL('../schema/migrations/', import.meta.url))

/** One step: its statements are run in order, and never change once they have been applied somewhere. */
export interface Migration {
  name: string
  checksum: string
  statements: string[]
}

export interface MigrationReport {
  applied: string[]
  /** Views that were created or whose text had changed. */
  views: string[]
}

/** The steps that this program knows, in order. */
export async function readMigrations(directory = DIRECTORY): Promise<Migration[]> {
  const files = (await readdir(directory)).filter(name => name.endsWith('.sql')).sort()
  return Promise.all(
    files.map(async file => {
      const text = await readFile(`${directory}/${file}`, 'utf8')
      return { name: file.replace(/\.sql$/, ''), checksum: checksum(text), statements: statementsOf(text) }
    }),
  )
}

function statementsOf(text: string): string[] {
  return text
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*(?:\n|$)/)
    .map(statement => statement.trim())
    .filter(statement => statement !== '')
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/**
 * Brings the store to this program's schema. Safe to repeat, also after a crash in the middle: a step is noted when
 * all of it is done, and its statements are then known to have run.
 * @throws StoreError when a step was applied with another text, or the store is newer than this program.
 */
export async function migrate(sql: Sql, migrations?: readonly Migration[]): Promise<MigrationReport> {
  const known = migrations ?? (await readMigrations())
  await sql.command(`CREATE DATABASE IF NOT EXISTS ${BASE_DATABASE}`)
  await sql.command(`CREATE TABLE IF NOT EXISTS ${BASE_DATABASE}.migrations
    (name String, checksum String, applied_at DateTime('UTC') DEFAULT now())
    ENGINE = ReplacingMergeTree(applied_at) ORDER BY name`)
  // Most starts find nothing to do, and need nobody's leave.
  if (!isLacking(known, await readNoted(sql))) return { applied: [], views: [] }
  return inTurn(sql, async () => {
    const checksums = await readNoted(sql)
    const applied: string[] = []
    for (const migration of known) {
      if (checksums.has(migration.name)) continue
      for (const statement of migration.statements) await sql.command(repeatable(statement))
      await note(sql, [migration])
      applied.push(migration.name)
    }
    return { applied, views: await replaceViews(sql, checksums) }
  })
}

/** @throws StoreError for what this program does not know. */
function isLacking(known: readonly Migration[], checksums: ReadonlyMap<string, string>): boolean {
  refuseForeign(known, checksums)
  return known.some(({ name }) => !checksums.has(name)) || changedViews(checksums).length > 0
}

const TURN = `${BASE_DATABASE}.migrating`
const TURN_LOOK_MS = 200
/** Whoever holds the turn for longer is taken for dead: a migration of an empty store takes seconds. */
const TURN_SECONDS = 120

/** One process at a time, of all that share the store: a table that only one of them can create. */
async function inTurn<Value>(sql: Sql, run: () => Promise<Value>): Promise<Value> {
  const own = `by_${randomBytes(8).toString('hex')}`
  for (;;) {
    try {
      await sql.command(`CREATE TABLE ${TURN} (${own} UInt8) ENGINE = Memory`)
      break
    } catch (error) {
      if (!isThereAlready(error)) throw error
    }
    const [holder] = await sql.rows<{ column: string; seconds: number }>(
      `SELECT (SELECT any(name) FROM system.columns WHERE database = '${BASE_DATABASE}' AND table = 'migrating') AS column,
        toInt64(now()) - toInt64(metadata_modification_time) AS seconds
      FROM system.tables WHERE database = '${BASE_DATABASE}' AND name = 'migrating'`,
    )
    // The answer to a creation that was repeated tells of one's own table.
    if (holder?.column === own) break
    if (holder && Number(holder.seconds) > TURN_SECONDS) await sql.command(`DROP TABLE IF EXISTS ${TURN}`)
    await new Promise(resolve => setTimeout(resolve, TURN_LOOK_MS))
  }
  try {
    return await run()
  } finally {
    await sql.command(`DROP TABLE IF EXISTS ${TURN}`)
  }
}

const isThereAlready = (error: unknown) => error instanceof StoreError && error.details?.code === '57'

/**
 * Names of the steps that the store lacks; nothing is changed.
 * @throws StoreError as `migrate` does.
 */
export async function pendingMigrations(sql: Sql): Promise<string[]> {
  const [table] = await sql.rows(
    `SELECT 1 FROM system.tables WHERE database = '${BASE_DATABASE}' AND name = 'migrations'`,
  )
  const known = await readMigrations()
  if (!table) return known.map(({ name }) => name)
  const checksums = await readNoted(sql)
  refuseForeign(known, checksums)
  return known.map(({ name }) => name).filter(name => !checksums.has(name))
}

async function readNoted(sql: Sql): Promise<Map<string, string>> {
  const noted = await sql.rows<{ name: string; checksum: string }>(
    `SELECT name, checksum FROM ${BASE_DATABASE}.migrations FINAL`,
  )
  return new Map(noted.map(row => [row.name, row.checksum]))
}

function refuseForeign(known: readonly Migration[], checksums: ReadonlyMap<string, string>): void {
  for (const { name, checksum: expected } of known) {
    const got = checksums.get(name)
    if (got !== undefined && got !== expected) {
      throw new StoreError(
        `migration ${name} was applied with another text: expected checksum ${expected}, got ${got}`,
        { hint: 'restore the file as it was and put the change into a new migration' },
      )
    }
  }
  const names = new Set(known.map(migration => migration.name))
  const foreign = [...checksums.keys()].filter(name => !name.startsWith('view ') && !names.has(name))
  if (foreign.length > 0) {
    throw new StoreError(`the store has migrations that this program does not know: ${foreign.join(', ')}`, {
      hint: 'run the version of the program that wrote this store, or a newer one',
    })
  }
}

/** A statement that may have run before a crash must not fail the second time. */
function repeatable(statement: string): string {
  return statement.replace(/^CREATE (TABLE|MATERIALIZED VIEW) (?!IF NOT EXISTS)/, 'CREATE $1 IF NOT EXISTS ')
}

interface Note {
  name: string
  checksum: string
}

async function note(sql: Sql, notes: readonly Note[]): Promise<void> {
  if (notes.length === 0) return
  await sql.command(
    `INSERT INTO ${BASE_DATABASE}.migrations (name, checksum)
    SELECT note.1, note.2 FROM (SELECT arrayJoin(arrayZip({names:Array(String)}, {checksums:Array(String)})) AS note)`,
    { names: notes.map(({ name }) => name), checksums: notes.map(({ checksum }) => checksum) },
  )
}

/** A view may be replaced any number of times: what was done is noted at the end, in one go. */
async function replaceViews(sql: Sql, checksums: ReadonlyMap<string, string>): Promise<string[]> {
  const changed = changedViews(checksums)
  for (const { statement } of changed) await sql.command(statement)
  await note(sql, changed)
  return changed.map(({ view }) => view.name)
}

function changedViews(checksums: ReadonlyMap<string, string>) {
  return views
    .map(view => {
      const statement = createViewSql(view)
      return { view, statement, name: `view ${view.name}`, checksum: checksum(statement) }
    })
    .filter(({ name, checksum }) => checksums.get(name) !== checksum)
}
