import { expect, test } from 'vitest'
import { runSoak } from './sim/soak.ts'
import type { Sample } from './sim/soak-child.ts'

/** `npm run soak` asks for 20,000. */
const BLOCKS = Number(process.env.WANLIAN_BLOCKS ?? 160)
const MIB = 2 ** 20
const BLOCK_BYTES = 200_000
const BUDGET = 8 * MIB
/** What is handed on at a time once there is room: the blocks that are fetched ahead. */
const ONE_MORE = 16 * BLOCK_BYTES * 1.1
/** With more than that the program is ended by Node. */
const HEAP_MIB = 128

test(`a store that is slower than the node, ${BLOCKS} full blocks: what waits stays within its budget, memory does not grow`, async () => {
  const { samples, exitCode, stderr } = await runSoak({
    blocks: BLOCKS,
    blockBytes: BLOCK_BYTES,
    everyMs: 20,
    heapMiB: HEAP_MIB,
    maxUnreadBytes: BUDGET,
    slowMs: 400,
  })
  expect(exitCode, stderr).toBe(0)
  const most = (of: (sample: Sample) => number) => Math.max(...samples.map(of))
  const mean = (some: readonly Sample[]) => some.reduce((sum, { memory }) => sum + memory, 0) / some.length
  const third = Math.floor(samples.length / 3)
  const [middle, end] = [mean(samples.slice(third, 2 * third)), mean(samples.slice(2 * third))]
  const shown = (bytes: number) => `${Math.round(bytes / MIB)} MiB`
  process.stdout.write(
    `soak: ${BLOCKS} blocks of ${BLOCK_BYTES} bytes, peak memory ${shown(most(({ memory }) => memory))}, peak heap ` +
      `${shown(most(({ heap }) => heap))}, mean of the second third ${shown(middle)}, of the last ${shown(end)}, at most ` +
      `${shown(most(({ unread }) => unread))} unread\n`,
  )
  // The store was what everybody waited for: the tip's or the history's queue was full.
  expect(most(({ unread }) => unread)).toBeGreaterThan(BUDGET)
  // Both partitions of the log have one.
  expect(most(({ unread }) => unread)).toBeLessThan(2 * (BUDGET + ONE_MORE))
  expect(most(({ memory }) => memory)).toBeLessThan(384 * MIB)
  expect(end).toBeLessThan(middle * 1.2)
}, 3_600_000)
