import { randomUUID } from 'node:crypto'
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
import { StoreError } from '../schema/errors.ts'
import { insertRows } from '../schema/insert.ts'
import type { InsertOptions, Sql } from '../schema/ports.ts'
import { hashForm } from '../schema/tables.ts'
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

type Row = Record<string, unknown>

/** What is kept of blocks that left the chain. */
export interface Copies {
  orphaned_transactions: readonly Row[]
  reorgs: readonly Row[]
  orphaned_blocks: readonly Row[]
}

/** Tables of copies, in the order of writing, with what tells their rows apart within a batch. */
export const COPIES = {
  orphaned_transactions: { columns: transactionColumns, key: ['height', 'index'] },
  reorgs: { columns: reorgColumns, key: ['height'] },
  orphaned_blocks: { columns: blockColumns, key: ['height'] },
} as const satisfies Record<keyof Copies, { columns: Columns; key: readonly string[] }>

/**
 * Keeps blocks that leave the chain readable, before they are cancelled. `orphaned_blocks` is written last, and only
 * once all else is seen to be there: when it has every block, cancelling may have begun and the rows need not be whole
 * any more.
 */
export async function copyOrphans(
  sql: Sql,
  chain: ChainModule,
  entry: JournalEntry,
  fence: NonNullable<InsertOptions['fence']>,
): Promise<void> {
  const { slug } = chain.definition
  const heights = new Set(entry.cancels.map(block => block.height))
  if (heights.size === 0 || (await readCopied(sql, entry, 'orphaned_blocks')).size === heights.size) return
  const [blocks, archive, transactions] = await Promise.all(
    (['blocks', 'raw_blocks', 'transactions'] as const).map(table =>
      readRows(sql, slug, table, selectionOf(entry.cancels)),
    ),
  )
  if (!blocks || !archive || !transactions || blocks.length === 0) return
  await writeCopies(sql, entry, copiesOf(chain, entry, { blocks, archive, transactions }), fence)
}

/** The rows to be kept, made from those of the blocks. The same however often they are made. */
export function copiesOf(
  chain: ChainModule,
  entry: JournalEntry,
  rows: { blocks: readonly Row[]; archive: readonly Row[]; transactions: readonly Row[] },
): Copies {
  const { blocks, archive, transactions } = rows
  const payloads = new Map(archive.map(row => [row.height, row.payload]))
  const closing = { orphaned_at: entry.time, batch: entry.batch }
  const reorg = {
    chain: entry.chain,
    height: blocks[0]!.height,
    time: closing.orphaned_at,
    hash_form: chain.definition.hashForm,
    depth: blocks.length,
    old_hash: blocks.at(-1)!.block_hash,
    new_hash: entry.blocks.at(-1)?.hash ?? Buffer.alloc(0),
    ancestor_hash: blocks[0]!.parent_hash,
    transactions: transactions.length,
    batch: entry.batch,
  }
  return {
    orphaned_transactions: transactions.map(row => ({ ...row, ...closing })),
    reorgs: [reorg],
    orphaned_blocks: blocks.map(row => ({
      ...row,
      payload: payloads.get(row.height) ?? Buffer.alloc(0),
      ...closing,
    })),
  }
}

/** Rounds in which all that is lacking is inserted, before that is given up. */
const ROUNDS = 5

/**
 * Writes what lacks of the copies, table by table. A token alone does not do: a store that dies may have noted it and
 * lost the rows. So what stands there is looked at until nothing lacks.
 * @throws StoreError when rows that were taken are never there.
 */
export async function writeCopies(
  sql: Sql,
  entry: JournalEntry,
  copies: Copies,
  fence?: NonNullable<InsertOptions['fence']>,
): Promise<void> {
  const { chain, partition, batch } = entry
  for (const [table, { columns, key }] of Object.entries(COPIES)) {
    const name = table as keyof Copies
    for (let round = 0; ; round++) {
      const there = await readCopied(sql, entry, name)
      const lacking = copies[name].filter(row => !there.has(keyOf(row, key)))
      if (lacking.length === 0) break
      if (round === ROUNDS) throw new StoreError(`${chain}: ${lacking.length} rows of ${table} do not stay`)
      const purpose = round === 0 ? '' : `:${randomUUID()}`
      const token = `${chain}:${partition}:${batch}:orphans:${table}:${lacking.length}${purpose}`
      await insertRows(sql, table, columns, lacking, { token, ...(fence && { fence }) })
    }
  }
}

/** Rows that are known to be wanted: nothing is looked at. */
export async function insertCopies(sql: Sql, table: keyof Copies, rows: readonly Row[]): Promise<void> {
  await insertRows(sql, table, COPIES[table].columns, rows, { token: null })
}

function keyOf(row: Row, key: readonly string[]): string {
  return key.map(column => String(row[column])).join(':')
}

/** Which rows a batch's copies have, by their keys. */
async function readCopied(sql: Sql, entry: JournalEntry, table: keyof Copies): Promise<Set<string>> {
  const { key } = COPIES[table]
  const rows = await sql.rows<Row>(
    `SELECT ${key.map(column => `\`${column}\``).join(', ')} FROM ${BASE_DATABASE}.${table}
    WHERE chain = {chain:String} AND batch = {batch:UInt64} AND height IN {heights:Array(UInt64)}`,
    { chain: entry.chain, batch: entry.batch, heights: entry.cancels.map(block => block.height) },
  )
  return new Set(rows.map(row => keyOf(row, key)))
}
