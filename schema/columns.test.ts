import { describe, expect, test } from 'vitest'
import {
  address20,
  array,
  bool,
  bytes,
  type Column,
  count,
  enumeration,
  fixed,
  flag,
  float64,
  hash32,
  int32,
  int256,
  name,
  nullable,
  RowReader,
  RowWriter,
  seconds,
  sign,
  text,
  tuple,
  uint8,
  uint16,
  uint32,
  uint64,
  uint256,
} from './columns.ts'
import { InputError } from './errors.ts'
import { blockTables, equalValues, type Table } from './tables.ts'

const nested = tuple({ address: address20, keys: array(hash32), owner: nullable(text) })
const colour = enumeration(['red', 'green', 'blue'])

/** A column of any type; what it must keep and what it must refuse. */
interface Case {
  column: string
  // biome-ignore lint/suspicious/noExplicitAny: each column has its own values
  of: Column<any>
  keeps: readonly unknown[]
  refuses: readonly unknown[]
}

/** Lengths around the steps of the length prefix (1, 2, 3 bytes) and beyond the writer's first buffer. */
const LENGTHS = [0, 1, 127, 128, 16_383, 16_384, 70_000, 2_097_152]
const byteStrings = LENGTHS.map(length => Buffer.alloc(length, length % 251))
const texts = [
  ...LENGTHS.map(length => 'x'.repeat(length)),
  '万链',
  '\0\n\t',
  '🧮',
  '万'.repeat(43),
  '\ufeff',
]

const CASES: readonly Case[] = [
  { column: 'uint8', of: uint8, keeps: [0, 1, 255], refuses: [-1, 256, 0.5, Number.NaN] },
  { column: 'uint16', of: uint16, keeps: [0, 255, 256, 65_535], refuses: [-1, 65_536, 1.5] },
  { column: 'uint32', of: uint32, keeps: [0, 2 ** 31, 2 ** 32 - 1], refuses: [-1, 2 ** 32, Infinity] },
  {
    column: 'int32',
    of: int32,
    keeps: [-(2 ** 31), -1, 0, 2 ** 31 - 1],
    refuses: [-(2 ** 31) - 1, 2 ** 31, 0.1],
  },
  {
    column: 'uint64',
    of: uint64,
    keeps: [0n, 2n ** 53n - 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n],
    refuses: [-1n, 2n ** 64n],
  },
  {
    column: 'count',
    of: count,
    keeps: [0, 2 ** 32, 2 ** 53 - 1],
    refuses: [-1, 2 ** 53, 0.5, Number.NaN],
  },
  { column: 'float64', of: float64, keeps: [0, 1.1, -1e308, 5e-324, Number.NaN], refuses: [] },
  {
    column: 'uint256',
    of: uint256,
    keeps: [0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 128n, 2n ** 192n - 1n, 2n ** 256n - 1n],
    refuses: [-1n, 2n ** 256n],
  },
  {
    column: 'int256',
    of: int256,
    keeps: [0n, 1n, -1n, 2n ** 64n, -(2n ** 64n), 2n ** 255n - 1n, -(2n ** 255n)],
    refuses: [2n ** 255n, -(2n ** 255n) - 1n],
  },
  { column: 'bool', of: bool, keeps: [true, false], refuses: [1, 0, null, undefined, 'true'] },
  { column: 'flag', of: flag, keeps: [true, false], refuses: [1, undefined] },
  { column: 'sign', of: sign, keeps: [1, -1], refuses: [0, 2, undefined] },
  { column: 'text', of: text, keeps: texts, refuses: ['\ud800', 'a\udc00', '\udc00\ud800'] },
  { column: 'name', of: name, keeps: texts, refuses: ['\ud800'] },
  { column: 'bytes', of: bytes, keeps: byteStrings, refuses: [] },
  { column: 'seconds', of: seconds, keeps: [0, 2 ** 31, 2 ** 32 - 1], refuses: [-1, 2 ** 32, 1.5] },
  {
    column: 'fixed(4)',
    of: fixed(4),
    keeps: [Buffer.of(0, 0, 0, 0), Buffer.of(0, 10, 255, 0)],
    refuses: [Buffer.alloc(3), Buffer.alloc(5), Buffer.alloc(0)],
  },
  { column: 'hash32', of: hash32, keeps: [Buffer.alloc(32, 255)], refuses: [Buffer.alloc(20)] },
  { column: 'address20', of: address20, keeps: [Buffer.alloc(20)], refuses: [Buffer.alloc(32)] },
  { column: 'enumeration', of: colour, keeps: ['red', 'green', 'blue'], refuses: ['', 'Red', 'black'] },
  {
    column: 'nullable(uint256)',
    of: nullable(uint256),
    keeps: [null, 0n, 2n ** 256n - 1n],
    refuses: [-1n, 2n ** 256n],
  },
  { column: 'nullable(text)', of: nullable(text), keeps: [null, '', 'x'], refuses: ['\udc00'] },
  {
    column: 'nullable(fixed)',
    of: nullable(fixed(2)),
    keeps: [null, Buffer.of(1, 1)],
    refuses: [Buffer.of(1)],
  },
  {
    column: 'array(uint32)',
    of: array(uint32),
    keeps: [[], [0], Array.from({ length: 128 }, (_, at) => at), new Array(16_384).fill(2 ** 32 - 1)],
    refuses: [[-1], [0, 2 ** 32]],
  },
  { column: 'array(array)', of: array(array(name)), keeps: [[], [[]], [['a'], [], ['', 'b']]], refuses: [] },
  {
    column: 'tuple',
    of: nested,
    keeps: [
      { address: Buffer.alloc(20, 1), keys: [], owner: null },
      { address: Buffer.alloc(20, 2), keys: [Buffer.alloc(32, 3), Buffer.alloc(32)], owner: 'x' },
    ],
    refuses: [
      { address: Buffer.alloc(19), keys: [], owner: null },
      { address: Buffer.alloc(20), keys: [Buffer.alloc(31)], owner: null },
    ],
  },
  {
    column: 'array(tuple)',
    of: array(nested),
    keeps: [[], [{ address: Buffer.alloc(20), keys: [Buffer.alloc(32)], owner: '' }]],
    refuses: [],
  },
]

function encode({ of }: Case, ...values: unknown[]): Buffer {
  const out = new RowWriter(8)
  for (const value of values) of.write(out, value)
  return Buffer.from(out.view())
}

describe.each(CASES)('$column', one => {
  test('keeps every value, alone and in a row of others', () => {
    const reader = new RowReader(encode(one, ...one.keeps, ...one.keeps))
    for (const value of [...one.keeps, ...one.keeps]) {
      const got: unknown = one.of.read(reader)
      expect(equalValues(got, value), describeValue(value)).toBe(true)
    }
    expect(reader.done).toBe(true)
  })

  test('refuses what does not fit', () => {
    for (const value of one.refuses) {
      expect(() => encode(one, value), describeValue(value)).toThrow(InputError)
    }
  })

  test('bytes that end inside a value are refused', () => {
    const whole = encode(one, one.keeps.at(-1))
    for (const length of new Set([0, whole.length >> 1, whole.length - 1])) {
      const reader = new RowReader(whole.subarray(0, length))
      expect(() => one.of.read(reader), `${length} of ${whole.length} bytes`).toThrow(InputError)
    }
  })
})

function describeValue(value: unknown): string {
  const shown = typeof value === 'bigint' || value instanceof Uint8Array ? `${value}` : JSON.stringify(value)
  return String(shown).slice(0, 80)
}

test('values are laid out as ClickHouse reads them', () => {
  for (const [column, value, hex] of [
    [uint32, 0x01020304, '04030201'],
    [uint64, 2n ** 64n - 2n, 'feffffffffffffff'],
    [int256, -2n, `fe${'ff'.repeat(31)}`],
    [uint256, 2n ** 255n, `${'00'.repeat(31)}80`],
    [text, '万', '03e4b887'],
    [bytes, Buffer.alloc(128), `8001${'00'.repeat(128)}`],
    [nullable(uint8), null, '01'],
    [nullable(uint8), 7, '0007'],
    [array(uint8), [1, 2], '020102'],
    [sign, -1, 'ff'],
  ] as const) {
    const out = new RowWriter()
    ;(column as Column<unknown>).write(out, value)
    expect([column.type, out.view().toString('hex')]).toEqual([column.type, hex])
  }
})

test('a length that no bytes can have is refused, not allocated', () => {
  for (const hex of ['ffffffffffff01', 'ffffffffffffff7f', 'ff'.repeat(20), '80'.repeat(200)]) {
    for (const column of [text, bytes, array(uint8)] as Column<unknown>[]) {
      expect(() => column.read(new RowReader(Buffer.from(hex, 'hex'))), column.type).toThrow(InputError)
    }
  }
  expect(() => colour.read(new RowReader(Buffer.of(3)))).toThrow(/code 3/)
})

test('what was read stays as it is when its source is written over', () => {
  const source = encode({ column: 'bytes', of: bytes, keeps: [], refuses: [] }, Buffer.from('kept'))
  const value = bytes.read(new RowReader(source))
  source.fill(0)
  expect(Buffer.from(value).toString()).toBe('kept')
})

test('a type of ours wraps as ClickHouse allows it', () => {
  expect(nullable(name).type).toBe('LowCardinality(Nullable(String))')
  expect(nullable(uint256).type).toBe('Nullable(UInt256)')
  expect(nested.type).toBe(
    'Tuple(address FixedString(20), keys Array(FixedString(32)), owner Nullable(String))',
  )
  expect(colour.type).toBe("Enum8('red' = 0, 'green' = 1, 'blue' = 2)")
  for (const table of Object.values(blockTables) as Table[]) {
    for (const [column, { type }] of Object.entries({ ...table.shared, ...table.columns })) {
      expect(type, `${table.name}.${column}`).not.toMatch(/Nullable\((Array|Tuple|Nullable|LowCardinality)/)
    }
  }
})
