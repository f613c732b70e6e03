import { type BlockRows, NATIVE_ASSET, type SplitBlock } from '../../schema/block.ts'
import { formatHex0x } from '../../schema/bytes.ts'
import type { Verified } from '../../schema/chain.ts'
import { type BlockTables, hashPrefix, type RowOf } from '../../schema/tables.ts'
import {
  assetOf,
  type EffectRow,
  type EffectRules,
  effectsOf,
  knowsOwnEffects,
  type PlacedTransfer,
  WEI_PER_GWEI,
} from './effects.ts'
import { headerHash } from './header.ts'
import { type Outcome, outcomesOf } from './outcome.ts'
import type { Authorization, CallFrame, EvmHeader, EvmRaw, EvmReceipt, EvmTransaction } from './raw.ts'
import { type BlockReward, type RewardSchedule, rewardOf } from './rewards.ts'
import { blockSize } from './rlp-block.ts'
import { recoverAuthority } from './sender.ts'
import { encodeTransaction } from './transaction.ts'

type Row<T extends keyof BlockTables> = RowOf<BlockTables[T]>

/** What a chain's definition says about splitting its blocks. */
export interface SplitRules extends EffectRules {
  rewards: RewardSchedule
}

/**
 * Rows of a verified block; `raw_blocks` is added by who stores them.
 * @param encoded consensus encodings of its transactions.
 */
export function splitBlock(
  raw: EvmRaw,
  verified: Verified,
  rules: SplitRules,
  encoded: readonly Buffer[] = raw.transactions.map(encodeTransaction),
): SplitBlock {
  const { header } = raw
  const outcomes = outcomesOf(raw)
  const reward = rewardOf(rules.rewards, header.height, header.difficulty)
  const { effects, transfers } = effectsOf(raw, outcomes, reward, rules)
  const sendersProven = verified.proofs.includes('senders')
  const rows: BlockRows = {
    transactions: raw.transactions.map((tx, index) => transactionRow(tx, index, outcomes[index]!)),
    effects,
    block_assets: assetRows(effects, transfers),
    token_transfers: transfers.map(transferRow),
    evm_blocks: [blockRow(raw, outcomes, reward)],
    evm_transactions: raw.transactions.map((tx, index) =>
      evmTransactionRow(raw, tx, index, outcomes[index]!, sendersProven),
    ),
    evm_logs: (raw.receipts ?? []).flatMap((receipt, index) =>
      logRows(receipt, raw.transactions[index]!, index),
    ),
    evm_traces: (raw.traces ?? []).flatMap((frames, index) =>
      traceRows(frames, raw.transactions[index]!, index),
    ),
    evm_withdrawals: withdrawalRows(raw),
    evm_uncles: (raw.uncles ?? []).map((uncle, index) => uncleRow(uncle, index, reward)),
    hashes: hashRows(raw, verified),
    blocks: [
      {
        parent_hash: header.parentHash,
        transaction_count: raw.transactions.length,
        size: blockSize(raw, encoded),
        proofs: verified.proofs,
        effects_complete: knowsOwnEffects(raw, reward, rules),
      },
    ],
  }
  return { height: header.height, hash: verified.hash, time: header.time, rows }
}

function transactionRow(tx: EvmTransaction, index: number, outcome: Outcome): Row<'transactions'> {
  const { status, fee, complete } = outcome
  return { index, hash: tx.hash, status, fee, effects_complete: complete }
}

/** One row for each asset that effects or transfers touch, by name. */
function assetRows(
  effects: readonly EffectRow[],
  transfers: readonly PlacedTransfer[],
): Row<'block_assets'>[] {
  const rows = new Map<string, Row<'block_assets'>>()
  for (const transfer of transfers) {
    const asset = assetOf(transfer)
    if (rows.has(asset)) continue
    const { standard, token, tokenId } = transfer
    rows.set(asset, { asset, standard, contract: formatHex0x(token), token_id: tokenId })
  }
  for (const { asset } of effects) {
    if (rows.has(asset)) continue
    // A contract that only wrapped or unwrapped the native coin here is an ERC-20 contract all the same.
    const isNative = asset === NATIVE_ASSET
    rows.set(asset, {
      asset,
      standard: isNative ? 'native' : 'erc20',
      contract: isNative ? '' : asset,
      token_id: null,
    })
  }
  return [...rows.values()].sort((a, b) => (a.asset < b.asset ? -1 : 1))
}

function transferRow(transfer: PlacedTransfer): Row<'token_transfers'> {
  return {
    transaction_hash: transfer.transaction.hash,
    transaction_index: transfer.transactionIndex,
    log_index: transfer.logIndex,
    batch_index: transfer.batchIndex,
    standard: transfer.standard,
    token: formatHex0x(transfer.token),
    from_address: formatHex0x(transfer.from),
    to_address: formatHex0x(transfer.to),
    token_id: transfer.tokenId,
    amount: transfer.amount,
  }
}

function headerColumns(header: EvmHeader) {
  return {
    uncles_hash: header.unclesHash,
    miner: header.miner,
    state_root: header.stateRoot,
    transactions_root: header.transactionsRoot,
    receipts_root: header.receiptsRoot,
    logs_bloom: header.logsBloom,
    difficulty: header.difficulty,
    gas_limit: header.gasLimit,
    gas_used: header.gasUsed,
    extra_data: header.extraData,
    mix_hash: header.mixHash,
    nonce: header.nonce,
    base_fee_per_gas: header.baseFeePerGas,
    withdrawals_root: header.withdrawalsRoot,
    blob_gas_used: header.blobGasUsed,
    excess_blob_gas: header.excessBlobGas,
    parent_beacon_block_root: header.parentBeaconBlockRoot,
    requests_hash: header.requestsHash,
  }
}

/** Null as soon as one of the amounts is not known. */
function sum(amounts: readonly (bigint | null)[]): bigint | null {
  let total = 0n
  for (const amount of amounts) {
    if (amount === null) return null
    total += amount
  }
  return total
}

function blockRow(raw: EvmRaw, outcomes: readonly Outcome[], reward: BlockReward | null): Row<'evm_blocks'> {
  const { uncles, receipts } = raw
  const inclusion = reward === null || uncles === null ? null : reward.inclusion * BigInt(uncles.length)
  const earned = sum(outcomes.map(({ gasFee, burntFee }) => (gasFee === null ? null : gasFee - burntFee)))
  const burnt = sum(
    outcomes.map(({ fee, burntFee, blobFee }) => (fee === null ? null : burntFee + (blobFee ?? 0n))),
  )
  return {
    ...headerColumns(raw.header),
    total_difficulty: raw.totalDifficulty,
    uncle_count: raw.uncleHashes.length,
    withdrawal_count: raw.withdrawals?.length ?? 0,
    block_reward: reward?.block ?? null,
    uncle_inclusion_reward: inclusion,
    fee_reward: receipts === null ? null : earned,
    burnt: receipts === null ? null : burnt,
    trace_source: raw.traceSource,
  }
}

function authorizationRow(authorization: Authorization, recovers: boolean) {
  return {
    chain_id: authorization.chainId,
    address: authorization.address,
    nonce: authorization.nonce,
    y_parity: Number(authorization.yParity),
    r: authorization.r,
    s: authorization.s,
    authority: recovers ? recoverAuthority(authorization) : null,
  }
}

/** One literal: rows put together by spreading cost several times as much. */
function evmTransactionRow(
  raw: EvmRaw,
  tx: EvmTransaction,
  index: number,
  outcome: Outcome,
  sendersProven: boolean,
): Row<'evm_transactions'> {
  const receipt = raw.receipts?.[index]
  const frames = raw.traces?.[index]
  return {
    transaction_hash: tx.hash,
    index,
    type: tx.type,
    nonce: tx.nonce,
    from_address: tx.from,
    sender_proven: sendersProven,
    to_address: tx.to,
    value: tx.value,
    gas_limit: tx.gasLimit,
    gas_price: tx.gasPrice,
    max_fee_per_gas: tx.maxFeePerGas,
    max_priority_fee_per_gas: tx.maxPriorityFeePerGas,
    max_fee_per_blob_gas: tx.maxFeePerBlobGas,
    effective_gas_price: outcome.effectiveGasPrice,
    input: tx.input,
    chain_id: tx.chainId,
    access_list: tx.accessList.map(({ address, storageKeys }) => ({ address, storage_keys: storageKeys })),
    blob_versioned_hashes: tx.blobVersionedHashes,
    authorization_list: tx.authorizationList.map(one => authorizationRow(one, sendersProven)),
    v: tx.v,
    r: tx.r,
    s: tx.s,
    status: outcome.status,
    gas_used: outcome.gasUsed,
    cumulative_gas_used: receipt?.cumulativeGasUsed ?? null,
    state_root: receipt?.stateRoot ?? null,
    contract_address: outcome.created,
    blob_gas_used: outcome.blobGasUsed,
    blob_gas_price: outcome.blobGasPrice,
    log_count: receipt?.logs.length ?? null,
    trace_count: frames?.length ?? null,
    error: frames?.[0]?.error ?? null,
  }
}

function logRows(receipt: EvmReceipt, tx: EvmTransaction, transactionIndex: number): Row<'evm_logs'>[] {
  return receipt.logs.map(({ address, topics, data, index }) => ({
    transaction_hash: tx.hash,
    transaction_index: transactionIndex,
    log_index: index,
    address,
    topic0: topics[0] ?? null,
    topic1: topics[1] ?? null,
    topic2: topics[2] ?? null,
    topic3: topics[3] ?? null,
    data,
  }))
}

function traceRows(
  frames: readonly CallFrame[],
  tx: EvmTransaction,
  transactionIndex: number,
): Row<'evm_traces'>[] {
  return frames.map((frame, index) => ({
    transaction_hash: tx.hash,
    transaction_index: transactionIndex,
    index,
    trace_address: frame.traceAddress,
    type: frame.type,
    from_address: frame.from,
    to_address: frame.to,
    value: frame.value,
    gas: frame.gas,
    gas_used: frame.gasUsed,
    input: frame.input,
    output: frame.output,
    error: frame.error,
    reverted: frame.reverted,
  }))
}

function withdrawalRows({ withdrawals }: EvmRaw): Row<'evm_withdrawals'>[] {
  return (withdrawals ?? []).map(({ index, validatorIndex, address, amount }, place) => ({
    index: place,
    withdrawal_index: index,
    validator_index: validatorIndex,
    address,
    amount: amount * WEI_PER_GWEI,
  }))
}

function uncleRow(uncle: EvmHeader, index: number, reward: BlockReward | null): Row<'evm_uncles'> {
  return {
    index,
    hash: headerHash(uncle),
    uncle_height: uncle.height,
    uncle_time: uncle.time,
    parent_hash: uncle.parentHash,
    reward: reward?.uncle(uncle.height) ?? null,
    ...headerColumns(uncle),
  }
}

/** In the order of the index: the block, then transactions by prefix. */
function hashRows(raw: EvmRaw, verified: Verified): Row<'hashes'>[] {
  const transactions = raw.transactions.map(({ hash }, index) => ({
    kind: 'transaction' as const,
    prefix: hashPrefix(hash),
    index,
  }))
  transactions.sort((a, b) => (a.prefix === b.prefix ? a.index - b.index : a.prefix < b.prefix ? -1 : 1))
  return [{ kind: 'block', prefix: hashPrefix(verified.hash), index: 0 }, ...transactions]
}
