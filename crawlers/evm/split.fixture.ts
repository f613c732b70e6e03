import type { SplitBlock } from '../../schema/block.ts'
import { formatHex0x } from '../../schema/bytes.ts'
import { InvariantError } from '../../schema/errors.ts'
import { address, type Made, madeRaw } from './block.fixture.ts'
import { defineEvmChain } from './family.ts'

/** The contract that wraps the native coin. */
export const WRAPPED = address('e')
const chain = defineEvmChain({
  slug: 'made',
  name: 'Made',
  chainId: 1,
  native: { symbol: 'M', decimals: 18 },
  rewards: { kind: 'ethash', steps: [{ from: 0, reward: 320n }] },
  wrappedNative: [formatHex0x(WRAPPED)],
})

/** Rows of a made block; every transaction and the block itself must balance. */
export function split(made: Made): SplitBlock {
  const raw = madeRaw(made)
  const result = chain.split(raw, chain.verify(raw))
  const sums = new Map<string, bigint>()
  for (const { transaction_index, asset, amount } of result.rows.effects!) {
    const key = `${transaction_index} ${asset}`
    sums.set(key, (sums.get(key) ?? 0n) + amount)
  }
  if ([...sums.values()].some(sum => sum !== 0n)) throw new InvariantError('effects do not balance')
  return result
}

const names: Record<string, string> = Object.fromEntries(
  ['a', 'b', 'c', 'd', 'e', 'f', '1', '2'].map(digit => [formatHex0x(address(digit)), digit]),
)

/** Effects as `address amount kind`, with addresses by their digit. */
export function brief({ rows }: SplitBlock, kinds: (kind: string) => boolean = () => true): string[] {
  return rows
    .effects!.filter(row => kinds(row.kind))
    .map(row => `${row.address === '' ? '-' : (names[row.address] ?? row.address)} ${row.amount} ${row.kind}`)
}

export const notFee = (kind: string) => !['fee', 'tip', 'base_fee_burn', 'blob_fee'].includes(kind)
