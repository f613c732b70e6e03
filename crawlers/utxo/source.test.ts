import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  EndpointError,
  MalformedAnswerError,
  NotAvailableError,
  RpcError,
  WrongChainError,
} from '../../schema/errors.ts'
import type { Call } from '../endpoint.ts'
import { writeRecorded } from '../recording.ts'
import { openRpc } from '../rpc.ts'
import {
  blockBytes,
  commitmentScript,
  digits,
  fakeRpc,
  type MadeTransaction,
  madeChain,
  NULL_HASH,
  rawOf,
  TRUE_SCRIPT,
  transactionBytes,
  txid,
} from './made.fixture.ts'

const chain = madeChain()
const HEIGHT = 7

function printed(made: MadeTransaction): string {
  return txid(made).reverse().toString('hex')
}

const previous: MadeTransaction = {
  inputs: [{ hash: Buffer.alloc(32, 9), index: 0 }],
  outputs: [
    { amount: 30n, script: TRUE_SCRIPT },
    { amount: 12_345_678_901n, script: Buffer.of(0x52) },
  ],
}
const spender: MadeTransaction = {
  inputs: [
    { hash: txid(previous), index: 1, script: Buffer.of(2, 7, 7), witness: [Buffer.from('signature')] },
  ],
  outputs: [{ amount: 12_345_678_900n, script: TRUE_SCRIPT }],
  lockTime: 99,
}
const child: MadeTransaction = {
  inputs: [{ hash: txid(spender), index: 0 }],
  outputs: [{ amount: 1n, script: TRUE_SCRIPT }],
}
const coinbase: MadeTransaction = {
  inputs: [{ witness: [NULL_HASH] }],
  outputs: [
    { amount: 50n, script: TRUE_SCRIPT },
    { amount: 0n, script: commitmentScript([spender, child]) },
  ],
}
const transactions = [coinbase, spender, child]
const bytes = blockBytes(transactions)
const expected = rawOf(bytes, HEIGHT)
const hash = expected.hash.toString('hex')

/** A transaction as a node describes it; amounts keep the digits that a node would print. */
function describeTransaction(made: MadeTransaction, index: number, prevout = false) {
  const { inputs = [{}], outputs = [], lockTime = 0 } = made
  return {
    txid: printed(made),
    version: 2,
    locktime: lockTime,
    vin: inputs.map(({ hash: spent, index: vout, script = Buffer.of(1, 1), witness = [] }) => {
      const common = { sequence: 0xffffffff, txinwitness: witness.map(item => item.toString('hex')) }
      if (index === 0) return { coinbase: script.toString('hex'), ...common }
      const told = spent?.equals(txid(previous))
        ? { prevout: { value: digits('123.45678901'), scriptPubKey: { hex: '52' } } }
        : {}
      const spends = { txid: Buffer.from(spent!).reverse().toString('hex'), vout }
      return { ...spends, scriptSig: { hex: script.toString('hex') }, ...common, ...(prevout ? told : {}) }
    }),
    vout: outputs.map(({ amount, script }, n) => ({
      value: digits(`${amount / 100_000_000n}.${String(amount % 100_000_000n).padStart(8, '0')}`),
      n,
      scriptPubKey: { hex: script.toString('hex') },
    })),
  }
}

const description = {
  hash,
  height: HEIGHT,
  version: 2,
  previousblockhash: NULL_HASH.toString('hex'),
  merkleroot: Buffer.from(bytes.subarray(36, 68)).reverse().toString('hex'),
  time: 1_600_000_000,
  mediantime: 1_599_999_000,
  chainwork: '00ff',
  bits: '207fffff',
  nonce: 7,
}

type Answers = Record<string, unknown>

function node(answers: Answers) {
  const rpc = fakeRpc(({ method, params }: Call) => answers[[method, ...params].join(' ')])
  return { rpc, source: chain.open(rpc) }
}

const known = { [`getblockhash ${HEIGHT}`]: hash }
const rawBlock = { ...known, [`getblock ${hash} 0`]: bytes.toString('hex') }

describe('blockAt', () => {
  test('takes the raw block and attaches what it spends of itself', async () => {
    const { source } = node(rawBlock)
    const raw = await source.blockAt(HEIGHT)
    expect(raw).toEqual({
      ...expected,
      spent: [null, { amount: 12_345_678_900n, script: TRUE_SCRIPT, source: 'block' }],
    })
    expect(chain.verify(raw).proofs).toEqual(['hash', 'txRoot', 'witness'])
  })

  test.each([2, 3])('rebuilds the very bytes from verbosity %i', async verbosity => {
    const tx = transactions.map((made, at) => describeTransaction(made, at, verbosity === 3))
    const { source } = node({ ...known, [`getblock ${hash} ${verbosity}`]: { ...description, tx } })
    const raw = await source.blockAt(HEIGHT)
    expect(raw.bytes.equals(bytes)).toBe(true)
    expect(raw).toMatchObject({ medianTime: 1_599_999_000, chainWork: 255n })
    expect(raw.spent[0]).toEqual(
      verbosity === 3 ? { amount: 12_345_678_901n, script: Buffer.of(0x52), source: 'node' } : null,
    )
    expect(chain.verify(raw).proofs).toEqual(['hash', 'txRoot', 'witness'])
  })

  test('rebuilds from verbosity 1 and every transaction', async () => {
    const tx = transactions.map(printed)
    const answers: Answers = { ...known, [`getblock ${hash} 1`]: { ...description, tx } }
    for (const made of transactions) {
      answers[`getrawtransaction ${printed(made)} 1`] = { hex: transactionBytes(made).toString('hex') }
    }
    expect((await node(answers).source.blockAt(HEIGHT)).bytes.equals(bytes)).toBe(true)
    delete answers[`getrawtransaction ${printed(child)} 1`]
    await expect(node(answers).source.blockAt(HEIGHT)).rejects.toThrow(NotAvailableError)
  })

  test('a description with one wrong digit does not prove itself', async () => {
    const tx = transactions.map((made, at) => describeTransaction(made, at))
    tx[2]!.vout[0]!.value = digits('0.00000002')
    const { source } = node({ ...known, [`getblock ${hash} 2`]: { ...description, tx } })
    const raw = await source.blockAt(HEIGHT)
    expect(() => chain.verify(raw)).toThrow(/txRoot/)
  })

  test.each<[string, Answers]>([
    [
      'another block',
      { [`getblock ${hash} 1`]: { ...description, hash: '11'.repeat(32), tx: [printed(coinbase)] } },
    ],
    ['another height', { [`getblock ${hash} 1`]: { ...description, height: 8, tx: [printed(coinbase)] } }],
    ['no transactions', { [`getblock ${hash} 1`]: { ...description, tx: [] } }],
    ['no nonce', { [`getblock ${hash} 1`]: { ...description, nonce: undefined, tx: [] } }],
    ['half a byte', { [`getblock ${hash} 0`]: `${bytes.toString('hex')}0` }],
    ['no hex', { [`getblock ${hash} 0`]: `${bytes.toString('hex')}zz` }],
    ['a cut block', { [`getblock ${hash} 0`]: bytes.subarray(0, -1).toString('hex') }],
    ['no hash', { [`getblockhash ${HEIGHT}`]: 'deadbeef' }],
  ])('refuses %s', async (_, answers) => {
    await expect(node({ ...known, ...answers }).source.blockAt(HEIGHT)).rejects.toThrow(MalformedAnswerError)
  })

  test('what a node does not have is not available, whatever it calls that', async () => {
    const outOfRange = new RpcError('Block height out of range', -8)
    await expect(node({}).source.blockAt(HEIGHT)).rejects.toThrow(NotAvailableError)
    await expect(node({ [`getblockhash ${HEIGHT}`]: outOfRange }).source.blockAt(HEIGHT)).rejects.toThrow(
      NotAvailableError,
    )
    const pruned = new RpcError('Block not available (pruned data)', -1)
    const answers = { ...known, [`getblock ${hash} 0`]: pruned, [`getblock ${hash} 1`]: pruned }
    await expect(node(answers).source.blockAt(HEIGHT)).rejects.toThrow(NotAvailableError)
  })

  test('blockByHash learns the height from the header or the description', async () => {
    const block = { [`getblock ${hash} 0`]: bytes.toString('hex') }
    const header = { [`getblockheader ${hash} true`]: { height: HEIGHT } }
    expect((await node({ ...block, ...header }).source.blockByHash(hash)).height).toBe(HEIGHT)
    const described = { [`getblock ${hash} 1`]: { ...description, tx: transactions.map(printed) } }
    expect((await node({ ...block, ...described }).source.blockByHash(hash)).height).toBe(HEIGHT)
    await expect(node(block).source.blockByHash(hash)).rejects.toThrow(NotAvailableError)
  })
})

describe('attachPrevious', () => {
  const call = `getrawtransaction ${printed(previous)} 1`

  test('with bytes the output is proven', async () => {
    const { source } = node({ ...rawBlock, [call]: { hex: transactionBytes(previous).toString('hex') } })
    const raw = await source.attachPrevious!(await source.blockAt(HEIGHT))
    expect(raw.spent[0]).toEqual({
      amount: 12_345_678_901n,
      script: Buffer.of(0x52),
      source: 'transaction',
      transaction: transactionBytes(previous),
    })
    expect(chain.verify(raw).proofs).toEqual(['hash', 'txRoot', 'witness', 'inputs'])
    expect(chain.decode(chain.encode(raw))).toEqual(raw)
  })

  test('bytes of another transaction are found out', async () => {
    const other = transactionBytes({ ...previous, lockTime: 5 })
    const { source } = node({ ...rawBlock, [call]: { hex: other.toString('hex') } })
    const raw = await source.attachPrevious!(await source.blockAt(HEIGHT))
    expect(() => chain.verify(raw)).toThrow(/inputs/)
  })

  test('without bytes it is only told, by number and not by position', async () => {
    const vout = [{ value: digits('123.45678901'), n: 1, scriptPubKey: { hex: '52' } }]
    const { source } = node({ ...rawBlock, [call]: { vout } })
    const raw = await source.attachPrevious!(await source.blockAt(HEIGHT))
    expect(raw.spent[0]).toEqual({ amount: 12_345_678_901n, script: Buffer.of(0x52), source: 'node' })
    expect(chain.verify(raw).proofs).not.toContain('inputs')
  })

  test('a node without an index tells by verbosity 3', async () => {
    const tx = transactions.map((made, at) => describeTransaction(made, at, true))
    const refused = new RpcError('No such mempool transaction', -5)
    const { source } = node({ ...rawBlock, [call]: refused, [`getblock ${hash} 3`]: { ...description, tx } })
    const raw = await source.attachPrevious!(await source.blockAt(HEIGHT))
    expect(raw.spent[0]).toEqual({ amount: 12_345_678_901n, script: Buffer.of(0x52), source: 'node' })
  })

  test('trouble is not taken for absence: the block is fetched again rather than left with less proof', async () => {
    const tx = transactions.map((made, at) => describeTransaction(made, at, true))
    const trouble = new EndpointError('HTTP 502')
    const { source } = node({ ...rawBlock, [call]: trouble, [`getblock ${hash} 3`]: { ...description, tx } })
    const raw = await source.blockAt(HEIGHT)
    await expect(source.attachPrevious!(raw)).rejects.toThrow(EndpointError)
  })

  test('what nobody tells stays open', async () => {
    const { source } = node(rawBlock)
    const raw = await source.blockAt(HEIGHT)
    expect(await source.attachPrevious!(raw)).toEqual(raw)
  })

  test('each transaction is asked for once, and nothing when nothing is open', async () => {
    const twice = { inputs: [0, 1].map(index => ({ hash: txid(previous), index })) }
    const answers = { [call]: { hex: transactionBytes(previous).toString('hex') } }
    const { rpc, source } = node(answers)
    const raw = rawOf(blockBytes([{}, twice]), HEIGHT, [null, null])
    const attached = await source.attachPrevious!(raw)
    expect(attached.spent.map(output => output?.source)).toEqual(['transaction', 'transaction'])
    expect(rpc.calls).toHaveLength(1)
    await source.attachPrevious!(attached)
    expect(rpc.calls).toHaveLength(1)
  })

  test('a node that has none of a bulk is not asked for the rest', async () => {
    const inputs = Array.from({ length: 250 }, (_, at) => ({ hash: Buffer.alloc(32, at + 1), index: at }))
    const { rpc, source } = node({})
    await source.attachPrevious!(
      rawOf(
        blockBytes([{}, { inputs }]),
        HEIGHT,
        inputs.map(() => null),
      ),
    )
    expect(rpc.calls.filter(({ method }) => method === 'getrawtransaction')).toHaveLength(100)
  })
})

describe('identify', () => {
  const genesisHash = '22'.repeat(32)
  const identify = (answers: Answers, genesis: string | null = genesisHash) =>
    madeChain({ genesisHash: genesis }).open(node(answers).rpc).identify()
  const network = (name: string) => ({ getblockchaininfo: { chain: name } })

  test('says what could be compared', async () => {
    expect(await identify({ 'getblockhash 0': genesisHash, ...network('regtest') })).toEqual({
      checked: ['genesisHash', 'network'],
      unchecked: [],
    })
    expect(await identify({})).toEqual({ checked: [], unchecked: ['genesisHash', 'network'] })
    expect(await identify({ 'getblockhash 0': genesisHash }, null)).toEqual({
      checked: [],
      unchecked: ['genesisHash', 'network'],
    })
  })

  test('refuses another chain', async () => {
    await expect(identify({ 'getblockhash 0': '33'.repeat(32) })).rejects.toThrow(WrongChainError)
    await expect(identify(network('main'))).rejects.toThrow(WrongChainError)
  })
})

describe('recordings', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wanlian-utxo-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  async function open() {
    return chain.open(await openRpc([{ url: `file:${directory}` }]))
  }

  test('only whole blocks count', async () => {
    const hashes = ['1', '2', '3', '4', '5'].map(digit => digit.repeat(64))
    for (const [at, each] of hashes.entries()) await writeRecorded(directory, 'getblockhash', [at * 10], each)
    await writeRecorded(directory, 'getblock', [hashes[0], 0], bytes.toString('hex'))
    await writeRecorded(directory, 'getblock', [hashes[1], 1], {
      ...description,
      tx: [printed(coinbase), printed(child)],
    })
    await writeRecorded(directory, 'getblock', [hashes[2], 1], { ...description, tx: [printed(coinbase)] })
    await writeRecorded(directory, 'getblock', [hashes[3], 1], { ...description, tx: [] })
    await writeRecorded(directory, 'getrawtransaction', [printed(coinbase), 1], { hex: 'ab' })
    await writeRecorded(directory, 'getrawtransaction', [printed(child), 1], { vout: [] })
    const source = await open()
    expect(await source.recordedHeights()).toEqual([0, 20])
    expect(await source.head()).toBe(20)
  })

  test('a recorded hash is found by its height', async () => {
    await writeRecorded(directory, 'getblockhash', [HEIGHT], hash)
    await writeRecorded(directory, 'getblock', [hash, 0], bytes.toString('hex'))
    const source = await open()
    expect((await source.blockByHash(hash)).height).toBe(HEIGHT)
    await expect(source.blockByHash('ab'.repeat(32))).rejects.toThrow(NotAvailableError)
  })

  test('a node has no listing, an empty recording no head', async () => {
    expect(await node({}).source.recordedHeights()).toBeNull()
    await expect((await open()).head()).rejects.toThrow(NotAvailableError)
    expect(await node({ getblockcount: 42 }).source.head()).toBe(42)
  })
})
