import { formatHex } from '../../schema/bytes.ts'
import { MalformedAnswerError, NotAvailableError, RpcError } from '../../schema/errors.ts'
import type { Rpc } from '../rpc.ts'
import { type NodePrevious, parseNodeJson, readPreviousByHash, readPreviousTransaction } from './node-json.ts'
import type { SpentOutput } from './raw.ts'
import { outpoint } from './spent.ts'
import { parseTransaction, type TransactionFormat, type TransactionInput } from './transaction.ts'

/** Calls of one bulk: enough to hide latency, little enough to hold. */
const BULK = 100

/** How to find an output of a transaction that was fetched; null when it is not told. */
type OutputOf = (index: number) => SpentOutput | null

/** Outputs of earlier blocks by the printed hash of their transaction. */
export type PreviousOutputs = ReadonlyMap<string, OutputOf>

function provenOutputs(txid: string, bytes: Buffer, format: TransactionFormat): OutputOf {
  const { outputs } = parseTransaction(bytes, format, `transaction ${txid}`)
  return index => {
    const output = outputs[index]
    if (!output)
      throw new MalformedAnswerError(`transaction ${txid}: the node's bytes have no output ${index}`)
    return { amount: output.amount, script: output.script, source: 'transaction', transaction: bytes }
  }
}

function toldOutputs({ vout }: NodePrevious): OutputOf {
  return index => {
    const output = vout?.find(({ n }) => n === index)
    return output ? { amount: output.value, script: output.scriptPubKey.hex, source: 'node' } : null
  }
}

function outputsOf(txid: string, previous: NodePrevious, format: TransactionFormat): OutputOf {
  return previous.hex ? provenOutputs(txid, previous.hex, format) : toldOutputs(previous)
}

/** Printed hashes of the transactions that inputs spend from, each once. */
export function previousHashes(inputs: readonly TransactionInput[]): string[] {
  return [...new Set(inputs.map(input => formatHex(outpoint(input).hash)))]
}

/**
 * Outputs from `getrawtransaction`. A node that has none of a whole bulk keeps no index: it is not asked further.
 * @throws EndpointError when the node could not say.
 */
export async function fetchPrevious(
  rpc: Rpc,
  txids: readonly string[],
  format: TransactionFormat,
): Promise<PreviousOutputs> {
  const found = new Map<string, OutputOf>()
  for (let from = 0; from < txids.length; from += BULK) {
    const bulk = txids.slice(from, from + BULK)
    const before = found.size
    const calls = bulk.map(txid => ({ method: 'getrawtransaction', params: [txid, 1] }))
    const answers = await rpc.callMany(calls, { parse: parseNodeJson })
    for (const [at, answer] of answers.entries()) {
      if (answer instanceof NotAvailableError || answer instanceof RpcError) continue
      // Trouble, not an answer: taken for absence it would leave the input unproven for good.
      if (answer instanceof Error) throw answer
      const txid = bulk[at]!
      found.set(txid, outputsOf(txid, readPreviousTransaction(answer, `getrawtransaction ${txid}`), format))
    }
    if (found.size === before) break
  }
  return found
}

/** Outputs that a recording keeps beside a block: `_prevouts/getrawtransaction_of_block_<height>.json`. */
export async function readRecordedPrevious(
  rpc: Rpc,
  height: number,
  format: TransactionFormat,
): Promise<PreviousOutputs> {
  const path = `_prevouts/getrawtransaction_of_block_${height}.json`
  const found = new Map<string, OutputOf>()
  for (const recording of rpc.recordings) {
    try {
      const previous = readPreviousByHash(await recording.file(path, parseNodeJson), path)
      for (const [txid, outputs] of Object.entries(previous))
        found.set(txid, outputsOf(txid, outputs, format))
    } catch (error) {
      if (!(error instanceof NotAvailableError)) throw error
    }
  }
  return found
}

/** What is known of each input's spent output. */
export function pickOutputs(
  inputs: readonly TransactionInput[],
  previous: PreviousOutputs,
): (SpentOutput | null)[] {
  return inputs.map(input => {
    const { hash, index } = outpoint(input)
    return previous.get(formatHex(hash))?.(index) ?? null
  })
}
