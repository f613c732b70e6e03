import type { Column } from './columns.ts'
import { allColumns, type Table } from './tables.ts'

/** Database of the base tables. Outsiders see the views of database `default`. */
export const BASE_DATABASE = 'wanlian'

/**
 * Blocks per table partition. An insert never crosses a partition, so that it stays one atomic block; few partitions
 * a chain keep the number of parts low.
 */
export const PARTITION_HEIGHTS = 5_000_000

/**
 * How many inserts a table remembers by token. Finite and shared by all chains: the token is the last line of defence,
 * the journal is the fence.
 */
export const DEDUPLICATION_WINDOW = 100_000

/** What outsiders see of a column. */
export function shownExpression(name: string, column: Column<unknown>): string {
  return column.show ? column.show(name) : `\`${name}\``
}

/**
 * A base table of block rows: added with row_sign 1, cancelled whole with row_sign -1 under the same row_version.
 * VersionedCollapsing does not depend on the order in which the two arrive.
 */
export function createTableSql(table: Table): string {
  const columns = Object.entries(allColumns(table))
  const lines = columns.map(([name, column]) => {
    const codec = column.codec && !column.type.startsWith('LowCardinality') ? ` CODEC(${column.codec})` : ''
    return `  \`${name}\` ${column.type}${codec}`
  })
  for (const [name, column] of columns) {
    if (!column.indexed) continue
    lines.push(
      `  INDEX \`by_${name}\` ${shownExpression(name, column)} TYPE bloom_filter(0.01) GRANULARITY 1`,
    )
  }
  for (const name of table.growing ?? []) {
    lines.push(`  INDEX \`by_${name}\` \`${name}\` TYPE minmax GRANULARITY 1`)
  }
  return [
    `CREATE TABLE ${BASE_DATABASE}.${table.name}`,
    '(',
    lines.join(',\n'),
    ')',
    'ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)',
    `PARTITION BY (chain, intDiv(height, ${PARTITION_HEIGHTS}))`,
    `ORDER BY (${table.orderBy.map(name => `\`${name}\``).join(', ')})`,
    `SETTINGS ${settings(table)}`,
  ].join('\n')
}

function settings(table: Table): string {
  const own = table.granularity ? [`index_granularity = ${table.granularity}`] : []
  const durable = table.name === 'raw_blocks' ? ['fsync_after_insert = 1', 'fsync_part_directory = 1'] : []
  return [`non_replicated_deduplication_window = ${DEDUPLICATION_WINDOW}`, ...durable, ...own].join(', ')
}
