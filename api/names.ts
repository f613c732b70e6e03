import type { HashForm } from '../schema/chain.ts'
import { hashPrefix } from '../schema/tables.ts'

/** A hash as a reader may type it, with or without `0x`, in any case, as one chain stores it. */
export interface TypedHash {
  /** As the chain prints it. */
  text: string
  /** The number that the search index has for it. */
  prefix: bigint
}

const HASH = /^(?:0x)?([0-9a-f]{64})$/i

/** Null when it cannot be a hash of a chain with this form. */
export function readHash(form: HashForm, typed: string): TypedHash | null {
  if (form === 'text') return { text: typed, prefix: hashPrefix(Buffer.from(typed)) }
  const digits = HASH.exec(typed)?.[1]?.toLowerCase()
  if (digits === undefined) return null
  return { text: form === '0x' ? `0x${digits}` : digits, prefix: hashPrefix(Buffer.from(digits, 'hex')) }
}

const HEX_ADDRESS = /^0x[0-9a-f]{40}$/i
/** BIP-173 allows one case or the other, never both. */
const UPPER_BECH32 = /^[A-Z]{1,83}1[AC-HJ-NP-Z02-9]{6,}$/

/** An address as chains store it: hexadecimal and bech32 ones are lower case, of others every letter counts. */
export function canonicalAddress(typed: string): string {
  return HEX_ADDRESS.test(typed) || UPPER_BECH32.test(typed) ? typed.toLowerCase() : typed
}

const HEX_CONTRACT = /^0x[0-9a-f]{40}(\/\d+)?$/i

/** `native`, a contract, or `contract/id`. */
export function canonicalAsset(typed: string): string {
  return HEX_CONTRACT.test(typed) ? typed.toLowerCase() : typed
}
