import { reverseBytes } from '../../schema/bytes.ts'
import type { KnownOutput, Outpoint } from '../../schema/chain.ts'
import { InputError, ProofError } from '../../schema/errors.ts'
import type { Block } from './block.ts'
import type { SpentOutput, UtxoRaw } from './raw.ts'
import {
  parseTransaction,
  type Transaction,
  type TransactionFormat,
  type TransactionInput,
  type TransactionOutput,
  transactionHash,
} from './transaction.ts'

/** Bytes as a key of a map. */
function key(hash: Buffer): string {
  return hash.toString('latin1')
}

/** Inputs that spend something, in the order of the block: all but the first transaction's. */
function spendingInputs(block: Block): TransactionInput[] {
  return block.transactions.slice(1).flatMap(transaction => transaction.inputs)
}

/** An input's outpoint, with the hash as it is printed. */
export function outpoint(input: TransactionInput): Outpoint {
  return { hash: reverseBytes(input.previousHash), index: input.previousIndex }
}

/** Where each transaction of a block stands. */
export type Places = ReadonlyMap<string, number>

/** Places by transaction hash (internal order). */
export function transactionPlaces(hashes: readonly Buffer[]): Places {
  return new Map(hashes.map((hash, place) => [key(hash), place]))
}

/** Place of the transaction of this block that an input spends from; undefined when it is of another block. */
function placeOf(input: TransactionInput, places: Places): number | undefined {
  return places.get(input.previousKey)
}

/** The outputs that a block's inputs spend from other transactions of the same block; null for all others. */
export function spentInBlock(block: Block): (SpentOutput | null)[] {
  const places = transactionPlaces(block.transactions.map(transactionHash))
  return block.transactions.slice(1).flatMap((transaction, at) =>
    transaction.inputs.map(input => {
      const place = placeOf(input, places)
      // Whether one that stands later may be spent is for the proof. The first was cut off: this one's place is at + 1.
      const previous = place !== undefined && place !== at + 1 ? block.transactions[place] : undefined
      const output = previous?.outputs[input.previousIndex]
      return output ? { amount: output.amount, script: output.script, source: 'block' as const } : null
    }),
  )
}

/** The block with the outputs that are still open replaced, in their order. */
export function fillOpen(raw: UtxoRaw, found: readonly (SpentOutput | null)[]): UtxoRaw {
  let next = 0
  const spent = raw.spent.map(output => output ?? found[next++] ?? null)
  if (next !== found.length) throw new InputError(`expected ${next} open outputs, got ${found.length}`)
  return { ...raw, spent }
}

/** Inputs that are still open, in the order of the block. */
export function openInputs(block: Block, raw: UtxoRaw): TransactionInput[] {
  return spendingInputs(block).filter((_, at) => !raw.spent[at])
}

/** The block with outputs of stored blocks attached. */
export function attachStored(raw: UtxoRaw, found: readonly (KnownOutput | null)[]): UtxoRaw {
  return fillOpen(
    raw,
    found.map(output =>
      output ? { amount: output.amount, script: Buffer.from(output.script), source: 'stored' } : null,
    ),
  )
}

/** An outpoint with its output. */
export interface NamedOutput {
  outpoint: Outpoint
  output: KnownOutput
}

/** Outputs that a block makes. */
export function createdOutputs(block: Block): NamedOutput[] {
  return block.transactions.flatMap(transaction => {
    const hash = reverseBytes(transactionHash(transaction))
    return transaction.outputs.map((output, index) => ({ outpoint: { hash, index }, output }))
  })
}

/** Spent outputs that were attached from stored blocks. */
export function storedOutputs(block: Block, raw: UtxoRaw): NamedOutput[] {
  return spendingInputs(block).flatMap((input, at) => {
    const output = raw.spent[at]
    if (output?.source !== 'stored') return []
    return { outpoint: outpoint(input), output: { amount: output.amount, script: output.script } }
  })
}

function refuse(input: TransactionInput, message: string): ProofError {
  const { hash, index } = outpoint(input)
  return new ProofError('inputs', `${Buffer.from(hash).toString('hex')}:${index} ${message}`)
}

function compare(input: TransactionInput, spent: SpentOutput, output: TransactionOutput | undefined): void {
  if (!output) throw refuse(input, 'is spent, but its transaction has no such output')
  if (output.amount !== spent.amount) {
    throw refuse(input, `holds ${output.amount} base units, the attached output ${spent.amount}`)
  }
  if (!output.script.equals(spent.script)) throw refuse(input, 'has another script than the attached output')
}

/** Checks an input against the block itself; `at` is the place of its transaction. */
function checkInBlock(
  input: TransactionInput,
  spent: SpentOutput | null,
  block: Block,
  at: number,
  places: Places,
  byHash: boolean,
): void {
  const place = placeOf(input, places)
  if (place === undefined) {
    if (spent?.source === 'block') throw refuse(input, 'is said to be of this block and is not')
    return
  }
  if (byHash ? place === at : place >= at) throw refuse(input, 'is spent before it is made')
  if (spent) compare(input, spent, block.transactions[place]!.outputs[input.previousIndex])
}

/** A transaction that was attached, read and hashed once however many of its outputs are spent. */
interface Previous {
  transaction: Transaction
  hash: Buffer
}

function readPrevious(bytes: Buffer, format: TransactionFormat, input: TransactionInput): Previous {
  try {
    const transaction = parseTransaction(bytes, format, 'previous transaction')
    return { transaction, hash: transactionHash(transaction) }
  } catch (cause) {
    throw new ProofError('inputs', `${refuse(input, 'cannot be read').message}: ${String(cause)}`, { cause })
  }
}

/**
 * Proves what is attached to the inputs, as far as it can be proven.
 * @param byHash whether transactions are ordered by their hashes, and not by what they spend.
 * @returns whether every spent output is proven.
 * @throws ProofError `inputs`
 */
export function checkSpent(
  raw: UtxoRaw,
  block: Block,
  places: Places,
  format: TransactionFormat,
  byHash: boolean,
): boolean {
  const read = new Map<Buffer, Previous>()
  const previousOf = (bytes: Buffer, input: TransactionInput) => {
    const known = read.get(bytes) ?? readPrevious(bytes, format, input)
    read.set(bytes, known)
    return known
  }
  let [next, proven] = [0, true]
  for (let at = 1; at < block.transactions.length; at++) {
    for (const input of block.transactions[at]!.inputs) {
      const spent = raw.spent[next++] ?? null
      proven &&= spent !== null && spent.source !== 'node'
      checkInBlock(input, spent, block, at, places, byHash)
      if (spent?.source !== 'transaction') continue
      const { hash, transaction } = previousOf(spent.transaction, input)
      if (!hash.equals(input.previousHash)) throw refuse(input, 'is not of the attached transaction')
      compare(input, spent, transaction.outputs[input.previousIndex])
    }
  }
  if (next !== raw.spent.length) {
    throw new ProofError('inputs', `expected ${next} spent outputs, got ${raw.spent.length}`)
  }
  return proven
}
