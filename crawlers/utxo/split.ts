import {
  type BlockRows,
  type EffectKind,
  NATIVE_ASSET,
  type SplitBlock,
  SYNTHETIC_ADDRESS,
} from '../../schema/block.ts'
import { formatHex, reverseBytes } from '../../schema/bytes.ts'
import type { Verified } from '../../schema/chain.ts'
import { type BlockTables, hashPrefix, type RowOf } from '../../schema/tables.ts'
import { formatAddress } from './address.ts'
import { type Block, type BlockReader, createBlockReader } from './block.ts'
import { doubleSha256 } from './hashing.ts'
import type { SpentOutput, UtxoRaw } from './raw.ts'
import { blockFormat, scriptRules, type UtxoRules } from './rules.ts'
import { readScript, type ScriptForm } from './script.ts'
import { difficulty, expectedWork } from './target.ts'
import {
  type Transaction,
  type TransactionInput,
  transactionHash,
  transactionWeight,
  witnessHash,
} from './transaction.ts'
import { workHash } from './work.ts'

type Row<T extends keyof BlockTables> = RowOf<BlockTables[T]>

/** A script with its address. */
interface Owner extends ScriptForm {
  address: string
}

type OwnerOf = (script: Buffer) => Owner

/** A transaction with all that its rows are made of. */
interface Entry {
  transaction: Transaction
  index: number
  /** Printed order. */
  hash: Buffer
  witnessHash: Buffer
  isCoinbase: boolean
  /** Printed hashes that the inputs spend from; one for each input. */
  previousHashes: readonly Buffer[]
  /** One for each input; empty for the coinbase. */
  spent: readonly (SpentOutput | null)[]
  spenders: readonly (Owner | null)[]
  receivers: readonly Owner[]
  /** Null while an input is open, and for the coinbase. */
  inputAmount: bigint | null
  outputAmount: bigint
  /** Null while an input is open; zero for the coinbase. */
  fee: bigint | null
}

function sum(amounts: Iterable<bigint>): bigint {
  let total = 0n
  for (const amount of amounts) total += amount
  return total
}

function ownersOf(rules: UtxoRules): OwnerOf {
  const known = new Map<string, Owner>()
  return script => {
    const key = script.toString('latin1')
    const found = known.get(key)
    if (found) return found
    const form = readScript(script, scriptRules(rules))
    const owner = { ...form, address: formatAddress(script, form, rules.addresses) }
    known.set(key, owner)
    return owner
  }
}

function createEntry(
  transaction: Transaction,
  index: number,
  spent: readonly (SpentOutput | null)[],
  ownerOf: OwnerOf,
): Entry {
  const hash = transactionHash(transaction)
  const isCoinbase = index === 0
  const outputAmount = sum(transaction.outputs.map(output => output.amount))
  const known = spent.flatMap(output => output ?? [])
  const inputAmount =
    isCoinbase || known.length < spent.length ? null : sum(known.map(output => output.amount))
  const fee = inputAmount === null ? null : inputAmount - outputAmount
  return {
    transaction,
    index,
    hash: reverseBytes(hash),
    witnessHash: reverseBytes(witnessHash(transaction)),
    isCoinbase,
    previousHashes: transaction.inputs.map(input => reverseBytes(input.previousHash)),
    spent,
    spenders: spent.map(output => output && ownerOf(output.script)),
    receivers: transaction.outputs.map(output => ownerOf(output.script)),
    inputAmount,
    outputAmount,
    fee: isCoinbase ? 0n : fee,
  }
}

function createEntries(block: Block, raw: UtxoRaw, rules: UtxoRules): Entry[] {
  const ownerOf = ownersOf(rules)
  let next = 0
  return block.transactions.map((transaction, index) => {
    const from = next
    if (index > 0) next += transaction.inputs.length
    return createEntry(transaction, index, raw.spent.slice(from, next), ownerOf)
  })
}

function transactionRow({ index, hash, fee }: Entry): Row<'transactions'> {
  return { index, hash, status: 1, fee, effects_complete: fee !== null }
}

type AddEffect = (address: string, amount: bigint, kind: EffectKind) => void

/** Coins come from the synthetic account; fees go back to it, and out of it again with the reward. */
function addReward({ transaction, receivers, outputAmount }: Entry, add: AddEffect): void {
  transaction.outputs.forEach(({ amount }, at) => {
    add(receivers[at]!.address, amount, 'reward')
  })
  add(SYNTHETIC_ADDRESS, -outputAmount, 'reward')
}

function addTransfers({ transaction, spent, spenders, receivers, fee }: Entry, add: AddEffect): void {
  spent.forEach((output, at) => {
    if (output) add(spenders[at]!.address, -output.amount, 'transfer')
  })
  transaction.outputs.forEach(({ amount }, at) => {
    add(receivers[at]!.address, amount, 'transfer')
  })
  add(SYNTHETIC_ADDRESS, fee ?? 0n, 'fee')
}

const NO_HASH = Buffer.alloc(0)

/**
 * Whether as much as the coinbase's outputs hold is lost with this block. The outputs of block 0 are of no use: nodes do not
 * take them into their set. A coinbase with the hash of an earlier one has its very outputs: both together are worth one.
 */
function losesReward(coinbase: Entry, height: number, rules: UtxoRules): boolean {
  return (
    height === 0 ||
    rules.overwritingCoinbases.some(one => one.height === height && one.hash === formatHex(coinbase.hash))
  )
}

function addLoss({ transaction, receivers, outputAmount }: Entry, add: AddEffect): void {
  transaction.outputs.forEach(({ amount }, at) => {
    add(receivers[at]!.address, -amount, 'irregular')
  })
  add(SYNTHETIC_ADDRESS, outputAmount, 'irregular')
}

/** Effects of the transactions in order, then those of the block itself. */
function effectRows(entries: readonly Entry[], height: number, rules: UtxoRules): Row<'effects'>[] {
  const rows: Row<'effects'>[] = []
  type Place = Pick<Row<'effects'>, 'transaction_hash' | 'transaction_index'>
  const adding =
    (place: Place): AddEffect =>
    (address, amount, kind) => {
      if (amount === 0n) return
      rows.push({ index: rows.length, ...place, address, asset: NATIVE_ASSET, amount, kind })
    }
  for (const entry of entries) {
    const add = adding({ transaction_hash: entry.hash, transaction_index: entry.index })
    if (entry.isCoinbase) addReward(entry, add)
    else addTransfers(entry, add)
  }
  const coinbase = entries[0]!
  if (losesReward(coinbase, height, rules)) {
    addLoss(coinbase, adding({ transaction_hash: NO_HASH, transaction_index: null }))
  }
  return rows
}

function detailRow(entry: Entry): Row<'utxo_transactions'> {
  const { transaction, index, hash, isCoinbase, inputAmount, outputAmount, fee } = entry
  const weight = transactionWeight(transaction)
  return {
    transaction_hash: hash,
    index,
    witness_hash: entry.witnessHash,
    version: transaction.version,
    lock_time: transaction.lockTime,
    size: transaction.bytes.length,
    virtual_size: Math.ceil(weight / 4),
    weight,
    is_coinbase: isCoinbase,
    input_count: transaction.inputs.length,
    output_count: transaction.outputs.length,
    input_amount: inputAmount,
    output_amount: outputAmount,
    fee,
  }
}

function inputRow(entry: Entry, input: TransactionInput, index: number): Row<'utxo_inputs'> {
  const { isCoinbase } = entry
  const spent = entry.spent[index]
  const owner = entry.spenders[index]
  return {
    transaction_hash: entry.hash,
    transaction_index: entry.index,
    index,
    is_coinbase: isCoinbase,
    previous_hash: isCoinbase ? null : entry.previousHashes[index]!,
    previous_index: isCoinbase ? null : input.previousIndex,
    amount: spent?.amount ?? null,
    address: owner?.address ?? null,
    script_type: owner?.type ?? null,
    source: isCoinbase ? 'coinbase' : (spent?.source ?? 'unknown'),
    script_sig: input.script,
    witness: input.witness,
    sequence: input.sequence,
  }
}

function outputRows(entry: Entry): Row<'utxo_outputs'>[] {
  return entry.transaction.outputs.map(({ amount, script }, index) => {
    const { address, type, requiredSignatures } = entry.receivers[index]!
    return {
      transaction_hash: entry.hash,
      transaction_index: entry.index,
      index,
      amount,
      address,
      script_type: type,
      script_pubkey: script,
      required_signatures: requiredSignatures,
      is_coinbase: entry.isCoinbase,
    }
  })
}

/** Sums of a whole block; null while an input is open. */
function blockSums(entries: readonly Entry[]): Pick<Row<'utxo_blocks'>, 'subsidy' | 'fees'> {
  const known = entries.flatMap(({ fee }) => fee ?? [])
  if (known.length < entries.length) return { subsidy: null, fees: null }
  const fees = sum(known)
  const subsidy = entries[0]!.outputAmount - fees
  // A miner may take less than the fees (Bitcoin 501726 takes nothing): then nothing was issued.
  return { fees, subsidy: subsidy > 0n ? subsidy : 0n }
}

function workColumns({ header, auxPow }: Block, rules: UtxoRules) {
  const hashed = auxPow?.parent ?? header
  const isOwnHash = auxPow === null && rules.proofOfWork !== 'scrypt'
  return {
    difficulty: difficulty(header.bits),
    work: expectedWork(header.bits),
    proof_hash: isOwnHash ? null : reverseBytes(workHash(hashed, rules.proofOfWork)),
    auxpow_parent_hash: auxPow && reverseBytes(doubleSha256(auxPow.parent.bytes)),
  }
}

function blockRow(
  block: Block,
  entries: readonly Entry[],
  raw: UtxoRaw,
  rules: UtxoRules,
): Row<'utxo_blocks'> {
  const { header, transactions } = block
  const miner = entries[0]!.receivers[0]
  return {
    version: header.version,
    merkle_root: reverseBytes(header.merkleRoot),
    bits: header.bits,
    nonce: header.nonce,
    ...workColumns(block, rules),
    stripped_size: block.strippedSize,
    weight: block.weight,
    coinbase_script: transactions[0]!.inputs[0]!.script,
    miner: miner?.program ? miner.address : '',
    ...blockSums(entries),
    input_count: transactions.reduce((count, { inputs }) => count + inputs.length, 0),
    output_count: transactions.reduce((count, { outputs }) => count + outputs.length, 0),
    extension_size: block.extensionSize,
    median_time: raw.medianTime,
    chain_work: raw.chainWork,
  }
}

function byPrefix(a: Row<'hashes'>, b: Row<'hashes'>): number {
  if (a.prefix !== b.prefix) return a.prefix < b.prefix ? -1 : 1
  return a.index - b.index
}

/** One row for each transaction whose outputs an entry spends without knowing them. */
function openInputRows({ index, previousHashes, spent }: Entry): Row<'hashes'>[] {
  const open = previousHashes.filter((_, at) => spent[at] === null)
  return [...new Set(open.map(hashPrefix))].map(prefix => ({ kind: 'open_input', prefix, index }))
}

function hashRows(entries: readonly Entry[], blockHash: Uint8Array): Row<'hashes'>[] {
  const transactions = entries.map(({ hash, index }) => ({
    kind: 'transaction' as const,
    prefix: hashPrefix(hash),
    index,
  }))
  return [
    { kind: 'block', prefix: hashPrefix(blockHash), index: 0 },
    ...transactions.sort(byPrefix),
    ...entries.flatMap(openInputRows).sort(byPrefix),
  ]
}

function rowsOf(block: Block, raw: UtxoRaw, verified: Verified, rules: UtxoRules): BlockRows {
  const entries = createEntries(block, raw, rules)
  const effects = effectRows(entries, verified.height, rules)
  return {
    transactions: entries.map(transactionRow),
    effects,
    block_assets:
      effects.length === 0 ? [] : [{ asset: NATIVE_ASSET, standard: 'native', contract: '', token_id: null }],
    utxo_blocks: [blockRow(block, entries, raw, rules)],
    utxo_transactions: entries.map(detailRow),
    utxo_inputs: entries.flatMap(entry =>
      entry.transaction.inputs.map((input, index) => inputRow(entry, input, index)),
    ),
    utxo_outputs: entries.flatMap(outputRows),
    hashes: hashRows(entries, verified.hash),
    blocks: [
      {
        parent_hash: verified.parentHash,
        transaction_count: verified.transactionCount,
        size: raw.bytes.length,
        proofs: [...verified.proofs],
        effects_complete: true,
      },
    ],
  }
}

/** Rows of a verified block. */
export function splitBlock(
  raw: UtxoRaw,
  verified: Verified,
  rules: UtxoRules,
  read: BlockReader = createBlockReader(blockFormat(rules)),
): SplitBlock {
  const block = read(raw.bytes)
  const { height, hash, time } = verified
  return { height, hash, time, rows: rowsOf(block, raw, verified, rules) }
}
