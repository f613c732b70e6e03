import { createHash } from 'node:crypto'
import { crypto, script } from 'bitcoinjs-lib'
import secp256k1 from 'secp256k1'
import { equalBytes } from '../../schema/bytes.ts'

/** A private key with its compressed public key (33 bytes). */
export interface Key {
  secret: Uint8Array
  publicKey: Uint8Array
}

/** The same text gives the same key. For development chains only: everybody can compute it. */
export function deriveKey(text: string): Key {
  const secret = createHash('sha256').update(`wanlian dev key ${text}`).digest()
  return { secret, publicKey: secp256k1.publicKeyCreate(secret, true) }
}

/** A DER signature with `SIGHASH_ALL` behind it, low S and deterministic nonce (RFC 6979). */
export function signEcdsa(key: Key, hash: Uint8Array): Uint8Array {
  const { signature } = secp256k1.ecdsaSign(hash, key.secret)
  return script.signature.encode(signature, 0x01)
}

/** The x coordinate of the key that a BIP-86 output commits to: no script tree behind it. */
export function taprootOutputKey(key: Key): Uint8Array {
  return xOnly(tweakedKey(key).publicKey)
}

/** BIP-340 signature by the tweaked key of a taproot output without a script tree. */
export function signTaproot(key: Key, hash: Uint8Array): Uint8Array {
  return signSchnorr(tweakedKey(key), hash)
}

/**
 * BIP-340. The library we link has no Schnorr module, so this is the specification's signing algorithm in
 * terms of scalar operations; `auxiliary` defaults to zeros to stay deterministic.
 */
export function signSchnorr(
  key: Key,
  message: Uint8Array,
  auxiliary: Uint8Array = new Uint8Array(32),
): Uint8Array {
  const { secret, publicKey } = withEvenY(key)
  const mask = crypto.taggedHash('BIP0340/aux', auxiliary)
  const masked = secret.map((byte, at) => byte ^ mask[at]!)
  const seed = crypto.taggedHash('BIP0340/nonce', Buffer.concat([masked, xOnly(publicKey), message]))
  const nonce = withEvenY({ secret: seed, publicKey: secp256k1.publicKeyCreate(seed, true) })
  const challenge = challengeOf(xOnly(nonce.publicKey), xOnly(publicKey), message)
  const product = secp256k1.privateKeyTweakMul(Uint8Array.from(secret), challenge)
  return Buffer.concat([xOnly(nonce.publicKey), secp256k1.privateKeyTweakAdd(product, nonce.secret)])
}

/** BIP-340: is `s·G − e·P` the point that the signature names? */
export function verifySchnorr(signature: Uint8Array, message: Uint8Array, xOnlyKey: Uint8Array): boolean {
  const r = signature.subarray(0, 32)
  const challenge = challengeOf(r, xOnlyKey, message)
  try {
    const key = Buffer.concat([Uint8Array.of(2), xOnlyKey])
    const part = secp256k1.publicKeyNegate(secp256k1.publicKeyTweakMul(key, challenge, true), true)
    const point = secp256k1.publicKeyCombine(
      [secp256k1.publicKeyCreate(signature.slice(32), true), part],
      true,
    )
    return point[0] === 2 && equalBytes(xOnly(point), r)
  } catch {
    return false
  }
}

function challengeOf(r: Uint8Array, xOnlyKey: Uint8Array, message: Uint8Array): Uint8Array {
  return crypto.taggedHash('BIP0340/challenge', Buffer.concat([r, xOnlyKey, message]))
}

function xOnly(publicKey: Uint8Array): Uint8Array {
  return publicKey.slice(1, 33)
}

/** The one of the two keys with this x coordinate whose y is even; x-only keys mean that one. */
function withEvenY(key: Key): Key {
  if (key.publicKey[0] === 2) return key
  const secret = secp256k1.privateKeyNegate(Uint8Array.from(key.secret))
  return { secret, publicKey: secp256k1.publicKeyCreate(secret, true) }
}

function tweakedKey(key: Key): Key {
  const even = withEvenY(key)
  const tweak = crypto.taggedHash('TapTweak', xOnly(even.publicKey))
  const secret = secp256k1.privateKeyTweakAdd(Uint8Array.from(even.secret), tweak)
  return { secret, publicKey: secp256k1.publicKeyCreate(secret, true) }
}
