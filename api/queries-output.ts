import { blockTables } from '../schema/tables.ts'
import type { Row } from './lists.ts'
import { from, PUBLISHED, shown } from './published.ts'
import type { Reader } from './reader.ts'

/** An output with the height of the block that made it. */
export interface Outpoint {
  chain: string
  height: number
  hash: string
  index: number
}

export interface Spending {
  transactionHash: string
  index: number
  height: number
}

/** The inputs that spend these outputs; null while unspent. One look-up by the transactions that made the outputs. */
export async function readSpendings(
  read: Reader,
  outpoints: readonly Outpoint[],
): Promise<(Spending | null)[]> {
  const rows = await read.rows<Row>(
    `SELECT chain, height, ${shown(blockTables.utxo_inputs, ['transaction_hash', 'index', 'previous_hash', 'previous_index'])}
    FROM ${from(blockTables.utxo_inputs)}
    WHERE chain IN {chains:Array(String)} AND height >= {lowest:UInt64} AND previous_hash IN {hashes:Array(String)}
      AND concat(previous_hash, ':', toString(previous_index)) IN {outpoints:Array(String)} AND ${PUBLISHED}`,
    {
      chains: [...new Set(outpoints.map(one => one.chain))],
      // An output is never spent below the block that made it.
      lowest: Math.min(...outpoints.map(one => one.height)),
      hashes: [...new Set(outpoints.map(one => one.hash))],
      outpoints: outpoints.map(one => `${one.hash}:${one.index}`),
    },
  )
  const found = new Map(
    rows.map(row => [
      `${row.chain} ${row.previous_hash}:${row.previous_index}`,
      {
        transactionHash: row.transaction_hash as string,
        index: row.index as number,
        height: Number(row.height),
      },
    ]),
  )
  return outpoints.map(one => found.get(`${one.chain} ${one.hash}:${one.index}`) ?? null)
}
