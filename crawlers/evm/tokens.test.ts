import { describe, expect, it } from 'vitest'
import { formatHex0x } from '../../schema/bytes.ts'
import { address, madeTransaction, signature, topic, word } from './block.fixture.ts'
import { brief, notFee, split, WRAPPED } from './split.fixture.ts'

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
