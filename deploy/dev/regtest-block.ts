import { Block, crypto, opcodes, script, Transaction } from 'bitcoinjs-lib'
import { InputError } from '../../schema/errors.ts'

const REGTEST_BITS = 0x207fffff
export const COINBASE_MATURITY = 100
const HALVING_INTERVAL = 150
const WITNESS_RESERVED_VALUE = new Uint8Array(32)
const WITNESS_COMMITMENT = Buffer.from('6a24aa21a9ed', 'hex')

const GENESIS_COINBASE =
  '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054' +
  '696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420' +
  '666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61' +
  'deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000'

/** What a miner decides about a block. */
export interface BlockTemplate {
  height: number
  previousHash: Uint8Array
  /** Unix seconds. */
  time: number
  /** Output script of the reward. */
  payTo: Uint8Array
  /** Subsidy and fees, in satoshi. */
  reward: bigint
  /** Bytes in the coinbase that make equal blocks of two branches differ. */
  tag: string
  transactions: readonly Transaction[]
}

/** New coins of a block, in satoshi: 50 BTC, halved every 150 blocks. */
export function subsidyAt(height: number): bigint {
  return 5_000_000_000n >> BigInt(Math.floor(height / HALVING_INTERVAL))
}

/** The genesis block of Bitcoin's regtest. */
export function createGenesisBlock(): Block {
  const block = new Block()
  block.version = 1
  block.prevHash = new Uint8Array(32)
  block.timestamp = 1296688602
  block.bits = REGTEST_BITS
  block.nonce = 2
  block.transactions = [Transaction.fromHex(GENESIS_COINBASE)]
  block.merkleRoot = Block.calculateMerkleRoot(block.transactions)
  return block
}

/** A block with coinbase, witness commitment, roots and proof of work. */
export function mineBlock(template: BlockTemplate): Block {
  const coinbase = createCoinbase(template)
  const block = new Block()
  block.version = 0x20000000
  block.prevHash = template.previousHash
  block.timestamp = template.time
  block.bits = REGTEST_BITS
  block.transactions = [coinbase, ...template.transactions]
  const witnessRoot = Block.calculateMerkleRoot(block.transactions, true)
  coinbase.outs[1]!.script = Buffer.concat([WITNESS_COMMITMENT, witnessRoot])
  block.merkleRoot = Block.calculateMerkleRoot(block.transactions)
  block.witnessCommit = witnessRoot
  return findNonce(block)
}

function createCoinbase({ height, tag, payTo, reward }: BlockTemplate): Transaction {
  const coinbase = new Transaction()
  coinbase.version = 2
  coinbase.addInput(new Uint8Array(32), 0xffffffff, Transaction.DEFAULT_SEQUENCE, coinbaseScript(height, tag))
  coinbase.setWitness(0, [WITNESS_RESERVED_VALUE])
  coinbase.addOutput(payTo, reward)
  coinbase.addOutput(Buffer.concat([WITNESS_COMMITMENT, new Uint8Array(32)]), 0n)
  return coinbase
}

/** BIP 34: the height comes first, pushed the way `CScript() << height` does it. */
function coinbaseScript(height: number, tag: string): Uint8Array {
  const first = height <= 16 ? opcodes.OP_1! + height - 1 : script.number.encode(height)
  return script.compile([first, Buffer.from(tag, 'utf8')])
}

function findNonce(block: Block): Block {
  const target = Block.calculateTarget(block.bits)
  const header = Buffer.from(block.toBuffer(true))
  for (let nonce = 0; nonce <= 0xffffffff; nonce++) {
    header.writeUInt32LE(nonce, 76)
    if (Buffer.compare(Buffer.from(crypto.hash256(header)).reverse(), target) > 0) continue
    block.nonce = nonce
    return block
  }
  throw new InputError('expected a nonce that meets regtest difficulty, found none')
}
