import { type Authorization, getCreateAddress, Transaction, type TransactionLike, Wallet } from 'ethers'
import { describe, expect, it } from 'vitest'
import { formatHex0x } from '../../schema/bytes.ts'
import { AppError, MalformedAnswerError, ProofError } from '../../schema/errors.ts'
import {
  address,
  CANCUN,
  madeFrames,
  madeHeader,
  madeRaw,
  madeTransaction,
  topic,
  word,
} from './block.fixture.ts'
import { decodeRaw, encodeRaw } from './codec.ts'
import { defineEvmChain } from './family.ts'
import { headerHash } from './header.ts'
import { readBlock, readReceipts } from './json.ts'
import type { EvmRaw } from './raw.ts'
import { orderedTrieRoot } from './trie.ts'
import { verifyBlock } from './verify.ts'

const NOBODY = { genesisHash: null }

function provenBy(raw: EvmRaw): string {
  try {
    verifyBlock(raw, NOBODY)
    return 'verified'
  } catch (error) {
    return error instanceof ProofError ? error.proof : String(error)
  }
}

/** A block with something of everything. */
function full(): EvmRaw {
  const transactions = [
    madeTransaction({ value: 5n }),
    madeTransaction({ to: null, nonce: 1n }),
    madeTransaction({ nonce: 2n }),
  ]
  const contract = Buffer.from(
    getCreateAddress({ from: formatHex0x(address('a')), nonce: 1 }).slice(2),
    'hex',
  )
  const logs = [{ address: address('f'), topics: [word(1n), topic(address('b'))], data: word(9n) }]
  const told = transactions.map((tx, place) => ({
    transactionHash: tx.hash,
    gasUsed: 21_000n,
    effectiveGasPrice: 10n,
    contractAddress: place === 1 ? contract : null,
    blobGasUsed: null,
    blobGasPrice: null,
  }))
  return madeRaw({
    header: CANCUN,
    transactions,
    receipts: told.map((one, place) => ({ told: one, logs: place === 0 ? [] : logs })),
    traces: transactions.map((tx, place) =>
      madeFrames(tx, [], place === 1 ? { type: 'CREATE', to: contract } : {}),
    ),
    uncles: [madeHeader({ height: 99 })],
    withdrawals: [{ index: 1n, validatorIndex: 2n, address: address('d'), amount: 5n }],
  })
}

/** A copy in which one thing is different. */
function changed(change: (raw: EvmRaw) => void): EvmRaw {
  const raw = decodeRaw(Buffer.from(encodeRaw(full())))
  change(raw)
  return raw
}

const other = (bytes: Buffer) => Buffer.from(bytes.map((byte, at) => (at === 0 ? byte ^ 1 : byte)))

const changes: [string, string, (raw: EvmRaw) => void][] = [
  ['hash', 'a header byte', raw => Object.assign(raw.header, { extraData: Buffer.from([1]) })],
  ['hash', 'the state root', raw => Object.assign(raw.header, { stateRoot: other(raw.header.stateRoot) })],
  ['hash', 'the claimed hash', raw => Object.assign(raw, { claimedHash: other(raw.claimedHash!) })],
  ['hash', 'the hash asked for', raw => Object.assign(raw, { askedHash: other(raw.claimedHash!) })],
  ['hash', 'the height asked for', raw => Object.assign(raw, { askedHeight: 7 })],
  ['txRoot', 'a value', raw => Object.assign(raw.transactions[0]!, { value: 6n })],
  ['txRoot', 'a signature', raw => Object.assign(raw.transactions[2]!, { s: 2n })],
  [
    'txRoot',
    'a transaction hash',
    raw => Object.assign(raw.transactions[0]!, { hash: other(raw.transactions[0]!.hash) }),
  ],
  ['txRoot', 'transactions swapped', raw => raw.transactions.reverse()],
  ['txRoot', 'a transaction missing', raw => raw.transactions.pop()],
  ['receiptsRoot', 'a status', raw => Object.assign(raw.receipts![0]!, { status: 0 })],
  ['receiptsRoot', 'log data', raw => Object.assign(raw.receipts![1]!.logs[0]!, { data: word(8n) })],
  [
    'receiptsRoot',
    'a bloom',
    raw => Object.assign(raw.receipts![1]!, { logsBloom: other(raw.receipts![1]!.logsBloom) }),
  ],
  ['receiptsRoot', 'receipts swapped', raw => raw.receipts!.reverse()],
  ['receiptsRoot', 'a receipt missing', raw => raw.receipts!.pop()],
  ['receiptsRoot', 'no receipts', raw => Object.assign(raw, { receipts: [] })],
  ['receiptsRoot', 'a log index', raw => Object.assign(raw.receipts![1]!.logs[0]!, { index: 5 })],
  [
    'receiptsRoot',
    'told: transaction',
    raw => Object.assign(raw.receipts![1]!.told!, { transactionHash: Buffer.alloc(32) }),
  ],
  ['receiptsRoot', 'told: gas', raw => Object.assign(raw.receipts![1]!.told!, { gasUsed: 20_000n })],
  ['receiptsRoot', 'told: price', raw => Object.assign(raw.receipts![1]!.told!, { effectiveGasPrice: 1n })],
  [
    'receiptsRoot',
    'told: contract',
    raw => Object.assign(raw.receipts![1]!.told!, { contractAddress: address('1') }),
  ],
  [
    'receiptsRoot',
    'told: contract of a call',
    raw => Object.assign(raw.receipts![0]!.told!, { contractAddress: address('1') }),
  ],
  ['receiptsRoot', 'told: blob gas', raw => Object.assign(raw.receipts![0]!.told!, { blobGasUsed: 5n })],
  ['withdrawalsRoot', 'an amount', raw => Object.assign(raw.withdrawals![0]!, { amount: 6n })],
  ['withdrawalsRoot', 'a withdrawal missing', raw => raw.withdrawals!.pop()],
  ['uncles', 'an uncle byte', raw => Object.assign(raw.uncles![0]!, { miner: address('1') })],
  ['uncles', 'an uncle missing', raw => Object.assign(raw, { uncles: [] })],
  ['uncles', 'an uncle hash', raw => raw.uncleHashes.splice(0, 1, Buffer.alloc(32))],
  ['senders', 'a signature that is nobody’s', raw => Object.assign(raw, { recoverSenders: true })],
  ['traces', 'from of a top call', raw => Object.assign(raw.traces![0]![0]!, { from: address('1') })],
  ['traces', 'to of a top call', raw => Object.assign(raw.traces![0]![0]!, { to: address('1') })],
  ['traces', 'value of a top call', raw => Object.assign(raw.traces![0]![0]!, { value: 1n })],
  ['traces', 'the created contract', raw => Object.assign(raw.traces![1]![0]!, { to: address('1') })],
  ['traces', 'type of a top call', raw => Object.assign(raw.traces![0]![0]!, { type: 'CREATE' })],
  ['traces', 'success of a top call', raw => Object.assign(raw.traces![0]![0]!, { error: 'out of gas' })],
  ['traces', 'a tree missing', raw => raw.traces!.pop()],
  ['traces', 'a tree without frames', raw => raw.traces!.splice(0, 1, [])],
]

describe('verify', () => {
  it('proves all that is there, in order', () => {
    const proofs = ['hash', 'txRoot', 'receiptsRoot', 'logsBloom', 'withdrawalsRoot', 'uncles']
    expect(verifyBlock(full(), NOBODY).proofs).toEqual(proofs)
    const less = { ...full(), receipts: null, uncles: null, withdrawals: null, traces: null }
    expect(verifyBlock(less, NOBODY).proofs).toEqual(['hash', 'txRoot'])
  })

  it('compares block 0 with the checkpoint', () => {
    const raw = madeRaw({ header: { height: 0 } })
    const genesisHash = formatHex0x(raw.claimedHash!)
    expect(verifyBlock(raw, { genesisHash }).proofs.at(-1)).toBe('checkpoint')
    expect(() => verifyBlock(raw, { genesisHash: `0x${'ab'.repeat(32)}` })).toThrow(/^checkpoint: /)
    expect(verifyBlock(madeRaw(), { genesisHash }).proofs).not.toContain('checkpoint')
  })

  it.each(changes)('%s fails for %s', (proof, _, change) => {
    expect(provenBy(changed(() => {}))).toBe('verified')
    expect(provenBy(changed(change))).toBe(proof)
  })

  it('blooms that the roots commit to must still be those of the logs', () => {
    const receipts = [{ logsBloom: Buffer.alloc(256, 1) }]
    expect(provenBy(madeRaw({ transactions: [madeTransaction()], receipts }))).toBe('logsBloom')
    const raw = madeRaw({ transactions: [madeTransaction()], header: { logsBloom: Buffer.alloc(256, 1) } })
    expect(provenBy(raw)).toBe('logsBloom')
  })

  it('withdrawals without a root are refused', () => {
    const raw = madeRaw()
    raw.withdrawals = [{ index: 1n, validatorIndex: 2n, address: address('d'), amount: 5n }]
    expect(provenBy(raw)).toBe('withdrawalsRoot')
  })

  it('header fields come in order', () => {
    const header = madeHeader({ withdrawalsRoot: Buffer.alloc(32) })
    expect(() => headerHash(header)).toThrow('expected baseFeePerGas beside withdrawalsRoot')
    expect(() => headerHash(madeHeader({ ...CANCUN, requestsHash: Buffer.alloc(32) }))).toThrow(
      MalformedAnswerError,
    )
  })
})

const wallet = new Wallet(`0x${'11'.repeat(32)}`)
const quantity = (value: bigint | number) => `0x${BigInt(value).toString(16)}`

/** A transaction of ethers in the words of a node. */
function nodeTransaction(tx: Transaction): Record<string, unknown> {
  const { signature } = tx
  const authorization = (one: Authorization) => ({
    ...{ chainId: quantity(one.chainId), address: one.address, nonce: quantity(one.nonce) },
    ...{ yParity: quantity(one.signature.yParity), r: one.signature.r, s: one.signature.s },
  })
  return {
    ...{
      type: quantity(tx.type!),
      hash: tx.hash,
      from: wallet.address.toLowerCase(),
      to: tx.to?.toLowerCase() ?? null,
    },
    ...{ nonce: quantity(tx.nonce), gas: quantity(tx.gasLimit), value: quantity(tx.value), input: tx.data },
    chainId: quantity(tx.chainId),
    gasPrice: quantity(tx.gasPrice ?? 12n),
    ...(tx.type! >= 1 && { accessList: tx.accessList, yParity: quantity(signature!.yParity) }),
    ...(tx.type! >= 2 && {
      maxFeePerGas: quantity(tx.maxFeePerGas!),
      maxPriorityFeePerGas: quantity(tx.maxPriorityFeePerGas!),
    }),
    ...(tx.type === 3 && {
      maxFeePerBlobGas: quantity(tx.maxFeePerBlobGas!),
      blobVersionedHashes: tx.blobVersionedHashes,
    }),
    ...(tx.type === 4 && { authorizationList: tx.authorizationList!.map(authorization) }),
    v: quantity(tx.type === 0 ? 35n + 2n * tx.chainId + BigInt(signature!.yParity) : signature!.yParity),
    r: quantity(BigInt(signature!.r)),
    s: quantity(BigInt(signature!.s)),
  }
}

describe('node answers with transactions of every type', async () => {
  const capped = {
    chainId: 1,
    gasLimit: 90_000,
    maxFeePerGas: 30n,
    maxPriorityFeePerGas: 2n,
    to: wallet.address,
  }
  const accessList = [{ address: `0x${'cd'.repeat(20)}`, storageKeys: [`0x${'01'.repeat(32)}`] }]
  const offers: TransactionLike[] = [
    { type: 0, chainId: 1, gasPrice: 12n, gasLimit: 21_000, to: wallet.address },
    { type: 1, chainId: 1, gasPrice: 12n, gasLimit: 50_000, to: wallet.address, accessList },
    { type: 2, ...capped, accessList, data: '0x1234' },
    { type: 3, ...capped, maxFeePerBlobGas: 9n, blobVersionedHashes: [`0x01${'aa'.repeat(31)}`] },
    {
      type: 4,
      ...capped,
      authorizationList: [await wallet.authorize({ chainId: 1, nonce: 9, address: wallet.address })],
    },
  ]
  const transactions = offers.map((offer, nonce) => {
    const tx = Transaction.from({ ...offer, nonce })
    tx.signature = wallet.signingKey.sign(tx.unsignedHash)
    return tx
  })
  const header = madeHeader({
    ...CANCUN,
    withdrawalsRoot: orderedTrieRoot([]),
    requestsHash: Buffer.alloc(32, 8),
    transactionsRoot: orderedTrieRoot(transactions.map(tx => Buffer.from(tx.serialized.slice(2), 'hex'))),
  })
  const block = (): Record<string, unknown> => ({
    ...Object.fromEntries(
      (['parentHash', 'stateRoot', 'transactionsRoot', 'receiptsRoot', 'logsBloom', 'miner'] as const).map(
        name => [name, formatHex0x(header[name])],
      ),
    ),
    sha3Uncles: formatHex0x(header.unclesHash),
    hash: formatHex0x(headerHash(header)),
    ...{ number: quantity(header.height), timestamp: quantity(header.time), difficulty: '0x0' },
    ...{ gasLimit: quantity(header.gasLimit), gasUsed: quantity(header.gasUsed), extraData: '0x' },
    ...{ mixHash: formatHex0x(header.mixHash), nonce: formatHex0x(header.nonce), baseFeePerGas: '0x4' },
    ...{ withdrawalsRoot: formatHex0x(header.withdrawalsRoot!), blobGasUsed: '0x0', excessBlobGas: '0x0' },
    parentBeaconBlockRoot: formatHex0x(header.parentBeaconBlockRoot!),
    requestsHash: formatHex0x(header.requestsHash!),
    ...{ uncles: [], withdrawals: [], transactions: transactions.map(nodeTransaction) },
  })
  const rawOf = (answer: unknown): EvmRaw => ({
    ...madeRaw({ receipts: null }),
    ...{ ...readBlock(answer), recoverSenders: true, askedHeight: null, receipts: null },
  })

  it('verify with their senders, and say who authorised', () => {
    const chain = defineEvmChain({ slug: 'x', name: 'X', chainId: 1, native: { symbol: 'X', decimals: 18 } })
    const raw = rawOf(block())
    const verified = chain.verify(raw)
    expect(verified.proofs).toEqual(['hash', 'txRoot', 'withdrawalsRoot', 'uncles', 'senders'])
    const rows = chain.split(raw, verified).rows.evm_transactions!
    expect(rows.map(row => [row.type, row.sender_proven, row.effective_gas_price])).toEqual([
      ...[0, 1, 2, 3, 4].map(type => [type, true, type < 2 ? 12n : 6n]),
    ])
    const [authorization] = rows[4]!.authorization_list
    expect(formatHex0x(authorization!.authority!)).toBe(wallet.address.toLowerCase())
    const unproven = chain.split(raw, chain.verify({ ...raw, recoverSenders: false })).rows.evm_transactions!
    expect(unproven[4]!.authorization_list[0]!.authority).toBeNull()
    expect(decodeRaw(encodeRaw(raw))).toEqual(raw)
  })

  it('are refused when a sender is another', () => {
    const answer = block()
    const [first, ...rest] = answer.transactions as Record<string, unknown>[]
    answer.transactions = [{ ...first, from: formatHex0x(address('1')) }, ...rest]
    expect(provenBy(rawOf(answer))).toBe('senders')
  })

  const cases: [string, (answer: Record<string, unknown>) => void, string][] = [
    ['a block that is no object', () => {}, 'block: expected an object, got "x"'],
    [
      'a missing field',
      answer => Reflect.deleteProperty(answer, 'stateRoot'),
      'block: stateRoot: expected 32 bytes of hex, got undefined',
    ],
    [
      'a short hash',
      answer => Object.assign(answer, { stateRoot: '0xab' }),
      'block: stateRoot: expected 32 bytes of hex, got "0xab"',
    ],
    [
      'a character that is not hex',
      answer => Object.assign(answer, { miner: `0x${'zz'.repeat(20)}` }),
      'miner: expected 20 bytes',
    ],
    [
      'an odd number of digits',
      answer => Object.assign(answer, { extraData: '0xabc' }),
      'extraData: expected hex bytes',
    ],
    [
      'a decimal quantity',
      answer => Object.assign(answer, { gasUsed: '21000' }),
      'gasUsed: expected a hex quantity',
    ],
    ['a number', answer => Object.assign(answer, { gasUsed: 21_000 }), 'gasUsed: expected a hex quantity'],
    [
      'an empty quantity',
      answer => Object.assign(answer, { gasUsed: '0x' }),
      'gasUsed: expected a hex quantity',
    ],
    [
      'a negative quantity',
      answer => Object.assign(answer, { gasUsed: '-0x1' }),
      'gasUsed: expected a hex quantity',
    ],
    [
      'a blank in a quantity',
      answer => Object.assign(answer, { difficulty: `0x${'1'.repeat(20)} ` }),
      'difficulty: expected',
    ],
    [
      'a quantity of 33 bytes',
      answer => Object.assign(answer, { difficulty: `0x${'1'.repeat(66)}` }),
      'difficulty: expected',
    ],
    [
      'a quantity of 65 bits',
      answer => Object.assign(answer, { gasLimit: '0x10000000000000000' }),
      'gasLimit: expected',
    ],
    [
      'a time beyond 2106',
      answer => Object.assign(answer, { timestamp: '0x100000000' }),
      'timestamp: expected',
    ],
    [
      'transactions by hash only',
      answer => Object.assign(answer, { transactions: ['0x1'] }),
      'transaction 0: expected an object',
    ],
    [
      'transactions that are no list',
      answer => Object.assign(answer, { transactions: {} }),
      'transactions: expected a list',
    ],
    [
      'a header that lacks an earlier field',
      answer => Reflect.deleteProperty(answer, 'blobGasUsed'),
      'expected blobGasUsed beside',
    ],
  ]

  it.each(cases)('refuse %s', (name, change, message) => {
    const answer = block()
    change(answer)
    expect(() => readBlock(name === 'a block that is no object' ? 'x' : answer)).toThrow(MalformedAnswerError)
    expect(() => readBlock(name === 'a block that is no object' ? 'x' : answer)).toThrow(message)
  })

  it('refuse receipts of the wrong shape', () => {
    const receipt = {
      ...{
        transactionHash: transactions[0]!.hash,
        status: '0x1',
        cumulativeGasUsed: '0x5208',
        gasUsed: '0x5208',
      },
      ...{ logsBloom: `0x${'00'.repeat(256)}`, logs: [] },
    }
    const log = { address: formatHex0x(address('f')), topics: [], data: '0x', logIndex: '0x0' }
    const read = (given: object) => () => readReceipts([{ ...receipt, ...given }], [])
    expect(read({})()).toHaveLength(1)
    expect(read({ status: '0x2' })).toThrow('receipt 0: status: expected a hex quantity up to 1')
    expect(read({ status: undefined })).toThrow('status')
    expect(read({ logs: [{ ...log, topics: Array(5).fill(`0x${'00'.repeat(32)}`) }] })).toThrow(
      'at most 4 topics',
    )
    expect(read({ logs: [{ ...log, transactionHash: `0x${'00'.repeat(32)}` }] })).toThrow(
      "the receipt's transaction",
    )
    expect(read({ logs: 'none' })).toThrow('logs: expected a list')
    expect(() => readReceipts(null, [])).toThrow(MalformedAnswerError)
  })
})

/** Numbers that look random and are the same in every run. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state >>> 8
  }
}

describe('the archive format', () => {
  it('refuses every other version, shortened and lengthened bytes', () => {
    const bytes = Buffer.from(encodeRaw(full()))
    expect(() => decodeRaw(Buffer.alloc(0))).toThrow('expected version 1, got no bytes')
    expect(() => decodeRaw(Buffer.concat([Buffer.from([2]), bytes.subarray(1)]))).toThrow(
      'expected version 1, got 2',
    )
    expect(() => decodeRaw(bytes.subarray(0, -1))).toThrow(MalformedAnswerError)
    expect(() => decodeRaw(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(MalformedAnswerError)
  })

  it('keeps what is wrong as it was told', () => {
    for (const [, , change] of changes) {
      const raw = changed(change)
      // Trace addresses and what reverted are derived, so a frame whose error alone is changed is none that was read.
      if (raw.traces?.some(frames => frames.some(frame => (frame.error !== null) !== frame.reverted)))
        continue
      expect(decodeRaw(encodeRaw(raw))).toEqual(raw)
    }
  })

  it('survives 3,000 changed bytes: refused by name, or still proven', () => {
    const bytes = Buffer.from(encodeRaw(full()))
    const chain = defineEvmChain({ slug: 'x', name: 'X', chainId: 1, native: { symbol: 'X', decimals: 18 } })
    const random = numbers(7)
    let refused = 0
    for (let round = 0; round < 3_000; round++) {
      const mutant = Buffer.from(bytes)
      mutant[random.next().value! % mutant.length] = random.next().value! & 0xff
      try {
        const raw = decodeRaw(mutant)
        chain.split(raw, chain.verify(raw))
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(2_000)
  })
})
