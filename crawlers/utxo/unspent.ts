import { formatHex } from '../../schema/bytes.ts'
import type { Outpoint } from '../../schema/chain.ts'
import type { Rpc } from '../rpc.ts'
import { parseNodeJson, readUnspent } from './node-json.ts'

/** Calls of one bulk. */
const BULK = 500

/** Amounts of outputs in the coin set of the node's newest block; null for one that is not in it. */
export async function fetchUnspent(rpc: Rpc, outpoints: readonly Outpoint[]): Promise<(bigint | null)[]> {
  const amounts: (bigint | null)[] = []
  for (let from = 0; from < outpoints.length; from += BULK) {
    const calls = outpoints
      .slice(from, from + BULK)
      .map(({ hash, index }) => ({ method: 'gettxout', params: [formatHex(hash), index, false] }))
    for (const [at, answer] of (await rpc.callMany(calls, { parse: parseNodeJson })).entries()) {
      if (answer instanceof Error) throw answer
      const what = `gettxout ${calls[at]!.params.slice(0, 2).join(' ')}`
      amounts.push(answer === null ? null : readUnspent(answer, what).value)
    }
  }
  return amounts
}
