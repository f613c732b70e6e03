import { expect, test } from 'vitest'
import type { BlockRows, SplitBlock } from './block.ts'
import { InvariantError } from './errors.ts'
import { checkSplitBlock } from './invariants.ts'

type Transaction = NonNullable<BlockRows['transactions']>[number]
type Effect = NonNullable<BlockRows['effects']>[number]

const NONE = Buffer.alloc(0)
const hashes = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const

/** A block with a reward, a payment with its fee, and a transaction of which parts are missing. */
function goodBlock() {
  const effect = (
    index: number,
    at: number | null,
    address: string,
    amount: bigint,
    asset = 'native',
  ): Effect => ({
    index,
    transaction_hash: at === null ? NONE : hashes[at]!,
    transaction_index: at,
    address,
    asset,
    amount,
    kind: 'transfer',
  })
  const transactions: Transaction[] = hashes.map((hash, index) => ({
    index,
    hash,
    status: 1,
    fee: 0n,
    effects_complete: index === 0,
  }))
  const effects = [
    effect(0, null, '', -50n),
    effect(1, null, 'miner', 50n),
    effect(2, 0, 'alice', -(2n ** 255n)),
    effect(3, 0, 'bob', 2n ** 255n - 1n),
    effect(4, 0, 'miner', 1n),
    effect(5, 0, 'alice', -7n, 'token'),
    effect(6, 0, 'bob', 7n, 'token'),
    effect(7, 1, 'carol', 9n),
  ]
  const blocks = [
    { parent_hash: hashes[0], transaction_count: 2, size: 1, proofs: ['hash'], effects_complete: true },
  ]
  return { height: 7, hash: Buffer.alloc(32, 0xab), time: 1, rows: { blocks, transactions, effects } }
}

type Good = ReturnType<typeof goodBlock>

function change<Row>(rows: Row[], at: number, values: Partial<Row>): void {
  rows[at] = { ...rows[at]!, ...values }
}

test('a good block passes, an empty one too', () => {
  checkSplitBlock(goodBlock())
  const [block] = goodBlock().rows.blocks
  const empty: SplitBlock = { ...goodBlock(), rows: { blocks: [{ ...block!, transaction_count: 0 }] } }
  checkSplitBlock(empty)
})

test.each<[string, (rows: Good['rows']) => void, RegExp]>([
  ['no row in blocks', rows => rows.blocks.pop(), /one row in blocks, got 0/],
  ['two rows in blocks', rows => rows.blocks.push(rows.blocks[0]!), /one row in blocks, got 2/],
  [
    'a transaction too few',
    rows => {
      rows.transactions.pop()
      rows.effects.pop()
    },
    /2 transactions counted, 1 rows/,
  ],
  ['transactions out of order', rows => rows.transactions.reverse(), /transactions row 0 has index 1/],
  ['a hole in the effects', rows => rows.effects.splice(3, 1), /effects row 3 has index 4/],
  ['an effect index twice', rows => change(rows.effects, 4, { index: 3 }), /effects row 4 has index 3/],
  ['an effect of nothing', rows => change(rows.effects, 7, { amount: 0n }), /effect 7 moves nothing/],
  ['an effect in no asset', rows => change(rows.effects, 5, { asset: '' }), /effect 5 names no asset/],
  [
    'one unit lost',
    rows => change(rows.effects, 4, { amount: 2n }),
    /01010101.* native sum to 1, expected 0/,
  ],
  [
    'assets that only together sum to zero',
    rows => change(rows.effects, 6, { asset: 'other token' }),
    /token sum to -7, expected 0/,
  ],
  [
    'a reward out of nowhere',
    rows => change(rows.effects, 0, { amount: -49n }),
    /native sum to 1, expected 0/,
  ],
  [
    'an effect of a transaction that is not in the block',
    rows => change(rows.effects, 7, { transaction_hash: Buffer.alloc(32, 9) }),
    /effect 7 is of transaction 1 0909/,
  ],
  [
    'an effect of a place that is not in the block',
    rows => change(rows.effects, 7, { transaction_index: 2 }),
    /effect 7 is of transaction 2 .*expected one of 2/,
  ],
  [
    'an effect of the block that names a transaction',
    rows => change(rows.effects, 0, { transaction_hash: hashes[1] }),
    /effect 0 is of transaction null 0202.*expected no hash/,
  ],
])('refuses %s, and says where', (_, spoil, reason) => {
  const block = goodBlock()
  spoil(block.rows)
  expect(() => checkSplitBlock(block)).toThrow(InvariantError)
  expect(() => checkSplitBlock(block)).toThrow(reason)
  expect(() => checkSplitBlock(block)).toThrow(/^block 7 abab/)
})

test('a transaction of which parts are missing need not sum to zero', () => {
  const block = goodBlock()
  checkSplitBlock(block)
  change(block.rows.transactions, 1, { effects_complete: true })
  expect(() => checkSplitBlock(block)).toThrow(/0202.* sum to 9/)
})
