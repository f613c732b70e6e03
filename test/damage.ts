import { BASE_DATABASE } from '../schema/ddl.ts'
import type { Sql } from '../schema/ports.ts'

/** Hands that are not ours, at the tables of the store. */

/** An expression that is another value of the same type. */
function otherValue(column: string, type: string): string {
  const quoted = `\`${column}\``
  const low = /^LowCardinality\((.*)\)$/.exec(type)?.[1] ?? type
  const inner = /^Nullable\((.*)\)$/.exec(low)?.[1]
  if (inner) return `if(isNull(${quoted}), ${someValue(inner)}, NULL)`
  const items = /^Array\((.*)\)$/s.exec(low)?.[1]
  // Lists of one nested table are as long as each other.
  if (items && column.includes('.')) {
    return `arrayMap((item, at) -> if(at = 1, ${otherValue('item', items)}, item), ${quoted}, arrayEnumerate(${quoted}))`
  }
  if (items) return `if(empty(${quoted}), [${someValue(items)}], arrayPopBack(${quoted}))`
  if (low.startsWith('Enum8')) {
    const names = [...low.matchAll(/'([^']*)' = /g)].map(match => match[1])
    return `CAST(if(toString(${quoted}) = '${names[0]}', '${names[1]}', '${names[0]}'), '${low.replaceAll("'", "\\'")}')`
  }
  const size = /^FixedString\((\d+)\)$/.exec(low)?.[1]
  if (size) {
    const last = `substring(${quoted}, ${size}, 1)`
    return `toFixedString(concat(substring(${quoted}, 1, ${Number(size) - 1}), if(${last} = 'x', 'y', 'x')), ${size})`
  }
  // Flags read as yes or no.
  if (low === 'UInt8') return `if(${quoted} = 0, 1, 0)`
  if (low === 'String') return `concat(${quoted}, 'x')`
  return `CAST(${quoted} + 1, '${low.replaceAll("'", "\\'")}')`
}

function someValue(type: string): string {
  return `defaultValueOfTypeName('${type.replaceAll("'", "\\'")}')`
}

export interface ColumnOf {
  name: string
  type: string
  /** Part of the table's order or partition: it can only be changed by taking the row out and putting it back. */
  isKey: boolean
}

export async function columnsOf(sql: Sql, table: string): Promise<ColumnOf[]> {
  const rows = await sql.rows<{ name: string; type: string; key: number }>(
    `SELECT name, type, is_in_sorting_key OR is_in_partition_key OR name IN ('row_sign', 'row_version') OR (name = 'version' AND table IN ('checkpoints', 'finality'))
      OR (name = 'attempts' AND table = 'dead_letters') AS key
    FROM system.columns WHERE database = '${BASE_DATABASE}' AND table = {table:String} ORDER BY position`,
    { table },
  )
  return rows.map(({ name, type, key }) => ({ name, type, isKey: key === 1 }))
}

const NOW = 'SETTINGS mutations_sync = 2'

/** What is done to a row: one column or several get other values. */
export interface Change {
  columns: readonly ColumnOf[]
  /** A condition that is met by this row and by no other. */
  where: string
}

/** Changes rows of a table. Nothing that is made of the table hears of it. */
export async function changeRows(sql: Sql, table: string, changes: readonly Change[]): Promise<void> {
  const inPlace = changes.filter(({ columns }) => columns.every(column => !column.isKey))
  const moved = changes.filter(change => !inPlace.includes(change))
  if (inPlace.length > 0) await changeValues(sql, table, inPlace)
  if (moved.length > 0) await changeKeys(sql, table, moved)
}

const anyOf = (changes: readonly Change[]) => changes.map(({ where }) => `(${where})`).join(' OR ')

async function changeValues(sql: Sql, table: string, changes: readonly Change[]): Promise<void> {
  const byColumn = new Map<string, { type: string; of: Change[] }>()
  for (const change of changes) {
    for (const { name, type } of change.columns) {
      const { of } = byColumn.get(name) ?? { of: [] }
      byColumn.set(name, { type, of: [...of, change] })
    }
  }
  const updates = [...byColumn].map(
    ([name, { type, of }]) => `\`${name}\` = if(${anyOf(of)}, ${otherValue(name, type)}, \`${name}\`)`,
  )
  await sql.command(
    `ALTER TABLE ${BASE_DATABASE}.${table} UPDATE ${updates.join(', ')} WHERE ${anyOf(changes)} ${NOW}`,
  )
}

/** Values of a key: the rows are taken out and put back elsewhere. */
async function changeKeys(sql: Sql, table: string, changes: readonly Change[]): Promise<void> {
  const aside = `${BASE_DATABASE}.aside_${table}`
  await sql.command(`DROP TABLE IF EXISTS ${aside}`)
  await sql.command(`CREATE TABLE ${aside} AS ${BASE_DATABASE}.${table} ENGINE = Memory`)
  const rows = changes.map(({ columns, where }) => {
    const others = columns.map(({ name, type }) => {
      const other = name === 'row_sign' ? 'toInt8(-1)' : otherValue(name, type)
      return `${other} AS \`${name}\``
    })
    return `SELECT * REPLACE (${others.join(', ')}) FROM (SELECT * FROM ${BASE_DATABASE}.${table} WHERE ${where})`
  })
  await sql.command(`INSERT INTO ${aside} ${rows.join(' UNION ALL ')}`)
  await sql.command(`ALTER TABLE ${BASE_DATABASE}.${table} DELETE WHERE ${anyOf(changes)} ${NOW}`)
  await putBack(sql, table, aside)
  await sql.command(`DROP TABLE ${aside}`)
}

/** Takes rows away. */
export async function loseRows(sql: Sql, table: string, wheres: readonly string[]): Promise<void> {
  const all = wheres.map(where => `(${where})`).join(' OR ')
  await sql.command(`ALTER TABLE ${BASE_DATABASE}.${table} DELETE WHERE ${all} ${NOW}`)
}

/** Puts rows there a second time. */
export async function doubleRows(sql: Sql, table: string, wheres: readonly string[]): Promise<void> {
  const all = wheres.map(where => `(${where})`).join(' OR ')
  await sql.command(
    `INSERT INTO ${BASE_DATABASE}.${table} SETTINGS insert_deduplicate = 0
    SELECT * FROM ${BASE_DATABASE}.${table} WHERE ${all}`,
  )
}

/** Through a table of the same make, so that views are not told. */
async function putBack(sql: Sql, table: string, aside: string): Promise<void> {
  const copy = `${BASE_DATABASE}.copy_${table}`
  await sql.command(`DROP TABLE IF EXISTS ${copy}`)
  await sql.command(`CREATE TABLE ${copy} AS ${BASE_DATABASE}.${table}`)
  await sql.command(`INSERT INTO ${copy} SETTINGS insert_deduplicate = 0 SELECT * FROM ${aside}`)
  const partitions = await sql.rows<{ id: string }>(`SELECT DISTINCT _partition_id AS id FROM ${copy}`)
  for (const { id } of partitions) {
    await sql.command(`ALTER TABLE ${BASE_DATABASE}.${table} ATTACH PARTITION ID '${id}' FROM ${copy}`)
  }
  await sql.command(`DROP TABLE ${copy}`)
}
