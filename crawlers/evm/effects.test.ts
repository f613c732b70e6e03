import { describe, expect, it } from 'vitest'
import type { SplitBlock } from '../../schema/block.ts'
import { formatHex0x } from '../../schema/bytes.ts'
import {
  address,
  CANCUN,
  type Made,
  type MadeFrame,
  madeFrames,
  madeHeader,
  madeRaw,
  madeTransaction,
  signature,
  topic,
  word,
} from './block.fixture.ts'
import { defineEvmChain } from './family.ts'
import { rewardOf } from './rewards.ts'
import { createdAddress } from './sender.ts'

const WRAPPED = address('e')
const chain = defineEvmChain({
  slug: 'made',
  name: 'Made',
  chainId: 1,
  native: { symbol: 'M', decimals: 18 },
  rewards: { kind: 'ethash', steps: [{ from: 0, reward: 320n }] },
  wrappedNative: [formatHex0x(WRAPPED)],
})

function split(made: Made): SplitBlock {
  const raw = madeRaw(made)
  const result = chain.split(raw, chain.verify(raw))
  const sums = new Map<string, bigint>()
  for (const { transaction_index, asset, amount } of result.rows.effects!) {
    const key = `${transaction_index} ${asset}`
    sums.set(key, (sums.get(key) ?? 0n) + amount)
  }
  expect([...sums.values()].every(sum => sum === 0n)).toBe(true)
  return result
}

const names: Record<string, string> = Object.fromEntries(
  ['a', 'b', 'c', 'd', 'e', 'f', '1', '2'].map(digit => [formatHex0x(address(digit)), digit]),
)

/** Effects as `address amount kind`, with addresses by their digit. */
function brief({ rows }: SplitBlock, kinds: (kind: string) => boolean = () => true): string[] {
  return rows
    .effects!.filter(row => kinds(row.kind))
    .map(row => `${row.address === '' ? '-' : (names[row.address] ?? row.address)} ${row.amount} ${row.kind}`)
}

const notFee = (kind: string) => !['fee', 'tip', 'base_fee_burn', 'blob_fee'].includes(kind)

describe('fees and values', () => {
  it('before London', () => {
    const tx = madeTransaction({ value: 7n })
    const block = split({ transactions: [tx], traces: [madeFrames(tx, [])] })
    expect(brief(block)).toEqual(['a -210000 fee', 'c 210000 fee', 'a -7 transfer', 'b 7 transfer'])
    expect(block.rows.transactions![0]).toMatchObject({ status: 1, fee: 210_000n, effects_complete: true })
    expect(block.rows.evm_blocks![0]).toMatchObject({ fee_reward: 210_000n, burnt: 0n, block_reward: null })
  })

  it('since London: a tip, and a base fee that is destroyed', () => {
    const tx = madeTransaction({
      type: 2,
      chainId: 1n,
      gasPrice: null,
      maxFeePerGas: 10n,
      maxPriorityFeePerGas: 2n,
      v: 0n,
    })
    const block = split({ header: { baseFeePerGas: 4n }, transactions: [tx], traces: [madeFrames(tx, [])] })
    expect(brief(block)).toEqual(['a -126000 fee', 'c 42000 tip', '- 84000 base_fee_burn'])
    expect(block.rows.evm_transactions![0]).toMatchObject({ effective_gas_price: 6n, gas_used: 21_000n })
  })

  it('the cap limits the tip', () => {
    const tx = madeTransaction({
      type: 2,
      chainId: 1n,
      gasPrice: null,
      maxFeePerGas: 5n,
      maxPriorityFeePerGas: 2n,
      v: 0n,
    })
    expect(brief(split({ header: { baseFeePerGas: 4n }, transactions: [tx] }))).toEqual([
      ...['a -105000 fee', 'c 21000 tip', '- 84000 base_fee_burn'],
      ...['a 0 transfer'].slice(1),
    ])
  })

  it('blobs cost what receipts tell; without a price effects are incomplete and the fee unknown', () => {
    const tx = madeTransaction({
      ...{ type: 3, chainId: 1n, gasPrice: null, maxFeePerGas: 4n, maxPriorityFeePerGas: 0n, v: 0n },
      ...{ maxFeePerBlobGas: 9n, blobVersionedHashes: [Buffer.alloc(32, 1)] },
    })
    const told = {
      transactionHash: tx.hash,
      gasUsed: 21_000n,
      effectiveGasPrice: 4n,
      contractAddress: null,
      blobGasUsed: 131_072n,
      blobGasPrice: 3n,
    }
    const made = { header: CANCUN, transactions: [tx], traces: [madeFrames(tx, [])] }
    const block = split({ ...made, receipts: [{ told }] })
    expect(brief(block)).toEqual([
      ...['a -84000 fee', '- 84000 base_fee_burn'],
      ...['a -393216 blob_fee', '- 393216 blob_fee'],
    ])
    expect(block.rows.transactions![0]).toMatchObject({ fee: 477_216n, effects_complete: true })
    expect(block.rows.evm_blocks![0]!.burnt).toBe(477_216n)
    const without = split(made)
    expect(without.rows.transactions![0]).toMatchObject({ fee: null, effects_complete: false })
    expect(without.rows.evm_blocks![0]!.burnt).toBeNull()
  })

  it('a failed transaction has only its fee', () => {
    const tx = madeTransaction({ value: 7n })
    const frames = madeFrames(tx, [{ depth: 1, value: 3n }], { error: 'out of gas' })
    const block = split({ transactions: [tx], receipts: [{ status: 0 }], traces: [frames] })
    expect(brief(block)).toEqual(['a -210000 fee', 'c 210000 fee'])
    expect(block.rows.transactions![0]).toMatchObject({ status: 0, effects_complete: true })
    expect(block.rows.evm_transactions![0]!.error).toBe('out of gas')
  })

  it('before Byzantium only traces tell of success', () => {
    const tx = madeTransaction({ value: 7n })
    const receipts = [{ status: null, stateRoot: Buffer.alloc(32, 5) }]
    const unknown = split({ transactions: [tx], receipts })
    expect(brief(unknown, notFee)).toEqual([])
    expect(unknown.rows.transactions![0]).toMatchObject({
      status: null,
      fee: 210_000n,
      effects_complete: false,
    })
    const known = split({ transactions: [tx], receipts, traces: [madeFrames(tx, [])] })
    expect(brief(known, notFee)).toEqual(['a -7 transfer', 'b 7 transfer'])
    expect(known.rows.transactions![0]).toMatchObject({ status: 1, effects_complete: true })
    const failed = split({ transactions: [tx], receipts, traces: [madeFrames(tx, [], { error: 'x' })] })
    expect(brief(failed, notFee)).toEqual([])
    expect(failed.rows.transactions![0]!.status).toBe(0)
  })

  it('a creation sends its value to the contract', () => {
    const tx = madeTransaction({ to: null, value: 7n, nonce: 3n })
    const contract = createdAddress(tx.from, 3n)
    const block = split({
      transactions: [tx],
      traces: [madeFrames(tx, [], { type: 'CREATE', to: contract })],
    })
    expect(brief(block, notFee)).toEqual(['a -7 transfer', `${formatHex0x(contract)} 7 transfer`])
    expect(block.rows.evm_transactions![0]!.contract_address).toEqual(contract)
    const failed = split({ transactions: [tx], receipts: [{ status: 0 }] })
    expect(failed.rows.evm_transactions![0]!.contract_address).toBeNull()
  })
})

describe('internal moves', () => {
  const tx = madeTransaction()
  const [b, d, e, f] = ['b', 'd', 'e', 'f'].map(address) as [Buffer, Buffer, Buffer, Buffer]
  const moved = (frames: MadeFrame[], header = {}) =>
    brief(split({ header, transactions: [tx], traces: [madeFrames(tx, frames)] }), notFee)

  it('calls and creations carry value; CALLCODE, DELEGATECALL and STATICCALL carry none', () => {
    const types = ['CALL', 'CALLCODE', 'DELEGATECALL', 'STATICCALL', 'CREATE', 'CREATE2'] as const
    expect(
      moved(types.map((type, at) => ({ depth: 1, type, from: b, to: d, value: BigInt(at + 1) }))),
    ).toEqual([
      ...['b -1 internal', 'd 1 internal', 'b -5 internal', 'd 5 internal', 'b -6 internal', 'd 6 internal'],
    ])
  })

  it('what a failure undid is not moved', () => {
    expect(
      moved([
        { depth: 1, from: b, to: d, value: 1n, error: 'execution reverted' },
        { depth: 2, from: d, to: e, value: 2n },
        { depth: 3, type: 'SELFDESTRUCT', from: e, to: f, value: 3n },
        { depth: 1, from: b, to: d, value: 4n },
      ]),
    ).toEqual(['b -4 internal', 'd 4 internal'])
  })

  const destruct = (from: Buffer, to: Buffer, value: bigint): MadeFrame => ({
    depth: 2,
    type: 'SELFDESTRUCT',
    from,
    to,
    value,
  })

  it('a self-destruction sends its balance away', () => {
    expect(moved([{ depth: 1, from: b, to: d }, destruct(d, e, 5n)])).toEqual([
      'd -5 internal',
      'e 5 internal',
    ])
  })

  it('to itself destroys the balance, until Cancun', () => {
    const frames = [{ depth: 1, from: b, to: d }, destruct(d, d, 5n)]
    expect(moved(frames)).toEqual(['d -5 burn', '- 5 burn'])
    expect(moved(frames, CANCUN)).toEqual([])
  })

  it('to itself destroys it since Cancun where the contract is of the same transaction', () => {
    const frames: MadeFrame[] = [{ depth: 1, type: 'CREATE', from: b, to: d, value: 5n }, destruct(d, d, 5n)]
    expect(moved(frames, CANCUN)).toEqual(['b -5 internal', 'd 5 internal', 'd -5 burn', '- 5 burn'])
  })

  it('a creation that failed does not count as one', () => {
    const frames: MadeFrame[] = [
      { depth: 1, type: 'CREATE2', from: b, to: null, error: 'x' },
      { depth: 1, from: b, to: d },
      destruct(d, d, 5n),
    ]
    expect(moved(frames, CANCUN)).toEqual([])
  })

  it('what reaches an account after its self-destruction is destroyed with it', () => {
    const frames = [
      { depth: 1, from: b, to: d },
      destruct(d, e, 5n),
      { depth: 1, from: b, to: d, value: 3n },
      { depth: 2, from: d, to: f, value: 1n },
    ]
    const before = [
      'd -5 internal',
      'e 5 internal',
      'b -3 internal',
      'd 3 internal',
      'd -1 internal',
      'f 1 internal',
    ]
    expect(moved(frames)).toEqual([...before, 'd -2 burn', '- 2 burn'])
    expect(moved(frames, CANCUN)).toEqual(before)
  })

  it('a second self-destruction takes along what came in between', () => {
    const frames = [
      { depth: 1, from: b, to: d },
      destruct(d, e, 5n),
      { depth: 1, from: b, to: d, value: 3n },
      destruct(d, e, 3n),
    ]
    expect(moved(frames).filter(line => line.endsWith('burn'))).toEqual([])
  })

  it('a miner that destroys itself loses its fee', () => {
    const c = address('c')
    expect(moved([{ depth: 1, from: b, to: c }, destruct(c, e, 5n)])).toEqual([
      ...['c -5 internal', 'e 5 internal', 'c -210000 burn', '- 210000 burn'],
    ])
  })
})

describe('tokens', () => {
  const tx = madeTransaction()
  const [token, d, zero] = [address('f'), address('d'), address('0')]
  const transfer = signature('Transfer(address,address,uint256)')
  const single = signature('TransferSingle(address,address,address,uint256,uint256)')
  const batch = signature('TransferBatch(address,address,address,uint256[],uint256[])')
  const log = (topics: Buffer[], ...data: (bigint | Buffer)[]) => ({
    address: token,
    topics,
    data: Buffer.concat(data.map(one => (typeof one === 'bigint' ? word(one) : one))),
  })
  const of = (...logs: ReturnType<typeof log>[]) => split({ transactions: [tx], receipts: [{ logs }] })
  const ends = [topic(address('b')), topic(d)]
  const operated = [topic(address('a')), ...ends]

  it('fungible', () => {
    const block = of(log([transfer, ...ends], 9n))
    expect(brief(block, notFee)).toEqual(['b -9 transfer', 'd 9 transfer'])
    expect(block.rows.token_transfers![0]).toMatchObject({
      standard: 'erc20',
      amount: 9n,
      token_id: null,
      log_index: 0,
    })
    expect(block.rows.block_assets!.map(row => [row.asset, row.standard])).toEqual([
      ...[
        [formatHex0x(token), 'erc20'],
        ['native', 'native'],
      ],
    ])
  })

  it('made and destroyed', () => {
    expect(brief(of(log([transfer, topic(zero), topic(d)], 9n)), notFee)).toEqual(['- -9 mint', 'd 9 mint'])
    const burnt = of(log([transfer, topic(d), topic(zero)], 9n))
    expect(brief(burnt, notFee)).toEqual(['d -9 burn', '- 9 burn'])
    expect(burnt.rows.token_transfers![0]!.to_address).toBe(`0x${'00'.repeat(20)}`)
  })

  it('non-fungible', () => {
    const block = of(log([transfer, ...ends, word(1n << 255n)]))
    expect(brief(block, notFee)).toEqual(['b -1 transfer', 'd 1 transfer'])
    expect(block.rows.token_transfers![0]).toMatchObject({
      standard: 'erc721',
      token_id: 1n << 255n,
      amount: 1n,
    })
    expect(block.rows.block_assets![0]!.asset).toBe(`${formatHex0x(token)}/${1n << 255n}`)
  })

  it('an amount of 2^256 − 1 becomes rows that fit and add up', () => {
    const max = (1n << 256n) - 1n
    const half = (1n << 255n) - 1n
    const block = of(log([transfer, ...ends], max))
    expect(brief(block, notFee)).toEqual([
      ...[`b -${half} transfer`, `b -${half} transfer`, 'b -1 transfer'],
      ...[`d ${half} transfer`, `d ${half} transfer`, 'd 1 transfer'],
    ])
    expect(block.rows.token_transfers![0]!.amount).toBe(max)
    expect(brief(of(log([transfer, ...ends], half)), notFee)).toHaveLength(2)
  })

  it('zero amounts are transfers without effects', () => {
    const block = of(log([transfer, ...ends], 0n))
    expect(brief(block, notFee)).toEqual([])
    expect(block.rows.token_transfers).toHaveLength(1)
    expect(block.rows.block_assets!.map(row => row.asset)).toContain(formatHex0x(token))
  })

  it('several ids at once', () => {
    const one = of(log([single, ...operated], 5n, 2n))
    expect(one.rows.token_transfers).toMatchObject([
      { standard: 'erc1155', token_id: 5n, amount: 2n, batch_index: 0 },
    ])
    const many = of(log([batch, ...operated], 64n, 160n, 2n, 5n, 6n, 2n, 10n, 20n))
    expect(many.rows.token_transfers).toMatchObject([
      { token_id: 5n, amount: 10n, batch_index: 0 },
      { token_id: 6n, amount: 20n, batch_index: 1 },
    ])
    expect(brief(many, notFee)).toEqual([
      'b -10 transfer',
      'd 10 transfer',
      'b -20 transfer',
      'd 20 transfer',
    ])
  })

  it.each([
    ['without data', log([transfer, ...ends])],
    ['with more than a word', log([transfer, ...ends], 1n, 2n)],
    ['with an id and data', log([transfer, ...ends, word(1n)], 1n)],
    ['not indexed (CryptoKitties)', log([transfer], word(1n), word(2n), word(3n))],
    ['with words that are no addresses', log([transfer, word(1n << 200n), topic(d)], 1n)],
    ['single id, half the data', log([single, ...operated], 5n)],
    ['batch with different lengths', log([batch, ...operated], 64n, 128n, 1n, 5n, 2n, 10n, 20n)],
    ['batch with an offset beyond the data', log([batch, ...operated], 1n << 255n, 64n, 0n)],
    ['batch with an offset at the end', log([batch, ...operated], 96n, 96n, 0n)],
    ['batch with a length of 2^255', log([batch, ...operated], 64n, 64n, 1n << 255n)],
    ['batch with a length beyond the data', log([batch, ...operated], 64n, 64n, 2n, 1n)],
    ['batch without data', log([batch, ...operated])],
    ['anonymous', log([])],
  ])('what only looks like a transfer is none: %s', (_, made) => {
    const block = of(made)
    expect(block.rows.token_transfers).toEqual([])
    expect(block.rows.evm_logs).toHaveLength(1)
    expect(brief(block, notFee)).toEqual([])
  })

  it('a wrapping contract makes and destroys its tokens; others that say so do not', () => {
    const deposit = {
      address: WRAPPED,
      topics: [signature('Deposit(address,uint256)'), topic(d)],
      data: word(4n),
    }
    const withdrawal = {
      ...deposit,
      topics: [signature('Withdrawal(address,uint256)'), topic(d)],
      data: word(3n),
    }
    const block = split({
      transactions: [tx],
      receipts: [{ logs: [deposit, withdrawal, { ...deposit, address: token }] }],
    })
    expect(brief(block, notFee)).toEqual(['- -4 mint', 'd 4 mint', 'd -3 burn', '- 3 burn'])
    expect(block.rows.token_transfers).toEqual([])
    expect(block.rows.block_assets!.map(row => [row.asset, row.standard])).toContainEqual([
      formatHex0x(WRAPPED),
      'erc20',
    ])
  })
})

describe('the block itself', () => {
  it('rewards miners and uncles', () => {
    const uncles = [
      madeHeader({ miner: address('d'), height: 99 }),
      madeHeader({ miner: address('e'), height: 94 }),
    ]
    const block = split({ header: { difficulty: 1n }, uncles })
    expect(brief(block).filter(line => !line.startsWith('-'))).toEqual([
      ...['c 320 reward', 'c 10 reward', 'd 280 uncle_reward', 'c 10 reward', 'e 80 uncle_reward'],
    ])
    expect(block.rows.evm_blocks![0]).toMatchObject({
      block_reward: 320n,
      uncle_inclusion_reward: 20n,
      uncle_count: 2,
    })
    expect(block.rows.evm_uncles!.map(row => row.reward)).toEqual([280n, 80n])
    expect(
      block.rows.effects!.every(row => row.transaction_hash.length === 0 && row.transaction_index === null),
    ).toBe(true)
  })

  it('pays withdrawals in gwei, and nothing for mining after the Merge', () => {
    const withdrawals = [{ index: 1n, validatorIndex: 2n, address: address('d'), amount: 5n }]
    const block = split({ header: { baseFeePerGas: 1n }, withdrawals })
    expect(brief(block)).toEqual(['- -5000000000 withdrawal', 'd 5000000000 withdrawal'])
    expect(block.rows.evm_withdrawals).toMatchObject([
      { index: 0, withdrawal_index: 1n, amount: 5_000_000_000n },
    ])
  })

  it('says how it was proven and what it holds', () => {
    const block = split({ transactions: [madeTransaction()] })
    expect(block.rows.blocks![0]!.proofs).toEqual(['hash', 'txRoot', 'receiptsRoot', 'logsBloom', 'uncles'])
    expect(block.rows.hashes!.map(row => row.kind)).toEqual(['block', 'transaction'])
  })
})

describe('reward schedules', () => {
  const eras = { kind: 'ecip1017', reward: 5n * 10n ** 18n, eraBlocks: 5_000_000 } as const
  const at = (height: number) => rewardOf(eras, height, 1n)!

  it('ECIP-1017', () => {
    expect(at(1).block).toBe(5n * 10n ** 18n)
    expect(at(5_000_000).uncle(4_999_999)).toBe((5n * 10n ** 18n * 7n) / 8n)
    expect(at(5_000_001)).toMatchObject({ block: 4n * 10n ** 18n, inclusion: 125n * 10n ** 15n })
    expect(at(5_000_001).uncle(5_000_000)).toBe(125n * 10n ** 15n)
    expect(at(10_000_001).block).toBe(32n * 10n ** 17n)
    expect(at(15_000_001).block).toBe(256n * 10n ** 16n)
    expect(at(2 ** 47).block).toBe(0n)
  })

  it('no reward for the genesis block, after the Merge, or where none is paid', () => {
    expect(rewardOf(eras, 0, 1n)).toBeNull()
    expect(rewardOf(eras, 10, 0n)).toBeNull()
    expect(rewardOf({ kind: 'none' }, 10, 1n)).toBeNull()
    expect(rewardOf({ kind: 'ethash', steps: [{ from: 20, reward: 1n }] }, 10, 1n)).toBeNull()
  })

  it('an uncle that is too old earns nothing', () => {
    expect(rewardOf({ kind: 'ethash', steps: [{ from: 0, reward: 8n }] }, 100, 1n)!.uncle(1)).toBe(0n)
  })
})
