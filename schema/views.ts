import { showInForm } from './columns.ts'
import { BASE_DATABASE, shownExpression } from './ddl.ts'
import { blockTables, type Table } from './tables.ts'

/** A view that outsiders query. Views hold no data: they are replaced whenever their text changes. */
export interface View {
  name: string
  select: string
}

/**
 * Published heights as one sorted list of numbers: (chain number · 2^40 + height) · 2 + 1 opens a published range,
 * the even number after its last height closes it. A height is published when the greatest bound below it is odd.
 * One scalar that every view of a statement shares, so the statement sees one state of the world.
 */
const PUBLISHED = `(
  SELECT tuple(chains, arraySort(arrayFlatten(arrayMap(
    entry -> arrayMap(
      range -> [
        (indexOf(chains, entry.1) * 1099511627776 + range.1) * 2 + 1,
        (indexOf(chains, entry.1) * 1099511627776 + range.2 + 1) * 2
      ],
      entry.2),
    entries))))
  FROM (
    SELECT arraySort(groupUniqArray(toString(chain))) AS chains, groupArray((toString(chain), ranges)) AS entries
    FROM ${BASE_DATABASE}.checkpoints FINAL
  )
)`

const WITH_PUBLISHED = `WITH ${PUBLISHED} AS published`

const IS_PUBLISHED = `bitAnd(roundDown(
  (toUInt64(transform(chain, published.1, arrayEnumerate(published.1), 0)) * 1099511627776 + height) * 2 + 1,
  arrayConcat([toUInt64(0)], arrayMap(bound -> toUInt64(bound), published.2))), 1) = 1`

/** Heights of the batch that each chain is writing: batches are dense, so it is the one after the last committed. */
export const OPEN_HEIGHTS = `SELECT chain, arrayJoin(arrayConcat(blocks.height, cancels.height)) AS height
    FROM ${BASE_DATABASE}.journal
    WHERE (chain, partition, batch) IN
      (SELECT chain, partition, committed + 1 FROM ${BASE_DATABASE}.checkpoints FINAL)`

/** Columns that outsiders see under another name, or not at all. */
const RENAMED: Record<string, string> = { block_hash: 'hash' }

function blockView(name: string, source: string, table: Table, options: { rename?: boolean } = {}): View {
  const columns = Object.entries({ ...table.shared, ...table.columns }).filter(
    ([column]) => column !== 'hash_form',
  )
  const shown = columns.map(([column, definition]) => {
    const alias = options.rename ? (RENAMED[column] ?? column) : column
    return `  ${shownExpression(column, definition)} AS \`${alias}\``
  })
  return {
    name,
    select: `${WITH_PUBLISHED}\nSELECT\n${shown.join(',\n')}\nFROM ${BASE_DATABASE}.${source} FINAL\nWHERE ${IS_PUBLISHED}`,
  }
}

/** Tables that read straight through their base table. `block_assets` is what `assets` is made of. */
const direct = Object.values(blockTables as Record<string, Table>)
  .filter(table => table.name !== 'block_assets')
  .map(table => blockView(table.name, table.name, table, { rename: table.name === 'blocks' }))

const assets: View = {
  name: 'assets',
  select: `${WITH_PUBLISHED}
SELECT seen.chain AS chain, seen.first_height AS height, seen.first_time AS time, seen.asset AS asset, seen.standard AS standard,
  seen.contract AS contract, seen.token_id AS token_id,
  if(seen.asset = 'native', chains.native_symbol, NULL) AS symbol,
  if(seen.asset = 'native', chains.native_name, NULL) AS name,
  if(seen.asset = 'native', chains.native_decimals, NULL) AS decimals
FROM (
  SELECT chain, asset, min(height) AS first_height, min(time) AS first_time, any(standard) AS standard, any(contract) AS contract,
    any(token_id) AS token_id
  FROM ${BASE_DATABASE}.block_assets FINAL
  WHERE ${IS_PUBLISHED}
  GROUP BY chain, asset
) AS seen
LEFT JOIN (SELECT * FROM ${BASE_DATABASE}.chains FINAL) AS chains ON seen.chain = chains.chain`,
}

/**
 * Sums of effects up to the published height. What the open batch has already written is taken off again, so that the
 * sums stand for the same blocks as every other view.
 */
const balances: View = {
  name: 'balances',
  select: `SELECT sums.chain AS chain, tips.height AS height, tips.time AS time, sums.address AS address,
  sums.asset AS asset, sums.amount AS amount, tips.complete AS complete, tips.ranges[1].1 AS since
FROM (
  SELECT chain, address, asset, sum(amount) AS amount
  FROM (
    SELECT chain, address, asset, amount FROM ${BASE_DATABASE}.balance_sums
    UNION ALL
    SELECT chain, address, asset, -amount * row_sign AS amount FROM ${BASE_DATABASE}.effects
    WHERE (chain, height) IN (${OPEN_HEIGHTS})
  )
  GROUP BY chain, address, asset
  HAVING amount != 0
) AS sums
INNER JOIN ${BASE_DATABASE}.tips AS tips ON sums.chain = tips.chain`,
}

/**
 * What each chain has stored, in whole: its published ranges, and whether its balances are complete: one stretch from block
 * 0 on, and no effect that is not known. Else sums are changes since the first stored block.
 */
const tips: View = {
  name: `${BASE_DATABASE}.tips`,
  select: `SELECT stored.chain AS chain, tip AS height, tip_time AS time, stored.merged_ranges AS ranges, partial_effects, incomplete_transactions,
  incomplete_blocks, toUInt8(length(merged_ranges) = 1 AND merged_ranges[1].1 = 0 AND partial_effects = ''
    AND incomplete_transactions = 0 AND incomplete_blocks = 0) AS complete
FROM (
  SELECT chain, max(height) AS tip, argMax(time, height) AS tip_time,
    arrayFold((merged, range) -> if(notEmpty(merged) AND range.1 <= merged[-1].2 + 1,
        arrayConcat(arrayPopBack(merged), [(merged[-1].1, greatest(merged[-1].2, range.2))]),
        arrayConcat(merged, [(range.1, range.2)])),
      arraySort(arrayFlatten(groupArray(ranges))), CAST([], 'Array(Tuple(UInt64, UInt64))')) AS merged_ranges
  FROM ${BASE_DATABASE}.checkpoints FINAL
  WHERE notEmpty(ranges)
  GROUP BY chain
) AS stored
LEFT JOIN (SELECT chain, partial_effects FROM ${BASE_DATABASE}.chains FINAL) AS chains ON stored.chain = chains.chain
LEFT JOIN (
  SELECT chain, sum(incomplete_transactions) AS incomplete_transactions FROM ${BASE_DATABASE}.chain_sums GROUP BY chain
) AS sums ON stored.chain = sums.chain
LEFT JOIN (
  SELECT chain, sum(row_sign) AS incomplete_blocks FROM ${BASE_DATABASE}.blocks WHERE effects_complete = 0 GROUP BY chain
) AS lacking ON stored.chain = lacking.chain`,
}

const chains: View = {
  name: 'chains',
  select: `SELECT chains.chain AS chain, caip2, name, family, ledger, genesis_hash, native_symbol, native_name,
  native_decimals, tips.height AS height, tips.time AS time, tips.ranges AS ranges, tips.complete AS complete,
  multiIf(
    empty(tips.ranges), 'no block is stored yet',
    tips.ranges[1].1 > 0, concat('history begins at height ', toString(tips.ranges[1].1)),
    length(tips.ranges) > 1, concat('blocks are missing: the first gap is at height ', toString(tips.ranges[1].2 + 1)),
    chains.partial_effects != '', chains.partial_effects,
    tips.incomplete_blocks > 0, concat('the effects of ', toString(tips.incomplete_blocks), ' blocks themselves are not all known'),
    tips.incomplete_transactions > 0,
      concat('the effects of ', toString(tips.incomplete_transactions), ' transactions are not all known'),
    '') AS incomplete_because, chains.partial_effects AS partial_effects, chains.finality_safe AS finality_safe, chains.finality_final AS finality_final,
  coalesce(finality.safe, if(tips.height + 1 >= chains.finality_safe, tips.height + 1 - chains.finality_safe, NULL)) AS safe_height,
  coalesce(finality.final, if(tips.height + 1 >= chains.finality_final, tips.height + 1 - chains.finality_final, NULL)) AS final_height
FROM (SELECT * FROM ${BASE_DATABASE}.chains FINAL) AS chains
LEFT JOIN ${BASE_DATABASE}.tips AS tips ON chains.chain = tips.chain
LEFT JOIN (
  SELECT chain, toNullable(safe) AS safe, toNullable(final) AS final FROM ${BASE_DATABASE}.finality FINAL
) AS finality ON chains.chain = finality.chain`,
}

/** How sure each block is to stay: by the nodes' word or by confirmations, as the chain's rule has it. */
const blockFinality: View = {
  name: 'block_finality',
  select: `SELECT blocks.chain AS chain, blocks.height AS height, blocks.time AS time, blocks.hash AS hash,
  multiIf(blocks.height <= chains.final_height, 'final', blocks.height <= chains.safe_height, 'safe', 'pending') AS finality
FROM default.blocks AS blocks
INNER JOIN (SELECT chain, safe_height, final_height FROM default.chains) AS chains ON blocks.chain = chains.chain`,
}

const orphanedBlocks: View = {
  name: 'orphaned_blocks',
  select: `SELECT chain, height, time, ${showInForm('block_hash')} AS hash, ${showInForm('parent_hash')} AS parent_hash,
  transaction_count, size, proofs, orphaned_at, batch FROM ${BASE_DATABASE}.orphaned_blocks`,
}

const orphanedTransactions: View = {
  name: 'orphaned_transactions',
  select: `SELECT chain, height, time, ${showInForm('block_hash')} AS block_hash, index, ${showInForm('hash')} AS hash,
  status, fee, effects_complete, orphaned_at, batch FROM ${BASE_DATABASE}.orphaned_transactions`,
}

const deadLetters: View = {
  name: 'dead_letters',
  select: `SELECT chain, height, time, partition, offset, hash, code, reason, length(payload) AS size, attempts,
  resolved_at, resolution FROM ${BASE_DATABASE}.dead_letters FINAL`,
}

const reorgs: View = {
  name: 'reorgs',
  select: `SELECT chain, height, time, depth, ${showInForm('old_hash')} AS old_hash, ${showInForm('new_hash')} AS new_hash,
  ${showInForm('ancestor_hash')} AS common_ancestor, transactions, batch FROM ${BASE_DATABASE}.reorgs`,
}

const reconciliation: View = {
  name: 'reconciliation',
  select: `SELECT chain, height, to_height, time, delivered, stored, differences FROM ${BASE_DATABASE}.reconciliation FINAL`,
}

const checkpoints: View = {
  name: 'checkpoints',
  select: `SELECT chain, partition, height, time, ranges, committed FROM ${BASE_DATABASE}.checkpoints FINAL`,
}

/** In the order of creation: a view may read the ones before it. */
export const views: readonly View[] = [
  ...direct,
  blockView('address_effects', 'effects_by_address', blockTables.effects),
  assets,
  tips,
  balances,
  chains,
  blockFinality,
  checkpoints,
  { name: 'journal', select: `SELECT * EXCEPT (seal) FROM ${BASE_DATABASE}.journal` },
  deadLetters,
  reconciliation,
  reorgs,
  orphanedBlocks,
  orphanedTransactions,
]

/** Outsiders read with the rights of whoever migrates; they have none on what lies beneath. */
export function createViewSql(view: View): string {
  const name = view.name.includes('.') ? view.name : `default.${view.name}`
  return `CREATE OR REPLACE VIEW ${name} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS\n${view.select}`
}
