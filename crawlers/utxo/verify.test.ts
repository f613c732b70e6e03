import { describe, expect, test } from 'vitest'
import { ProofError } from '../../schema/errors.ts'
import { checkSplitBlock } from '../../schema/invariants.ts'
import {
  blockBytes,
  commitmentScript,
  headerBytes,
  type MadeTransaction,
  madeChain,
  NULL_HASH,
  rawOf,
  sha256d,
  TRUE_SCRIPT,
  textbookRoot,
  transactionBytes,
  txid,
} from './made.fixture.ts'
import type { SpentOutput, UtxoRaw } from './raw.ts'
import { heightPush } from './verify.ts'

const chain = madeChain()
const reward = { amount: 50n, script: TRUE_SCRIPT }
const coinbase: MadeTransaction = { outputs: [reward] }
const previous: MadeTransaction = {
  inputs: [{ hash: Buffer.alloc(32, 9), index: 0 }],
  outputs: [
    { amount: 30n, script: TRUE_SCRIPT },
    { amount: 20n, script: Buffer.of(0x52) },
  ],
}
const spender: MadeTransaction = {
  inputs: [{ hash: txid(previous), index: 1 }],
  outputs: [{ amount: 18n, script: TRUE_SCRIPT }],
}
const child: MadeTransaction = {
  inputs: [{ hash: txid(spender), index: 0 }],
  outputs: [{ amount: 15n, script: TRUE_SCRIPT }],
}
const spentByTransaction: SpentOutput = {
  amount: 20n,
  script: Buffer.of(0x52),
  source: 'transaction',
  transaction: transactionBytes(previous),
}
const spentInBlock: SpentOutput = { amount: 18n, script: TRUE_SCRIPT, source: 'block' }

function proofOf(raw: UtxoRaw, made = chain): string {
  try {
    made.verify(raw)
  } catch (error) {
    if (error instanceof ProofError) return error.proof
    throw error
  }
  return 'none'
}

describe('hash and transaction root', () => {
  test('a coinbase alone is proven, its inputs too', () => {
    const raw = rawOf(blockBytes([coinbase]), 5)
    expect(chain.verify(raw)).toMatchObject({
      height: 5,
      transactionCount: 1,
      proofs: ['hash', 'txRoot', 'inputs'],
    })
  })

  test('another hash than the one asked for is refused', () => {
    const raw = rawOf(blockBytes([coinbase]), 5)
    expect(proofOf({ ...raw, hash: Buffer.alloc(32, 1) })).toBe('hash')
  })

  test('every byte counts: those of the header for the hash, all others for the transaction root', () => {
    const raw = rawOf(blockBytes([coinbase, spender, child]), 5, [spentByTransaction, spentInBlock])
    expect(proofOf(raw)).toBe('none')
    for (let at = 0; at < raw.bytes.length; at++) {
      const bytes = Buffer.from(raw.bytes)
      bytes[at] = bytes[at]! ^ 1
      expect(proofOf({ ...raw, bytes }), `byte ${at}`).toBe(at < 80 ? 'hash' : 'txRoot')
    }
  })

  test('truncations and bytes left over are refused', () => {
    const raw = rawOf(blockBytes([coinbase, spender]), 5, [null])
    for (let size = 0; size < raw.bytes.length; size++) {
      expect(proofOf({ ...raw, bytes: raw.bytes.subarray(0, size) })).toBe(size < 80 ? 'hash' : 'txRoot')
    }
    expect(proofOf({ ...raw, bytes: Buffer.concat([raw.bytes, Buffer.of(0)]) })).toBe('txRoot')
  })

  test.each([
    ['the last of three', [coinbase, spender, child], [coinbase, spender, child, child]],
    ['the last two of six', [coinbase, spender, child, previous, spender, child], undefined],
  ])('repeated transactions with the same root are refused: %s', (_, honest, repeated) => {
    const doubled = repeated ?? [...honest, ...honest.slice(-2)]
    expect(textbookRoot(doubled.map(txid))).toEqual(textbookRoot(honest.map(txid)))
    const raw = rawOf(
      blockBytes(doubled),
      5,
      Array.from({ length: doubled.length - 1 }, () => null),
    )
    expect(() => chain.verify(raw)).toThrow(/repeated transactions/)
    expect(proofOf(raw)).toBe('txRoot')
  })

  test('a block begins with a coinbase and has no other', () => {
    expect(proofOf(rawOf(blockBytes([spender]), 5))).toBe('txRoot')
    expect(proofOf(rawOf(blockBytes([coinbase, { ...coinbase, lockTime: 1 }]), 5, [null]))).toBe('txRoot')
    expect(proofOf(rawOf(Buffer.concat([headerBytes({}), Buffer.of(0)]), 5))).toBe('txRoot')
  })
})

describe('witness', () => {
  const witnessed: MadeTransaction = {
    inputs: [{ hash: txid(previous), index: 1, witness: [Buffer.from('signature'), Buffer.from('key')] }],
    outputs: [{ amount: 18n, script: TRUE_SCRIPT }],
  }

  function committed(reserved: Buffer[], script = commitmentScript([witnessed])): UtxoRaw {
    const first = { inputs: [{ witness: reserved }], outputs: [reward, { amount: 0n, script }] }
    return rawOf(blockBytes([first, witnessed]), 5, [null])
  }

  test('a commitment to all witnesses is proven', () => {
    const raw = committed([NULL_HASH])
    expect(chain.verify(raw).proofs).toEqual(['hash', 'txRoot', 'witness'])
    expect(chain.split(raw, chain.verify(raw)).rows.utxo_transactions![1]).toMatchObject({
      witness_hash: sha256d(transactionBytes(witnessed)).reverse(),
      transaction_hash: txid(witnessed).reverse(),
      weight: transactionBytes(witnessed, false).length * 3 + transactionBytes(witnessed).length,
    })
  })

  test('a changed, missing or misplaced witness is refused', () => {
    const raw = committed([NULL_HASH])
    const bytes = Buffer.from(raw.bytes)
    const at = bytes.indexOf('signature')
    bytes[at] = bytes[at]! ^ 1
    expect(proofOf({ ...raw, bytes })).toBe('witness')
    expect(proofOf(committed([Buffer.alloc(32, 1)]))).toBe('witness')
    expect(proofOf(committed([Buffer.alloc(31)]))).toBe('witness')
    expect(proofOf(committed([NULL_HASH, NULL_HASH]))).toBe('witness')
    // Stripped of all witnesses the block keeps its hash and root.
    const outputs = [reward, { amount: 0n, script: commitmentScript([witnessed]) }]
    const stripped = [{ outputs }, { ...witnessed, inputs: [{ hash: txid(previous), index: 1 }] }]
    expect(proofOf(rawOf(blockBytes(stripped), 5, [null]))).toBe('witness')
  })

  test('witnesses without a commitment are refused', () => {
    expect(proofOf(rawOf(blockBytes([coinbase, witnessed]), 5, [null]))).toBe('witness')
  })

  test('the last commitment counts', () => {
    const script = commitmentScript([witnessed])
    const wrong = Buffer.concat([script.subarray(0, 6), Buffer.alloc(32, 5)])
    const made = (scripts: Buffer[]) => {
      const outputs = [reward, ...scripts.map(commitment => ({ amount: 0n, script: commitment }))]
      return rawOf(blockBytes([{ inputs: [{ witness: [NULL_HASH] }], outputs }, witnessed]), 5, [null])
    }
    expect(proofOf(made([wrong, script]))).toBe('none')
    expect(proofOf(made([script, wrong]))).toBe('witness')
  })

  test('before its height there are no witnesses, and commitments mean nothing', () => {
    const young = madeChain({ segwitHeight: 100 })
    expect(proofOf(committed([NULL_HASH]), young)).toBe('witness')
    const outputs = [reward, { amount: 0n, script: commitmentScript([]) }]
    expect(young.verify(rawOf(blockBytes([{ outputs }]), 5)).proofs).toEqual(['hash', 'txRoot', 'inputs'])
  })
})

describe('height', () => {
  test.each([
    [0, '00'],
    [1, '51'],
    [16, '60'],
    [17, '0111'],
    [127, '017f'],
    [128, '028000'],
    [255, '02ff00'],
    [256, '020001'],
    [32_767, '02ff7f'],
    [32_768, '03008000'],
    [227_836, '03fc7903'],
    [702_861, '038db90a'],
    [8_388_608, '0400008000'],
  ])('%i is pushed as %s', (height, hex) => {
    expect(heightPush(height).toString('hex')).toBe(hex)
  })

  test('the coinbase must name the height from the chain’s height on', () => {
    const named = madeChain({ bip34Height: 300 })
    const block = (height: number, version: number) => {
      const script = Buffer.concat([heightPush(height), Buffer.of(1, 1)])
      return blockBytes([{ inputs: [{ script }], outputs: [reward] }], { version })
    }
    expect(named.verify(rawOf(block(300, 2), 300)).proofs).toContain('height')
    expect(proofOf(rawOf(block(301, 2), 300), named)).toBe('height')
    expect(named.verify(rawOf(block(301, 2), 299)).proofs).not.toContain('height')
    expect(named.verify(rawOf(block(301, 1), 300)).proofs).not.toContain('height')
    expect(chain.verify(rawOf(block(300, 2), 300)).proofs).not.toContain('height')
  })
})

describe('spent outputs', () => {
  const block = blockBytes([coinbase, spender, child])
  const verify = (spent: (SpentOutput | null)[]) => chain.verify(rawOf(block, 5, spent))

  test('proven by their transaction, by the block, by stored blocks', () => {
    expect(verify([spentByTransaction, spentInBlock]).proofs).toContain('inputs')
    expect(
      verify([{ amount: 20n, script: Buffer.of(0x52), source: 'stored' }, spentInBlock]).proofs,
    ).toContain('inputs')
  })

  test('what a node only says, and what is open, proves nothing', () => {
    expect(
      verify([{ amount: 20n, script: Buffer.of(0x52), source: 'node' }, spentInBlock]).proofs,
    ).not.toContain('inputs')
    expect(verify([null, spentInBlock]).proofs).not.toContain('inputs')
  })

  const otherBytes = transactionBytes({ ...previous, lockTime: 1 })
  test.each<[string, (SpentOutput | null)[]]>([
    ['another amount than its transaction', [{ ...spentByTransaction, amount: 21n }, spentInBlock]],
    ['another script than its transaction', [{ ...spentByTransaction, script: TRUE_SCRIPT }, spentInBlock]],
    [
      'another transaction',
      [{ ...spentByTransaction, transaction: otherBytes } as SpentOutput, spentInBlock],
    ],
    [
      'bytes that are no transaction',
      [{ ...spentByTransaction, transaction: Buffer.alloc(9) } as SpentOutput, spentInBlock],
    ],
    ['another amount than the block', [spentByTransaction, { ...spentInBlock, amount: 19n }]],
    ['another script than the block', [spentByTransaction, { ...spentInBlock, script: Buffer.of(0x52) }]],
    ['a lie about the block', [spentByTransaction, { amount: 19n, script: TRUE_SCRIPT, source: 'node' }]],
    ['an output of another block', [{ amount: 20n, script: Buffer.of(0x52), source: 'block' }, spentInBlock]],
    ['more spent than there was', [{ amount: 17n, script: Buffer.of(0x52), source: 'node' }, spentInBlock]],
    ['a negative amount', [{ amount: -1n, script: Buffer.of(0x52), source: 'node' }, spentInBlock]],
    ['more than 63 bits', [{ amount: 2n ** 63n, script: Buffer.of(0x52), source: 'node' }, spentInBlock]],
    ['one missing', [spentByTransaction]],
    ['one too many', [spentByTransaction, spentInBlock, null]],
  ])('refused: %s', (_, spent) => {
    expect(proofOf(rawOf(block, 5, spent))).toBe('inputs')
  })

  test('refused: an output that the transaction does not have', () => {
    const beyond = { ...spender, inputs: [{ hash: txid(previous), index: 2 }] }
    expect(proofOf(rawOf(blockBytes([coinbase, beyond]), 5, [spentByTransaction]))).toBe('inputs')
  })

  test('refused: an output of a later transaction, known or not', () => {
    const reordered = blockBytes([coinbase, child, spender])
    expect(proofOf(rawOf(reordered, 5, [spentInBlock, spentByTransaction]))).toBe('inputs')
    expect(proofOf(rawOf(reordered, 5, [null, null]))).toBe('inputs')
  })

  test('where transactions are ordered by their hashes, one may spend what a later one makes', () => {
    const byHash = madeChain({ hashOrderHeight: 5 })
    const spents = new Map<typeof spender, SpentOutput>([
      [spender, spentByTransaction],
      [child, spentInBlock],
    ])
    const [first, second] = [spender, child].sort((a, b) =>
      Buffer.compare(Buffer.from(txid(a)).reverse(), Buffer.from(txid(b)).reverse()),
    )
    const of = (...made: (typeof spender)[]) =>
      rawOf(
        blockBytes([coinbase, ...made]),
        5,
        made.map(one => spents.get(one)!),
      )
    expect(proofOf(of(first!, second!), byHash)).toBe('none')
    expect(proofOf(of(second!, first!), byHash)).toBe('txRoot')
    expect([proofOf(of(spender, child)), proofOf(of(child, spender))]).toEqual(['none', 'inputs'])
  })

  test('refused: outputs beyond 63 bits', () => {
    const huge = { outputs: [{ amount: 2n ** 63n, script: TRUE_SCRIPT }] }
    expect(proofOf(rawOf(blockBytes([huge]), 5))).toBe('inputs')
    const half = { amount: 2n ** 62n, script: TRUE_SCRIPT }
    expect(proofOf(rawOf(blockBytes([{ outputs: [half, half] }]), 5))).toBe('inputs')
  })

  test('open, attach, created and stored name the same outputs', () => {
    const raw = rawOf(block, 5, [null, null])
    const outputs = chain.outputs!
    const open = outputs.open(raw)
    expect(open).toEqual([
      { hash: txid(previous).reverse(), index: 1 },
      { hash: txid(spender).reverse(), index: 0 },
    ])
    const attached = outputs.attach(raw, [{ amount: 20n, script: Buffer.of(0x52) }, null])
    expect(outputs.open(attached)).toEqual(open.slice(1))
    expect(outputs.stored(attached)).toEqual([
      { outpoint: open[0], output: { amount: 20n, script: Buffer.of(0x52) } },
    ])
    const created = outputs.created(raw)
    expect(created[1]).toMatchObject({ outpoint: open[1], output: { amount: 18n, script: TRUE_SCRIPT } })
    expect(created).toHaveLength(3)
    expect(() => outputs.attach(raw, [null])).toThrow(/expected 2 open outputs/)
  })
})

describe('effects', () => {
  test('coins come from nowhere with the reward, fees go back there', () => {
    const raw = rawOf(blockBytes([coinbase, spender, child]), 5, [spentByTransaction, spentInBlock])
    const split = chain.split(raw, chain.verify(raw))
    checkSplitBlock(split)
    const effects = split.rows.effects!.map(({ transaction_index, amount, kind, address }) => [
      transaction_index,
      amount,
      kind,
      address === '',
    ])
    expect(effects).toEqual([
      [0, 50n, 'reward', false],
      [0, -50n, 'reward', true],
      [1, -20n, 'transfer', false],
      [1, 18n, 'transfer', false],
      [1, 2n, 'fee', true],
      [2, -18n, 'transfer', false],
      [2, 15n, 'transfer', false],
      [2, 3n, 'fee', true],
    ])
    expect(split.rows.utxo_blocks![0]).toMatchObject({
      fees: 5n,
      subsidy: 45n,
      input_count: 3,
      output_count: 3,
    })
    expect(split.rows.transactions!.map(row => row.fee)).toEqual([0n, 2n, 3n])
  })

  test('an open input leaves its transaction incomplete, and only that one', () => {
    const raw = rawOf(blockBytes([coinbase, spender, child]), 5, [null, spentInBlock])
    const { rows } = chain.split(raw, chain.verify(raw))
    expect(rows.transactions!.map(row => [row.fee, row.effects_complete])).toEqual([
      [0n, true],
      [null, false],
      [3n, true],
    ])
    expect(rows.utxo_blocks![0]).toMatchObject({ fees: null, subsidy: null })
    expect(rows.utxo_inputs![1]).toMatchObject({
      amount: null,
      address: null,
      script_type: null,
      source: 'unknown',
    })
    expect(rows.hashes!.filter(row => row.kind === 'open_input')).toEqual([
      { kind: 'open_input', prefix: txid(previous).reverse().readBigUInt64BE(0), index: 1 },
    ])
  })

  test('two open outputs of one transaction give one row in the search index', () => {
    const both = {
      inputs: [
        { hash: txid(previous), index: 0 },
        { hash: txid(previous), index: 1 },
      ],
    }
    const raw = rawOf(blockBytes([coinbase, both]), 5, [null, null])
    const { rows } = chain.split(raw, chain.verify(raw))
    expect(rows.hashes!.filter(row => row.kind === 'open_input')).toHaveLength(1)
  })

  test('a miner who takes less than the fees issues nothing', () => {
    const raw = rawOf(blockBytes([{ outputs: [{ amount: 1n, script: TRUE_SCRIPT }] }, spender]), 5, [
      spentByTransaction,
    ])
    const split = chain.split(raw, chain.verify(raw))
    checkSplitBlock(split)
    expect(split.rows.utxo_blocks![0]).toMatchObject({ fees: 2n, subsidy: 0n })
  })
})

describe('checkpoint', () => {
  test('block 0 must be the chain’s own', () => {
    const raw = rawOf(blockBytes([coinbase]), 0)
    const right = madeChain({ genesisHash: raw.hash.toString('hex') })
    const wrong = madeChain({ genesisHash: '00'.repeat(32) })
    expect(right.verify(raw).proofs).toEqual(['hash', 'txRoot', 'inputs', 'checkpoint'])
    expect(proofOf(raw, wrong)).toBe('checkpoint')
  })
})
