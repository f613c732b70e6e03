import { describe, expect, test } from 'vitest'
import {
  amountParts,
  chainMark,
  formatAge,
  formatBytes,
  formatDay,
  formatDuration,
  formatShare,
  formatTime,
  fractionDigits,
  hueOf,
  plainAmount,
} from './format.ts'

const MAX_UINT256 = (2n ** 256n - 1n).toString()

describe('amounts', () => {
  test('are exact at any size', () => {
    expect(plainAmount(MAX_UINT256, null)).toBe(MAX_UINT256)
    expect(plainAmount(MAX_UINT256, 18)).toBe(`${MAX_UINT256.slice(0, -18)}.${MAX_UINT256.slice(-18)}`)
    expect(plainAmount('-1', 18)).toBe('-0.000000000000000001')
    expect(plainAmount('5000000000', 8)).toBe('50')
    expect(plainAmount('0', 8)).toBe('0')
    expect(plainAmount('1', 255)).toBe(`0.${'0'.repeat(254)}1`)
  })

  test('are cut into groups of three that put together are the digits', () => {
    const { whole, fraction, negative } = amountParts('-1234567890123', 8)
    expect({ whole, fraction, negative }).toEqual({
      whole: ['12', '345'],
      fraction: ['678', '901', '23'],
      negative: true,
    })
    const long = amountParts(MAX_UINT256, null)
    expect(long.whole.join('')).toBe(MAX_UINT256)
    expect(long.whole.slice(1).every(group => group.length === 3)).toBe(true)
  })

  test('need as many digits after the point as are not zero at the end', () => {
    expect([fractionDigits('5000000000', 8), fractionDigits('123', 8), fractionDigits('7', null)]).toEqual([
      0, 8, 0,
    ])
  })
})

describe('times', () => {
  test('are said in UTC and of one width', () => {
    expect(formatTime('2009-01-12T03:30:25Z')).toBe('2009-01-12 03:30:25')
    expect(formatDay('2009-01-12T23:59:59Z', 'en')).toBe('12 January 2009')
    expect(formatDay('2009-01-12T23:59:59Z', 'zh')).toBe('2009年1月12日')
  })

  test('ages are counted in the largest unit that fits', () => {
    const now = Date.parse('2024-01-01T00:00:00Z')
    const ago = (seconds: number) => formatAge(new Date(now - seconds * 1000).toISOString(), now, 'en')
    expect([ago(0), ago(59), ago(60), ago(3_599), ago(86_400), ago(40_000_000)]).toEqual([
      '0 seconds ago',
      '59 seconds ago',
      '1 minute ago',
      '59 minutes ago',
      '1 day ago',
      '1 year ago',
    ])
    expect(formatAge('2023-12-31T23:57:00Z', now, 'zh')).toBe('3分钟前')
  })

  test('durations have at most two parts', () => {
    expect([formatDuration(0, 'en'), formatDuration(75, 'en'), formatDuration(93_784, 'en')]).toEqual([
      '0 s',
      '1 min 15 s',
      '1 d 2 h',
    ])
  })
})

describe('numbers and marks', () => {
  test('bytes and shares', () => {
    expect([formatBytes(999, 'en'), formatBytes(1_330_000, 'en')]).toEqual(['999 B', '1.33 MB'])
    expect([formatShare(9_999, 10_000, 'en'), formatShare(1, 1, 'en'), formatShare(0, 0, 'en')]).toEqual([
      '99.9 %',
      '100 %',
      '–',
    ])
  })

  test('chains have two letters and always the same hue', () => {
    expect(['bitcoin', 'ethereum-classic', 'evm-local'].map(chainMark)).toEqual(['BI', 'EC', 'EL'])
    expect(hueOf('bitcoin')).toBe(hueOf('bitcoin'))
    const hues = ['bitcoin', 'ethereum', 'dogecoin', 'litecoin', 'evm-local', '\u{1f600}'].map(hueOf)
    expect(hues.every(hue => Number.isInteger(hue) && hue >= 0 && hue < 24)).toBe(true)
    expect(new Set(hues).size).toBeGreaterThan(3)
  })
})
