import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Block as LibraryBlock } from 'bitcoinjs-lib'
import { expect, test } from 'vitest'
import type { SplitBlock } from '../../schema/block.ts'
import type { ChainSource } from '../../schema/chain.ts'
import { RowReader, RowWriter } from '../../schema/columns.ts'
import { checkSplitBlock } from '../../schema/invariants.ts'
import { blockTableNames, blockTables, equalValues, type Table } from '../../schema/tables.ts'
import { describeRecorded, recordings } from '../../test/recordings.ts'
import type { Chain } from '../chain.ts'
import { bitcoin } from '../chains/bitcoin.ts'
import { bitcoinRegtest } from '../chains/bitcoin-regtest.ts'
import { dogecoin } from '../chains/dogecoin.ts'
import { litecoin } from '../chains/litecoin.ts'
import { openRpc } from '../rpc.ts'
import { readBlock } from './block.ts'
import { madeChain } from './made.fixture.ts'
import { parseNodeJson } from './node-json.ts'
import type { UtxoRaw } from './raw.ts'
import { transactionHash, transactionWeight, witnessHash } from './transaction.ts'

async function openRecorded(chain: Chain<UtxoRaw>, directory = join(recordings, chain.definition.slug)) {
  return chain.open(await openRpc([{ url: `file:${directory}` }]))
}

async function load(chain: Chain<UtxoRaw>, height: number): Promise<UtxoRaw> {
  return (await openRecorded(chain)).blockAt(height)
}

function split(chain: Chain<UtxoRaw>, raw: UtxoRaw): SplitBlock {
  return chain.split(raw, chain.verify(raw))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Every row fits its table, comes back equal, and stands where the table's key puts it. */
function checkRows({ rows }: SplitBlock): void {
  for (const name of blockTableNames) {
    const table: Table = blockTables[name]
    const given: Record<string, unknown>[] = rows[name] ?? []
    for (const [at, row] of given.entries()) {
      // Every row of small tables, some of large ones.
      if (at > 200 && at % 7 !== 0) continue
      if (Object.keys(row).length !== Object.keys(table.columns).length)
        throw new Error(`${name}: other columns`)
      const writer = new RowWriter()
      for (const [column, type] of Object.entries(table.columns)) type.write(writer, row[column])
      const reader = new RowReader(writer.view())
      for (const [column, type] of Object.entries(table.columns)) {
        if (!equalValues(type.read(reader), row[column]))
          throw new Error(`${name}.${column} comes back changed`)
      }
    }
    const key = table.orderBy.filter(column => column in table.columns)
    for (let at = 1; at < given.length; at++) {
      if (!isBefore(given[at - 1]!, given[at]!, key)) throw new Error(`${name}: row ${at} is out of order`)
    }
  }
}

const KINDS = ['block', 'transaction', 'open_input']

function isBefore(a: Record<string, unknown>, b: Record<string, unknown>, key: string[]): boolean {
  for (const column of key) {
    const order = (row: Record<string, unknown>) =>
      column === 'kind' ? KINDS.indexOf(String(row.kind)) : (row[column] as bigint)
    if (order(a) !== order(b)) return order(a) < order(b)
  }
  return false
}

async function proveAll(chain: Chain<UtxoRaw>, count: number): Promise<void> {
  const source = await openRecorded(chain)
  const heights = (await source.recordedHeights())!
  expect(heights).toHaveLength(count)
  expect(await source.head()).toBe(heights.at(-1))
  let before: { height: number; hash: string } | null = null
  for (const height of heights) {
    const raw = await source.blockAt(height)
    const verified = chain.verify(raw)
    expect(verified.proofs.slice(0, 2)).toEqual(['hash', 'txRoot'])
    expect(verified.proofs).toContain('pow')
    if (before?.height === height - 1) expect(hex(verified.parentHash)).toBe(before.hash)
    before = { height, hash: hex(verified.hash) }
    const rows = chain.split(raw, verified)
    checkSplitBlock(rows)
    checkRows(rows)
    const decoded = chain.decode(chain.encode(raw))
    expect(equalValues(decoded, raw)).toBe(true)
    expect(equalValues(chain.split(decoded, chain.verify(decoded)), rows)).toBe(true)
  }
}

/** Digests, sizes and amounts as bitcoinjs-lib has them. */
function compareWithLibrary(raw: UtxoRaw): void {
  const library = LibraryBlock.fromBuffer(raw.bytes)
  const block = readBlock(raw.bytes, { segwit: true, mweb: false, auxPow: false })
  expect(hex(block.header.bytes.subarray(36, 68))).toBe(hex(library.merkleRoot!))
  expect(block.weight).toBe(library.weight())
  const transactions = library.transactions!
  expect(block.transactions).toHaveLength(transactions.length)
  for (const [at, theirs] of transactions.entries()) {
    const ours = block.transactions[at]!
    const hash = transactionHash(ours)
    expect(hex(hash)).toBe(hex(theirs.getHash()))
    // The library gives the coinbase the zero leaf that BIP-141 has for it, not a hash.
    if (at > 0) expect(hex(witnessHash(ours))).toBe(hex(theirs.getHash(true)))
    expect(transactionWeight(ours)).toBe(theirs.weight())
    expect(ours.outputs.map(output => output.amount)).toEqual(theirs.outs.map(output => output.value))
    expect(ours.outputs.map(output => hex(output.script))).toEqual(
      theirs.outs.map(output => hex(output.script)),
    )
    expect(
      ours.inputs.map(input => `${hex(input.previousHash)} ${input.previousIndex} ${input.sequence}`),
    ).toEqual(theirs.ins.map(input => `${hex(input.hash)} ${input.index} ${input.sequence}`))
    expect(ours.inputs.map(input => input.witness.map(hex))).toEqual(
      theirs.ins.map(input => input.witness.map(hex)),
    )
  }
}

describeRecorded('Bitcoin', () => {
  test('all recorded blocks are proven and split', () => proveAll(bitcoin, 307), 60_000)

  test.each([169_482, 227_836, 413_567, 702_861, 951_658])(
    'block %i reads as bitcoinjs-lib reads it',
    async height => compareWithLibrary(await load(bitcoin, height)),
    60_000,
  )

  test('which proofs a block has grows with the rules', async () => {
    const proofs = async (height: number) => bitcoin.verify(await load(bitcoin, height)).proofs
    expect(await proofs(0)).toEqual(['hash', 'txRoot', 'inputs', 'pow', 'checkpoint'])
    expect(await proofs(1)).toEqual(['hash', 'txRoot', 'inputs', 'pow'])
    expect(await proofs(227_836)).toEqual(['hash', 'txRoot', 'pow'])
    expect(await proofs(413_567)).toEqual(['hash', 'txRoot', 'height', 'pow'])
    expect(await proofs(702_861)).toEqual(['hash', 'txRoot', 'witness', 'height', 'pow'])
  })

  test('block 170: the first payment', async () => {
    const { rows } = split(bitcoin, await load(bitcoin, 170))
    const paid = rows.utxo_outputs!.filter(row => row.transaction_index === 1)
    expect(paid.map(row => [row.amount, row.script_type, row.required_signatures])).toEqual([
      [1_000_000_000n, 'pubkey', 1],
      [4_000_000_000n, 'pubkey', 1],
    ])
    expect(hex(rows.transactions![1]!.hash)).toBe(
      'f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16',
    )
    expect(paid[0]!.address).toMatch(/^script:[0-9a-f]{64}$/)
    expect(rows.utxo_inputs![1]).toMatchObject({ source: 'unknown', amount: null, previous_index: 0 })
    expect(hex(rows.utxo_inputs![1]!.previous_hash!)).toBe(
      '0437cd7f8525ceed2324359c2d0ba26006d92d856a9c20fa0241106ee5a597c9',
    )
  })

  test('blocks 0 to 299 know all their inputs from each other', async () => {
    const source = await openRecorded(bitcoin)
    const made = new Map<string, { amount: bigint; script: Uint8Array }>()
    const key = (outpoint: { hash: Uint8Array; index: number }) => `${hex(outpoint.hash)}:${outpoint.index}`
    const outputs = bitcoin.outputs!
    for (let height = 0; height < 300; height++) {
      let raw = await source.blockAt(height)
      raw = outputs.attach(
        raw,
        outputs.open(raw).map(outpoint => made.get(key(outpoint)) ?? null),
      )
      expect(bitcoin.verify(raw).proofs).toContain('inputs')
      const { rows } = split(bitcoin, raw)
      expect(rows.utxo_blocks![0]!.subsidy).toBe(5_000_000_000n)
      for (const { outpoint, output } of outputs.created(raw)) made.set(key(outpoint), output)
    }
  }, 60_000)

  test("the reward of block 0 is nobody's, and one that was overwritten is counted once", async () => {
    const sums = ({ rows }: SplitBlock) => {
      const byAddress = new Map<string, bigint>()
      for (const { address, amount } of rows.effects!)
        byAddress.set(address, (byAddress.get(address) ?? 0n) + amount)
      return [...byAddress.values()]
    }
    const genesis = split(bitcoin, await load(bitcoin, 0))
    checkSplitBlock(genesis)
    expect(genesis.rows.effects!.map(({ kind, amount }) => [kind, amount])).toEqual([
      ['reward', 5_000_000_000n],
      ['reward', -5_000_000_000n],
      ['irregular', -5_000_000_000n],
      ['irregular', 5_000_000_000n],
    ])
    expect(sums(genesis)).toEqual([0n, 0n])
    expect(sums(split(bitcoin, await load(bitcoin, 1)))).toEqual([5_000_000_000n, -5_000_000_000n])

    // Recorded is the first of the two blocks with this coinbase: the second differs in nothing that makes effects.
    const source = await openRecorded(bitcoin, join(recordings, 'bitcoin-cash'))
    const first = await source.blockAt(91_722)
    expect(sums(split(bitcoin, first))).toEqual([5_000_000_000n, -5_000_000_000n])
    const second = split(bitcoin, { ...first, height: 91_880 })
    checkSplitBlock(second)
    expect(sums(second)).toEqual([0n, 0n])
    expect(sums(split(bitcoin, { ...first, height: 91_842 }))).toEqual([5_000_000_000n, -5_000_000_000n])
    const onAnother = litecoin.split(first, { ...bitcoin.verify(first), height: 91_880 })
    expect(sums(onAnother)).toEqual([5_000_000_000n, -5_000_000_000n])
  })

  test('block 200000: known only by its description, its inputs only told', async () => {
    const source: ChainSource<UtxoRaw> = await openRecorded(bitcoin)
    const raw = await source.attachPrevious!(await source.blockAt(200_000))
    expect(bitcoin.verify(raw).proofs).toEqual(['hash', 'txRoot', 'pow'])
    const block = split(bitcoin, raw)
    checkSplitBlock(block)
    checkRows(block)
    const { rows } = block
    expect(rows.transactions).toHaveLength(388)
    expect(rows.utxo_inputs).toHaveLength(1232)
    expect(rows.utxo_outputs).toHaveLength(822)
    expect(rows.utxo_blocks![0]).toMatchObject({
      fees: 63_517_500n,
      subsidy: 5_000_000_000n,
      input_count: 1232,
      output_count: 822,
      stripped_size: 247_533,
      weight: 990_132,
    })
    expect(rows.utxo_transactions![0]!.output_amount).toBe(5_063_517_500n)
    expect(new Set(rows.utxo_inputs!.map(row => row.source))).toEqual(new Set(['coinbase', 'node', 'block']))
    expect(rows.transactions!.every(row => row.effects_complete)).toBe(true)
    expect(equalValues(bitcoin.decode(bitcoin.encode(raw)), raw)).toBe(true)
  })

  test('block 200000: scripts and amounts are what the node printed', async () => {
    const raw = await load(bitcoin, 200_000)
    const { rows } = split(bitcoin, raw)
    const file = join(recordings, 'bitcoin/getblock', `${hex(raw.hash)}_2.json`)
    const printed = parseNodeJson(await readFile(file, 'utf8')) as {
      difficulty: unknown
      mediantime: number
      tx: {
        txid: string
        vout: { value: unknown; scriptPubKey: { type: string; hex: string; address?: string } }[]
      }[]
    }
    const outputs = printed.tx.flatMap(({ txid, vout }) => vout.map(output => ({ txid, ...output })))
    expect(rows.utxo_outputs).toHaveLength(outputs.length)
    for (const [at, { txid, value, scriptPubKey }] of outputs.entries()) {
      const row = rows.utxo_outputs![at]!
      expect(hex(row.transaction_hash)).toBe(txid)
      expect(row.amount).toBe(BigInt(String(value).replace('.', '')))
      expect(row.script_type).toBe(scriptPubKey.type)
      expect(hex(row.script_pubkey)).toBe(scriptPubKey.hex)
      if (scriptPubKey.address) expect(row.address).toBe(scriptPubKey.address)
    }
    expect(rows.utxo_blocks![0]!.difficulty).toBeCloseTo(Number(printed.difficulty), 3)
    expect(rows.utxo_blocks![0]!.median_time).toBe(printed.mediantime)
  })

  test.each([0, 1])('block %i is what bitcoin-etl says', async height => {
    const directory = join(recordings, `bitcoin/expected/bitcoin-etl/block_${height}`)
    const read = async (file: string) => JSON.parse(await readFile(join(directory, file), 'utf8'))
    const expectedBlock = await read('expected_blocks.json')
    const expectedTransaction = await read('expected_transactions.json')
    compareWithEtl(split(bitcoin, await load(bitcoin, height)), expectedBlock, expectedTransaction)
  })

  test('one changed byte anywhere in block 169482 or 951658 is noticed', async () => {
    for (const height of [169_482, 951_658]) {
      const raw = await load(bitcoin, height)
      const block = readBlock(raw.bytes, { segwit: true, mweb: false, auxPow: false })
      const step = Math.ceil(raw.bytes.length / 40)
      for (let at = 3; at < raw.bytes.length; at += step) {
        const bytes = Buffer.from(raw.bytes)
        bytes[at] = bytes[at]! ^ 0x10
        expect(() => bitcoin.verify({ ...raw, bytes }), `byte ${at}`).toThrow(/^(hash|txRoot|witness): /)
      }
      const signed = block.transactions.find(
        transaction => transaction.hasWitness && transaction.inputs[0]!.witness[0]!.length > 60,
      )
      if (!signed) continue
      const bytes = Buffer.from(raw.bytes)
      const item = signed.inputs[0]!.witness[0]!
      const at = raw.bytes.indexOf(item) + 20
      bytes[at] = bytes[at]! ^ 1
      const isCoinbase = signed === block.transactions[0]
      expect(isCoinbase).toBe(false)
      expect(() => bitcoin.verify({ ...raw, bytes })).toThrow(/^witness: /)
    }
  }, 60_000)
})

interface EtlBlock {
  hash: string
  size: number
  stripped_size: number | null
  weight: number | null
  version: number
  merkle_root: string
  timestamp: number
  nonce: string
  bits: string
  coinbase_param: string
  transaction_count: number
}

interface EtlTransaction {
  hash: string
  size: number | null
  virtual_size: number | null
  version: number
  lock_time: number
  is_coinbase: boolean
  output_count: number
  output_value: number
  outputs: { type: string; script_hex: string; required_signatures: number; value: number }[]
}

function compareWithEtl(
  { hash, time, rows }: SplitBlock,
  block: EtlBlock,
  transaction: EtlTransaction,
): void {
  const detail = rows.utxo_blocks![0]!
  expect(hex(hash)).toBe(block.hash)
  expect(time).toBe(block.timestamp)
  expect(rows.blocks![0]).toMatchObject({ size: block.size, transaction_count: block.transaction_count })
  expect(hex(detail.merkle_root)).toBe(block.merkle_root)
  expect(hex(detail.coinbase_script)).toBe(block.coinbase_param)
  expect(detail.version).toBe(block.version)
  expect(detail.bits).toBe(Number.parseInt(block.bits, 16))
  const nonce = Buffer.alloc(4)
  nonce.writeUInt32BE(detail.nonce)
  expect([hex(nonce), hex(nonce.reverse())]).toContain(block.nonce)
  if (block.weight !== null)
    expect(detail).toMatchObject({ stripped_size: block.stripped_size, weight: block.weight })
  const row = rows.utxo_transactions![0]!
  expect(hex(row.transaction_hash)).toBe(transaction.hash)
  expect(row).toMatchObject({ lock_time: transaction.lock_time, is_coinbase: transaction.is_coinbase })
  expect(row.output_amount).toBe(BigInt(transaction.output_value))
  if (transaction.size !== null) {
    expect(row).toMatchObject({ size: transaction.size, virtual_size: transaction.virtual_size })
  }
  expect(
    rows.utxo_outputs!.map(output => ({
      type: output.script_type,
      script_hex: hex(output.script_pubkey),
      required_signatures: output.required_signatures,
      value: Number(output.amount),
    })),
  ).toEqual(
    transaction.outputs.map(({ type, script_hex, required_signatures, value }) => ({
      type,
      script_hex,
      required_signatures,
      value,
    })),
  )
}

describeRecorded('Litecoin', () => {
  test('all recorded blocks are proven and split', () => proveAll(litecoin, 172), 60_000)

  test('block 1 stands on the genesis block of the definition', async () => {
    expect(hex(litecoin.verify(await load(litecoin, 1)).parentHash)).toBe(litecoin.definition.genesisHash)
  })

  test('block 2265985 has an extension block, and its transactions are those that the node names', async () => {
    const raw = await load(litecoin, 2_265_985)
    expect(litecoin.verify(raw).proofs).toEqual(['hash', 'txRoot', 'witness', 'height', 'pow'])
    const { rows } = split(litecoin, raw)
    const file = join(recordings, 'litecoin/getblock', `${hex(raw.hash)}_1.json`)
    const printed = JSON.parse(await readFile(file, 'utf8')) as { tx: string[]; size: number }
    expect(rows.transactions!.map(row => hex(row.hash))).toEqual(printed.tx)
    expect(rows.blocks![0]!.size).toBe(printed.size)
    // The recordings' README counts the byte before it, too: 5965.
    expect(rows.utxo_blocks![0]!.extension_size).toBe(5964)
    const last = rows.utxo_outputs!.filter(row => row.transaction_index === printed.tx.length - 1)
    expect(last[0]).toMatchObject({ script_type: 'witness_mweb_hogaddr' })
    expect(last[0]!.address).toMatch(/^ltc1g/)
    expect(rows.utxo_outputs!.some(row => row.script_type === 'witness_mweb_pegin')).toBe(true)
  })

  test.each([2_215_584, 2_215_586])('testnet block %i with an extension block', async height => {
    const testnet = madeChain({
      network: 'test',
      proofOfWork: 'scrypt',
      powLimit: 0x0fffffn << 216n,
      mweb: true,
      bip34Height: 76,
      addresses: { keyHash: 0x6f, scriptHash: [0x3a, 0xc4], bech32: 'tltc' },
    })
    const raw = await (await openRecorded(testnet, join(recordings, 'litecoin-testnet4'))).blockAt(height)
    expect(testnet.verify(raw).proofs).toEqual(['hash', 'txRoot', 'witness', 'height', 'pow'])
    checkSplitBlock(split(testnet, raw))
  })
})

describeRecorded('Dogecoin', () => {
  test('all recorded blocks are proven and split', () => proveAll(dogecoin, 3))

  test('block 2: rebuilt from names and transactions, and what bitcoin-etl says', async () => {
    const directory = join(recordings, 'dogecoin/expected/bitcoin-etl/block_without_transactions')
    const read = async (file: string) => JSON.parse(await readFile(join(directory, file), 'utf8'))
    const block = split(dogecoin, await load(dogecoin, 2))
    compareWithEtl(block, await read('expected_blocks.json'), await read('expected_transactions.json'))
    expect(block.rows.utxo_blocks![0]!.difficulty).toBeCloseTo(0.00024414, 8)
  })
})

/** Made by this project's own development chain, with balances written down by the script that paid them. */
test('the regtest recording adds up to the balances of its script', async () => {
  const directory = join(import.meta.dirname, '../../test/fixtures/recordings/bitcoin-regtest')
  const facts = JSON.parse(await readFile(join(directory, 'FACTS.json'), 'utf8')) as {
    blocks: number
    balances: { address: string; amount: string }[]
  }
  const source = await openRecorded(bitcoinRegtest, directory)
  const outputs = bitcoinRegtest.outputs!
  const made = new Map<string, { amount: bigint; script: Uint8Array }>()
  const balances = new Map<string, bigint>()
  const heights = (await source.recordedHeights())!
  expect(heights).toHaveLength(facts.blocks)
  for (const height of heights) {
    let raw = await source.blockAt(height)
    const found = outputs.open(raw).map(({ hash, index }) => made.get(`${hex(hash)}:${index}`) ?? null)
    raw = outputs.attach(raw, found)
    const block = split(bitcoinRegtest, raw)
    checkSplitBlock(block)
    checkRows(block)
    expect(block.rows.transactions!.every(row => row.effects_complete)).toBe(true)
    for (const { outpoint, output } of outputs.created(raw)) {
      made.set(`${hex(outpoint.hash)}:${outpoint.index}`, output)
    }
    for (const { address, amount } of block.rows.effects!) {
      balances.set(address, (balances.get(address) ?? 0n) + amount)
    }
  }
  for (const { address, amount } of facts.balances)
    expect(balances.get(address), address).toBe(BigInt(amount))
}, 60_000)
