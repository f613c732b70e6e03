import { createHash } from 'node:crypto'
import { address, crypto, networks, opcodes, script, type Transaction } from 'bitcoinjs-lib'
import { formatHex } from '../../schema/bytes.ts'
import { deriveKey, type Key, signEcdsa, signTaproot, taprootOutputKey } from './keys.ts'

/** An unspent or once spent output with what a node knows about it. */
export interface Coin {
  txid: string
  vout: number
  /** Satoshi. */
  value: bigint
  script: Uint8Array
  height: number
  coinbase: boolean
}

export const LOCK_KINDS = [
  'p2pk',
  'p2pkh',
  'p2sh',
  'multisig',
  'p2wpkh',
  'p2wsh',
  'p2sh-p2wpkh',
  'p2tr',
] as const

export type LockKind = (typeof LOCK_KINDS)[number]

/** An output script with the keys to spend from it. */
export interface Lock {
  owner: string
  kind: LockKind
  script: Uint8Array
  /** The address; `script:<sha256 of the script>` for the kinds that have none (p2pk, bare multisig). */
  address: string
  /** Signs input `index` of `tx` with `SIGHASH_ALL`. `spent` are the coins of all its inputs, in order. */
  unlock(tx: Transaction, index: number, spent: readonly Coin[]): void
}

/** The lock of one kind for one owner; the same names give the same keys. */
export function createLock(seed: string, owner: string, kind: LockKind): Lock {
  const keys = [0, 1, 2].map(n => deriveKey(`${seed}/${owner}/${kind}/${n}`))
  const recipe = RECIPES[kind](keys)
  return { owner, kind, address: addressOf(recipe.script) ?? scriptLabel(recipe.script), ...recipe }
}

type Recipe = Pick<Lock, 'script' | 'unlock'>

const RECIPES: Record<LockKind, (keys: Key[]) => Recipe> = {
  p2pk: ([key]) => {
    const output = script.compile([key!.publicKey, opcodes.OP_CHECKSIG!])
    return {
      script: output,
      unlock: (tx, index) => {
        tx.setInputScript(index, script.compile([signEcdsa(key!, tx.hashForSignature(index, output, 1))]))
      },
    }
  },
  p2pkh: ([key]) => {
    const output = publicKeyHashScript(key!)
    return {
      script: output,
      unlock: (tx, index) => {
        const signature = signEcdsa(key!, tx.hashForSignature(index, output, 1))
        tx.setInputScript(index, script.compile([signature, key!.publicKey]))
      },
    }
  },
  p2sh: keys => {
    const redeem = multisigScript(2, keys)
    return {
      script: scriptHashScript(redeem),
      unlock: (tx, index) => {
        const hash = tx.hashForSignature(index, redeem, 1)
        const signatures = keys.slice(0, 2).map(key => signEcdsa(key, hash))
        tx.setInputScript(index, script.compile([opcodes.OP_0!, ...signatures, redeem]))
      },
    }
  },
  multisig: keys => {
    const output = multisigScript(1, keys.slice(0, 2))
    return {
      script: output,
      unlock: (tx, index) => {
        const signature = signEcdsa(keys[1]!, tx.hashForSignature(index, output, 1))
        tx.setInputScript(index, script.compile([opcodes.OP_0!, signature]))
      },
    }
  },
  p2wpkh: ([key]) => ({
    script: witnessScript(0, crypto.hash160(key!.publicKey)),
    unlock: (tx, index, spent) => unlockWitnessKey(key!, tx, index, spent),
  }),
  p2wsh: keys => {
    const witness = multisigScript(2, keys)
    return {
      script: witnessScript(0, crypto.sha256(witness)),
      unlock: (tx, index, spent) => {
        const hash = tx.hashForWitnessV0(index, witness, spent[index]!.value, 1)
        const signatures = keys.slice(1).map(key => signEcdsa(key, hash))
        tx.setWitness(index, [new Uint8Array(0), ...signatures, witness])
      },
    }
  },
  'p2sh-p2wpkh': ([key]) => {
    const redeem = witnessScript(0, crypto.hash160(key!.publicKey))
    return {
      script: scriptHashScript(redeem),
      unlock: (tx, index, spent) => {
        tx.setInputScript(index, script.compile([redeem]))
        unlockWitnessKey(key!, tx, index, spent)
      },
    }
  },
  p2tr: ([key]) => ({
    script: witnessScript(1, taprootOutputKey(key!)),
    unlock: (tx, index, spent) => {
      const scripts = spent.map(coin => coin.script)
      const values = spent.map(coin => coin.value)
      tx.setWitness(index, [signTaproot(key!, tx.hashForWitnessV1(index, scripts, values, 0))])
    },
  }),
}

function unlockWitnessKey(key: Key, tx: Transaction, index: number, spent: readonly Coin[]): void {
  const hash = tx.hashForWitnessV0(index, publicKeyHashScript(key), spent[index]!.value, 1)
  tx.setWitness(index, [signEcdsa(key, hash), key.publicKey])
}

function publicKeyHashScript(key: Key): Uint8Array {
  const { OP_DUP, OP_HASH160, OP_EQUALVERIFY, OP_CHECKSIG } = opcodes
  return script.compile([OP_DUP!, OP_HASH160!, crypto.hash160(key.publicKey), OP_EQUALVERIFY!, OP_CHECKSIG!])
}

function scriptHashScript(redeem: Uint8Array): Uint8Array {
  return script.compile([opcodes.OP_HASH160!, crypto.hash160(redeem), opcodes.OP_EQUAL!])
}

function multisigScript(required: number, keys: readonly Key[]): Uint8Array {
  const publicKeys = keys.map(key => key.publicKey)
  const count = (n: number) => opcodes.OP_1! + n - 1
  return script.compile([count(required), ...publicKeys, count(keys.length), opcodes.OP_CHECKMULTISIG!])
}

function witnessScript(version: number, program: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(version === 0 ? 0 : 0x50 + version, program.length), program])
}

/** The regtest address of an output script, where it has one. */
export function addressOf(output: Uint8Array): string | null {
  // bitcoinjs-lib encodes taproot outputs only when a curve library is registered globally
  if (output.length === 34 && output[0] === 0x51 && output[1] === 32) {
    return address.toBech32(output.slice(2), 1, networks.regtest.bech32)
  }
  try {
    return address.fromOutputScript(output, networks.regtest)
  } catch {
    return null
  }
}

/** How an output script without an address is named. */
function scriptLabel(output: Uint8Array): string {
  return `script:${formatHex(createHash('sha256').update(output).digest())}`
}

/** A data carrier: provably unspendable, value 0. */
export function dataScript(text: string): Uint8Array {
  return script.compile([opcodes.OP_RETURN!, Buffer.from(text, 'utf8')])
}
