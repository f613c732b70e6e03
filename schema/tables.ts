import { equalBytes } from './bytes.ts'
import {
  address20,
  array,
  bytes,
  type Columns,
  count,
  enumeration,
  fixed,
  flag,
  float64,
  hash32,
  indexed,
  int32,
  int256,
  name,
  nullable,
  seconds,
  shownAs,
  sign,
  text,
  tuple,
  uint8,
  uint16,
  uint32,
  uint64,
  uint256,
  type ValueOf,
} from './columns.ts'

/** A base table: what is stored. Outsiders see its view (`views.ts`). */
export interface Table<C extends Columns = Columns> {
  name: string
  /** Columns that every row of a block shares: the writer adds them, a row object does not carry them. */
  shared: Columns
  /** The row's own columns. */
  columns: C
  /** Sorting key; `row_version` is appended by the engine. */
  orderBy: readonly string[]
  /** Rows per mark; small for point look-ups. */
  granularity?: number
  /** Columns that grow with the height: questions about a stretch of them skip the rest of the table. */
  growing?: readonly string[]
}

/** A row object: the table's own columns. */
export type RowOf<T extends Table> = { [K in keyof T['columns']]: ValueOf<T['columns'][K]> }

export const hashForm = enumeration(['hex', '0x', 'text'])

/** The values of a block's shared columns. */
export interface SharedValues {
  chain: string
  height: number
  time: number
  hash_form: 'hex' | '0x' | 'text'
  block_hash: Uint8Array
}

/** What the search index finds, in the order of the index. */
export const hashKinds = ['block', 'transaction', 'open_input'] as const
export type HashKind = (typeof hashKinds)[number]

const hex32 = shownAs('hex', hash32)
const evmHash = shownAs('0x', hash32)
const evmAddress = shownAs('0x', address20)
/** A hash in the chain's own form, of any size. */
const anyHash = shownAs('form', { ...bytes, codec: 'ZSTD(1)' })

const place = { chain: name, height: count, time: seconds }

/** Tables of every chain: hashes are binary of any length and read in the chain's form. */
function commonTable<const C extends Columns>(
  name: string,
  columns: C,
  key: readonly (keyof C & string)[],
): Table<C> {
  return {
    name,
    shared: { ...place, hash_form: hashForm, block_hash: anyHash },
    columns,
    orderBy: ['chain', 'height', ...key],
  }
}

function utxoTable<const C extends Columns>(
  name: string,
  columns: C,
  key: readonly (keyof C & string)[],
): Table<C> {
  return { name, shared: { ...place, block_hash: hex32 }, columns, orderBy: ['chain', 'height', ...key] }
}

function evmTable<const C extends Columns>(
  name: string,
  columns: C,
  key: readonly (keyof C & string)[],
): Table<C> {
  return { name, shared: { ...place, block_hash: evmHash }, columns, orderBy: ['chain', 'height', ...key] }
}

/** EIP-2930: storage that a transaction announces to touch. */
const accessList = array(tuple({ address: evmAddress, storage_keys: array(evmHash) }))
/** EIP-7702: code that accounts take on; `authority` is who signed, null where that was not recovered. */
const authorizationList = array(
  tuple({
    chain_id: uint256,
    address: evmAddress,
    nonce: uint64,
    y_parity: uint8,
    r: uint256,
    s: uint256,
    authority: nullable(evmAddress),
  }),
)

/** Fields of an EVM block header besides those that `blocks` has. */
const evmHeader = {
  uncles_hash: evmHash,
  miner: indexed(evmAddress),
  state_root: evmHash,
  transactions_root: evmHash,
  receipts_root: evmHash,
  logs_bloom: shownAs('0x', fixed(256)),
  difficulty: uint256,
  gas_limit: uint64,
  gas_used: uint64,
  extra_data: shownAs('0x', bytes),
  mix_hash: evmHash,
  nonce: shownAs('0x', fixed(8)),
  base_fee_per_gas: nullable(uint256),
  withdrawals_root: nullable(evmHash),
  blob_gas_used: nullable(uint64),
  excess_blob_gas: nullable(uint64),
  parent_beacon_block_root: nullable(evmHash),
  requests_hash: nullable(evmHash),
}

/**
 * Every base table whose rows belong to a block. A block's rows are written in this order, `raw_blocks` first (the
 * archive is what an interrupted batch is repeated from), `blocks` last (no block without its parts).
 */
export const blockTables = {
  /** The archive: verified bytes as `split` took them. */
  raw_blocks: commonTable(
    'raw_blocks',
    {
      format: name,
      payload: { ...bytes, codec: 'ZSTD(3)' },
      /** XXH3 (128 bits) of the payload: part of it is proven by no root. */
      checksum: shownAs('hex', fixed(16)),
    },
    [],
  ),

  transactions: commonTable(
    'transactions',
    {
      index: uint32,
      hash: indexed(anyHash),
      /** 1 = succeeded, 0 = failed, null = unknown. */
      status: nullable(uint8),
      /** Paid by the sender, base units of the native asset; null = unknown. */
      fee: nullable(uint256),
      /** 0 where traces, receipts or inputs are missing, so that `effects` may lack some of this transaction. */
      effects_complete: flag,
    },
    ['index'],
  ),

  effects: commonTable(
    'effects',
    {
      /** Place in the block, from 0, over all effects of the block. */
      index: uint32,
      /** Empty for effects of the block itself (rewards, withdrawals). */
      transaction_hash: indexed(anyHash),
      /** Null for effects of the block itself. */
      transaction_index: nullable(uint32),
      /** Text in the chain's form; '' is the synthetic counterpart of issuance and burning. */
      address: indexed(text),
      /** `native`, a contract, or `contract/id`. */
      asset: indexed(text),
      amount: int256,
      kind: name,
    },
    ['index'],
  ),

  /** Assets that a block's effects touch; one row for each. */
  block_assets: {
    ...commonTable(
      'block_assets',
      {
        asset: text,
        /** native, erc20, erc721, erc1155, … */
        standard: name,
        /** The asset's contract as text, '' for the native asset. */
        contract: text,
        token_id: nullable(uint256),
      },
      [],
    ),
    orderBy: ['chain', 'asset', 'height'],
  },

  token_transfers: commonTable(
    'token_transfers',
    {
      transaction_hash: indexed(anyHash),
      transaction_index: uint32,
      log_index: uint32,
      /** Place in a batch event, from 0; 0 for other events. */
      batch_index: uint32,
      standard: name,
      token: indexed(text),
      from_address: indexed(text),
      to_address: indexed(text),
      /** Null for fungible tokens. */
      token_id: nullable(uint256),
      amount: uint256,
    },
    ['log_index', 'batch_index'],
  ),

  utxo_blocks: utxoTable(
    'utxo_blocks',
    {
      version: int32,
      merkle_root: hex32,
      /** Compact target as in the header. */
      bits: uint32,
      nonce: uint32,
      /** Target of bits 0x1d00ffff divided by this block's target, on every chain, as nodes print it. */
      difficulty: float64,
      /** Expected number of hashes that this block's target stands for. */
      work: uint256,
      stripped_size: uint32,
      /** BIP-141 weight units. */
      weight: uint32,
      /** The hash that meets the target, where that is not the block hash (scrypt, merged mining). */
      proof_hash: nullable(hex32),
      /** Header hash of the parent chain's block for a merged-mined block. */
      auxpow_parent_hash: nullable(hex32),
      coinbase_script: shownAs('hex', bytes),
      /** Address of the first coinbase output, '' where it has none. */
      miner: indexed(text),
      /** Coinbase outputs minus fees; null while an input is unresolved. */
      subsidy: nullable(uint256),
      /** Sum of the fees; null while an input is unresolved. */
      fees: nullable(uint256),
      input_count: uint32,
      output_count: uint32,
      /** Bytes of an MWEB extension block, 0 without one. */
      extension_size: uint32,
      /** As the node says (median of the 11 blocks before, unix seconds): not proven by the block alone. */
      median_time: nullable(seconds),
      /** As the node says: cumulative work up to this block. */
      chain_work: nullable(uint256),
    },
    [],
  ),

  utxo_transactions: utxoTable(
    'utxo_transactions',
    {
      transaction_hash: indexed(hex32),
      index: uint32,
      /** Hash with witness (BIP-141 wtxid). */
      witness_hash: indexed(hex32),
      version: int32,
      lock_time: uint32,
      size: uint32,
      virtual_size: uint32,
      weight: uint32,
      is_coinbase: flag,
      input_count: uint32,
      output_count: uint32,
      /** Null while an input is unresolved, and for the coinbase. */
      input_amount: nullable(uint256),
      output_amount: uint256,
      fee: nullable(uint256),
    },
    ['index'],
  ),

  utxo_inputs: utxoTable(
    'utxo_inputs',
    {
      transaction_hash: indexed(hex32),
      transaction_index: uint32,
      index: uint32,
      is_coinbase: flag,
      /** Null for a coinbase input. */
      previous_hash: nullable(indexed(hex32)),
      previous_index: nullable(uint32),
      /** Null while unresolved, and for a coinbase input. */
      amount: nullable(uint256),
      address: nullable(indexed(text)),
      script_type: nullable(name),
      /** How the spent output is known: in this block, in a stored block, by its transaction's bytes, or only told. */
      source: enumeration(['coinbase', 'block', 'stored', 'transaction', 'node', 'unknown']),
      script_sig: shownAs('hex', bytes),
      witness: array(shownAs('hex', bytes)),
      sequence: uint32,
    },
    ['transaction_index', 'index'],
  ),

  utxo_outputs: utxoTable(
    'utxo_outputs',
    {
      transaction_hash: indexed(hex32),
      transaction_index: uint32,
      index: uint32,
      amount: uint256,
      /** Text in the chain's form, or `script:<sha256>` for a script without an address. */
      address: indexed(text),
      script_type: name,
      script_pubkey: shownAs('hex', bytes),
      /** Signatures that a bare multisig asks for; 1 for single-key scripts, null otherwise. */
      required_signatures: nullable(uint16),
      is_coinbase: flag,
    },
    ['transaction_index', 'index'],
  ),

  evm_blocks: evmTable(
    'evm_blocks',
    {
      ...evmHeader,
      /** As the node says: not part of the header. */
      total_difficulty: nullable(uint256),
      uncle_count: uint32,
      withdrawal_count: uint32,
      /** Static reward of the miner; null where the chain has none. */
      block_reward: nullable(uint256),
      /** What the miner got for including uncles. */
      uncle_inclusion_reward: nullable(uint256),
      /** Tips and fees that went to the miner; null without receipts. */
      fee_reward: nullable(uint256),
      /** Base fees and blob fees that were destroyed; null without receipts. */
      burnt: nullable(uint256),
      /** Where the call frames come from: `debug_traceBlockByNumber`, `trace_block`, or '' for none. */
      trace_source: name,
    },
    [],
  ),

  evm_transactions: evmTable(
    'evm_transactions',
    {
      transaction_hash: indexed(evmHash),
      index: uint32,
      /** EIP-2718 type, 0 to 4. */
      type: uint8,
      nonce: uint64,
      from_address: indexed(evmAddress),
      /** 1 where the sender was recovered from the signature, 0 where the node said so. */
      sender_proven: flag,
      /** Null for a contract creation. */
      to_address: nullable(indexed(evmAddress)),
      value: uint256,
      gas_limit: uint64,
      /** Null for types that name fee caps instead. */
      gas_price: nullable(uint256),
      max_fee_per_gas: nullable(uint256),
      max_priority_fee_per_gas: nullable(uint256),
      max_fee_per_blob_gas: nullable(uint256),
      /** What was paid for a unit of gas; null without receipts when it depends on them. */
      effective_gas_price: nullable(uint256),
      input: shownAs('0x', bytes),
      chain_id: nullable(uint64),
      access_list: accessList,
      blob_versioned_hashes: array(evmHash),
      authorization_list: authorizationList,
      v: uint256,
      r: uint256,
      s: uint256,
      /** 1 = succeeded, 0 = failed; null without receipts, and before Byzantium without traces. */
      status: nullable(uint8),
      gas_used: nullable(uint64),
      cumulative_gas_used: nullable(uint64),
      /** State root after the transaction (receipts before Byzantium). */
      state_root: nullable(evmHash),
      contract_address: nullable(indexed(evmAddress)),
      blob_gas_used: nullable(uint64),
      blob_gas_price: nullable(uint256),
      log_count: nullable(uint32),
      trace_count: nullable(uint32),
      /** Error of the top call, where traces tell it. */
      error: nullable(text),
    },
    ['index'],
  ),

  evm_logs: evmTable(
    'evm_logs',
    {
      transaction_hash: indexed(evmHash),
      transaction_index: uint32,
      /** Place in the block, from 0. */
      log_index: uint32,
      address: indexed(evmAddress),
      topic0: nullable(indexed(evmHash)),
      topic1: nullable(indexed(evmHash)),
      topic2: nullable(indexed(evmHash)),
      topic3: nullable(indexed(evmHash)),
      data: shownAs('0x', bytes),
    },
    ['log_index'],
  ),

  evm_traces: evmTable(
    'evm_traces',
    {
      transaction_hash: indexed(evmHash),
      transaction_index: uint32,
      /** Place of the frame in its transaction, depth first from 0 (the top call). */
      index: uint32,
      /** Child numbers from the top call down; empty for the top call. */
      trace_address: array(uint32),
      /** CALL, CALLCODE, DELEGATECALL, STATICCALL, CREATE, CREATE2, SELFDESTRUCT. */
      type: name,
      from_address: indexed(evmAddress),
      /** Null for a creation that failed. */
      to_address: nullable(indexed(evmAddress)),
      value: uint256,
      gas: nullable(uint64),
      gas_used: nullable(uint64),
      input: shownAs('0x', bytes),
      output: shownAs('0x', bytes),
      error: nullable(text),
      /** 1 where this frame or one above it failed, so that nothing of it lasted. */
      reverted: flag,
    },
    ['transaction_index', 'index'],
  ),

  evm_withdrawals: evmTable(
    'evm_withdrawals',
    {
      index: uint32,
      /** Number over the whole chain (EIP-4895). */
      withdrawal_index: uint64,
      validator_index: uint64,
      address: indexed(evmAddress),
      /** Wei (the header counts gwei). */
      amount: uint256,
    },
    ['index'],
  ),

  evm_uncles: evmTable(
    'evm_uncles',
    {
      index: uint32,
      hash: indexed(evmHash),
      uncle_height: count,
      uncle_time: seconds,
      parent_hash: evmHash,
      /** What the uncle's miner got; null where the chain's schedule is not known. */
      reward: nullable(uint256),
      ...evmHeader,
    },
    ['index'],
  ),

  /** Search index: the first 8 bytes of a hash as a big-endian number. */
  hashes: {
    name: 'hashes',
    shared: place,
    columns: {
      /** `open_input`: the outpoint's transaction of an input that is still unresolved. */
      kind: enumeration(hashKinds),
      prefix: uint64,
      /** Place of the transaction (or input's transaction) in the block; 0 for a block. */
      index: uint32,
    },
    orderBy: ['kind', 'prefix', 'chain', 'height', 'index'],
    granularity: 1024,
  } satisfies Table,

  blocks: {
    ...commonTable(
      'blocks',
      {
        parent_hash: anyHash,
        transaction_count: uint32,
        /** Bytes of the block as the chain counts them; null where that is not known. */
        size: nullable(uint32),
        /** What was proven: integrity first, then anchor. */
        proofs: array(name),
        /** 0 where `effects` may lack some of the block itself: allocations of block 0, rewards for uncles, withdrawals. */
        effects_complete: flag,
      },
      [],
    ),
    growing: ['time'],
  },
}

export type BlockTables = typeof blockTables
export type TableName = keyof BlockTables

/** Tables in the order in which a block's rows are written. */
export const blockTableNames = Object.keys(blockTables) as TableName[]

/** Columns that close every row of a block table: 1 for a row, -1 for its cancellation, and the batch that added it. */
export const versionColumns: Columns = { row_sign: sign, row_version: uint64 }

/** Every column of a block table in stored order. */
export function allColumns(table: Table): Columns {
  return { ...table.shared, ...table.columns, ...versionColumns }
}

/** The number that the search index holds for a hash: its first 8 bytes, big-endian. */
export function hashPrefix(hash: Uint8Array): bigint {
  let [high, low] = [0, 0]
  for (let at = 0; at < 4; at++) {
    high = high * 256 + (hash[at] ?? 0)
    low = low * 256 + (hash[at + 4] ?? 0)
  }
  return (BigInt(high) << 32n) | BigInt(low)
}

/** Whether two column values are the same, bytes and lists compared by content. */
export function equalValues(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return equalBytes(a, b)
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value, at) => equalValues(value, b[at]))
  }
  if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null) {
    const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
    const keys = Object.keys(left)
    return keys.length === Object.keys(right).length && keys.every(key => equalValues(left[key], right[key]))
  }
  return Object.is(a, b)
}
