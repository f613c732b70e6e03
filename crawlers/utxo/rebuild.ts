import { parseHex, reverseBytes } from '../../schema/bytes.ts'
import { MalformedAnswerError, NotAvailableError } from '../../schema/errors.ts'
import { announcesAuxPow, type BlockFormat, readHeader } from './block.ts'
import { ByteReader } from './byte-reader.ts'
import { sizeBytes, sizedBytes, uint32Bytes, uint64Bytes } from './byte-writer.ts'
import type { NodeBlock, NodeInput, NodeTransaction } from './node-json.ts'
import type { SpentOutput } from './raw.ts'
import { parseTransaction } from './transaction.ts'

const NO_HASH = Buffer.alloc(32)
const COINBASE_INDEX = 0xffff_ffff

function hashBytes(text: string | undefined): Buffer {
  return text === undefined ? NO_HASH : reverseBytes(parseHex(text, 32))
}

function headerBytes(block: NodeBlock): Buffer {
  return Buffer.concat([
    uint32Bytes(block.version >>> 0),
    hashBytes(block.previousblockhash),
    hashBytes(block.merkleroot),
    uint32Bytes(block.time),
    uint32Bytes(Number.parseInt(block.bits, 16)),
    uint32Bytes(block.nonce),
  ])
}

function inputBytes(input: NodeInput): Buffer {
  const [hash, index, script] =
    'coinbase' in input
      ? [NO_HASH, COINBASE_INDEX, input.coinbase]
      : [hashBytes(input.txid), input.vout, input.scriptSig.hex]
  return Buffer.concat([hash, uint32Bytes(index), sizedBytes(script), uint32Bytes(input.sequence)])
}

function outputBytes({ txid, vout }: NodeTransaction): Buffer[] {
  return vout.map(({ value, n, scriptPubKey }, at) => {
    if (n !== at) throw new MalformedAnswerError(`transaction ${txid}: expected output ${at}, got ${n}`)
    return Buffer.concat([uint64Bytes(value), sizedBytes(scriptPubKey.hex)])
  })
}

function witnessBytes({ txinwitness }: NodeInput): Buffer {
  return Buffer.concat([sizeBytes(txinwitness.length), ...txinwitness.map(sizedBytes)])
}

/** The serialised transaction: as the node gives it, else put together from its parts (BIP-144). */
function transactionBytes(transaction: NodeTransaction): Buffer {
  if (transaction.hex) return transaction.hex
  const { vin } = transaction
  const hasWitness = vin.some(({ txinwitness }) => txinwitness.length > 0)
  return Buffer.concat([
    uint32Bytes(transaction.version >>> 0),
    ...(hasWitness ? [Buffer.of(0, 1)] : []),
    sizeBytes(vin.length),
    ...vin.map(inputBytes),
    sizeBytes(transaction.vout.length),
    ...outputBytes(transaction),
    ...(hasWitness ? vin.map(witnessBytes) : []),
    uint32Bytes(transaction.locktime),
  ])
}

/** JSON tells neither merged-mining proofs nor extension blocks in full. */
function checkRebuildable(
  header: Buffer,
  transactions: readonly Buffer[],
  block: NodeBlock,
  format: BlockFormat,
): void {
  const last = transactions.at(-1)
  if (!last) throw new MalformedAnswerError(`block ${block.hash}: no transactions in the answer`)
  const hasAuxPow = announcesAuxPow(readHeader(new ByteReader(header, 'header')), format)
  const isExtended = format.mweb && parseTransaction(last, format, `block ${block.hash}`).isHogEx
  if (!hasAuxPow && !isExtended) return
  const part = hasAuxPow ? 'merged-mining proof' : 'extension block'
  throw new NotAvailableError(
    `block ${block.hash}: its ${part} is only in the raw block, which no endpoint gives`,
  )
}

/** The block's bytes from its description and, where that only names them, the transactions' bytes. */
export function rebuildBlock(
  block: NodeBlock,
  format: BlockFormat,
  bytesOf: (txid: string) => Buffer,
): Buffer {
  const header = headerBytes(block)
  const transactions = block.tx.map(entry =>
    typeof entry === 'string' ? bytesOf(entry) : transactionBytes(entry),
  )
  checkRebuildable(header, transactions, block, format)
  return Buffer.concat([header, sizeBytes(transactions.length), ...transactions])
}

/** Previous outputs as verbosity 3 tells them, for each input that is not a coinbase's. */
export function toldOutputs(block: NodeBlock): (SpentOutput | null)[] {
  return block.tx.slice(1).flatMap(entry => {
    if (typeof entry === 'string') return []
    return entry.vin.map(input => {
      const previous = 'prevout' in input ? input.prevout : undefined
      return previous
        ? { amount: previous.value, script: previous.scriptPubKey.hex, source: 'node' as const }
        : null
    })
  })
}
