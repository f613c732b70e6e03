import { createHash } from 'node:crypto'
import type { ChainModule } from '../schema/chain.ts'
import { MalformedAnswerError } from '../schema/errors.ts'
import { hashPrefix } from '../schema/tables.ts'

/** A block of a chain on paper: enough to write real rows of every common table, made from three numbers. */
export interface PaperBlock {
  height: number
  /** Which of the possible blocks of this height. */
  fork: number
  parentFork: number
  transactions: number
}

export function paperHash(height: number, fork: number): Buffer {
  return createHash('sha256').update(`block ${height} ${fork}`).digest()
}

/** Blocks of one fork from a height on, whose first parent is of another fork. */
export function paperBlocks(
  from: number,
  to: number,
  fork = 0,
  parentFork = fork,
  transactions = 5,
): PaperBlock[] {
  return Array.from({ length: to - from + 1 }, (_, at) => ({
    height: from + at,
    fork,
    parentFork: at === 0 ? parentFork : fork,
    transactions,
  }))
}

/** A chain for tests of the store: no node, no proof, the real tables. */
export function paperChain(slug = 'paper'): ChainModule<PaperBlock> {
  return {
    definition: {
      slug,
      name: 'Paper',
      caip2: 'paper:1',
      family: 'paper',
      ledger: 'account',
      hashForm: 'hex',
      genesisHash: null,
      native: { symbol: 'PPR', name: 'Paper', decimals: 2 },
      finality: { kind: 'confirmations', safe: 1, final: 2 },
      maxReorgDepth: 100,
      partialEffects: '',
      endpoints: [],
    },
    verify: raw => ({
      height: raw.height,
      hash: paperHash(raw.height, raw.fork),
      parentHash: paperHash(raw.height - 1, raw.parentFork),
      time: 1_700_000_000 + raw.height,
      transactionCount: raw.transactions,
      proofs: ['hash', 'txRoot'],
    }),
    split(raw, verified) {
      const hashes = Array.from({ length: raw.transactions }, (_, at) =>
        // The fifth is the same on every branch: it is mined again where the others are dropped.
        createHash('sha256')
          .update(`transaction ${raw.height} ${at === 4 ? '' : raw.fork} ${at}`)
          .digest(),
      )
      const effect = (index: number, address: string, amount: bigint) => ({
        index,
        transaction_hash: hashes[index >> 1]!,
        transaction_index: index >> 1,
        address,
        asset: 'native',
        amount,
        kind: 'transfer',
      })
      return {
        height: raw.height,
        hash: verified.hash,
        time: verified.time,
        rows: {
          transactions: hashes.map((hash, index) => ({
            index,
            hash,
            status: 1,
            fee: 0n,
            effects_complete: true,
          })),
          effects: hashes.flatMap((_, at) => [
            effect(2 * at, '', -BigInt(raw.height + at + 1)),
            effect(2 * at + 1, `account-${(raw.height + at + raw.fork) % 7}`, BigInt(raw.height + at + 1)),
          ]),
          block_assets: [{ asset: 'native', standard: 'native', contract: '', token_id: null }],
          hashes: [
            { kind: 'block', prefix: hashPrefix(verified.hash), index: 0 },
            ...hashes.map((hash, index) => ({
              kind: 'transaction' as const,
              prefix: hashPrefix(hash),
              index,
            })),
          ],
          blocks: [
            {
              parent_hash: verified.parentHash,
              transaction_count: raw.transactions,
              size: 100,
              proofs: verified.proofs,
              effects_complete: true,
            },
          ],
        },
      }
    },
    encode: raw => Buffer.from(JSON.stringify(raw)),
    sizeOf: () => 100,
    decode(bytes) {
      try {
        return JSON.parse(Buffer.from(bytes).toString()) as PaperBlock
      } catch (cause) {
        throw new MalformedAnswerError('not a paper block', { cause })
      }
    },
    parseHash: text => (/^[0-9a-f]{64}$/.test(text) ? Buffer.from(text, 'hex') : null),
    formatHash: hash => Buffer.from(hash).toString('hex'),
  }
}
