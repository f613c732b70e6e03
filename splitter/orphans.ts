import type { ChainModule } from '../schema/chain.ts'
import {
  array,
  bytes,
  type Columns,
  count,
  flag,
  name,
  nullable,
  seconds,
  uint8,
  uint32,
  uint256,
} from '../schema/columns.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { InsertOptions, Sql } from '../schema/ports.ts'
import { hashForm } from '../schema/tables.ts'
import { insertRows } from './insert.ts'
import { type JournalEntry, selectionOf } from './journal.ts'
import { readRows } from './stored.ts'

const place: Columns = { chain: name, height: count, time: seconds, hash_form: hashForm, block_hash: bytes }
const end: Columns = { orphaned_at: seconds, batch: count }

const blockColumns: Columns = {
  ...place,
  parent_hash: bytes,
  transaction_count: uint32,
  size: nullable(uint32),
  proofs: array(name),
  payload: bytes,
  ...end,
}

const transactionColumns: Columns = {
  ...place,
  index: uint32,
  hash: bytes,
  status: nullable(uint8),
  fee: nullable(uint256),
  effects_complete: flag,
  ...end,
}

const reorgColumns: Columns = {
  chain: name,
  height: count,
  time: seconds,
  hash_form: hashForm,
  depth: uint32,
  old_hash: bytes,
  new_hash: bytes,
  ancestor_hash: bytes,
  transactions: uint32,
  batch: count,
}

/**
 * Keeps blocks that leave the chain readable, before they are cancelled. `orphaned_blocks` is written last: once it has
 * the batch, cancelling may have begun and the rows need not be whole any more.
 */
export async function copyOrphans(
  sql: Sql,
  chain: ChainModule,
  entry: JournalEntry,
  fence: NonNullable<InsertOptions['fence']>,
): Promise<void> {
  const { slug, hashForm: form } = chain.definition
  const [copied] = await sql.rows<{ blocks: string }>(
    `SELECT count() AS blocks FROM ${BASE_DATABASE}.orphaned_blocks
    WHERE chain = {chain:String} AND batch = {batch:UInt64} AND height IN {heights:Array(UInt64)}`,
    { chain: slug, batch: entry.batch, heights: entry.cancels.map(block => block.height) },
  )
  if (Number(copied?.blocks ?? 0) > 0) return
  const [blocks, archive, transactions] = await Promise.all(
    (['blocks', 'raw_blocks', 'transactions'] as const).map(table =>
      readRows(sql, slug, table, selectionOf(entry.cancels)),
    ),
  )
  if (!blocks || !archive || !transactions || blocks.length === 0) return
  const closing = { orphaned_at: Math.floor(Date.now() / 1000), batch: entry.batch }
  const payloads = new Map(archive.map(row => [row.height, row.payload]))
  const insert = (table: string, columns: Columns, rows: readonly Record<string, unknown>[]) =>
    insertRows(sql, table, columns, rows, {
      token: `${slug}:${entry.partition}:${entry.batch}:orphans:${table}`,
      fence,
    })

  await insert(
    'orphaned_transactions',
    transactionColumns,
    transactions.map(row => ({ ...row, ...closing })),
  )
  await insert('reorgs', reorgColumns, [
    {
      chain: slug,
      height: blocks[0]!.height,
      time: closing.orphaned_at,
      hash_form: form,
      depth: blocks.length,
      old_hash: blocks.at(-1)!.block_hash,
      new_hash: entry.blocks.at(-1)?.hash ?? Buffer.alloc(0),
      ancestor_hash: blocks[0]!.parent_hash,
      transactions: transactions.length,
      batch: entry.batch,
    },
  ])
  await insert(
    'orphaned_blocks',
    blockColumns,
    blocks.map(row => ({ ...row, payload: payloads.get(row.height) ?? Buffer.alloc(0), ...closing })),
  )
}
