import { describe, expect, test } from 'vitest'
import { MalformedAnswerError } from '../../schema/errors.ts'
import { parseCoins } from './amount.ts'

describe('parseCoins', () => {
  test.each([
    ['0', 0n],
    ['50', 5_000_000_000n],
    ['50.00000000', 5_000_000_000n],
    ['0.00000001', 1n],
    ['1e-8', 1n],
    ['1.5E+2', 15_000_000_000n],
    ['9.9e-7', 99n],
    ['0.1', 10_000_000n],
    ['0.30000000', 30_000_000n],
    ['1.10000000000', 110_000_000n],
    ['20999999.97690000', 2_099_999_997_690_000n],
    // More than a float holds: the nearest double is …808.
    ['92233720368.54775807', 9_223_372_036_854_775_807n],
    ['90071992.54740993', 9_007_199_254_740_993n],
  ])('%s', (text, amount) => {
    expect(parseCoins(text)).toBe(amount)
  })

  test.each([
    '-1',
    '-0',
    '+1',
    '',
    '.5',
    '5.',
    '0x10',
    '1,5',
    'NaN',
    'Infinity',
    '1e',
    '0.000000001',
    '1e-9',
    '1e999',
    '92233720368.54775808',
    '1e20',
    `${'9'.repeat(400)}`,
  ])('refuses %s', text => {
    expect(() => parseCoins(text)).toThrow(MalformedAnswerError)
  })
})
