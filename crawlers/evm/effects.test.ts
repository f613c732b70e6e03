import { describe, expect, it } from 'vitest'
import { formatHex0x } from '../../schema/bytes.ts'
import { address, CANCUN, type MadeFrame, madeFrames, madeHeader, madeTransaction } from './block.fixture.ts'
import { createdAddress } from './sender.ts'
import { brief, notFee, split } from './split.fixture.ts'

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
