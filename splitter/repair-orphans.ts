import { equalBytes } from '../schema/bytes.ts'
import type { ChainModule, ChainSource } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { AppError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { checkOrphans, examineReorg, readCopies, reorgBatches, withoutOwner } from './check-orphans.ts'
import { compareRow } from './check-rows.ts'
import { type JournalEntry, readEntry } from './journal.ts'
import { COPIES, type Copies, copiesOf, insertCopies } from './orphans.ts'
import { prepareLinked } from './prepare.ts'

type Row = Record<string, unknown>

/**
 * Puts the copies of blocks that left the chain right, from their own archive, or from nodes that still have them.
 * @returns whether anything was changed.
 */
export async function mendOrphans<Raw>(
  sql: Sql,
  chain: ChainModule<Raw>,
  openSource: () => Promise<ChainSource<Raw> | null>,
): Promise<boolean> {
  const found = await checkOrphans(sql, chain as ChainModule)
  if (found.length === 0) return false
  const { slug } = chain.definition
  for (const table of Object.keys(COPIES)) {
    await sql.command(
      `ALTER TABLE ${BASE_DATABASE}.${table} DELETE WHERE ${withoutOwner} SETTINGS mutations_sync = 2`,
      { chain: slug },
    )
  }
  for (const { partition, batch } of await reorgBatches(sql, slug)) {
    const entry = await readEntry(sql, slug, partition, batch)
    if (!entry) continue
    const examined = await examineReorg(sql, chain as ChainModule, entry)
    if (examined.differences.length === 0) continue
    const expected = examined.expected ?? (await fetchCopies(chain, entry, examined.blocks, openSource))
    if (!expected) continue
    await replaceCopies(sql, entry, expected)
  }
  return (await checkOrphans(sql, chain as ChainModule)).length < found.length
}

/** Orphaned blocks whose archive proves nothing any more, asked for by their hash. Null when one cannot be had. */
async function fetchCopies<Raw>(
  chain: ChainModule<Raw>,
  entry: JournalEntry,
  left: Awaited<ReturnType<typeof examineReorg>>['blocks'],
  openSource: () => Promise<ChainSource<Raw> | null>,
): Promise<Copies | null> {
  const [blocks, archive, transactions]: [Row[], Row[], Row[]] = [[], [], []]
  for (const { height, hash, linked, payload } of left) {
    let raw = payload && chain.decode(payload)
    if (!raw) {
      const source = hash && (await openSource())
      if (!source) return null
      try {
        const fetched = await source.blockByHash(chain.formatHash(hash))
        raw = source.attachPrevious ? await source.attachPrevious(fetched) : fetched
      } catch (error) {
        if (error instanceof AppError) return null
        throw error
      }
    }
    const prepared = prepareLinked(chain, raw, linked)
    if (hash && !equalBytes(prepared.verified.hash, hash)) return null
    const { shared, rows } = prepared
    blocks.push(...(rows.blocks ?? []).map(own => ({ ...shared, ...own })))
    transactions.push(...(rows.transactions ?? []).map(own => ({ ...shared, ...own })))
    archive.push({ height, payload: chain.encode(raw) })
  }
  return copiesOf(chain as ChainModule, entry, { blocks, archive, transactions })
}

/** What is right is there before what is wrong goes: the archive of an orphaned block is nowhere else. */
async function replaceCopies(sql: Sql, entry: JournalEntry, expected: Copies): Promise<void> {
  const stored = await readCopies(sql, entry)
  for (const [name, { columns }] of Object.entries(COPIES)) {
    const table = name as keyof Copies
    const names = Object.keys(columns)
    const isSame = (a: Row, b: Row) => compareRow(names, a, b).length === 0
    const lacking = expected[table].filter(row => !stored[table].some(other => isSame(row, other)))
    const wrong = stored[table].filter(
      (row, at) =>
        !expected[table].some(other => isSame(row, other)) ||
        stored[table].findIndex(other => isSame(row, other)) < at,
    )
    await insertCopies(sql, table, lacking)
    if (wrong.length === 0) continue
    await sql.command(
      `ALTER TABLE ${BASE_DATABASE}.${table} DELETE WHERE chain = {chain:String} AND batch = {batch:UInt64}
      AND toString(cityHash64(tuple(${names.map(column => `\`${column}\``).join(', ')}))) IN {digests:Array(String)}
      SETTINGS mutations_sync = 2`,
      { chain: entry.chain, batch: entry.batch, digests: wrong.map(row => String(row.digest)) },
    )
    // Of rows that stood twice, none is left.
    const again = wrong.flatMap((row): Row[] => {
      const right = expected[table].find(other => isSame(row, other))
      return right ? [right] : []
    })
    await insertCopies(sql, table, again)
  }
}
