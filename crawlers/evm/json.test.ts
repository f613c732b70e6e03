import { type Authorization, Transaction, type TransactionLike, Wallet } from 'ethers'
import { describe, expect, it } from 'vitest'
import { formatHex0x } from '../../schema/bytes.ts'
import { MalformedAnswerError } from '../../schema/errors.ts'
import { address, CANCUN, madeHeader, madeRaw } from './block.fixture.ts'
import { decodeRaw, encodeRaw } from './codec.ts'
import { defineEvmChain } from './family.ts'
import { headerHash } from './header.ts'
import { readBlock, readReceipts } from './json.ts'
import { provenBy } from './proof.fixture.ts'
import type { EvmRaw } from './raw.ts'
import { orderedTrieRoot } from './trie.ts'

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
