import { MalformedAnswerError } from '../../schema/errors.ts'
import { keccak256 } from './hash.ts'
import type { EvmHeader } from './raw.ts'
import { encodeRlp, type RlpItem, type RlpTree, rlpBytes, rlpList, rlpNumber, rlpQuantity } from './rlp.ts'

/** Fields that forks appended, in order; the fields that are there decide the encoding. */
const APPENDED = [
  'baseFeePerGas',
  'withdrawalsRoot',
  'blobGasUsed',
  'excessBlobGas',
  'parentBeaconBlockRoot',
  'requestsHash',
] as const

const FIXED = 15

/** The header as RLP (Yellow Paper, 4.3). @throws MalformedAnswerError when a later field is there without an earlier one. */
export function headerItem(header: EvmHeader): RlpItem[] {
  const item: RlpItem[] = [
    header.parentHash,
    header.unclesHash,
    header.miner,
    header.stateRoot,
    header.transactionsRoot,
    header.receiptsRoot,
    header.logsBloom,
    header.difficulty,
    BigInt(header.height),
    header.gasLimit,
    header.gasUsed,
    BigInt(header.time),
    header.extraData,
    header.mixHash,
    header.nonce,
  ]
  APPENDED.forEach((name, place) => {
    const value = header[name]
    if (value === null) return
    if (item.length !== FIXED + place) {
      const before = APPENDED[item.length - FIXED]
      throw new MalformedAnswerError(`header: expected ${before} beside ${name}, got none`)
    }
    item.push(value)
  })
  return item
}

/** Keccak of the header's RLP: the block hash. */
export function headerHash(header: EvmHeader): Buffer {
  return keccak256(encodeRlp(headerItem(header)))
}

/** Hash of the list of uncle headers, as `sha3Uncles` commits to them. */
export function unclesHash(uncles: readonly EvmHeader[]): Buffer {
  return keccak256(encodeRlp(uncles.map(headerItem)))
}

/** @throws MalformedAnswerError */
export function decodeHeader(tree: RlpTree | undefined): EvmHeader {
  const fields = rlpList(tree, 'header')
  if (fields.length < FIXED || fields.length > FIXED + APPENDED.length) {
    throw new MalformedAnswerError(`header: expected 15 to 21 fields, got ${fields.length}`)
  }
  const hash = (at: number) => rlpBytes(fields[at], `header field ${at}`, 32)
  const uint64 = (at: number) => rlpQuantity(fields[at], `header field ${at}`, 8)
  const appended = <T>(at: number, read: (at: number) => T) => (at < fields.length ? read(at) : null)
  return {
    parentHash: hash(0),
    unclesHash: hash(1),
    miner: rlpBytes(fields[2], 'miner', 20),
    stateRoot: hash(3),
    transactionsRoot: hash(4),
    receiptsRoot: hash(5),
    logsBloom: rlpBytes(fields[6], 'logsBloom', 256),
    difficulty: rlpQuantity(fields[7], 'difficulty'),
    height: rlpNumber(fields[8], 'number'),
    gasLimit: uint64(9),
    gasUsed: uint64(10),
    time: rlpNumber(fields[11], 'timestamp', 4),
    extraData: rlpBytes(fields[12], 'extraData'),
    mixHash: hash(13),
    nonce: rlpBytes(fields[14], 'nonce', 8),
    baseFeePerGas: appended(15, at => rlpQuantity(fields[at], 'baseFeePerGas')),
    withdrawalsRoot: appended(16, hash),
    blobGasUsed: appended(17, uint64),
    excessBlobGas: appended(18, uint64),
    parentBeaconBlockRoot: appended(19, hash),
    requestsHash: appended(20, hash),
  }
}
