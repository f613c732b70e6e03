import { formatHex, reverseBytes } from '../../schema/bytes.ts'
import type { Verified } from '../../schema/chain.ts'
import { MalformedAnswerError, ProofError } from '../../schema/errors.ts'
import { MAX_AMOUNT } from './amount.ts'
import {
  type Block,
  type BlockHeader,
  type BlockReader,
  type BlockSection,
  createBlockReader,
  readWork,
} from './block.ts'
import { doubleSha256, merkleRoot } from './hashing.ts'
import type { UtxoRaw } from './raw.ts'
import { blockFormat, type UtxoRules } from './rules.ts'
import { checkSpent, transactionPlaces } from './spent.ts'
import { expectedWork } from './target.ts'
import { isCoinbase, isCoinbaseInput, type Transaction, transactionHash, witnessHash } from './transaction.ts'
import { checkWork } from './work.ts'

/** OP_RETURN, a push of 36 bytes, and the mark of BIP-141. */
const COMMITMENT_MARK = Buffer.from('6a24aa21a9ed', 'hex')
const COMMITMENT_SIZE = 38
const ZERO_HASH = Buffer.alloc(32)

const SECTION_PROOFS: Record<BlockSection, string> = { header: 'hash', auxPow: 'pow', transactions: 'txRoot' }

/** What cannot be read does not prove what it should: the error names that proof. */
function proving<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof MalformedAnswerError)) throw error
    const section = error.details.section as BlockSection | undefined
    throw new ProofError(SECTION_PROOFS[section ?? 'transactions'], error.message, { cause: error })
  }
}

function checkHash(header: BlockHeader, raw: UtxoRaw): void {
  const hash = reverseBytes(doubleSha256(header.bytes))
  if (!hash.equals(raw.hash)) {
    throw new ProofError('hash', `expected ${formatHex(raw.hash)}, the header gives ${formatHex(hash)}`)
  }
}

/**
 * The leaves must give the header's root, in one way only. A block that begins with a coinbase cannot pass off inner
 * nodes as transactions of 64 bytes (CVE-2017-12842): such a coinbase would have to be found by chance.
 */
function checkTransactionRoot(block: Block, hashes: readonly Buffer[]): void {
  const [first, ...others] = block.transactions
  if (!first || !isCoinbase(first)) throw new ProofError('txRoot', 'the first transaction is not a coinbase')
  const { root, ambiguous } = merkleRoot(hashes)
  if (!root.equals(block.header.merkleRoot)) {
    const expected = formatHex(reverseBytes(block.header.merkleRoot))
    throw new ProofError(
      'txRoot',
      `expected ${expected}, the transactions give ${formatHex(reverseBytes(root))}`,
    )
  }
  if (ambiguous) throw new ProofError('txRoot', 'repeated transactions: the root stands for another list too')
  if (others.some(transaction => transaction.inputs.some(isCoinbaseInput))) {
    throw new ProofError('txRoot', 'a second coinbase')
  }
}

/** The last output with the mark counts. */
function findCommitment(coinbase: Transaction): Buffer | null {
  const output = coinbase.outputs.findLast(
    ({ script }) => script.length >= COMMITMENT_SIZE && script.indexOf(COMMITMENT_MARK) === 0,
  )
  return output ? output.script.subarray(COMMITMENT_MARK.length, COMMITMENT_SIZE) : null
}

/** The coinbase's own leaf is zero; its witness is the one reserved value. */
function witnessCommitment(block: Block): Buffer {
  const reserved = block.transactions[0]!.inputs[0]!.witness
  if (reserved.length !== 1 || reserved[0]!.length !== 32) {
    throw new ProofError('witness', 'the coinbase has not the one witness item of 32 bytes')
  }
  const leaves = block.transactions.map((transaction, at) =>
    at === 0 ? ZERO_HASH : witnessHash(transaction),
  )
  return doubleSha256(Buffer.concat([merkleRoot(leaves).root, reserved[0]!]))
}

/**
 * Checks the witnesses (BIP-141). Before its height nodes know no commitments: miners wrote some, without the coinbase
 * witness that would make them checkable.
 * @returns whether there was something to check.
 */
function checkWitness(block: Block, height: number, rules: UtxoRules): boolean {
  const active = rules.segwitHeight !== null && height >= rules.segwitHeight
  const expected = active ? findCommitment(block.transactions[0]!) : null
  if (!expected) {
    if (!block.transactions.some(transaction => transaction.hasWitness)) return false
    throw new ProofError('witness', 'witnesses that the block does not commit to')
  }
  const commitment = witnessCommitment(block)
  if (commitment.equals(expected)) return true
  throw new ProofError(
    'witness',
    `expected ${formatHex(expected)}, the witnesses give ${formatHex(commitment)}`,
  )
}

/** A height as BIP-34 has it pushed at the start of the coinbase script. */
export function heightPush(height: number): Buffer {
  if (height <= 16) return Buffer.of(height === 0 ? 0 : 0x50 + height)
  const digits: number[] = []
  for (let rest = height; rest > 0; rest = Math.floor(rest / 256)) digits.push(rest % 256)
  // Script numbers carry their sign in the highest bit.
  if (digits.at(-1)! >= 0x80) digits.push(0)
  return Buffer.of(digits.length, ...digits)
}

/** @returns whether the block must name its height, and does. */
function checkHeight(block: Block, height: number, rules: UtxoRules): boolean {
  // A merged-mined block keeps its chain id and flags above the version proper.
  const version = rules.auxPow ? block.header.version & 0xff : block.header.version
  if (rules.bip34Height === null || height < rules.bip34Height || version < 2) return false
  const push = heightPush(height)
  const { script } = block.transactions[0]!.inputs[0]!
  if (script.subarray(0, push.length).equals(push)) return true
  throw new ProofError('height', `the coinbase does not begin with height ${height}`)
}

function checkAmounts(block: Block): void {
  for (const { outputs } of block.transactions) {
    let sum = 0n
    for (const { amount } of outputs) sum += amount
    // Not one of unsigned 64 bits may exceed the limit, and neither may their sum.
    if (sum > MAX_AMOUNT) throw new ProofError('inputs', `outputs of ${sum} base units exceed 63 bits`)
  }
}

/** Nobody spends more than there was. */
function checkSums(raw: UtxoRaw, block: Block): void {
  let next = 0
  for (const transaction of block.transactions.slice(1)) {
    const spent = raw.spent.slice(next, next + transaction.inputs.length)
    next += transaction.inputs.length
    let [inputs, known] = [0n, true]
    for (const output of spent) {
      if (output && (output.amount < 0n || output.amount > MAX_AMOUNT)) {
        throw new ProofError('inputs', `a spent output of ${output.amount} base units`)
      }
      known &&= output !== null
      inputs += output?.amount ?? 0n
    }
    const outputs = transaction.outputs.reduce((sum, { amount }) => sum + amount, 0n)
    if (known && inputs < outputs) {
      throw new ProofError('inputs', `a transaction spends ${outputs} of ${inputs} base units`)
    }
  }
}

/** Printed hashes begin with their last byte. */
function checkHashOrder(hashes: readonly Buffer[]): void {
  const printed = hashes.map(hash => formatHex(reverseBytes(hash)))
  const at = printed.findIndex((hash, place) => place > 1 && hash <= printed[place - 1]!)
  if (at < 0) return
  throw new ProofError('txRoot', `transaction ${at} ${printed[at]} is not above the one before it`)
}

function checkInputs(raw: UtxoRaw, block: Block, hashes: readonly Buffer[], rules: UtxoRules): boolean {
  checkAmounts(block)
  const byHash = rules.hashOrderHeight !== null && raw.height >= rules.hashOrderHeight
  if (byHash) checkHashOrder(hashes)
  const proven = checkSpent(raw, block, transactionPlaces(hashes), blockFormat(rules), byHash)
  checkSums(raw, block)
  return proven
}

function checkGenesis(raw: UtxoRaw, rules: UtxoRules): boolean {
  if (raw.height !== 0 || rules.genesisHash === null) return false
  if (formatHex(raw.hash) === rules.genesisHash) return true
  throw new ProofError(
    'checkpoint',
    `expected block 0 to be ${rules.genesisHash}, got ${formatHex(raw.hash)}`,
  )
}

/**
 * Proves what a block commits to. The work is checked before the transactions are read: whoever sends rubbish must
 * have paid for it.
 * @throws ProofError
 */
export function verifyBlock(
  raw: UtxoRaw,
  rules: UtxoRules,
  read: BlockReader = createBlockReader(blockFormat(rules)),
): Verified {
  const format = blockFormat(rules)
  const header = proving(() => readWork(raw.bytes, { ...format, auxPow: false })).header
  checkHash(header, raw)
  const hasWork = checkWork(
    proving(() => readWork(raw.bytes, format)),
    rules,
  )
  const block = proving(() => read(raw.bytes))
  const hashes = block.transactions.map(transactionHash)
  checkTransactionRoot(block, hashes)
  const proofs = ['hash', 'txRoot']
  if (checkWitness(block, raw.height, rules)) proofs.push('witness')
  if (checkHeight(block, raw.height, rules)) proofs.push('height')
  if (checkInputs(raw, block, hashes, rules)) proofs.push('inputs')
  if (hasWork) proofs.push('pow')
  if (checkGenesis(raw, rules)) proofs.push('checkpoint')
  return {
    height: raw.height,
    hash: raw.hash,
    parentHash: reverseBytes(header.previousHash),
    time: header.time,
    transactionCount: block.transactions.length,
    proofs,
    work: expectedWork(header.bits),
  }
}
