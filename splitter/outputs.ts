import { formatHex } from '../schema/bytes.ts'
import type { KnownOutput, Outpoint, OutputLookup } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import type { Sql } from '../schema/ports.ts'
import { hashPrefix } from '../schema/tables.ts'

/** Outpoints in one statement: the store takes 128 KiB for one list of numbers. */
const CHUNK = 5_000

function keyOf(outpoint: Outpoint): string {
  return `${formatHex(outpoint.hash)}:${outpoint.index}`
}

/**
 * Finds outputs among the stored blocks of a chain, which are all proven. Two index look-ups for thousands of outpoints:
 * the search index tells the heights, the outputs' own order the rest.
 */
export function createOutputLookup(sql: Sql, chain: string): OutputLookup {
  return async outpoints => {
    const found = new Map<string, KnownOutput>()
    for (let at = 0; at < outpoints.length; at += CHUNK) {
      await lookUp(sql, chain, outpoints.slice(at, at + CHUNK), found)
    }
    return outpoints.map(outpoint => found.get(keyOf(outpoint)) ?? null)
  }
}

async function lookUp(
  sql: Sql,
  chain: string,
  outpoints: readonly Outpoint[],
  found: Map<string, KnownOutput>,
): Promise<void> {
  const prefixes = [...new Set(outpoints.map(outpoint => hashPrefix(outpoint.hash)))]
  const rows = await sql.rows<{ outpoint: string; amount: string; script: string }>(
    `SELECT concat(lower(hex(transaction_hash)), ':', toString(\`index\`)) AS outpoint, amount, hex(script_pubkey) AS script
    FROM ${BASE_DATABASE}.utxo_outputs FINAL
    WHERE chain = {chain:String}
      AND height IN (
        SELECT height FROM ${BASE_DATABASE}.hashes FINAL
        WHERE kind = 'transaction' AND prefix IN {prefixes:Array(UInt64)} AND chain = {chain:String}
      )
      AND reinterpretAsUInt64(reverse(substring(transaction_hash, 1, 8))) IN {prefixes:Array(UInt64)}
      AND \`index\` IN {indexes:Array(UInt32)}`,
    { chain, prefixes, indexes: [...new Set(outpoints.map(outpoint => outpoint.index))] },
  )
  // A few more than were asked for: other outputs of the same transactions.
  for (const { outpoint, amount, script } of rows)
    found.set(outpoint, { amount: BigInt(amount), script: Buffer.from(script, 'hex') })
}

/**
 * Heights with inputs that are still unresolved although the transaction they spend is stored by now: those blocks are
 * to be written anew.
 */
export async function findResolvable(sql: Sql, chain: string): Promise<number[]> {
  const open = `SELECT prefix, height FROM ${BASE_DATABASE}.hashes FINAL WHERE kind = 'open_input' AND chain = {chain:String}`
  const rows = await sql.rows<{ height: string }>(
    `SELECT DISTINCT height FROM (${open})
    WHERE prefix IN (
      SELECT prefix FROM ${BASE_DATABASE}.hashes FINAL
      WHERE kind = 'transaction' AND prefix IN (SELECT prefix FROM (${open})) AND chain = {chain:String}
    )
    ORDER BY height`,
    { chain },
  )
  return rows.map(row => Number(row.height))
}
