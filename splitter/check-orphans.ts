import { equalBytes, formatHex } from '../schema/bytes.ts'
import type { ChainModule } from '../schema/chain.ts'
import { type Columns, RowReader, uint64 } from '../schema/columns.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { AppError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { compareRow, type Difference } from './check-rows.ts'
import { batchOf, type JournalEntry, readCheckpoints, readEntries, readEntry } from './journal.ts'
import { COPIES, type Copies, copiesOf } from './orphans.ts'
import { prepareLinked } from './prepare.ts'

type Row = Record<string, unknown>

/** What stands of a reorg's copies, and what should. */
export interface ExaminedReorg {
  entry: JournalEntry
  differences: readonly Difference[]
  /** All rows as they have to be; null where an archived block proves nothing any more. */
  expected: Copies | null
  /** Blocks that left the chain then, from the lowest up, and where their archived bytes still prove them, those. */
  blocks: readonly { height: number; hash: Uint8Array | null; linked: boolean; payload: Uint8Array | null }[]
}

const LIMIT = 100

/** The blocks that left the chain, proven again from their own archive, and what is said about each reorg. */
export async function checkOrphans(sql: Sql, chain: ChainModule): Promise<Difference[]> {
  const differences: Difference[] = []
  for (const { partition, batch } of await reorgBatches(sql, chain.definition.slug)) {
    const entry = await readEntry(sql, chain.definition.slug, partition, batch)
    if (entry) differences.push(...(await examineReorg(sql, chain, entry)).differences)
    if (differences.length >= LIMIT) break
  }
  return [...differences, ...(await ownerless(sql, chain.definition.slug))]
}

/** Committed batches that took blocks off the chain. */
export async function reorgBatches(sql: Sql, chain: string): Promise<{ partition: number; batch: number }[]> {
  const checkpoints = await readCheckpoints(sql, chain)
  const rows = await sql.rows<{ partition: number; batch: string }>(
    `SELECT partition, batch FROM ${BASE_DATABASE}.journal
    WHERE chain = {chain:String} AND reorg = 1 AND notEmpty(cancels.height)
    GROUP BY partition, batch HAVING max(undone) = 0 ORDER BY partition, batch`,
    { chain },
  )
  return rows
    .map(({ partition, batch }) => ({ partition, batch: Number(batch) }))
    .filter(({ partition, batch }) => batch <= (checkpoints.get(partition)?.committed ?? 0))
}

/** @throws StoreError */
export async function examineReorg(
  sql: Sql,
  chain: ChainModule,
  entry: JournalEntry,
): Promise<ExaminedReorg> {
  const stored = await readCopies(sql, entry)
  const left = await whatLeft(sql, entry)
  const differences: Difference[] = []
  const [blocks, archive, transactions]: [Row[], Row[], Row[]] = [[], [], []]
  const found = left.map(({ height, hash, linked }) => {
    const row = stored.orphaned_blocks.find(candidate => candidate.height === height)
    const wrong = (difference: string) => {
      differences.push({ height, table: 'orphaned_blocks', difference })
      return { height, hash, linked, payload: null }
    }
    if (!row) return wrong(`expected the block that batch ${entry.batch} took away, got none`)
    const payload = row.payload as Uint8Array
    try {
      const { shared, rows, verified } = prepareLinked(chain, chain.decode(payload), linked)
      if (hash && !equalBytes(verified.hash, hash)) {
        return wrong(`expected the archived block ${formatHex(hash)}, got ${formatHex(verified.hash)}`)
      }
      blocks.push(...(rows.blocks ?? []).map(own => ({ ...shared, ...own })))
      archive.push({ height, payload })
      transactions.push(...(rows.transactions ?? []).map(own => ({ ...shared, ...own })))
      return { height, hash: verified.hash, linked, payload }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return wrong(error.message)
    }
  })
  const isProven = left.length > 0 && blocks.length === left.length
  const expected = isProven ? copiesOf(chain, entry, { blocks, archive, transactions }) : null
  if (expected) differences.push(...compareCopies(expected, stored))
  return { entry, differences, expected, blocks: found }
}

/** The blocks that a batch took away, by what the batches said that had added them. */
async function whatLeft(
  sql: Sql,
  { chain, cancels }: JournalEntry,
): Promise<{ height: number; hash: Uint8Array | null; linked: boolean }[]> {
  const left = []
  for (const { height, version } of cancels.toSorted((a, b) => a.height - b.height)) {
    const { partition, batch } = batchOf(version)
    const [added] = await readEntries(sql, chain, partition, [batch])
    const block = added?.blocks.find(candidate => candidate.height === height)
    left.push({ height, hash: block?.hash ?? null, linked: block?.linked ?? false })
  }
  return left
}

function compareCopies(expected: Copies, stored: Copies): Difference[] {
  return Object.entries(COPIES).flatMap(([table, { columns, key }]) => {
    const [wanted, there] = [expected[table as keyof Copies], stored[table as keyof Copies]]
    const wrong = (row: Row | undefined, difference: string) => ({
      height: (row?.height as number) ?? null,
      table,
      difference,
    })
    if (wanted.length !== there.length) {
      return [wrong(wanted[0], `expected ${wanted.length} rows of the batch, got ${there.length}`)]
    }
    const sorted = (rows: readonly Row[]) =>
      rows.toSorted((a, b) => {
        const column = key.find(name => a[name] !== b[name])
        return column === undefined ? 0 : Number(a[column]) - Number(b[column])
      })
    const got = sorted(there)
    return sorted(wanted).flatMap((row, at) =>
      compareRow(Object.keys(columns), row, got[at]!).map(difference => wrong(row, difference)),
    )
  })
}

/** What stands of a batch's copies; each row with a `digest` by which the store finds it. */
export async function readCopies(sql: Sql, { chain, batch, cancels }: JournalEntry): Promise<Copies> {
  const readTable = async (table: keyof Copies): Promise<Row[]> => {
    const columns: Columns = COPIES[table].columns
    const names = Object.keys(columns).map(name => `\`${name}\``)
    const read: Columns = { ...columns, digest: uint64 }
    const answer = await sql.bytes(
      `SELECT ${names.join(', ')}, cityHash64(tuple(${names.join(', ')})) AS digest FROM ${BASE_DATABASE}.${table}
      WHERE chain = {chain:String} AND batch = {batch:UInt64} AND height IN {heights:Array(UInt64)}
      FORMAT RowBinary`,
      { chain, batch, heights: cancels.map(block => block.height) },
    )
    const reader = new RowReader(answer)
    const rows: Row[] = []
    while (!reader.done) {
      rows.push(Object.fromEntries(Object.entries(read).map(([name, column]) => [name, column.read(reader)])))
    }
    return rows
  }
  const [orphaned_transactions, reorgs, orphaned_blocks] = await Promise.all([
    readTable('orphaned_transactions'),
    readTable('reorgs'),
    readTable('orphaned_blocks'),
  ])
  return { orphaned_transactions, reorgs, orphaned_blocks }
}

/** A condition on copies that no reorg of the journal left. */
export const withoutOwner = `chain = {chain:String} AND (height, batch) NOT IN (
  SELECT cancels.height, batch FROM ${BASE_DATABASE}.journal ARRAY JOIN cancels.height
  WHERE chain = {chain:String} AND reorg = 1)`

/** Copies that no reorg of the journal left. */
async function ownerless(sql: Sql, chain: string): Promise<Difference[]> {
  const found = await Promise.all(
    Object.keys(COPIES).map(table =>
      sql.rows<{ height: string; batch: string; rows: string }>(
        `SELECT height, batch, count() AS rows FROM ${BASE_DATABASE}.${table}
        WHERE ${withoutOwner}
        GROUP BY height, batch ORDER BY height LIMIT ${LIMIT}`,
        { chain },
      ),
    ),
  )
  return Object.keys(COPIES).flatMap((table, at) =>
    found[at]!.map(({ height, batch, rows }) => ({
      height: Number(height),
      table,
      difference: `expected no rows of batch ${batch}, which took no block away there, got ${rows}`,
    })),
  )
}
