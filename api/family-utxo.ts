import type { UtxoBlock, UtxoTransaction } from '../schema/api.gen.ts'
import { blockTables } from '../schema/tables.ts'
import type { PageArgs } from './connection.ts'
import type { ApiContext } from './context.ts'
import { type BlockDetail, type Family, type TransactionDetail, type Unproven, unlinked } from './family.ts'
import type { Row } from './lists.ts'
import { from, PUBLISHED, shown } from './published.ts'
import type { BlockPlace, BlockRecord } from './queries-block.ts'
import { placeParams } from './queries-transaction.ts'
import { dataScriptText, readableScript } from './readable-text.ts'
import type { Reader } from './reader.ts'
import { formatTime } from './scalars.ts'

type Fields<T, Without extends keyof T = never> = Omit<T, '__typename' | Without>

export type UtxoBlockDetail = BlockDetail & Fields<UtxoBlock>
export type UtxoTransactionDetail = TransactionDetail & Fields<UtxoTransaction, 'inputs' | 'outputs'>

const BLOCK = shown(
  blockTables.utxo_blocks,
  Object.keys(blockTables.utxo_blocks.columns).filter(name => name !== 'median_time'),
)
const TRANSACTION = shown(blockTables.utxo_transactions, Object.keys(blockTables.utxo_transactions.columns))

function blockDetail(row: Row): UtxoBlockDetail {
  const script = row.coinbase_script as string
  return {
    __typename: 'UtxoBlock',
    chain: row.chain,
    height: Number(row.height),
    fees: row.fees as string | null,
    reward: row.subsidy as string | null,
    producer: (row.miner as string) || null,
    version: row.version as number,
    merkleRoot: row.merkle_root as string,
    bits: (row.bits as number).toString(16).padStart(8, '0'),
    nonce: row.nonce as number,
    difficulty: row.difficulty as number,
    work: row.work as string,
    strippedSize: row.stripped_size as number,
    weight: row.weight as number,
    proofHash: row.proof_hash as string | null,
    coinbaseScript: script,
    coinbaseText: readableScript(script),
    subsidy: row.subsidy as string | null,
    inputCount: row.input_count as number,
    outputCount: row.output_count as number,
    medianTime: row.median === null ? null : formatTime(row.median as number),
  }
}

function transactionDetail(row: Row): UtxoTransactionDetail {
  const fee = row.fee as string | null
  const virtualSize = row.virtual_size as number
  const isCoinbase = row.is_coinbase === 1
  return {
    __typename: 'UtxoTransaction',
    chain: row.chain,
    height: Number(row.height),
    index: row.index as number,
    error: null,
    named: null,
    version: row.version as number,
    lockTime: row.lock_time as number,
    size: row.size as number,
    virtualSize,
    weight: row.weight as number,
    witnessHash: row.witness_hash as string,
    isCoinbase,
    inputAmount: row.input_amount as string | null,
    outputAmount: row.output_amount as string,
    feeRate: fee === null || isCoinbase ? null : Number(fee) / virtualSize,
  }
}

interface OpenInputs {
  told: number
  unknown: number
}

/** How many inputs of blocks are only told, and how many are open. */
async function readOpenInputs(read: Reader, blocks: readonly BlockPlace[]): Promise<OpenInputs[]> {
  const open = { told: 0, unknown: 0 }
  if (blocks.length === 0) return []
  const rows = await read.rows<{ chain: string; height: string; told: string; unknown: string }>(
    `SELECT chain, height, countIf(source = 'node') AS told, countIf(source = 'unknown') AS unknown
    FROM ${from(blockTables.utxo_inputs)}
    WHERE chain IN {chains:Array(String)} AND height IN {heights:Array(UInt64)} AND ${PUBLISHED} GROUP BY chain, height`,
    {
      chains: [...new Set(blocks.map(block => block.chain))],
      heights: [...new Set(blocks.map(block => block.height))],
    },
  )
  const found = new Map(
    rows.map(row => [`${row.chain} ${row.height}`, { told: Number(row.told), unknown: Number(row.unknown) }]),
  )
  return blocks.map(block => found.get(`${block.chain} ${block.height}`) ?? open)
}

function unprovenInputs({ told, unknown }: OpenInputs): Unproven[] {
  const reasons = [
    ...(told > 0
      ? [`${told} spent outputs were only told by the node: the transactions that made them were not seen.`]
      : []),
    ...(unknown > 0 ? [`${unknown} spent outputs are not known yet.`] : []),
  ]
  if (reasons.length === 0) reasons.push('Not every spent output could be traced to a proven transaction.')
  return [{ proof: 'inputs', reason: reasons.join(' ') }]
}

function unproven(block: BlockRecord, inputs: OpenInputs | undefined): Unproven[] {
  const lacks = (...proofs: string[]) => proofs.every(proof => !block.proofs.includes(proof))
  const found = unlinked(block)
  if (inputs) found.push(...unprovenInputs(inputs))
  if (lacks('height', 'parent', 'checkpoint')) {
    found.push({
      proof: 'height',
      reason: 'The block does not name its height (BIP-34), and the chain of parents below it is not stored.',
    })
  }
  if (lacks('pow')) {
    found.push({ proof: 'pow', reason: 'Proof of work means nothing on this chain, or was not checked.' })
  }
  return found
}

interface InputNode {
  index: number
}

function inputNode(row: Row): InputNode & Record<string, unknown> {
  return {
    index: row.index as number,
    isCoinbase: row.is_coinbase === 1,
    previousHash: row.previous_hash,
    previousIndex: row.previous_index,
    amount: row.amount,
    address: row.address,
    scriptType: row.script_type,
    source: row.source,
    scriptSig: row.script_sig,
    witness: row.witness,
    sequence: row.sequence,
  }
}

interface OutputNode {
  chain: string
  height: number
  hash: string
  index: number
}

function outputNode(row: Row): OutputNode & Record<string, unknown> {
  const script = row.script_pubkey as string
  return {
    chain: row.chain,
    height: Number(row.height),
    hash: row.transaction_hash as string,
    index: row.index as number,
    amount: row.amount,
    address: row.address,
    scriptType: row.script_type,
    scriptPubkey: script,
    text: dataScriptText(script),
  }
}

export const utxo: Family = {
  async blocks(read, places) {
    const rows = await read.rows<Row>(
      `SELECT chain, height, ${BLOCK}, toUnixTimestamp(median_time) AS median FROM ${from(blockTables.utxo_blocks)}
      WHERE chain IN {chains:Array(String)} AND height IN {heights:Array(UInt64)} AND ${PUBLISHED}`,
      {
        chains: [...new Set(places.map(place => place.chain))],
        heights: [...new Set(places.map(place => place.height))],
      },
    )
    const found = new Map(rows.map(row => [`${row.chain} ${row.height}`, blockDetail(row)]))
    return places.map(place => found.get(`${place.chain} ${place.height}`) ?? null)
  },
  async transactions(read, places) {
    const rows = await read.rows<Row>(
      `SELECT chain, height, ${TRANSACTION} FROM ${from(blockTables.utxo_transactions)}
      WHERE chain IN {chains:Array(String)} AND height IN {heights:Array(UInt64)} AND \`index\` IN {indexes:Array(UInt32)}
        AND ${PUBLISHED}`,
      placeParams(places),
    )
    const found = new Map(
      rows.map(row => [`${row.chain} ${row.height} ${row.index}`, transactionDetail(row)]),
    )
    return places.map(place => found.get(`${place.chain} ${place.height} ${place.index}`) ?? null)
  },
  async unproven(read, blocks) {
    const open = blocks.filter(block => !block.proofs.includes('inputs'))
    const inputs = await readOpenInputs(read, open)
    return blocks.map(block => unproven(block, inputs[open.indexOf(block)]))
  },
  // An address of a utxo chain is the owner of an output: it has effects, or nobody has heard of it.
  chainsNaming: async () => [],
  resolvers: {
    UtxoTransaction: {
      inputs: (parent: UtxoTransactionDetail, args: PageArgs, { load }: ApiContext) =>
        load.list('utxoInputs', transactionPlace(parent), args, inputNode, node => [node.index]),
      outputs: (parent: UtxoTransactionDetail, args: PageArgs, { load }: ApiContext) =>
        load.list('utxoOutputs', transactionPlace(parent), args, outputNode, node => [node.index]),
    },
    UtxoOutput: {
      spentBy: (parent: OutputNode, _: unknown, { load }: ApiContext) => load.spending.load(parent),
    },
  },
}

function transactionPlace({ chain, height, index }: UtxoTransactionDetail) {
  return { chain, height, transaction: index }
}
