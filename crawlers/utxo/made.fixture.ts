import { createHash } from 'node:crypto'
import { NotAvailableError } from '../../schema/errors.ts'
import type { Chain } from '../chain.ts'
import type { Call } from '../endpoint.ts'
import type { Rpc } from '../rpc.ts'
import { sizeBytes, sizedBytes, uint32Bytes, uint64Bytes } from './byte-writer.ts'
import { defineUtxoChain, type UtxoChainOptions } from './family.ts'
import type { SpentOutput, UtxoRaw } from './raw.ts'

/** Blocks made for tests: every hash is right, nobody worked for them or signed them. */

export interface MadeInput {
  hash?: Buffer
  index?: number
  script?: Buffer
  witness?: Buffer[]
}

export interface MadeTransaction {
  inputs?: MadeInput[]
  outputs?: { amount: bigint; script: Buffer }[]
  lockTime?: number
}

export const NULL_HASH = Buffer.alloc(32)
export const TRUE_SCRIPT = Buffer.of(0x51)

export function sha256d(bytes: Uint8Array): Buffer {
  const once = createHash('sha256').update(bytes).digest()
  return createHash('sha256').update(once).digest()
}

/** A transaction, with or without its witness. */
export function transactionBytes(made: MadeTransaction, withWitness = true): Buffer {
  const { inputs = [{}], outputs = [{ amount: 1n, script: TRUE_SCRIPT }], lockTime = 0 } = made
  const witnessed = withWitness && inputs.some(input => input.witness)
  return Buffer.concat([
    uint32Bytes(2),
    witnessed ? Buffer.of(0, 1) : Buffer.alloc(0),
    sizeBytes(inputs.length),
    ...inputs.map(({ hash = NULL_HASH, index = 0xffffffff, script = Buffer.of(1, 1) }) =>
      Buffer.concat([hash, uint32Bytes(index), sizedBytes(script), uint32Bytes(0xffffffff)]),
    ),
    sizeBytes(outputs.length),
    ...outputs.map(({ amount, script }) => Buffer.concat([uint64Bytes(amount), sizedBytes(script)])),
    ...(witnessed
      ? inputs.map(({ witness = [] }) =>
          Buffer.concat([sizeBytes(witness.length), ...witness.map(sizedBytes)]),
        )
      : []),
    uint32Bytes(lockTime),
  ])
}

export function txid(made: MadeTransaction): Buffer {
  return sha256d(transactionBytes(made, false))
}

/** The textbook merkle tree, apart from the code under test. */
export function textbookRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0]!
  const parents: Buffer[] = []
  for (let at = 0; at < leaves.length; at += 2) {
    parents.push(sha256d(Buffer.concat([leaves[at]!, leaves[at + 1] ?? leaves[at]!])))
  }
  return textbookRoot(parents)
}

export interface MadeHeader {
  version?: number
  previousHash?: Buffer
  root?: Buffer
  bits?: number
}

export function headerBytes({
  version = 2,
  previousHash = NULL_HASH,
  root = NULL_HASH,
  bits = 0x207fffff,
}: MadeHeader) {
  return Buffer.concat([
    uint32Bytes(version),
    previousHash,
    root,
    uint32Bytes(1_600_000_000),
    uint32Bytes(bits),
    uint32Bytes(7),
  ])
}

export function blockBytes(transactions: readonly MadeTransaction[], header: MadeHeader = {}): Buffer {
  const root = textbookRoot(transactions.map(txid))
  return Buffer.concat([
    headerBytes({ root, ...header }),
    sizeBytes(transactions.length),
    ...transactions.map(made => transactionBytes(made)),
  ])
}

/** A block as if its bytes had been asked for by their own hash. */
export function rawOf(bytes: Buffer, height: number, spent: (SpentOutput | null)[] = []): UtxoRaw {
  const hash = sha256d(bytes.subarray(0, 80)).reverse()
  return { height, hash, bytes, spent, medianTime: null, chainWork: null }
}

/** A chain without work, unless the options say otherwise. */
export function madeChain(options: Partial<UtxoChainOptions> = {}): Chain<UtxoRaw> {
  return defineUtxoChain({
    slug: 'made',
    name: 'Made',
    caip2: 'bip122:00000000000000000000000000000000',
    network: 'regtest',
    genesisHash: null,
    native: { symbol: 'MADE', name: 'Made', decimals: 8 },
    finality: { kind: 'confirmations', safe: 1, final: 10 },
    maxReorgDepth: 10,
    endpoints: [],
    addresses: { keyHash: 0x6f, scriptHash: [0xc4], bech32: 'bcrt' },
    proofOfWork: 'none',
    powLimit: 0x7fffffn << 232n,
    auxPow: null,
    bip34Height: null,
    segwitHeight: 0,
    mweb: false,
    ...options,
  })
}

/** The output script that commits to witnesses, for a coinbase whose reserved value is zero. */
export function commitmentScript(transactions: readonly MadeTransaction[]): Buffer {
  const leaves = [NULL_HASH, ...transactions.map(made => sha256d(transactionBytes(made)))]
  const commitment = sha256d(Buffer.concat([textbookRoot(leaves), NULL_HASH]))
  return Buffer.concat([Buffer.from('6a24aa21a9ed', 'hex'), commitment])
}

/** A node that answers what `answer` gives; what it leaves undefined it does not have. */
export function fakeRpc(answer: (call: Call) => unknown): Rpc & { calls: Call[] } {
  const calls: Call[] = []
  const rpc = {
    calls,
    async call(method: string, params: readonly unknown[], options?: { parse?: (text: string) => unknown }) {
      calls.push({ method, params })
      const result = answer({ method, params })
      if (result instanceof Error) throw result
      if (result === undefined) throw new NotAvailableError(`no ${method}`)
      // Through text, as over the wire: amounts are written by the test as text already.
      return typeof result === 'string' ? result : (options?.parse ?? JSON.parse)(toJson(result))
    },
    callMany: (many: readonly Call[], options?: object) =>
      Promise.all(many.map(({ method, params }) => rpc.call(method, params, options).catch(error => error))),
    recordings: [],
    names: ['fake'],
    close: async () => {},
  }
  return rpc
}

/** A number whose digits stand in the JSON as given. */
export function digits(text: string): unknown {
  return { digits: text }
}

function toJson(value: unknown): string {
  return JSON.stringify(value).replace(/\{"digits":"([^"]*)"\}/g, '$1')
}
