import { scryptSync } from 'node:crypto'
import { formatHex, reverseBytes } from '../../schema/bytes.ts'
import { ProofError } from '../../schema/errors.ts'
import type { AuxPow, Block, BlockHeader } from './block.ts'
import { branchRoot, doubleSha256 } from './hashing.ts'
import { hashNumber, parseBits } from './target.ts'
import { transactionHash } from './transaction.ts'

/** Which hash of the header must meet the target; `none` is for tests only. */
export type ProofOfWork = 'sha256d' | 'scrypt' | 'none'

/** What a chain asks of the work on its blocks. */
export interface WorkRules {
  proofOfWork: ProofOfWork
  /** Easiest target. */
  powLimit: bigint
  /** Merged mining under this chain id. */
  auxPow: { chainId: number } | null
}

/** Stands before the root of the merged chains in a parent's coinbase. */
const MERGED_MINING_MAGIC = Buffer.from('fabe6d6d', 'hex')
const MAX_CHAIN_BRANCH = 30
/** Without the magic, the root must begin within these first bytes. */
const MAX_BARE_ROOT_START = 20

function refuse(message: string): ProofError {
  return new ProofError('pow', message)
}

/** The hash of a header that is compared with the target, in internal order. */
export function workHash(header: BlockHeader, proofOfWork: ProofOfWork): Buffer {
  if (proofOfWork !== 'scrypt') return doubleSha256(header.bytes)
  return scryptSync(header.bytes, header.bytes, 32, { N: 1024, r: 1, p: 1 })
}

/** The slot of a chain in the tree of merged chains, as the merged-mining specification draws it from nonce and id. */
export function expectedSlot(nonce: number, chainId: number, height: number): number {
  const draw = (value: number) => (Math.imul(value, 1103515245) + 12345) >>> 0
  return draw((draw(nonce) + chainId) >>> 0) % 2 ** height
}

/** Where the merged chains' root stands in the parent's coinbase script. */
function findCommitment(script: Buffer, root: Buffer): number {
  const at = script.indexOf(root)
  if (at < 0) throw refuse("the parent's coinbase does not name this block")
  const magic = script.indexOf(MERGED_MINING_MAGIC)
  if (magic < 0) {
    if (at > MAX_BARE_ROOT_START) throw refuse('the merged-mining root stands too far back in the coinbase')
    return at
  }
  if (script.indexOf(MERGED_MINING_MAGIC, magic + 1) >= 0)
    throw refuse('two merged-mining marks in the coinbase')
  if (magic + MERGED_MINING_MAGIC.length !== at)
    throw refuse('the merged-mining mark does not precede the root')
  return at
}

function checkSlot(script: Buffer, rootEnd: number, auxPow: AuxPow, chainId: number): void {
  if (script.length < rootEnd + 8)
    throw refuse('tree size and nonce are missing behind the merged-mining root')
  const height = auxPow.chainBranch.length
  const size = script.readUInt32LE(rootEnd)
  if (size !== 2 ** height) throw refuse(`expected a tree of ${2 ** height} merged chains, got ${size}`)
  const slot = expectedSlot(script.readUInt32LE(rootEnd + 4), chainId, height)
  if (auxPow.chainIndex !== slot)
    throw refuse(`expected merged-mining slot ${slot}, got ${auxPow.chainIndex}`)
}

/** Proves that the parent header commits to our block in the one slot that our chain may use. */
function checkAuxPow(auxPow: AuxPow, header: BlockHeader, chainId: number): void {
  if (header.version >>> 16 !== chainId) {
    throw refuse(`expected merged-mining chain id ${chainId}, got ${header.version >>> 16}`)
  }
  if (auxPow.parent.version >>> 16 === chainId) throw refuse('the parent block is of the same chain')
  if (auxPow.coinbaseIndex !== 0) throw refuse('the parent transaction is not the first of its block')
  if (auxPow.chainBranch.length > MAX_CHAIN_BRANCH) throw refuse('the branch of merged chains is too long')
  const root = branchRoot(doubleSha256(header.bytes), auxPow.chainBranch, auxPow.chainIndex)
  const coinbaseHash = transactionHash(auxPow.coinbase)
  if (!branchRoot(coinbaseHash, auxPow.coinbaseBranch, 0).equals(auxPow.parent.merkleRoot)) {
    throw refuse("the coinbase does not lead to the parent's merkle root")
  }
  const script = auxPow.coinbase.inputs[0]!.script
  const at = findCommitment(script, reverseBytes(root))
  checkSlot(script, at + root.length, auxPow, chainId)
}

/**
 * Checks the work on a block.
 * @returns whether there was work to check.
 * @throws ProofError `pow`
 */
export function checkWork({ header, auxPow }: Pick<Block, 'header' | 'auxPow'>, rules: WorkRules): boolean {
  if (rules.proofOfWork === 'none') return false
  const target = parseBits(header.bits)
  if (target === null || target > rules.powLimit) {
    throw refuse(`bits ${header.bits.toString(16)} are no target of this chain`)
  }
  if (auxPow && rules.auxPow) checkAuxPow(auxPow, header, rules.auxPow.chainId)
  const hash = workHash(auxPow?.parent ?? header, rules.proofOfWork)
  if (hashNumber(hash) > target) {
    throw refuse(`${formatHex(reverseBytes(hash))} does not meet bits ${header.bits.toString(16)}`)
  }
  return true
}
