import type { BlockRef } from '../schema/block.ts'
import { equalBytes, formatHex, parseHex } from '../schema/bytes.ts'
import type { ChainModule, ChainSource, NodeCoins } from '../schema/chain.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { EndpointError, InputError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import { OPEN_HEIGHTS } from '../schema/views.ts'
import type { Difference } from './check-rows.ts'

export interface BalanceReport {
  /** The block after which balances were compared: the stored tip. */
  height: number
  /** Addresses that were compared, of how many that ever had an effect in the native coin. */
  compared: number
  addresses: number
  /** Unspent outputs that the node was asked for; null where it tells balances itself. */
  outputs: number | null
  differences: Difference[]
}

export interface BalanceDeps {
  sql: Sql
  chain: ChainModule
  source: Pick<ChainSource<unknown>, 'coins' | 'head' | 'hashAt'>
}

/** How often the tip may move away under the comparison before it is given up. */
const ATTEMPTS = 10
const DEFAULT_SAMPLE = 1_000

interface Holding {
  address: string
  amount: bigint
}

/**
 * Compares balances of the native coin with what a node says: of every address, or of `sample` of them, others with each
 * block. Balances of 0 are compared too.
 * @throws InputError when the chain is not complete, or its nodes tell nothing; EndpointError while store and node are not
 * at the same block.
 */
export async function checkBalances(
  { sql, chain, source }: BalanceDeps,
  { sample = DEFAULT_SAMPLE }: { sample?: number | undefined } = {},
): Promise<BalanceReport> {
  const { slug } = chain.definition
  const { coins } = source
  if (!coins) throw new InputError(`${slug}: its nodes tell no balances`)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const tip = await readTip(sql, slug)
    await expectSameBlock(slug, source, tip, coins)
    const held = await readSample(sql, slug, tip, sample)
    const report =
      coins.kind === 'balances'
        ? await compareBalances(coins, tip, held.holdings)
        : await compareOutputs(coins, sql, slug, tip, held.holdings)
    const after = await readTip(sql, slug)
    if (after.height !== tip.height || !equalBytes(after.hash, tip.hash)) continue
    await expectSameBlock(slug, source, tip, coins)
    return { height: tip.height, compared: held.holdings.length, addresses: held.addresses, ...report }
  }
  throw new EndpointError(`${slug}: the chain moved on ${ATTEMPTS} times while balances were compared`, {
    hint: '`--sample` makes it quicker; of Bitcoin-like chains nodes know the balances of their newest block only',
  })
}

async function readTip(sql: Sql, chain: string): Promise<BlockRef> {
  const [row] = await sql.rows<{ complete: number; because: string; height: string; digits: string }>(
    `SELECT complete, incomplete_because AS because, height,
      (SELECT hash FROM blocks WHERE chain = {chain:String} ORDER BY height DESC LIMIT 1) AS digits
    FROM chains WHERE chain = {chain:String}`,
    { chain },
  )
  if (!row?.complete) {
    throw new InputError(`${chain}: sums of effects are not balances: ${row?.because ?? 'nothing is stored'}`)
  }
  return { height: Number(row.height), hash: parseHex(row.digits) }
}

async function expectSameBlock(
  chain: string,
  source: BalanceDeps['source'],
  tip: BlockRef,
  { kind }: NodeCoins,
): Promise<void> {
  const head = await source.head()
  if (head < tip.height || (kind === 'outputs' && head !== tip.height)) {
    throw new EndpointError(`${chain}: the store is at block ${tip.height}, the node at ${head}`, {
      hint: 'compare again when both are at the same block',
    })
  }
  const told = await source.hashAt(tip.height)
  if (equalBytes(told, tip.hash)) return
  throw new EndpointError(
    `${chain}: block ${tip.height} is ${formatHex(tip.hash)} in the store, ${formatHex(told)} at the node`,
    { hint: 'compare again when both follow the same branch' },
  )
}

/** The tip's hash draws the sample, so that each block shows others. */
async function readSample(
  sql: Sql,
  chain: string,
  tip: BlockRef,
  sample: number,
): Promise<{ addresses: number; holdings: Holding[] }> {
  const where = "chain = {chain:String} AND asset = 'native' AND address != ''"
  const [counted] = await sql.rows<{ addresses: string }>(
    `SELECT uniq(address) AS addresses FROM ${BASE_DATABASE}.balance_sums WHERE ${where}`,
    { chain },
  )
  const addresses = Number(counted?.addresses)
  // Of very many only a share is put in order.
  const share = Math.max(1, Math.floor(addresses / (4 * sample)))
  const drawn = 'sipHash64(address, {seed:String})'
  const rows = await sql.rows<{ address: string; amount: string }>(
    `SELECT address, sum(part) AS amount FROM (
      SELECT address, amount AS part FROM ${BASE_DATABASE}.balance_sums
      WHERE ${where} AND modulo(${drawn}, {share:UInt64}) = 0
      UNION ALL
      SELECT address, -amount * row_sign AS part FROM ${BASE_DATABASE}.effects
      WHERE ${where} AND modulo(${drawn}, {share:UInt64}) = 0 AND (chain, height) IN (${OPEN_HEIGHTS})
    ) GROUP BY address ORDER BY ${drawn}, address LIMIT {sample:UInt32}`,
    { chain, sample, share, seed: formatHex(tip.hash) },
  )
  return { addresses, holdings: rows.map(({ address, amount }) => ({ address, amount: BigInt(amount) })) }
}

type Compared = Pick<BalanceReport, 'outputs' | 'differences'>

function difference(tip: BlockRef, { address, amount }: Holding, expected: bigint, why = ''): Difference {
  return {
    height: tip.height,
    table: 'balances',
    difference: `${address}: the node says ${expected}, got ${amount}${why}`,
  }
}

const BULK = 500

async function compareBalances(
  coins: Extract<NodeCoins, { kind: 'balances' }>,
  tip: BlockRef,
  holdings: readonly Holding[],
): Promise<Compared> {
  const differences: Difference[] = []
  for (let at = 0; at < holdings.length; at += BULK) {
    const group = holdings.slice(at, at + BULK)
    const told = await coins.balancesAt(
      tip.height,
      group.map(({ address }) => address),
    )
    for (const [place, holding] of group.entries()) {
      if (told[place] !== holding.amount) differences.push(difference(tip, holding, told[place]!))
    }
  }
  return { outputs: null, differences }
}

interface StoredOutput {
  address: string
  hash: string
  index: number
  amount: string
  spendable: number
}

/**
 * Outputs of these addresses that no stored input spends. An outpoint that two blocks made is one output. Those of block 0,
 * those that say themselves that nobody can spend them, and scripts above 10,000 bytes stand in no node's coin set.
 */
async function readUnspent(sql: Sql, chain: string, addresses: readonly string[]): Promise<StoredOutput[]> {
  const ofThese = 'chain = {chain:String} AND address IN {addresses:Array(String)}'
  return sql.rows<StoredOutput & Record<string, unknown>>(
    `SELECT DISTINCT address, transaction_hash AS hash, index, amount,
      toUInt8(script_pubkey NOT LIKE '6a%' AND length(script_pubkey) <= 20000) AS spendable
    FROM utxo_outputs
    WHERE ${ofThese} AND height > 0 AND amount > 0 AND (transaction_hash, index) NOT IN (
      SELECT assumeNotNull(previous_hash), assumeNotNull(previous_index) FROM utxo_inputs WHERE ${ofThese} AND NOT is_coinbase
    )
    ORDER BY hash, index`,
    { chain, addresses },
  )
}

async function compareOutputs(
  coins: Extract<NodeCoins, { kind: 'outputs' }>,
  sql: Sql,
  chain: string,
  tip: BlockRef,
  holdings: readonly Holding[],
): Promise<Compared> {
  const differences: Difference[] = []
  let asked = 0
  for (let at = 0; at < holdings.length; at += BULK) {
    const group = holdings.slice(at, at + BULK)
    const stored = await readUnspent(
      sql,
      chain,
      group.map(({ address }) => address),
    )
    const spendable = stored.filter(output => output.spendable)
    asked += spendable.length
    const told = await coins.unspent(
      spendable.map(({ hash, index }) => ({ hash: parseHex(hash, 32), index: Number(index) })),
    )
    const sums = new Map<string, bigint>()
    const missing = new Map<string, string[]>()
    const add = (address: string, amount: bigint) => sums.set(address, (sums.get(address) ?? 0n) + amount)
    for (const output of stored) if (!output.spendable) add(output.address, BigInt(output.amount))
    for (const [place, { address, hash, index }] of spendable.entries()) {
      const amount = told[place]
      if (amount === null || amount === undefined)
        missing.set(address, [...(missing.get(address) ?? []), `${hash}:${index}`])
      else add(address, amount)
    }
    for (const holding of group) {
      const sum = sums.get(holding.address) ?? 0n
      const lacking = missing.get(holding.address)?.slice(0, 3)
      if (sum === holding.amount && !lacking) continue
      const why = lacking ? `; it does not have ${lacking.join(', ')}` : ''
      differences.push(difference(tip, holding, sum, why))
    }
  }
  return { outputs: asked, differences }
}
