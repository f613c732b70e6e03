import { describe, expect, it } from 'vitest'
import { rewardOf } from './rewards.ts'

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
