import { InputError, MalformedAnswerError } from '../../schema/errors.ts'
import { keccak256 } from './hash.ts'
import type { AccessEntry, Authorization, EvmTransaction } from './raw.ts'
import {
  decodeRlp,
  encodeRlp,
  type RlpItem,
  type RlpTree,
  rlpBytes,
  rlpList,
  rlpNumber,
  rlpQuantity,
} from './rlp.ts'

const NOTHING = new Uint8Array(0)
/** From here on a legacy `v` says the chain (EIP-155). */
const FIRST_PROTECTED_V = 35n

/** The chain that a legacy signature is bound to (EIP-155); null for one that is valid on every chain. */
export function legacyChainId(v: bigint): bigint | null {
  return v >= FIRST_PROTECTED_V ? (v - FIRST_PROTECTED_V) / 2n : null
}

/** The consensus encoding (EIP-2718): its keccak is the transaction's hash, and it is what the trie holds. */
export function encodeTransaction(tx: EvmTransaction): Buffer {
  return encodeRlp(signedFields(tx), envelope(tx))
}

/** The network encoding of EIP-4844 where a sidecar is known, else the consensus encoding. */
export function encodeWithSidecar(tx: EvmTransaction): Buffer {
  if (tx.sidecar === undefined) return encodeTransaction(tx)
  const { blobs, commitments, proofs } = tx.sidecar
  return encodeRlp([signedFields(tx), blobs, commitments, proofs], envelope(tx))
}

/** What the sender signed. */
export function signingHash(tx: EvmTransaction): Buffer {
  const fields = unsignedFields(tx)
  if (tx.type === 0 && tx.chainId !== null) fields.push(tx.chainId, 0n, 0n)
  return keccak256(encodeRlp(fields, envelope(tx)))
}

/** What an EIP-7702 authority signed. */
export function authorizationHash({ chainId, address, nonce }: Authorization): Buffer {
  return keccak256(encodeRlp([chainId, address, nonce], 0x05))
}

function signedFields(tx: EvmTransaction): RlpItem[] {
  const fields = unsignedFields(tx)
  fields.push(tx.v, tx.r, tx.s)
  return fields
}

function envelope(tx: EvmTransaction): number | undefined {
  return tx.type === 0 ? undefined : tx.type
}

function need(value: bigint | null, name: string, type: number): bigint {
  if (value === null) throw new InputError(`transaction: type ${type} needs ${name}`)
  return value
}

function unsignedFields(tx: EvmTransaction): RlpItem[] {
  const { type, nonce, gasLimit, value, input } = tx
  const to = tx.to ?? NOTHING
  if (type === 0) return [nonce, need(tx.gasPrice, 'gasPrice', type), gasLimit, to, value, input]
  const chainId = need(tx.chainId, 'chainId', type)
  const accessList = tx.accessList.map(accessItem)
  if (type === 1) {
    return [chainId, nonce, need(tx.gasPrice, 'gasPrice', type), gasLimit, to, value, input, accessList]
  }
  const tip = need(tx.maxPriorityFeePerGas, 'maxPriorityFeePerGas', type)
  const cap = need(tx.maxFeePerGas, 'maxFeePerGas', type)
  const fields: RlpItem[] = [chainId, nonce, tip, cap, gasLimit, to, value, input, accessList]
  if (type === 2) return fields
  if (type === 3) fields.push(need(tx.maxFeePerBlobGas, 'maxFeePerBlobGas', type), tx.blobVersionedHashes)
  else if (type === 4) fields.push(tx.authorizationList.map(authorizationItem))
  else throw unknownType(type)
  return fields
}

function accessItem({ address, storageKeys }: AccessEntry): RlpItem {
  return [address, storageKeys]
}

function authorizationItem(one: Authorization): RlpItem {
  return [one.chainId, one.address, one.nonce, one.yParity, one.r, one.s]
}

/** Number of fields by type, signature included. */
const FIELD_COUNTS: Readonly<Record<number, number>> = { 0: 9, 1: 11, 2: 12, 3: 14, 4: 13 }

/** A type that this family cannot encode, so that nothing about it could be proven. */
export function unknownType(type: number): MalformedAnswerError {
  return new MalformedAnswerError(`transaction: expected type 0 to 4, got ${type}`)
}

/** Everything of a transaction but its hash, sender and sidecar. */
export type SignedTransaction = Omit<EvmTransaction, 'hash' | 'from' | 'sidecar'>

/** @throws MalformedAnswerError unless the bytes are a transaction of type 0 to 4. */
export function decodeTransaction(bytes: Uint8Array): SignedTransaction {
  const first = bytes[0] ?? 0
  const type = first >= 0xc0 ? 0 : first
  const count = FIELD_COUNTS[type]
  if (count === undefined || (type === 0 && first < 0xc0)) throw unknownType(first)
  const tree = decodeRlp(type === 0 ? bytes : bytes.subarray(1))
  return readFields(type, rlpList(tree, `type ${type} transaction`, count))
}

function readFields(type: number, fields: readonly RlpTree[]): SignedTransaction {
  const nonceAt = type === 0 ? 0 : 1
  const gasAt = nonceAt + (type <= 1 ? 2 : 3)
  const v = rlpQuantity(fields[fields.length - 3], 'v')
  const to = rlpBytes(fields[gasAt + 1], 'to')
  return {
    type,
    chainId: type === 0 ? legacyChainId(v) : rlpQuantity(fields[0], 'chainId'),
    nonce: rlpQuantity(fields[nonceAt], 'nonce', 8),
    gasPrice: type <= 1 ? rlpQuantity(fields[nonceAt + 1], 'gasPrice') : null,
    maxPriorityFeePerGas: type >= 2 ? rlpQuantity(fields[2], 'maxPriorityFeePerGas') : null,
    maxFeePerGas: type >= 2 ? rlpQuantity(fields[3], 'maxFeePerGas') : null,
    gasLimit: rlpQuantity(fields[gasAt], 'gas', 8),
    to: to.length === 0 ? null : rlpBytes(to, 'to', 20),
    value: rlpQuantity(fields[gasAt + 2], 'value'),
    input: rlpBytes(fields[gasAt + 3], 'input'),
    accessList: type === 0 ? [] : decodeAccessList(fields[gasAt + 4]),
    maxFeePerBlobGas: type === 3 ? rlpQuantity(fields[9], 'maxFeePerBlobGas') : null,
    blobVersionedHashes: type === 3 ? decodeHashes(fields[10]) : [],
    authorizationList: type === 4 ? rlpList(fields[9], 'authorizationList').map(decodeAuthorization) : [],
    v,
    r: rlpQuantity(fields[fields.length - 2], 'r'),
    s: rlpQuantity(fields[fields.length - 1], 's'),
  }
}

function decodeHashes(tree: RlpTree | undefined): Buffer[] {
  return rlpList(tree, 'blobVersionedHashes').map(hash => rlpBytes(hash, 'blob hash', 32))
}

function decodeAccessList(tree: RlpTree | undefined): AccessEntry[] {
  return rlpList(tree, 'accessList').map(entry => {
    const [address, keys] = rlpList(entry, 'accessList entry', 2)
    return {
      address: rlpBytes(address, 'accessList address', 20),
      storageKeys: rlpList(keys, 'storageKeys').map(key => rlpBytes(key, 'storage key', 32)),
    }
  })
}

function decodeAuthorization(tree: RlpTree): Authorization {
  const fields = rlpList(tree, 'authorization', 6)
  return {
    chainId: rlpQuantity(fields[0], 'authorization chainId'),
    address: rlpBytes(fields[1], 'authorization address', 20),
    nonce: rlpQuantity(fields[2], 'authorization nonce', 8),
    yParity: BigInt(rlpNumber(fields[3], 'authorization yParity', 1)),
    r: rlpQuantity(fields[4], 'authorization r'),
    s: rlpQuantity(fields[5], 'authorization s'),
  }
}
