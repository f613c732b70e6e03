import { bytes, type Columns, count, name, seconds, text } from '../schema/columns.ts'
import type { Sql } from '../schema/ports.ts'
import { insertRows } from './insert.ts'

/** An event that was set aside. */
export interface DeadLetter {
  chain: string
  partition: number
  height: number
  /** As the chain prints it; '' where the event could not be read. */
  hash: string
  code: string
  reason: string
  /** The message as it came. */
  payload: Uint8Array
  offset: bigint
}

const columns: Columns = {
  chain: name,
  height: count,
  time: seconds,
  hash: text,
  code: name,
  reason: text,
  payload: bytes,
}

/** Keeps what could not be stored, once however often it is tried. */
export async function setAside(sql: Sql, letter: DeadLetter): Promise<void> {
  const { chain, partition, offset, ...row } = letter
  const time = Math.floor(Date.now() / 1000)
  const token = `dead:${chain}:${partition}:${offset}`
  await insertRows(sql, 'dead_letters', columns, [{ ...row, chain, time }], { token })
}
