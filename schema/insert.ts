import { type Columns, RowWriter } from '../schema/columns.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { InsertOptions, Sql } from '../schema/ports.ts'

/** Inserts rows of a bookkeeping table of ours; those of block tables are encoded in `rows.ts`. */
export async function insertRows(
  sql: Sql,
  table: string,
  columns: Columns,
  rows: readonly Record<string, unknown>[],
  options: InsertOptions,
): Promise<void> {
  if (rows.length === 0) return
  const out = new RowWriter(1 << 10)
  for (const row of rows) for (const [column, { write }] of Object.entries(columns)) write(out, row[column])
  await sql.insert({ table: `${BASE_DATABASE}.${table}`, columns, bytes: out.view() }, options)
}
