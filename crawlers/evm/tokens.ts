import { keccak256 } from './hash.ts'
import type { EvmLog } from './raw.ts'

export type TokenStandard = 'erc20' | 'erc721' | 'erc1155'

/** Tokens that a log says have moved. */
export interface TokenTransfer {
  standard: TokenStandard
  token: Buffer
  from: Buffer
  to: Buffer
  /** Null for fungible tokens. */
  tokenId: bigint | null
  amount: bigint
  logIndex: number
  /** Place in a batch event, 0 for other events. */
  batchIndex: number
}

/** The native coin taken into or out of its wrapping token. */
export interface Wrapping {
  kind: 'mint' | 'burn'
  token: Buffer
  account: Buffer
  amount: bigint
}

function topicOf(signature: string): Buffer {
  return keccak256(Buffer.from(signature, 'ascii'))
}

/** EIP-20 and EIP-721: they differ in what is indexed. */
const TRANSFER = topicOf('Transfer(address,address,uint256)')
/** EIP-1155. */
const TRANSFER_SINGLE = topicOf('TransferSingle(address,address,address,uint256,uint256)')
const TRANSFER_BATCH = topicOf('TransferBatch(address,address,address,uint256[],uint256[])')
const DEPOSIT = topicOf('Deposit(address,uint256)')
const WITHDRAWAL = topicOf('Withdrawal(address,uint256)')

const WORD = 32
const PADDING = Buffer.alloc(12)

/**
 * Token transfers of a log, read by its form alone: three topics and one word of data are a fungible transfer, four topics
 * and no data one of a non-fungible token. Older forms that index less say nothing about which of the two they are, so
 * they are not counted. A log that only looks like a transfer yields none.
 */
export function tokenTransfers(log: EvmLog): TokenTransfer[] {
  const [event, first, second, third] = log.topics
  if (event === undefined) return []
  if (event.equals(TRANSFER)) return single(transferOf(log, first, second, third))
  if (log.topics.length !== 4) return []
  if (event.equals(TRANSFER_SINGLE)) return multiTransfers(log, [readPair(log.data)])
  if (event.equals(TRANSFER_BATCH)) return multiTransfers(log, readPairs(log.data))
  return []
}

function single(transfer: TokenTransfer | null): TokenTransfer[] {
  return transfer === null ? [] : [transfer]
}

function transferOf(
  log: EvmLog,
  fromTopic: Buffer | undefined,
  toTopic: Buffer | undefined,
  id: Buffer | undefined,
): TokenTransfer | null {
  const from = addressOf(fromTopic)
  const to = addressOf(toTopic)
  if (from === null || to === null || log.data.length !== (id === undefined ? WORD : 0)) return null
  const shared = { token: log.address, from, to, logIndex: log.index, batchIndex: 0 }
  return id === undefined
    ? { ...shared, standard: 'erc20', tokenId: null, amount: wordAt(log.data, 0) }
    : { ...shared, standard: 'erc721', tokenId: wordAt(id, 0), amount: 1n }
}

interface Pair {
  id: bigint
  amount: bigint
}

function multiTransfers(log: EvmLog, pairs: readonly (Pair | null)[]): TokenTransfer[] {
  const from = addressOf(log.topics[2])
  const to = addressOf(log.topics[3])
  if (from === null || to === null || addressOf(log.topics[1]) === null) return []
  return pairs.flatMap((pair, batchIndex) => {
    if (pair === null) return []
    const { id: tokenId, amount } = pair
    return [
      { standard: 'erc1155', token: log.address, from, to, tokenId, amount, logIndex: log.index, batchIndex },
    ]
  })
}

function readPair(data: Buffer): Pair | null {
  return data.length === 2 * WORD ? { id: wordAt(data, 0), amount: wordAt(data, WORD) } : null
}

/** Two dynamic arrays of one length; nothing when they do not lie within the data. */
function readPairs(data: Buffer): Pair[] {
  const ids = readArray(data, 0)
  const amounts = readArray(data, WORD)
  if (ids === null || amounts === null || ids.length !== amounts.length) return []
  return ids.map((id, at) => ({ id, amount: amounts[at]! }))
}

/** The array whose offset stands at `at`. The data's own length bounds what a hostile length can ask for. */
function readArray(data: Buffer, at: number): bigint[] | null {
  const offset = smallWordAt(data, at)
  const length = offset === null ? null : smallWordAt(data, offset)
  if (offset === null || length === null || offset + WORD + length * WORD > data.length) return null
  return Array.from({ length }, (_, place) => wordAt(data, offset + WORD * (place + 1)))
}

/** A word as a number; null when it lies outside the data or is too large to be a place in it. */
function smallWordAt(data: Buffer, at: number): number | null {
  if (at + WORD > data.length) return null
  const value = wordAt(data, at)
  return value > BigInt(data.length) ? null : Number(value)
}

function wordAt(data: Buffer, at: number): bigint {
  let value = data.readBigUInt64BE(at)
  for (let limb = 8; limb < WORD; limb += 8) value = (value << 64n) | data.readBigUInt64BE(at + limb)
  return value
}

/** An indexed address; null when the word holds more than an address. */
function addressOf(topic: Buffer | undefined): Buffer | null {
  if (topic === undefined || topic.compare(PADDING, 0, 12, 0, 12) !== 0) return null
  return topic.subarray(12)
}

/** What a wrapping contract's log says about its supply; null for every other log. The caller knows the contract. */
export function wrappingOf(log: EvmLog): Wrapping | null {
  const [event, accountTopic] = log.topics
  if (event === undefined || log.topics.length !== 2 || log.data.length !== WORD) return null
  const account = addressOf(accountTopic)
  if (account === null) return null
  const shared = { token: log.address, account, amount: wordAt(log.data, 0) }
  if (event.equals(DEPOSIT)) return { kind: 'mint', ...shared }
  return event.equals(WITHDRAWAL) ? { kind: 'burn', ...shared } : null
}
