import { ByteReader } from './byte-reader.ts'
import { doubleSha256 } from './hashing.ts'

/** Which parts beside the original ones a chain's transactions may have. */
export interface TransactionFormat {
  /** BIP-144 witnesses. */
  segwit: boolean
  /** Litecoin's extension (LIP-2, LIP-3). */
  mweb: boolean
}

/** Hashes are in internal order: the reverse of what is printed. */
export interface TransactionInput {
  readonly previousHash: Buffer
  /** The hash as the key of a map. */
  readonly previousKey: string
  readonly previousIndex: number
  readonly script: Buffer
  readonly sequence: number
  readonly witness: Buffer[]
}

export interface TransactionOutput {
  /** Base units, as 64 bits say them; `verify` refuses what no node would take. */
  readonly amount: bigint
  readonly script: Buffer
}

/** A transaction as it was read; every part is a view of `bytes`. */
export interface Transaction {
  /** As it was serialised, witness and all. */
  bytes: Buffer
  version: number
  inputs: TransactionInput[]
  outputs: TransactionOutput[]
  lockTime: number
  hasWitness: boolean
  /** Litecoin's integrating transaction: the last of a block that has an extension. */
  isHogEx: boolean
  /** Where the inputs begin and the outputs end in `bytes`. */
  bodyStart: number
  bodyEnd: number
  /** Where the witness ends in `bytes`: the end of the body without one. */
  witnessEnd: number
  /** Filled by `transactionHash` and `witnessHash` when they are first asked. */
  hashes: { transaction: Buffer | null; witness: Buffer | null }
}

const WITNESS_FLAG = 1
const MWEB_FLAG = 8
/** Outpoint, an empty script, sequence. */
const SMALLEST_INPUT = 41
/** Amount and an empty script. */
const SMALLEST_OUTPUT = 9
const COINBASE_INDEX = 0xffff_ffff
/** Version, one empty input, no output, lock time: less cannot be a transaction. */
export const SMALLEST_TRANSACTION = 4 + 1 + SMALLEST_INPUT + 1 + 4

/**
 * An input at its place in the bytes; its parts are cut out when they are asked for. A large block has tens of thousands
 * of parts, and proving it needs few of them: views of all would cost more than the hashing.
 */
class InputView implements TransactionInput {
  readonly previousIndex: number
  readonly sequence: number
  private readonly bytes: Buffer
  private readonly start: number
  private readonly scriptStart: number
  private readonly scriptEnd: number
  private witnessStart = 0

  constructor(reader: ByteReader) {
    this.bytes = reader.bytes
    this.start = reader.at
    reader.skip(32)
    this.previousIndex = reader.uint32()
    const size = reader.size()
    this.scriptStart = reader.at
    reader.skip(size)
    this.scriptEnd = reader.at
    this.sequence = reader.uint32()
  }

  get previousHash(): Buffer {
    return this.bytes.subarray(this.start, this.start + 32)
  }

  get previousKey(): string {
    return this.bytes.toString('latin1', this.start, this.start + 32)
  }

  get script(): Buffer {
    return this.bytes.subarray(this.scriptStart, this.scriptEnd)
  }

  /** Passes over this input's witness; returns its number of items. */
  passWitness(reader: ByteReader): number {
    this.witnessStart = reader.at
    const items = reader.count(1, 'witness items')
    for (let at = 0; at < items; at++) reader.skip(reader.size())
    return items
  }

  get witness(): Buffer[] {
    if (this.witnessStart === 0) return []
    const reader = new ByteReader(this.bytes, 'witness', this.witnessStart)
    return reader.list(1, 'witness items', () => reader.sized())
  }
}

/** An output at its place in the bytes. */
class OutputView implements TransactionOutput {
  readonly amount: bigint
  private readonly bytes: Buffer
  private readonly scriptStart: number
  private readonly scriptEnd: number

  constructor(reader: ByteReader) {
    this.bytes = reader.bytes
    this.amount = reader.uint64()
    const size = reader.size()
    this.scriptStart = reader.at
    reader.skip(size)
    this.scriptEnd = reader.at
  }

  get script(): Buffer {
    return this.bytes.subarray(this.scriptStart, this.scriptEnd)
  }
}

/** BIP-144: an input count of zero is a marker, and the next byte says which parts follow. */
function readFlags(reader: ByteReader, format: TransactionFormat): number {
  if (!(format.segwit || format.mweb) || reader.bytes[reader.at] !== 0) return 0
  reader.skip(1)
  const flags = reader.uint8()
  const known = (format.segwit ? WITNESS_FLAG : 0) | (format.mweb ? MWEB_FLAG : 0)
  if (flags === 0 || (flags & ~known) !== 0) throw reader.malformed(`unknown transaction flags ${flags}`)
  return flags
}

function passWitnesses(reader: ByteReader, inputs: readonly InputView[]): void {
  let items = 0
  for (const input of inputs) items += input.passWitness(reader)
  if (items === 0) throw reader.malformed('a witness is announced but every stack is empty')
}

/** A block's transaction has no extension data of its own: a HogEx says so with a zero byte (LIP-2). */
function readNoExtension(reader: ByteReader): void {
  if (reader.uint8() !== 0) throw reader.malformed('extension data inside a transaction is not understood')
}

/** Reads the transaction at the reader's place. @throws MalformedAnswerError */
export function readTransaction(reader: ByteReader, format: TransactionFormat): Transaction {
  const start = reader.at
  const version = reader.int32()
  const flags = readFlags(reader, format)
  const bodyStart = reader.at - start
  const inputs = reader.list(SMALLEST_INPUT, 'inputs', () => new InputView(reader))
  if (inputs.length === 0) throw reader.malformed('a transaction without inputs')
  const outputs = reader.list(SMALLEST_OUTPUT, 'outputs', () => new OutputView(reader))
  const bodyEnd = reader.at - start
  const hasWitness = (flags & WITNESS_FLAG) !== 0
  if (hasWitness) passWitnesses(reader, inputs)
  const witnessEnd = reader.at - start
  const isHogEx = (flags & MWEB_FLAG) !== 0
  if (isHogEx) readNoExtension(reader)
  const lockTime = reader.uint32()
  const bytes = reader.bytes.subarray(start, reader.at)
  return {
    bytes,
    version,
    inputs,
    outputs,
    lockTime,
    hasWitness,
    isHogEx,
    bodyStart,
    bodyEnd,
    witnessEnd,
    hashes: { transaction: null, witness: null },
  }
}

/** A transaction on its own. @throws MalformedAnswerError also when bytes are left over. */
export function parseTransaction(bytes: Uint8Array, format: TransactionFormat, what: string): Transaction {
  const reader = new ByteReader(bytes, what)
  const transaction = readTransaction(reader, format)
  reader.end()
  return transaction
}

/** Whether an input creates coins: it names no previous output. */
export function isCoinbaseInput(input: TransactionInput): boolean {
  return input.previousIndex === COINBASE_INDEX && input.previousHash.every(byte => byte === 0)
}

export function isCoinbase(transaction: Transaction): boolean {
  return transaction.inputs.length === 1 && isCoinbaseInput(transaction.inputs[0]!)
}

/** Bytes without witness and extension. */
export function strippedSize(transaction: Transaction): number {
  return 4 + (transaction.bodyEnd - transaction.bodyStart) + 4
}

/** BIP-141 weight: a byte of witness counts once, any other four times. Litecoin's extension byte does not count. */
export function transactionWeight(transaction: Transaction): number {
  const stripped = strippedSize(transaction)
  const witness = transaction.hasWitness ? 2 + (transaction.witnessEnd - transaction.bodyEnd) : 0
  return stripped * 4 + witness
}

/** The hash that names a transaction: without witness and extension. */
export function transactionHash(transaction: Transaction): Buffer {
  transaction.hashes.transaction ??= hashStripped(transaction)
  return transaction.hashes.transaction
}

function hashStripped(transaction: Transaction): Buffer {
  const { bytes, bodyStart, bodyEnd } = transaction
  if (bodyStart === 4 && bodyEnd + 4 === bytes.length) return doubleSha256(bytes)
  const stripped = Buffer.allocUnsafe(strippedSize(transaction))
  bytes.copy(stripped, 0, 0, 4)
  bytes.copy(stripped, 4, bodyStart, bodyEnd)
  bytes.copy(stripped, stripped.length - 4, bytes.length - 4)
  return doubleSha256(stripped)
}

/** BIP-141 wtxid: the hash with the witness; without one it is the transaction's hash. */
export function witnessHash(transaction: Transaction): Buffer {
  if (!transaction.hasWitness) return transactionHash(transaction)
  transaction.hashes.witness ??= hashWhole(transaction)
  return transaction.hashes.witness
}

function hashWhole(transaction: Transaction): Buffer {
  const { bytes, isHogEx, bodyStart, witnessEnd } = transaction
  if (!isHogEx) return doubleSha256(bytes)
  const marker = Buffer.of(0, WITNESS_FLAG)
  const body = bytes.subarray(bodyStart, witnessEnd)
  return doubleSha256(Buffer.concat([bytes.subarray(0, 4), marker, body, bytes.subarray(-4)]))
}
