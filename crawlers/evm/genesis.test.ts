import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { formatHex0x } from '../../schema/bytes.ts'
import { checkSplitBlock } from '../../schema/invariants.ts'
import { equalValues } from '../../schema/tables.ts'
import { describeRecorded, recordings } from '../../test/recordings.ts'
import { ethereum } from '../chains/ethereum.ts'
import { ethereumClassic } from '../chains/ethereum-classic.ts'
import { evmLocal } from '../chains/evm-local.ts'
import { openRpc } from '../rpc.ts'
import { address, madeRaw } from './block.fixture.ts'
import { defineEvmChain } from './family.ts'
import { account, readAllocations, stateRootOf } from './genesis.ts'
import { keccak256 } from './hash.ts'
import type { EvmRaw } from './raw.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-genesis-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function fileOf(text: string): Promise<URL> {
  const path = join(directory, `${keccak256(Buffer.from(text)).toString('hex')}.txt`)
  await writeFile(path, text)
  return pathToFileURL(path)
}

function sumOf(rows: readonly { amount: bigint }[]): bigint {
  return rows.reduce((sum, { amount }) => sum + amount, 0n)
}

const ETHER = 10n ** 18n

describeRecorded('block 0 of Ethereum', () => {
  test.each([ethereum, ethereumClassic])(
    'of $definition.slug gives its coins to 8,891 accounts, and proves it',
    async chain => {
      const rpc = await openRpc([{ url: `file:${join(recordings, 'ethereum')}` }])
      const raw = await evmLocal.open(rpc).blockAt(0)
      const verified = chain.verify(raw)
      expect(verified.proofs).toEqual(expect.arrayContaining(['stateRoot', 'checkpoint']))
      const block = chain.split(raw, verified)
      checkSplitBlock(block)
      const { effects, blocks } = block.rows
      const given = effects!.filter(({ amount }) => amount > 0n)
      expect([given.length, new Set(effects!.map(({ kind }) => kind))]).toEqual([8_891, new Set(['genesis'])])
      expect(sumOf(given)).toBe(7_200_999_049_948n * 10n ** 13n)
      const one = effects!.find(row => row.address === '0x3282791d6fd713f1e94f4bfd565eaa78b3a0599d')
      expect([one!.amount, one!.transaction_index]).toEqual([1_337n * ETHER, null])
      expect(blocks![0]!.effects_complete).toBe(true)
      expect(chain.definition.partialEffects).toBe('')
    },
  )

  test('does not prove another list', async () => {
    const rpc = await openRpc([{ url: `file:${join(recordings, 'ethereum')}` }])
    const raw = await evmLocal.open(rpc).blockAt(0)
    const file = await fileOf(`${'0a'.repeat(20)} 5e18\n`)
    const other = defineEvmChain({
      slug: 'other',
      name: 'Other',
      chainId: 1,
      native: { symbol: 'O', decimals: 18 },
      genesis: { kind: 'file', file },
    })
    expect(() => other.verify(raw)).toThrow(/stateRoot: state root: expected 0xd7f8974f/)
  })
})

describe('the state change of block 1,920,000', () => {
  const at = (height: number): EvmRaw => madeRaw({ header: { height } })
  const verified = (raw: EvmRaw) => ({
    height: raw.header.height,
    hash: Buffer.alloc(32, 7),
    parentHash: raw.header.parentHash,
    time: raw.header.time,
    transactionCount: 0,
    proofs: [],
  })

  test('moves what 64 accounts held to the refund contract, on Ethereum only', () => {
    const raw = at(1_920_000)
    const block = ethereum.split(raw, verified(raw))
    checkSplitBlock(block)
    const moved = block.rows.effects!.filter(({ kind }) => kind === 'irregular')
    const got = moved.filter(row => row.address === '0xbf4ed7b27f1d666546e30d74d50d173d20bca754')
    expect([moved.length, got.length]).toEqual([128, 64])
    expect(sumOf(got)).toBe(12_001_961_845_205_763_407_115_004n)
    expect(moved.find(row => row.address === '0x304a554a310c7e546dfe434669c62820b7d83490')!.amount).toBe(
      -3_642_408_527_612_792_706_899_331n,
    )
    for (const [chain, height] of [
      [ethereumClassic, 1_920_000],
      [ethereum, 1_919_999],
      [ethereum, 1_920_001],
    ] as const) {
      const other = at(height)
      const kinds = chain.split(other, verified(other)).rows.effects!.map(({ kind }) => kind)
      expect(kinds).not.toContain('irregular')
    }
  })
})

describe('a genesis file', () => {
  const contract = {
    balance: '0x10',
    nonce: '0x1',
    code: '0x6001',
    storage: {
      '0x00': '0x05',
      [`0x${'00'.repeat(31)}01`]: `0x${'00'.repeat(31)}00`,
      '0x02': `0x${'ff'.repeat(32)}`,
    },
  }

  test('is read as geth and Besu write it', async () => {
    const alloc = { [`0x${'0b'.repeat(20)}`]: contract, ['0A'.repeat(20)]: { balance: '12' } }
    const accounts = readAllocations(await fileOf(JSON.stringify({ config: {}, alloc })))
    expect(accounts.map(one => [formatHex0x(one.address), one.balance, one.nonce])).toEqual([
      [`0x${'0b'.repeat(20)}`, 16n, 1n],
      [`0x${'0a'.repeat(20)}`, 12n, 0n],
    ])
    expect(accounts[0]!.storage).toHaveLength(3)
  })

  test.each<[string, unknown, RegExp]>([
    ['without accounts', {}, /expected accounts under `alloc`/],
    ['an address that is too long', { alloc: { [`0x${'00'.repeat(21)}`]: {} } }, /expected an address/],
    [
      'an amount that JSON rounded',
      { alloc: { ['00'.repeat(20)]: { balance: 1e22 } } },
      /as text where it is large/,
    ],
    ['a negative amount', { alloc: { ['00'.repeat(20)]: { balance: '-1' } } }, /expected a whole number/],
    ['code that is not hex', { alloc: { ['00'.repeat(20)]: { code: '0xzz' } } }, /expected code, got 0xzz/],
  ])('%s is refused', async (_, given, expected) => {
    const file = await fileOf(JSON.stringify(given))
    expect(() => readAllocations(file)).toThrow(expected)
  })

  test('a list that is not one tells the line', async () => {
    const file = await fileOf(`# accounts\n${'0a'.repeat(20)} 1e18\n0x12 5\n`)
    expect(() => readAllocations(file)).toThrow('allocations, line 3: expected an address and an amount')
  })

  test('an account of another amount, nonce, code or storage is another state', () => {
    const base = account(address('a'), 5n)
    const roots = [
      base,
      { ...base, balance: 6n },
      { ...base, nonce: 1n },
      { ...base, code: Buffer.of(1) },
      { ...base, storage: [{ slot: Buffer.alloc(32), value: 1n }] },
    ].map(one => stateRootOf([one, account(address('b'), 1n)]).toString('hex'))
    expect(new Set(roots).size).toBe(5)
    const zero = { ...base, storage: [{ slot: Buffer.alloc(32), value: 0n }] }
    expect(stateRootOf([account(address('b'), 1n), zero]).toString('hex')).toBe(roots[0])
  })
})

describe('a development node', () => {
  const recorded = join(import.meta.dirname, '../../test/fixtures/recordings/evm-local')

  test('tells what its accounts had in block 0, the archive keeps it, nothing proves it', async () => {
    const raw = await evmLocal.open(await openRpc([{ url: `file:${recorded}` }])).blockAt(0)
    expect(raw.allocations).toHaveLength(10)
    const verified = evmLocal.verify(raw)
    expect(verified.proofs).not.toContain('stateRoot')
    const block = evmLocal.split(raw, verified)
    checkSplitBlock(block)
    expect(block.rows.effects!.filter(({ amount }) => amount === 10_000n * ETHER)).toHaveLength(10)
    expect(equalValues(evmLocal.decode(evmLocal.encode(raw)), raw)).toBe(true)
  })

  test('whose block 0 commits to its accounts proves them', () => {
    const allocations = [{ address: address('a'), balance: 7n }]
    const stateRoot = stateRootOf([account(address('a'), 7n)])
    const raw = { ...madeRaw({ header: { height: 0, stateRoot } }), allocations }
    expect(evmLocal.verify(raw).proofs).toContain('stateRoot')
  })

  test('that tells nothing leaves the effects of block 0 incomplete', () => {
    const raw = madeRaw({ header: { height: 0 } })
    const block = evmLocal.split(raw, evmLocal.verify(raw))
    expect([block.rows.blocks![0]!.effects_complete, block.rows.effects]).toEqual([false, []])
    const later = madeRaw({ header: { height: 1 } })
    expect(evmLocal.split(later, evmLocal.verify(later)).rows.blocks![0]!.effects_complete).toBe(true)
  })
})

test('effects of a block are not complete without its uncles, or without its withdrawals', () => {
  const uncle = madeRaw({ header: { height: 99 } }).header
  const whole = madeRaw({ uncles: [uncle], header: { difficulty: 5n } })
  const complete = (raw: EvmRaw) =>
    ethereumClassic.split(raw, ethereumClassic.verify(raw)).rows.blocks![0]!.effects_complete
  expect([complete(whole), complete({ ...whole, uncles: null })]).toEqual([true, false])
  const shanghai = madeRaw({ withdrawals: [], header: { baseFeePerGas: 1n } })
  expect([complete(shanghai), complete({ ...shanghai, withdrawals: null })]).toEqual([true, false])
})
