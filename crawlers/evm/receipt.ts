import { MalformedAnswerError } from '../../schema/errors.ts'
import type { EvmLog, EvmReceipt } from './raw.ts'
import { decodeRlp, encodeRlp, type RlpItem, type RlpTree, rlpBytes, rlpList, rlpQuantity } from './rlp.ts'

/** The consensus encoding (EIP-2718; EIP-658 put the status in place of the state root), as the trie holds it. */
export function encodeReceipt(receipt: EvmReceipt): Buffer {
  const { type, stateRoot, status, cumulativeGasUsed, logsBloom, logs } = receipt
  const outcome = stateRoot ?? BigInt(status ?? 0)
  const item: RlpItem = [outcome, cumulativeGasUsed, logsBloom, logs.map(logItem)]
  return encodeRlp(item, type === 0 ? undefined : type)
}

function logItem({ address, topics, data }: EvmLog): RlpItem {
  return [address, topics, data]
}

/** A receipt whose logs begin at `firstLogIndex` in the block. @throws MalformedAnswerError */
export function decodeReceipt(bytes: Uint8Array, firstLogIndex: number): EvmReceipt {
  const first = bytes[0] ?? 0
  const type = first >= 0xc0 ? 0 : first
  if (type > 0x7f || (type === 0 && first < 0xc0)) {
    throw new MalformedAnswerError(`receipt: expected a list or a typed envelope, got first byte ${first}`)
  }
  const fields = rlpList(decodeRlp(type === 0 ? bytes : bytes.subarray(1)), 'receipt', 4)
  const outcome = rlpBytes(fields[0], 'status')
  return {
    type,
    status: outcome.length === 32 ? null : decodeStatus(outcome),
    stateRoot: outcome.length === 32 ? outcome : null,
    cumulativeGasUsed: rlpQuantity(fields[1], 'cumulativeGasUsed', 8),
    logsBloom: rlpBytes(fields[2], 'logsBloom', 256),
    logs: rlpList(fields[3], 'logs').map((log, place) => decodeLog(log, firstLogIndex + place)),
    told: null,
  }
}

function decodeStatus(outcome: Buffer): 0 | 1 {
  const status = rlpQuantity(outcome, 'status')
  if (status > 1n) throw new MalformedAnswerError(`receipt: expected status 0 or 1, got ${status}`)
  return status === 1n ? 1 : 0
}

function decodeLog(tree: RlpTree, index: number): EvmLog {
  const [address, topicTree, data] = rlpList(tree, 'log', 3)
  const topics = rlpList(topicTree, 'topics').map(topic => rlpBytes(topic, 'topic', 32))
  if (topics.length > 4)
    throw new MalformedAnswerError(`log: expected at most 4 topics, got ${topics.length}`)
  return { address: rlpBytes(address, 'log address', 20), topics, data: rlpBytes(data, 'log data'), index }
}
