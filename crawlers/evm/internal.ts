import { formatHex0x } from '../../schema/bytes.ts'
import { destroy, type Entry, transfer } from './entries.ts'
import type { Outcome } from './outcome.ts'
import type { CallFrame, EvmHeader, EvmRaw } from './raw.ts'

/** Calls that carry value. DELEGATECALL, STATICCALL and CALLCODE carry none to another account. */
const CARRYING = new Set<string>(['CALL', 'CREATE', 'CREATE2'])

/**
 * Native amounts that calls and self-destructions below the top call moved. What an account holds when it is deleted at
 * the transaction's end is destroyed with it.
 */
export function internalEntries(raw: EvmRaw, place: number, outcome: Outcome): Entry[] {
  const frames = raw.traces?.[place]
  if (frames === undefined || outcome.succeeded !== true) return []
  const deletes = deletionRule(raw.header, frames)
  const entries: Entry[] = []
  /** What has come to accounts since they were marked for deletion. */
  const held = new Map<string, bigint>()
  const carry = (from: string, to: string, amount: bigint): void => {
    entries.push(...transfer(from, to, amount, 'internal'))
    if (held.has(from)) held.set(from, held.get(from)! - amount)
    if (held.has(to)) held.set(to, held.get(to)! + amount)
  }
  frames.forEach((frame, at) => {
    if (frame.reverted || frame.to === null) return
    const from = formatHex0x(frame.from)
    const to = formatHex0x(frame.to)
    if (at > 0 && CARRYING.has(frame.type)) carry(from, to, frame.value)
    if (frame.type !== 'SELFDESTRUCT') return
    const deleted = deletes(from)
    if (from !== to) carry(from, to, frame.value)
    else if (deleted) entries.push(...destroy(from, frame.value, 'burn'))
    // Nothing is left: the balance went to the beneficiary, or was destroyed on the spot.
    if (deleted) held.set(from, 0n)
  })
  return [...entries, ...burns(held, raw.header, outcome)]
}

/**
 * Whether a self-destruction deletes the account: always, until EIP-6780 (it came with EIP-4788, whose field shows in the
 * header); since then only in the transaction that created it.
 */
function deletionRule(header: EvmHeader, frames: readonly CallFrame[]): (address: string) => boolean {
  if (header.parentBeaconBlockRoot === null) return () => true
  const created = new Set<string>()
  for (const { type, to, reverted } of frames) {
    if ((type === 'CREATE' || type === 'CREATE2') && to !== null && !reverted) created.add(formatHex0x(to))
  }
  return address => created.has(address)
}

/** Accounts are deleted after the miner got its fee: a miner that is one of them loses it. */
function burns(held: ReadonlyMap<string, bigint>, { miner }: EvmHeader, outcome: Outcome): Entry[] {
  const coinbase = formatHex0x(miner)
  const earned = (outcome.gasFee ?? 0n) - outcome.burntFee
  return [...held].flatMap(([address, amount]) => {
    const total = address === coinbase ? amount + earned : amount
    return total > 0n ? destroy(address, total, 'burn') : []
  })
}
