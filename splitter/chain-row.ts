import type { ChainDefinition } from '../schema/chain.ts'
import { type Columns, milliseconds, name, text, uint8, uint32 } from '../schema/columns.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { insertRows } from '../schema/insert.ts'
import type { Sql } from '../schema/ports.ts'
import { hashForm } from '../schema/tables.ts'

const columns: Columns = {
  chain: name,
  caip2: text,
  name: text,
  family: name,
  ledger: name,
  hash_form: hashForm,
  genesis_hash: text,
  native_symbol: text,
  native_name: text,
  native_decimals: uint8,
  partial_effects: text,
  finality_safe: uint32,
  finality_final: uint32,
  changed_at: milliseconds,
}

/** What the store holds about a chain: of a rule by tags, what stands in for them where no node is asked. */
export function chainValues(definition: ChainDefinition): Record<string, string | number> {
  const { finality } = definition
  const confirmations = finality.kind === 'tags' ? finality.fallback : finality
  return {
    chain: definition.slug,
    caip2: definition.caip2,
    name: definition.name,
    family: definition.family,
    ledger: definition.ledger,
    hash_form: definition.hashForm,
    genesis_hash: definition.genesisHash ?? '',
    native_symbol: definition.native.symbol,
    native_name: definition.native.name,
    native_decimals: definition.native.decimals,
    partial_effects: definition.partialEffects,
    finality_safe: confirmations.safe,
    finality_final: confirmations.final,
  }
}

/** Tells readers of the store about a chain; a changed definition replaces the earlier one. */
export async function registerChain(sql: Sql, definition: ChainDefinition): Promise<void> {
  const values = chainValues(definition)
  const stored = await sql.rows<Record<string, unknown>>(
    `SELECT ${Object.keys(values).join(', ')} FROM ${BASE_DATABASE}.chains FINAL WHERE chain = {chain:String}`,
    { chain: definition.slug },
  )
  if (stored[0] && JSON.stringify(stored[0]) === JSON.stringify(values)) return
  const now = Date.now()
  await insertRows(sql, 'chains', columns, [{ ...values, changed_at: now }], {
    token: null,
  })
}

/** Chains that the store was told about. */
export async function readRegistered(sql: Sql): Promise<string[]> {
  const rows = await sql.rows<{ chain: string }>(
    `SELECT DISTINCT toString(chain) AS chain FROM ${BASE_DATABASE}.chains ORDER BY chain`,
  )
  return rows.map(({ chain }) => chain)
}
