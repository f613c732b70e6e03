import { MalformedAnswerError } from '../../schema/errors.ts'
import { ByteReader } from './byte-reader.ts'
import {
  readTransaction,
  SMALLEST_TRANSACTION,
  strippedSize,
  type Transaction,
  type TransactionFormat,
  transactionWeight,
} from './transaction.ts'

/** Which parts a chain's blocks may have. */
export interface BlockFormat extends TransactionFormat {
  /** Merged-mining proofs between header and transactions. */
  auxPow: boolean
}

const HEADER_SIZE = 80

/** Hashes are in internal order: the reverse of what is printed. */
export interface BlockHeader {
  bytes: Buffer
  version: number
  previousHash: Buffer
  merkleRoot: Buffer
  /** Unix seconds. */
  time: number
  /** Compact target. */
  bits: number
  nonce: number
}

/** Merged mining: the proof that the work of a parent chain's block commits to ours. */
export interface AuxPow {
  coinbase: Transaction
  coinbaseBranch: Buffer[]
  coinbaseIndex: number
  chainBranch: Buffer[]
  chainIndex: number
  parent: BlockHeader
}

/** A block as it was read; every part is a view of its bytes. */
export interface Block {
  header: BlockHeader
  auxPow: AuxPow | null
  transactions: Transaction[]
  /** Bytes of an extension block after the transactions; 0 without one. */
  extensionSize: number
  /** Bytes without witnesses and extension. */
  strippedSize: number
  weight: number
}

/** Version bit that announces an AuxPoW. */
const AUX_POW_BIT = 0x100

/** Which part of a block could not be read. */
export type BlockSection = 'header' | 'auxPow' | 'transactions'

/** @throws MalformedAnswerError when there are fewer than 80 bytes. */
export function readHeader(reader: ByteReader): BlockHeader {
  const bytes = reader.take(HEADER_SIZE)
  return {
    bytes,
    version: bytes.readInt32LE(0),
    previousHash: bytes.subarray(4, 36),
    merkleRoot: bytes.subarray(36, 68),
    time: bytes.readUInt32LE(68),
    bits: bytes.readUInt32LE(72),
    nonce: bytes.readUInt32LE(76),
  }
}

/** A parent chain's coinbase may come with its witness; it is named without. */
const PARENT_FORMAT: TransactionFormat = { segwit: true, mweb: false }

function readAuxPow(reader: ByteReader): AuxPow {
  const coinbase = readTransaction(reader, PARENT_FORMAT)
  // The parent block's hash, which nodes never check: the parent header is there itself.
  reader.skip(32)
  const readHash = () => reader.take(32)
  const coinbaseBranch = reader.list(32, 'hashes of the coinbase branch', readHash)
  const coinbaseIndex = reader.int32()
  const chainBranch = reader.list(32, 'hashes of the chain branch', readHash)
  const chainIndex = reader.int32()
  return { coinbase, coinbaseBranch, coinbaseIndex, chainBranch, chainIndex, parent: readHeader(reader) }
}

/** LIP-2: when the last transaction is a HogEx, a byte says whether an extension block follows to the end. */
function readExtension(reader: ByteReader, transactions: readonly Transaction[]): number {
  if (transactions.length < 2 || !transactions.at(-1)!.isHogEx) return 0
  const present = reader.uint8()
  if (present > 1) throw reader.malformed(`expected 0 or 1 before the extension block, got ${present}`)
  if (present === 0) return 0
  if (reader.remaining === 0) throw reader.malformed('the announced extension block is missing')
  const size = reader.remaining
  reader.skip(size)
  return size
}

function inSection<T>(section: BlockSection, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof MalformedAnswerError)) throw error
    throw new MalformedAnswerError(error.message, { cause: error, details: { section } })
  }
}

/** Whether a header is followed by a merged-mining proof. */
export function announcesAuxPow(header: BlockHeader, format: BlockFormat): boolean {
  return format.auxPow && (header.version & AUX_POW_BIT) !== 0
}

/** Sizes that BIP-141 defines; header, merged-mining proof and transaction count are no witness. */
function measure(
  frameSize: number,
  transactions: readonly Transaction[],
): Pick<Block, 'strippedSize' | 'weight'> {
  let stripped = frameSize
  let weight = frameSize * 4
  for (const transaction of transactions) {
    stripped += strippedSize(transaction)
    weight += transactionWeight(transaction)
  }
  return { strippedSize: stripped, weight }
}

function readTransactions(reader: ByteReader, format: BlockFormat): Omit<Block, 'header' | 'auxPow'> {
  const count = reader.count(SMALLEST_TRANSACTION, 'transactions')
  const frameSize = reader.at
  const transactions: Transaction[] = []
  for (let at = 0; at < count; at++) transactions.push(readTransaction(reader, format))
  const extensionSize = readExtension(reader, transactions)
  reader.end()
  return { transactions, extensionSize, ...measure(frameSize, transactions) }
}

/**
 * Reads a whole block.
 * @throws MalformedAnswerError naming the part in `details.section`.
 */
export function readBlock(bytes: Uint8Array, format: BlockFormat): Block {
  const reader = new ByteReader(bytes, 'block')
  const header = inSection('header', () => readHeader(reader))
  const auxPow = announcesAuxPow(header, format) ? inSection('auxPow', () => readAuxPow(reader)) : null
  return { header, auxPow, ...inSection('transactions', () => readTransactions(reader, format)) }
}

/** @throws MalformedAnswerError as `readBlock` does. */
export type BlockReader = (bytes: Buffer) => Block

/**
 * Reads blocks, and gives the same one again for the same bytes, as long as somebody holds these: proving a block,
 * splitting it and finding what it spends all read it, and its transactions remember their hashes.
 */
export function createBlockReader(format: BlockFormat): BlockReader {
  const known = new WeakMap<Buffer, Block>()
  return bytes => {
    const found = known.get(bytes)
    if (found) return found
    const block = readBlock(bytes, format)
    known.set(bytes, block)
    return block
  }
}

/** The header and its merged-mining proof alone. @throws MalformedAnswerError */
export function readWork(bytes: Uint8Array, format: BlockFormat): Pick<Block, 'header' | 'auxPow'> {
  const reader = new ByteReader(bytes, 'block')
  const header = inSection('header', () => readHeader(reader))
  const auxPow = announcesAuxPow(header, format) ? inSection('auxPow', () => readAuxPow(reader)) : null
  return { header, auxPow }
}
