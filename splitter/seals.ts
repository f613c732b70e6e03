import { randomUUID } from 'node:crypto'
import type { ChainModule } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { AppError } from '../schema/errors.ts'
import { decodeEvent } from '../schema/events.ts'
import type { Sql, SqlParams } from '../schema/ports.ts'
import type { Difference } from './check-rows.ts'
import { versionOf } from './journal.ts'
import { SPLIT_VERSION } from './prepare.ts'

/**
 * Books whose rows carry a `seal`: a hash of all their values, made by the store as they are inserted (migration
 * `003_seals`). A value that somebody changed does not fit it; and what a value was can be tried until it fits.
 */
export type SealedTable = 'journal' | 'finality' | 'dead_letters'

interface Sealed {
  /** Short values in the order of the seal, with their types. */
  short: Readonly<Record<string, string>>
  /** Long ones: hashed first, so that short ones are quickly tried. */
  long: readonly string[]
  place: string
}

const SEALED: Readonly<Record<SealedTable, Sealed>> = {
  journal: {
    short: {
      chain: 'String',
      partition: 'UInt16',
      batch: 'UInt64',
      height: 'UInt64',
      time: 'DateTime',
      owner: 'String',
      split_version: 'UInt32',
      offset_from: 'UInt64',
      offset_to: 'UInt64',
      reorg: 'UInt8',
      undone: 'UInt8',
    },
    long: [
      'blocks.height',
      'blocks.hash',
      'blocks.linked',
      'cancels.height',
      'cancels.version',
      'tables.name',
      'tables.rows',
      'tables.digest',
    ],
    place: `toNullable(height) AS height, concat('batch ', toString(batch), ' of partition ', toString(partition)) AS place`,
  },
  finality: {
    short: { chain: 'String', safe: 'UInt64', final: 'UInt64', version: 'UInt64' },
    long: [],
    place: `CAST(NULL, 'Nullable(UInt64)') AS height, concat('safe ', toString(safe), ', final ', toString(final)) AS place`,
  },
  dead_letters: {
    short: {
      chain: 'String',
      partition: 'UInt16',
      offset: 'UInt64',
      height: 'UInt64',
      time: 'DateTime',
      hash: 'String',
      code: 'String',
      attempts: 'UInt32',
      resolved_at: 'Nullable(DateTime)',
      resolution: 'String',
    },
    long: ['reason', 'payload'],
    place: `toNullable(height) AS height, concat('event ', toString(offset), ' of partition ', toString(partition)) AS place`,
  },
}

/** The seal of a row, or of what it would be with other values. `long` names its long values where they are hashed. */
function sealOf(table: SealedTable, values: Readonly<Record<string, string>> = {}, long?: string): string {
  const { short, long: names } = SEALED[table]
  const said = (column: string) => values[column] ?? `\`${column}\``
  const parts = Object.entries(short).flatMap(([column, type]) =>
    type.startsWith('Nullable')
      ? [`isNull(${said(column)})`, `ifNull(${said(column)}, toDateTime(0, 'UTC'))`]
      : [said(column)],
  )
  if (names.length > 0) parts.push(long ?? `cityHash64(${names.map(said).join(', ')})`)
  return `cityHash64(${parts.join(', ')})`
}

const NAMED = '{chain:String}'

/** Rows of a chain that do not fit their seal, and rows under another chain's name whose seal says they are of this one. */
function isBroken(table: SealedTable): string {
  return `seal != ${sealOf(table)} AND (chain = ${NAMED} OR seal = ${sealOf(table, { chain: NAMED })})`
}

const LIMIT = 100

/** Rows of a book that are not what was written. */
export async function checkSeals(sql: Sql, chain: string, table: SealedTable): Promise<Difference[]> {
  const rows = await sql.rows<{ height: string | null; place: string }>(
    `SELECT ${SEALED[table].place} FROM ${BASE_DATABASE}.${table} WHERE ${isBroken(table)} ORDER BY ALL LIMIT ${LIMIT}
    SETTINGS prefer_column_name_to_alias = 1`,
    { chain },
  )
  return rows.map(({ height, place }) => ({
    height: height === null ? null : Number(height),
    table,
    difference: `${place}: expected what was written, got other values`,
  }))
}

interface BrokenRow {
  seal: string
  /** The seal of what stands there now. */
  now: string
}

const ITS_ROW = (table: SealedTable) => `seal = {seal:UInt64} AND ${sealOf(table)} = {now:UInt64}`

/** What columns of a row may have been: `value`s of a statement for one column, or expressions for several at once. */
type Guess = { column: string; values: string } | { columns: Readonly<Record<string, string>> }

/**
 * Puts single values that were changed back, where what they were can be found: the seal proves it. What stays unproven
 * in `dead_letters` is kept as it stands, and says so; the journal and finality are made anew from what is stored.
 * @returns the tables in which anything was changed.
 */
export async function mendSeals(sql: Sql, chain: ChainModule): Promise<Set<string>> {
  const { slug } = chain.definition
  const mended = new Set<string>()
  for (const table of ['journal', 'finality', 'dead_letters'] as const) {
    await putBack(sql, table)
    const broken = await sql.rows<BrokenRow & Record<string, unknown>>(
      `SELECT seal, ${sealOf(table)} AS now FROM ${BASE_DATABASE}.${table} WHERE ${isBroken(table)}`,
      { chain: slug },
    )
    if (broken.length === 0) continue
    // On a cluster a repair that was stopped may have left half of it: its rows have come back.
    await sql.command(`DROP TABLE IF EXISTS ${asideOf(table)}`)
    await sql.command(
      `CREATE TABLE ${asideOf(table)} AS ${BASE_DATABASE}.${table} ENGINE = MergeTree ORDER BY tuple()
      SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`,
    )
    const replaced: BrokenRow[] = []
    for (const { seal, now } of broken) {
      const row = { seal, now }
      const said = table === 'dead_letters' ? await readLetter(sql, chain, row) : null
      const found = await proveValues(sql, table, row, { chain: slug, said: said?.hash ?? '' })
      const values = found ?? (table === 'dead_letters' ? asItStands(said) : null)
      if (values === null) continue
      await setAside(sql, table, row, values)
      replaced.push(row)
    }
    if (replaced.length > 0) {
      mended.add(table)
      await sql.command(
        `ALTER TABLE ${BASE_DATABASE}.${table} DELETE
        WHERE (seal, ${sealOf(table)}) IN (SELECT pair.1, pair.2 FROM (
          SELECT arrayJoin(arrayZip({seals:Array(UInt64)}, {now:Array(UInt64)})) AS pair))
        SETTINGS mutations_sync = 2`,
        { seals: replaced.map(({ seal }) => BigInt(seal)), now: replaced.map(({ now }) => BigInt(now)) },
      )
    }
    await putBack(sql, table)
  }
  return mended
}

/**
 * Where rows as they were stand until what they were changed into is gone: of two of one key the store keeps one, and not
 * always the right one.
 */
function asideOf(table: SealedTable): string {
  return `${BASE_DATABASE}.mended_${table}`
}

/** Rows that stand aside come back, also those that a repair left there that was stopped. */
async function putBack(sql: Sql, table: SealedTable): Promise<void> {
  const aside = asideOf(table)
  const [there] = await sql.rows(
    `SELECT 1 FROM system.tables WHERE database = '${BASE_DATABASE}' AND name = 'mended_${table}'`,
  )
  if (!there) return
  await sql.command(
    `INSERT INTO ${BASE_DATABASE}.${table} SETTINGS insert_deduplication_token = '${randomUUID()}'
    SELECT DISTINCT * FROM ${aside} WHERE seal NOT IN (
      SELECT seal FROM ${BASE_DATABASE}.${table} WHERE seal = ${sealOf(table)})`,
  )
  await sql.command(`DROP TABLE IF EXISTS ${aside}`)
}

/** What stands is from now on what was written. For rows whose values were looked at one by one. */
export async function sealAnew(sql: Sql, chain: string, table: SealedTable): Promise<void> {
  await sql.command(
    `ALTER TABLE ${BASE_DATABASE}.${table} UPDATE seal = ${sealOf(table)}
    WHERE chain = ${NAMED} AND seal != ${sealOf(table)} SETTINGS mutations_sync = 2`,
    { chain },
  )
}

interface Values {
  expressions: Readonly<Record<string, string>>
  params: SqlParams
}

async function setAside(
  sql: Sql,
  table: SealedTable,
  row: BrokenRow,
  { expressions, params }: Values,
): Promise<void> {
  const replaced = Object.entries(expressions).map(([column, value]) => `${value} AS \`${column}\``)
  await sql.command(
    `INSERT INTO ${asideOf(table)} SELECT * REPLACE (${replaced.join(', ')}) FROM (
      SELECT * FROM ${BASE_DATABASE}.${table} WHERE ${ITS_ROW(table)} LIMIT 1
    ) SETTINGS prefer_column_name_to_alias = 1`,
    { ...params, ...row },
  )
}

/** Values with which a row fits its seal; null where none are found. */
async function proveValues(
  sql: Sql,
  table: SealedTable,
  row: BrokenRow,
  known: SqlParams,
): Promise<Values | null> {
  const params = { ...known, ...row }
  const guesses = await guessesOf[table](sql, params)
  const { short, long } = SEALED[table]
  const rest = long.length > 0 ? `cityHash64(${long.map(name => `\`${name}\``).join(', ')})` : '0'
  const entry = `SELECT seal, ${Object.keys(short).join(', ')}, ${rest} AS rest
    FROM ${BASE_DATABASE}.${table} WHERE ${ITS_ROW(table)} LIMIT 1`
  const singly = guesses.flatMap(guess => {
    if (!('column' in guess)) return []
    const tried = sealOf(table, { [guess.column]: typed(short[guess.column]!, 'value') }, 'rest')
    return `SELECT '${guess.column}' AS column, toString(value) AS found
      FROM (${entry}) AS entry CROSS JOIN (${guess.values}) AS tried WHERE seal = ${tried}`
  })
  const [single] = await sql.rows<{ column: string; found: string }>(
    `SELECT * FROM (${singly.join(' UNION ALL ')}) LIMIT 1`,
    params,
  )
  if (single) {
    const value = typed(short[single.column]!, '{found:String}')
    return { expressions: { [single.column]: value }, params: { found: single.found } }
  }
  for (const guess of guesses) {
    if ('column' in guess) continue
    const rows = await sql.rows(
      `SELECT 1 FROM ${BASE_DATABASE}.${table} WHERE ${ITS_ROW(table)} AND seal = ${sealOf(table, guess.columns)}`,
      params,
    )
    if (rows.length > 0) return { expressions: guess.columns, params: known }
  }
  return null
}

function typed(type: string, value: string): string {
  if (type === 'String') return `toString(${value})`
  if (type === 'DateTime') return `toDateTime(toUInt32(${value}), 'UTC')`
  // 0 stands for null.
  if (type === 'Nullable(DateTime)')
    return `nullIf(toDateTime(toUInt32(${value}), 'UTC'), toDateTime(0, 'UTC'))`
  return `to${type}(${value})`
}

/** Numbers that are tried for one value, at most. */
const MOST_TRIED = 50_000_000
const DAY_S = 86_400

function numbers(from: number, to: number): string {
  const first = Math.max(0, from)
  const many = Math.min(MOST_TRIED, Math.max(0, to - first + 1))
  return `SELECT number AS value FROM numbers(${first}, ${many})`
}

type Guesses = (sql: Sql, params: SqlParams) => Promise<Guess[]>

const CHAINS = `SELECT DISTINCT toString(chain) AS value FROM ${BASE_DATABASE}.chains`

const guessesOf: Readonly<Record<SealedTable, Guesses>> = {
  async journal(sql, params) {
    const table = `${BASE_DATABASE}.journal`
    const [row] = await sql.rows<Record<'batch' | 'last' | 'height' | 'below' | 'above', string> & Times>(
      `WITH (SELECT (batch, partition, arrayMin(arrayConcat(blocks.height, cancels.height))) FROM ${table}
        WHERE ${ITS_ROW('journal')} LIMIT 1) AS own
      SELECT own.1 AS batch, own.2 AS partition, own.3 AS height, max(journal.batch) AS last,
        toUnixTimestamp(min(time)) AS first_time, toUnixTimestamp(max(time)) AS last_time,
        maxIf(offset_to, journal.batch < own.1 AND journal.partition = own.2) AS below,
        minIf(offset_from, journal.batch > own.1 AND journal.partition = own.2 AND offset_to > 0) AS above
      FROM ${table} AS journal WHERE chain = {chain:String} AND NOT (${ITS_ROW('journal')})`,
      params,
    )
    if (!row) return []
    const [batch, below, above] = [Number(row.batch), Number(row.below), Number(row.above)]
    const places = numbers(0, 0).concat(' UNION ALL ', numbers(below, above > below ? above : below + DAY_S))
    const version = versionOf(batch, row.partition)
    const ofBatch = (what: string) =>
      `(SELECT groupArray(${what}) FROM (SELECT * FROM ${BASE_DATABASE}.blocks FINAL
        WHERE chain = {chain:String} AND row_version = ${version} ORDER BY height))`
    const left = (what: string, order: string) =>
      `(SELECT groupArray(${what}) FROM (
        SELECT height, max(bitOr(bitShiftLeft(added.batch, 10), toUInt64(added.partition))) AS version FROM ${BASE_DATABASE}.orphaned_blocks AS copies
        INNER JOIN (SELECT batch, partition, blocks.height AS at, blocks.hash AS hash FROM ${table}
          ARRAY JOIN blocks.height, blocks.hash WHERE chain = {chain:String}) AS added
        ON added.at = copies.height AND added.hash = copies.block_hash
        WHERE copies.chain = {chain:String} AND copies.batch = ${batch} AND added.batch < ${batch}
        GROUP BY height ORDER BY height ${order}))`
    const cancels = (order: string) => ({
      columns: { 'cancels.height': left('height', order), 'cancels.version': left('version', order) },
    })
    return [
      { column: 'chain', values: CHAINS },
      { column: 'partition', values: numbers(0, 1023) },
      { column: 'batch', values: numbers(1, Number(row.last) + 1) },
      { column: 'height', values: numbers(Number(row.height), Number(row.height)) },
      { column: 'time', values: numbers(row.first_time - DAY_S, row.last_time + DAY_S) },
      { column: 'owner', values: `SELECT DISTINCT owner AS value FROM ${table}` },
      { column: 'split_version', values: numbers(0, SPLIT_VERSION) },
      { column: 'offset_from', values: places },
      { column: 'offset_to', values: places },
      { column: 'reorg', values: numbers(0, 1) },
      { column: 'undone', values: numbers(0, 1) },
      {
        columns: {
          'blocks.height': ofBatch('height'),
          'blocks.hash': ofBatch('block_hash'),
          'blocks.linked': ofBatch("toUInt8(has(proofs, 'parent'))"),
        },
      },
      cancels('ASC'),
      cancels('DESC'),
    ]
  },

  async finality(sql, params) {
    const { top, last } = await readEnds(sql, params)
    return [
      { column: 'chain', values: CHAINS },
      { column: 'safe', values: numbers(0, top) },
      { column: 'final', values: numbers(0, top) },
      { column: 'version', values: numbers(0, last + DAY_S) },
    ]
  },

  async dead_letters(sql, params) {
    const { top, last, first_time, last_time } = await readEnds(sql, params)
    const table = `${BASE_DATABASE}.dead_letters`
    const times = numbers(first_time - DAY_S, last_time + DAY_S)
    return [
      { column: 'chain', values: CHAINS },
      { column: 'partition', values: numbers(0, 1023) },
      { column: 'offset', values: numbers(0, last + DAY_S) },
      { column: 'height', values: numbers(0, top + DAY_S) },
      { column: 'time', values: times },
      { column: 'hash', values: 'SELECT {said:String} AS value' },
      { column: 'code', values: `SELECT DISTINCT toString(code) AS value FROM ${table}` },
      { column: 'attempts', values: numbers(0, DAY_S) },
      { column: 'resolved_at', values: `${numbers(0, 0)} UNION ALL ${times}` },
      {
        column: 'resolution',
        values: `SELECT DISTINCT resolution AS value FROM ${table} UNION ALL SELECT ''`,
      },
    ]
  },
}

interface Times {
  partition: number
  first_time: number
  last_time: number
}

/** Highest block, last place in the log, and the times between which anything was written. */
async function readEnds(sql: Sql, params: SqlParams): Promise<Times & { top: number; last: number }> {
  const [row] = await sql.rows<Times & { top: string; last: string }>(
    `SELECT max(arrayMax(arrayPushBack(blocks.height, 0))) AS top, max(offset_to) AS last,
      toUnixTimestamp(min(time)) AS first_time, toUnixTimestamp(now()) AS last_time
    FROM ${BASE_DATABASE}.journal WHERE chain = {chain:String}`,
    params,
  )
  return { ...row!, top: Number(row!.top), last: Number(row!.last) }
}

const UNPROVEN = ' (this entry was changed by another hand: not all that it says is proven)'

/** What the event of a letter says itself. */
interface Said {
  height: number
  hash: string
}

/** A letter that nothing proves any more: that it is so is said, and what its event says is taken from the event. */
function asItStands(said: Said | null): Values {
  const values: Record<string, string> = {
    ...(said && { height: '{height:UInt64}', hash: '{hash:String}' }),
    reason: 'concat(reason, {note:String})',
  }
  return {
    expressions: { ...values, seal: sealOf('dead_letters', values) },
    params: { ...said, note: UNPROVEN },
  }
}

/** Null where the event cannot be read. */
async function readLetter(sql: Sql, chain: ChainModule, row: BrokenRow): Promise<Said | null> {
  const [letter] = await sql.rows<{ digits: string }>(
    `SELECT hex(payload) AS digits FROM ${BASE_DATABASE}.dead_letters WHERE ${ITS_ROW('dead_letters')} LIMIT 1`,
    { ...row },
  )
  try {
    const event = decodeEvent(Buffer.from(letter?.digits ?? '', 'hex'))
    if (event.kind === 'finalize') return { height: 0, hash: '' }
    if (event.kind === 'revert') return { height: event.to.height, hash: '' }
    return { height: event.height, hash: chain.formatHash(event.hash) }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return null
  }
}
