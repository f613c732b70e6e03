import type { AddressRules } from './address.ts'
import type { BlockFormat } from './block.ts'
import type { ScriptRules } from './script.ts'
import type { WorkRules } from './work.ts'

/** Everything in which one chain of the family differs from another when blocks are proven and split. */
export interface UtxoRules extends WorkRules {
  /** Hash of block 0 as printed; null when it is not known. */
  genesisHash: string | null
  addresses: AddressRules
  /** From this height on a coinbase begins with its height (BIP-34); null = never. */
  bip34Height: number | null
  /** From this height on blocks may carry witnesses and commit to them (BIP-141); null = never. */
  segwitHeight: number | null
  /**
   * From this height on all transactions but the first are ordered by their hashes as printed, so that one may spend what a
   * later one makes (canonical transaction order, Bitcoin Cash November 2018); null = never.
   */
  hashOrderHeight: number | null
  /** Litecoin's extension blocks. */
  mweb: boolean
  /**
   * Blocks whose coinbase has the hash of an earlier one: its outputs took the place of the earlier ones, of which nothing
   * is left (BIP-30).
   */
  overwritingCoinbases: readonly { height: number; hash: string }[]
}

/** Which parts blocks may have under these rules. */
export function blockFormat(rules: UtxoRules): BlockFormat {
  return { segwit: rules.segwitHeight !== null, mweb: rules.mweb, auxPow: rules.auxPow !== null }
}

/** Which outputs the chain knows. */
export function scriptRules(rules: UtxoRules): ScriptRules {
  return { segwit: rules.segwitHeight !== null, mweb: rules.mweb }
}
