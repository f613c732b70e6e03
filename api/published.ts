import { BASE_DATABASE, shownExpression } from '../schema/ddl.ts'
import type { Table } from '../schema/tables.ts'

/**
 * Whether the row's height is published, for statements on base tables that name their chains in `{chains:Array(String)}`.
 * The public views ask the same of all chains at once, at more than twice the price of a look-up.
 */
export const PUBLISHED = `arrayExists(
  range -> range.1 = toString(chain) AND height BETWEEN range.2 AND range.3,
  (SELECT groupArrayArray(arrayMap(range -> (toString(chain), range.1, range.2), ranges))
    FROM ${BASE_DATABASE}.checkpoints FINAL WHERE chain IN {chains:Array(String)}))`

/** The table with cancelled rows left out. */
export function from(table: Table | string): string {
  return `${BASE_DATABASE}.${typeof table === 'string' ? table : table.name} FINAL`
}

/** Columns as outsiders read them; `time` becomes unix seconds. */
export function shown(table: Table, names: readonly string[]): string {
  const columns = { ...table.shared, ...table.columns }
  return names
    .map(name => {
      if (name === 'time') return 'toUnixTimestamp(time) AS unix_time'
      const column = columns[name]
      if (column === undefined) throw new Error(`${table.name} has no column ${name}`)
      return `${shownExpression(name, column)} AS \`${name}\``
    })
    .join(', ')
}
