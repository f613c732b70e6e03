import secp256k1 from 'secp256k1'
import { keccak256 } from './hash.ts'
import type { Authorization, EvmTransaction } from './raw.ts'
import { encodeRlp } from './rlp.ts'
import { authorizationHash, signingHash } from './transaction.ts'

/** Half of the curve's order: EIP-7702 refuses a larger s. */
const HALF_ORDER = 0x7fffffff_ffffffff_ffffffff_ffffffff_5d576e73_57a4501d_dfe92f46_681b20a0n

/** Who signed the transaction; null when the signature is nobody's. */
export function recoverSender(tx: EvmTransaction): Buffer | null {
  return recover(signingHash(tx), recoveryBit(tx), tx.r, tx.s)
}

/** Who signed the authorization; null when it is invalid (such a one does not invalidate its transaction). */
export function recoverAuthority(authorization: Authorization): Buffer | null {
  const { yParity, r, s } = authorization
  if (s > HALF_ORDER) return null
  return recover(authorizationHash(authorization), yParity, r, s)
}

/** Address of the contract that a creation transaction makes: from sender and nonce (Yellow Paper, 7). */
export function createdAddress(from: Buffer, nonce: bigint): Buffer {
  return keccak256(encodeRlp([from, nonce])).subarray(12)
}

/** Parity of y from `v`: itself, 27 + itself, or bound to a chain (EIP-155). */
function recoveryBit(tx: EvmTransaction): bigint {
  if (tx.type !== 0) return tx.v
  return tx.chainId === null ? tx.v - 27n : (tx.v - 35n) % 2n
}

function recover(hash: Buffer, bit: bigint, r: bigint, s: bigint): Buffer | null {
  if (bit !== 0n && bit !== 1n) return null
  const signature = Buffer.from(r.toString(16).padStart(64, '0') + s.toString(16).padStart(64, '0'), 'hex')
  if (signature.length !== 64) return null
  let key: Uint8Array
  try {
    key = secp256k1.ecdsaRecover(signature, Number(bit), hash, false)
  } catch {
    return null
  }
  return keccak256(key.subarray(1)).subarray(12)
}
