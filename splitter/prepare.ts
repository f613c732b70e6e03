import { createXXHash128 } from 'hash-wasm'
import { equalBytes, formatHex } from '../schema/bytes.ts'
import type { ChainModule, ProvenBlock, Verified } from '../schema/chain.ts'
import type { RowWriter } from '../schema/columns.ts'
import { ProofError } from '../schema/errors.ts'
import { checkSplitBlock } from '../schema/invariants.ts'
import type { SharedValues } from '../schema/tables.ts'
import { type BlockToEncode, type EncodedBlock, encodeBlock } from './rows.ts'

/** Raised whenever the same raw block would give other rows than before. */
export const SPLIT_VERSION = 2

/** What the writer must know of a block besides its rows. */
interface Preparation {
  verified: Verified
  linked: boolean
  /** Bytes of the archive form. */
  size: number
}

/** A block that is proven, split and checked: ready to be written. */
export interface PreparedBlock extends BlockToEncode, Preparation {}

/** The same with the bytes of its rows in place of the rows: a fraction of the memory. */
export interface EncodedPreparedBlock extends EncodedBlock, Preparation {}

/** Makes the bytes of a block's rows before its batch is full, and lets go of the rows. */
export function encodePrepared(block: PreparedBlock, out?: RowWriter): EncodedPreparedBlock {
  const { verified, linked, size } = block
  return { verified, linked, size, ...encodeBlock(block, out) }
}

/**
 * Proves a raw block and makes its rows. Depends on nothing but its arguments: a batch that was interrupted is made
 * again from the archive and must come out the same, row for row.
 * @param parentHash hash of the stored block one below; null when none is stored.
 * @throws ProofError, InvariantError, InputError
 */
export function prepareBlock<Raw>(
  chain: ChainModule<Raw>,
  raw: Raw,
  parentHash: Uint8Array | null,
): PreparedBlock {
  const block = prove(chain, raw)
  const { verified } = block
  if (parentHash !== null && !equalBytes(parentHash, verified.parentHash)) {
    throw new ProofError(
      'parent',
      `block ${verified.height} ${chain.formatHash(verified.hash)} names ${chain.formatHash(verified.parentHash)} as its ` +
        `parent, stored at height ${verified.height - 1} is ${chain.formatHash(parentHash)}`,
    )
  }
  return finishBlock(chain, block, parentHash !== null)
}

/** The same for a block whose link to its parent was settled before. */
export function prepareLinked<Raw>(chain: ChainModule<Raw>, raw: Raw, linked: boolean): PreparedBlock {
  return finishBlock(chain, prove(chain, raw), linked)
}

function prove<Raw>(chain: ChainModule<Raw>, raw: Raw): ProvenBlock {
  if (chain.prove) return chain.prove(raw)
  return {
    verified: chain.verify(raw),
    split: verified => chain.split(raw, verified),
    encode: () => chain.encode(raw),
  }
}

function finishBlock<Raw>(chain: ChainModule<Raw>, block: ProvenBlock, linked: boolean): PreparedBlock {
  const proven = block.verified
  const verified = linked ? { ...proven, proofs: withParent(proven.proofs) } : proven
  const split = block.split(verified)
  checkSplitBlock(split)
  if (split.height !== verified.height || !equalBytes(split.hash, verified.hash)) {
    throw new ProofError(
      'hash',
      `split gave ${split.height} ${formatHex(split.hash)}, verified was ${verified.height}`,
    )
  }
  const payload = block.encode()
  const { slug, hashForm, family } = chain.definition
  const shared: SharedValues = {
    chain: slug,
    height: split.height,
    time: split.time,
    hash_form: hashForm,
    block_hash: split.hash,
  }
  return {
    shared,
    verified,
    linked,
    size: payload.length,
    rows: { ...split.rows, raw_blocks: [{ format: family, payload, checksum: checksumOf(payload) }] },
  }
}

const hasher = await createXXHash128()

/** XXH3 (128 bits) of an archived block: tells whether it is as it was written, unproven parts included. */
export function checksumOf(payload: Uint8Array): Uint8Array {
  return hasher.init().update(payload).digest('binary')
}

/** `parent` comes right after `hash`. */
function withParent(proofs: readonly string[]): string[] {
  const [first, ...rest] = proofs
  return first === 'hash' ? ['hash', 'parent', ...rest] : ['parent', ...proofs]
}
