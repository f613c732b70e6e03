import type { Authorization, EvmBlock, EvmTransaction } from '../schema/api.gen.ts'
import { shownExpression } from '../schema/ddl.ts'
import { blockTables } from '../schema/tables.ts'
import type { PageArgs } from './connection.ts'
import type { ApiContext } from './context.ts'
import { type CallDecoder, createCallDecoder } from './decoded-call.ts'
import { type BlockDetail, type Family, type TransactionDetail, type Unproven, unlinked } from './family.ts'
import type { Row } from './lists.ts'
import { from, PUBLISHED, shown } from './published.ts'
import type { BlockRecord } from './queries-block.ts'
import { placeParams } from './queries-transaction.ts'
import { readableParts } from './readable-text.ts'

type Fields<T, Without extends keyof T = never> = Omit<T, '__typename' | Without>

export type EvmBlockDetail = BlockDetail &
  Fields<EvmBlock, 'uncles' | 'withdrawals'> & {
    uncleCount: number
    hasRequests: boolean
  }
export type EvmTransactionDetail = TransactionDetail &
  Fields<EvmTransaction, 'call' | 'logs' | 'traces' | 'burntFee' | 'producerFee'> & { feeKnown: boolean }

const BLOCK = shown(
  blockTables.evm_blocks,
  Object.keys(blockTables.evm_blocks.columns).filter(name => name !== 'logs_bloom'),
)
const TRANSACTION = shown(
  blockTables.evm_transactions,
  Object.keys(blockTables.evm_transactions.columns).filter(name => name !== 'access_list'),
)

type Text = string | null

function plus(a: Text, b: Text): Text {
  return a === null || b === null ? null : (BigInt(a) + BigInt(b)).toString()
}

function heightOf(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value)
}

function blockDetail(row: Row): EvmBlockDetail {
  const extraData = row.extra_data as string
  const [blockReward, uncleInclusionReward] = [row.block_reward as Text, row.uncle_inclusion_reward as Text]
  const [burnt, feeReward] = [row.burnt as Text, row.fee_reward as Text]
  return {
    __typename: 'EvmBlock',
    chain: row.chain,
    height: Number(row.height),
    fees: plus(burnt, feeReward),
    reward: blockReward === null ? null : plus(blockReward, uncleInclusionReward ?? '0'),
    producer: row.miner as string,
    gasUsed: Number(row.gas_used),
    gasLimit: Number(row.gas_limit),
    baseFeePerGas: row.base_fee_per_gas as Text,
    burnt,
    feeReward,
    blockReward,
    uncleInclusionReward,
    difficulty: row.difficulty as string,
    totalDifficulty: row.total_difficulty as Text,
    stateRoot: row.state_root as string,
    transactionsRoot: row.transactions_root as string,
    receiptsRoot: row.receipts_root as string,
    extraData,
    extraText: readableParts(extraData),
    nonce: row.nonce as string,
    mixHash: row.mix_hash as string,
    blobGasUsed: heightOf(row.blob_gas_used),
    excessBlobGas: heightOf(row.excess_blob_gas),
    withdrawalsRoot: row.withdrawals_root as Text,
    parentBeaconBlockRoot: row.parent_beacon_block_root as Text,
    traceSource: (row.trace_source as string) || null,
    uncleCount: row.uncle_count as number,
    hasRequests: row.requests_hash !== null,
  }
}

interface AuthorizationRow {
  chain_id: string
  address: string
  nonce: string
  authority: string | null
}

function transactionDetail(row: Row): EvmTransactionDetail {
  const from = row.from_address as string
  const [to, contractAddress] = [row.to_address as Text, row.contract_address as Text]
  return {
    __typename: 'EvmTransaction',
    chain: row.chain,
    height: Number(row.height),
    index: row.index as number,
    error: row.error as Text,
    named: { sender: from, receiver: to ?? contractAddress },
    feeKnown: row.gas_used !== null,
    type: row.type as number,
    nonce: Number(row.nonce),
    from,
    senderProven: row.sender_proven === 1,
    to,
    contractAddress,
    value: row.value as string,
    gasLimit: Number(row.gas_limit),
    gasUsed: heightOf(row.gas_used),
    gasPrice: row.gas_price as Text,
    maxFeePerGas: row.max_fee_per_gas as Text,
    maxPriorityFeePerGas: row.max_priority_fee_per_gas as Text,
    maxFeePerBlobGas: row.max_fee_per_blob_gas as Text,
    effectiveGasPrice: row.effective_gas_price as Text,
    blobGasUsed: heightOf(row.blob_gas_used),
    blobVersionedHashes: row.blob_versioned_hashes as string[],
    authorizations: (row.authorization_list as AuthorizationRow[]).map(
      (one): Authorization => ({
        chainId: one.chain_id,
        address: one.address,
        nonce: Number(one.nonce),
        authority: one.authority,
      }),
    ),
    input: row.input as string,
  }
}

/** Proofs that need something which may not have been recorded. */
function unproven(block: BlockRecord, detail: BlockDetail | null): Unproven[] {
  if (detail === null) return []
  const { uncleCount, difficulty, withdrawalsRoot, traceSource, hasRequests } = detail as EvmBlockDetail
  const lacks = (proof: string) => !block.proofs.includes(proof)
  const found = unlinked(block)
  const add = (proof: string, reason: string) => found.push({ proof, reason })
  if (lacks('receiptsRoot')) {
    const reason = 'No receipts were recorded for this block: status, gas used and logs are not known.'
    add('receiptsRoot', reason)
    add('logsBloom', 'Without receipts there are no logs to compare with the header.')
  }
  if (lacks('withdrawalsRoot') && withdrawalsRoot !== null) {
    add('withdrawalsRoot', 'The header commits to withdrawals, which were not recorded.')
  }
  if (lacks('uncles')) {
    const some = uncleCount > 0 ? `the ${uncleCount} uncles` : 'uncles'
    add('uncles', `The headers of ${some} were not recorded, so the hash over them was not compared.`)
  }
  if (lacks('senders') && block.transactionCount > 0) {
    add('senders', 'Senders were told by the node: they were not recovered from the signatures.')
  }
  if (hasRequests && lacks('requestsHash')) {
    add('requestsHash', 'The execution requests that the header commits to (EIP-7685) are not recorded.')
  }
  if (traceSource !== null && block.transactionCount > 0) {
    add('traces', `Call frames were told by the node (${traceSource}): no root of the block commits to them.`)
  }
  if (lacks('checkpoint')) {
    if (BigInt(difficulty) > 1n) add('pow', 'The work in this header (Ethash) was not checked.')
    else add('consensus', 'Who sealed this block was not checked: signatures of validators are not verified.')
  }
  return found
}

interface LogNode {
  logIndex: number
  address: string
  topics: string[]
  data: string
}

function logNode(row: Row): LogNode {
  return {
    logIndex: row.log_index as number,
    address: row.address as string,
    topics: [row.topic0, row.topic1, row.topic2, row.topic3].filter(topic => typeof topic === 'string'),
    data: row.data as string,
  }
}

function traceNode(row: Row) {
  return {
    index: row.index as number,
    traceAddress: row.trace_address as number[],
    type: row.type as string,
    from: row.from_address as string,
    to: row.to_address as Text,
    value: row.value as string,
    gas: heightOf(row.gas),
    gasUsed: heightOf(row.gas_used),
    input: row.input as string,
    output: row.output as string,
    error: row.error as Text,
    reverted: row.reverted === 1,
  }
}

function withdrawalNode(row: Row) {
  return {
    place: row.index as number,
    index: Number(row.withdrawal_index),
    validatorIndex: Number(row.validator_index),
    address: row.address as string,
    amount: row.amount as string,
  }
}

function uncleNode(row: Row) {
  return {
    place: row.index as number,
    height: Number(row.uncle_height),
    hash: row.hash as string,
    parentHash: row.parent_hash as string,
    // ClickHouse prints UTC without saying so.
    time: `${(row.uncle_time as string).replace(' ', 'T')}Z`,
    producer: row.miner as string,
    reward: row.reward as Text,
    gasUsed: Number(row.gas_used),
    difficulty: row.difficulty as string,
  }
}

/** More uncles than a block may have (2). */
const ALL_UNCLES = { first: 100 }

function resolversWith(decoder: CallDecoder) {
  return {
    EvmBlock: {
      uncles: async (parent: EvmBlockDetail, _: unknown, { load }: ApiContext) => {
        if (parent.uncleCount === 0) return []
        const place = { chain: parent.chain, height: parent.height, transaction: null }
        return (await load.list('evmUncles', place, ALL_UNCLES, uncleNode, node => [node.place])).nodes
      },
      withdrawals: (parent: EvmBlockDetail, args: PageArgs, { load }: ApiContext) =>
        load.list(
          'evmWithdrawals',
          { chain: parent.chain, height: parent.height, transaction: null },
          args,
          withdrawalNode,
          node => [node.place],
        ),
    },
    EvmTransaction: {
      call: (parent: EvmTransactionDetail) => decoder.call(parent.input),
      burntFee: async (parent: EvmTransactionDetail, _: unknown, { load }: ApiContext) =>
        parent.feeKnown ? ((await load.parties.load(parent))?.burnt ?? '0') : null,
      producerFee: async (parent: EvmTransactionDetail, _: unknown, { load }: ApiContext) =>
        parent.feeKnown ? ((await load.parties.load(parent))?.produced ?? '0') : null,
      logs: (parent: EvmTransactionDetail, args: PageArgs, { load }: ApiContext) =>
        load.list('evmLogs', transactionPlace(parent), args, logNode, node => [node.logIndex]),
      traces: (parent: EvmTransactionDetail, args: PageArgs, { load }: ApiContext) =>
        load.list('evmTraces', transactionPlace(parent), args, traceNode, node => [node.index]),
    },
    Log: { event: (parent: LogNode) => decoder.event(parent.topics, parent.data) },
  }
}

function transactionPlace({ chain, height, index }: EvmTransactionDetail) {
  return { chain, height, transaction: index }
}

/** Where a transaction names an address, as the indexes have it. */
const NAMED_IN = (['from_address', 'to_address', 'contract_address'] as const).map(column =>
  shownExpression(column, blockTables.evm_transactions.columns[column]),
)
const ADDRESS = /^0x[0-9a-f]{40}$/

export function createEvmFamily(): Family {
  return {
    async blocks(read, places) {
      const rows = await read.rows<Row>(
        `SELECT chain, height, ${BLOCK} FROM ${from(blockTables.evm_blocks)}
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
        `SELECT chain, height, ${TRANSACTION} FROM ${from(blockTables.evm_transactions)}
        WHERE chain IN {chains:Array(String)} AND height IN {heights:Array(UInt64)} AND \`index\` IN {indexes:Array(UInt32)}
          AND ${PUBLISHED}`,
        placeParams(places),
      )
      const found = new Map(
        rows.map(row => [`${row.chain} ${row.height} ${row.index}`, transactionDetail(row)]),
      )
      return places.map(place => found.get(`${place.chain} ${place.height} ${place.index}`) ?? null)
    },
    async unproven(_read, blocks, detailsOf) {
      const details = await detailsOf(blocks)
      return blocks.map((block, at) => unproven(block, details[at] ?? null))
    },
    async chainsNaming(read, chains, address) {
      if (!ADDRESS.test(address) || chains.length === 0) return []
      const found = await read.rows<{ slug: string }>(
        NAMED_IN.map(
          named => `SELECT DISTINCT toString(chain) AS slug FROM ${from(blockTables.evm_transactions)}
          WHERE chain IN {chains:Array(String)} AND ${named} = {address:String} AND ${PUBLISHED}`,
        ).join('\nUNION DISTINCT\n'),
        { chains, address },
      )
      return found.map(row => row.slug)
    },
    resolvers: resolversWith(createCallDecoder()),
  }
}
