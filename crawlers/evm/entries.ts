import { type EffectKind, NATIVE_ASSET, SYNTHETIC_ADDRESS } from '../../schema/block.ts'

/** A signed amount on one address, before it becomes one or more rows of `effects`. */
export interface Entry {
  address: string
  asset: string
  amount: bigint
  kind: EffectKind
}

/** Two entries: `amount` leaves one address and arrives at another. */
export function transfer(
  from: string,
  to: string,
  amount: bigint,
  kind: EffectKind,
  asset = NATIVE_ASSET,
): Entry[] {
  return [
    { address: from, asset, amount: -amount, kind },
    { address: to, asset, amount, kind },
  ]
}

/** Coins or tokens that appear from the synthetic account. */
export function issue(to: string, amount: bigint, kind: EffectKind, asset = NATIVE_ASSET): Entry[] {
  return transfer(SYNTHETIC_ADDRESS, to, amount, kind, asset)
}

/** Coins or tokens that vanish into the synthetic account. */
export function destroy(from: string, amount: bigint, kind: EffectKind, asset = NATIVE_ASSET): Entry[] {
  return transfer(from, SYNTHETIC_ADDRESS, amount, kind, asset)
}
