import { MalformedAnswerError } from '../../schema/errors.ts'
import {
  type Answer,
  asAddress,
  asBytes,
  asHash,
  asList,
  asNumber,
  asObject,
  asQuantity,
  asUint64,
  isAbsent,
  optional,
} from './fields.ts'
import { headerItem } from './header.ts'
import type {
  AccessEntry,
  Authorization,
  BlobSidecar,
  EvmHeader,
  EvmLog,
  EvmRaw,
  EvmReceipt,
  EvmTransaction,
  EvmWithdrawal,
} from './raw.ts'
import { legacyChainId, unknownType } from './transaction.ts'

/** The part of a raw block that one `eth_getBlockBy…` answer holds. */
export type BlockAnswer = Pick<
  EvmRaw,
  'claimedHash' | 'header' | 'transactions' | 'uncleHashes' | 'withdrawals' | 'totalDifficulty'
>

const MAX_TIME = 0xffff_ffff

/** A block with its transactions as `eth_getBlockByNumber(…, true)` gives it. @throws MalformedAnswerError */
export function readBlock(answer: unknown): BlockAnswer & { claimedHash: Buffer } {
  const block = asObject(answer, 'block')
  const header = readHeader(block, 'block')
  return {
    claimedHash: asHash(block.hash, 'block', 'hash'),
    header,
    transactions: asList(block.transactions, 'block: transactions').map(readTransaction),
    uncleHashes: isAbsent(block.uncles)
      ? []
      : asList(block.uncles, 'block: uncles').map(hash => asHash(hash, 'block', 'uncles')),
    withdrawals: readWithdrawals(block, header),
    totalDifficulty: optional(block.totalDifficulty, 'block', 'totalDifficulty', asQuantity),
  }
}

/** A header, of a block or of an uncle. @throws MalformedAnswerError */
export function readHeader(node: Answer, where: string): EvmHeader {
  const hash = (field: string) => asHash(node[field], where, field)
  const header: EvmHeader = {
    parentHash: hash('parentHash'),
    unclesHash: hash('sha3Uncles'),
    miner: asAddress(node.miner ?? node.author, where, 'miner'),
    stateRoot: hash('stateRoot'),
    transactionsRoot: hash('transactionsRoot'),
    receiptsRoot: hash('receiptsRoot'),
    logsBloom: asBytes(node.logsBloom, where, 'logsBloom', 256),
    difficulty: asQuantity(node.difficulty, where, 'difficulty'),
    height: asNumber(node.number, where, 'number', 2 ** 48 - 1),
    gasLimit: asUint64(node.gasLimit, where, 'gasLimit'),
    gasUsed: asUint64(node.gasUsed, where, 'gasUsed'),
    time: asNumber(node.timestamp, where, 'timestamp', MAX_TIME),
    extraData: asBytes(node.extraData, where, 'extraData'),
    mixHash: hash('mixHash'),
    nonce: asBytes(node.nonce, where, 'nonce', 8),
    baseFeePerGas: optional(node.baseFeePerGas, where, 'baseFeePerGas', asQuantity),
    withdrawalsRoot: optional(node.withdrawalsRoot, where, 'withdrawalsRoot', asHash),
    blobGasUsed: optional(node.blobGasUsed, where, 'blobGasUsed', asUint64),
    excessBlobGas: optional(node.excessBlobGas, where, 'excessBlobGas', asUint64),
    parentBeaconBlockRoot: optional(node.parentBeaconBlockRoot, where, 'parentBeaconBlockRoot', asHash),
    requestsHash: optional(node.requestsHash, where, 'requestsHash', asHash),
  }
  headerItem(header)
  return header
}

function readWithdrawals(block: Answer, header: EvmHeader): EvmWithdrawal[] | null {
  if (isAbsent(block.withdrawals)) return null
  const list = asList(block.withdrawals, 'block: withdrawals')
  if (header.withdrawalsRoot === null && list.length === 0) return null
  return list.map((entry, place) => {
    const where = `withdrawal ${place}`
    const node = asObject(entry, where)
    return {
      index: asUint64(node.index, where, 'index'),
      validatorIndex: asUint64(node.validatorIndex, where, 'validatorIndex'),
      address: asAddress(node.address, where, 'address'),
      amount: asUint64(node.amount, where, 'amount'),
    }
  })
}

function readTransaction(entry: unknown, place: number): EvmTransaction {
  const where = `transaction ${place}`
  const node = asObject(entry, where)
  const type = isAbsent(node.type) ? 0 : asNumber(node.type, where, 'type')
  if (type > 4) throw unknownType(type)
  const v = asQuantity(type === 0 ? node.v : (node.yParity ?? node.v), where, type === 0 ? 'v' : 'yParity')
  return {
    type,
    hash: asHash(node.hash, where, 'hash'),
    from: asAddress(node.from, where, 'from'),
    chainId: type === 0 ? legacyChainId(v) : asQuantity(node.chainId, where, 'chainId'),
    nonce: asUint64(node.nonce, where, 'nonce'),
    gasPrice: type <= 1 ? asQuantity(node.gasPrice, where, 'gasPrice') : null,
    maxPriorityFeePerGas:
      type >= 2 ? asQuantity(node.maxPriorityFeePerGas, where, 'maxPriorityFeePerGas') : null,
    maxFeePerGas: type >= 2 ? asQuantity(node.maxFeePerGas, where, 'maxFeePerGas') : null,
    gasLimit: asUint64(node.gas, where, 'gas'),
    to: optional(node.to, where, 'to', asAddress),
    value: asQuantity(node.value, where, 'value'),
    input: asBytes(node.input ?? node.data, where, 'input'),
    accessList: type === 0 || isAbsent(node.accessList) ? [] : readAccessList(node.accessList, where),
    maxFeePerBlobGas: type === 3 ? asQuantity(node.maxFeePerBlobGas, where, 'maxFeePerBlobGas') : null,
    blobVersionedHashes: type === 3 ? readHashes(node.blobVersionedHashes, where, 'blobVersionedHashes') : [],
    authorizationList: type === 4 ? readAuthorizations(node.authorizationList, where) : [],
    v,
    r: asQuantity(node.r, where, 'r'),
    s: asQuantity(node.s, where, 's'),
    ...(type === 3 && !isAbsent(node.blobs) && { sidecar: readSidecar(node, where) }),
  }
}

function readSidecar(node: Answer, where: string): BlobSidecar {
  const list = (field: 'blobs' | 'commitments' | 'proofs') =>
    asList(node[field], `${where}: ${field}`).map(one => asBytes(one, where, field))
  return { blobs: list('blobs'), commitments: list('commitments'), proofs: list('proofs') }
}

function readHashes(value: unknown, where: string, field: string): Buffer[] {
  return asList(value, `${where}: ${field}`).map(hash => asHash(hash, where, field))
}

function readAccessList(value: unknown, where: string): AccessEntry[] {
  return asList(value, `${where}: accessList`).map(entry => {
    const node = asObject(entry, `${where}: accessList`)
    return {
      address: asAddress(node.address, where, 'accessList address'),
      storageKeys: readHashes(node.storageKeys, where, 'storageKeys'),
    }
  })
}

function readAuthorizations(value: unknown, where: string): Authorization[] {
  return asList(value, `${where}: authorizationList`).map(entry => {
    const node = asObject(entry, `${where}: authorizationList`)
    return {
      chainId: asQuantity(node.chainId, where, 'authorization chainId'),
      address: asAddress(node.address, where, 'authorization address'),
      nonce: asUint64(node.nonce, where, 'authorization nonce'),
      yParity: BigInt(asNumber(node.yParity ?? node.v, where, 'authorization yParity', 255)),
      r: asQuantity(node.r, where, 'authorization r'),
      s: asQuantity(node.s, where, 'authorization s'),
    }
  })
}

/** The receipts of a block in order of its transactions. @throws MalformedAnswerError */
export function readReceipts(answer: unknown, transactions: readonly EvmTransaction[]): EvmReceipt[] {
  return asList(answer, 'receipts').map((entry, place) =>
    readReceipt(asObject(entry, `receipt ${place}`), `receipt ${place}`, transactions[place]?.type ?? 0),
  )
}

function readReceipt(node: Answer, where: string, transactionType: number): EvmReceipt {
  const transactionHash = asHash(node.transactionHash, where, 'transactionHash')
  const stateRoot = isAbsent(node.root) || node.root === '0x' ? null : asHash(node.root, where, 'root')
  return {
    type: isAbsent(node.type) ? transactionType : asNumber(node.type, where, 'type', 0x7f),
    status: stateRoot === null ? readStatus(node.status, where) : null,
    stateRoot,
    cumulativeGasUsed: asUint64(node.cumulativeGasUsed, where, 'cumulativeGasUsed'),
    logsBloom: asBytes(node.logsBloom, where, 'logsBloom', 256),
    logs: asList(node.logs, `${where}: logs`).map((log, at) =>
      readLog(asObject(log, `${where}: log ${at}`), `${where}: log ${at}`, transactionHash),
    ),
    told: {
      transactionHash,
      gasUsed: asUint64(node.gasUsed, where, 'gasUsed'),
      effectiveGasPrice: optional(node.effectiveGasPrice, where, 'effectiveGasPrice', asQuantity),
      blobGasUsed: optional(node.blobGasUsed, where, 'blobGasUsed', asUint64),
      blobGasPrice: optional(node.blobGasPrice, where, 'blobGasPrice', asQuantity),
    },
  }
}

function readStatus(value: unknown, where: string): 0 | 1 {
  return asNumber(value, where, 'status', 1) === 1 ? 1 : 0
}

function readLog(node: Answer, where: string, transactionHash: Buffer): EvmLog {
  const topics = readHashes(node.topics, where, 'topics')
  if (topics.length > 4)
    throw new MalformedAnswerError(`${where}: expected at most 4 topics, got ${topics.length}`)
  if (!isAbsent(node.transactionHash)) {
    const told = asHash(node.transactionHash, where, 'transactionHash')
    if (!told.equals(transactionHash)) {
      throw new MalformedAnswerError(
        `${where}: expected the receipt's transaction ${transactionHash.toString('hex')}, got ${told.toString('hex')}`,
      )
    }
  }
  return {
    address: asAddress(node.address, where, 'address'),
    topics,
    data: asBytes(node.data, where, 'data'),
    index: asNumber(node.logIndex, where, 'logIndex', 0xffff_ffff),
  }
}
