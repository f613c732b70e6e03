import { describe, expect, test } from 'vitest'
import {
  addHeights,
  countHeights,
  heightsAbove,
  includesHeight,
  mergeRanges,
  type Range,
  type Ranges,
  removeHeights,
  subtractRanges,
} from './ranges.ts'

/** Numbers that are the same in every run unless WANLIAN_SEED says otherwise. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const seed = Number(process.env.WANLIAN_SEED ?? 7)
const HIGHEST = 60
const ROUNDS = 2_000
const places = Array.from({ length: HIGHEST + 20 }, (_, at) => at - 1)

/** The model: heights one by one. */
function rangesOf(heights: ReadonlySet<number>): Ranges {
  const ranges: [number, number][] = []
  for (const height of [...heights].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last && last[1] === height - 1) last[1] = height
    else ranges.push([height, height])
  }
  return ranges
}

test(`does what a set of heights does (seed ${seed}, ${ROUNDS} rounds)`, () => {
  const random = randomNumbers(seed)
  const model = new Set<number>()
  let ranges: Ranges = []
  const done = new Map<string, number>()
  for (let round = 0; round < ROUNDS; round++) {
    const heights = Array.from({ length: random(12) }, () => random(HIGHEST))
    const low = random(HIGHEST)
    const high = low + random(15)
    const before = JSON.stringify(ranges)
    const [step, next] = [
      ['add', () => addHeights(ranges, heights)],
      ['remove', () => removeHeights(ranges, heights)],
      ['merge', () => mergeRanges([...ranges, [low, high]].reverse() as Range[])],
    ][random(3)] as [string, () => Ranges]
    const result = next()
    expect(JSON.stringify(ranges), `${step} must not change its argument`).toBe(before)
    ranges = result
    if (step === 'add') for (const height of heights) model.add(height)
    if (step === 'remove') for (const height of heights) model.delete(height)
    if (step === 'merge') for (let height = low; height <= high; height++) model.add(height)
    const where = `seed ${seed} round ${round} ${step}`
    expect(ranges, where).toEqual(rangesOf(model))
    expect(countHeights(ranges), where).toBe(model.size)
    const included = places.filter(height => includesHeight(ranges, height))
    expect(included, where).toEqual(places.filter(height => model.has(height)))
    expect(heightsAbove(ranges, low), where).toEqual(
      places.filter(height => height > low && model.has(height)),
    )
    expect(subtractRanges([[low, high]], ranges), where).toEqual(
      rangesOf(new Set(places.filter(height => height >= low && height <= high && !model.has(height)))),
    )
    done.set(step, (done.get(step) ?? 0) + 1)
    if (random(40) === 0) {
      model.clear()
      ranges = []
    }
  }
  expect([...done.keys()].sort()).toEqual(['add', 'merge', 'remove'])
})

describe('borders', () => {
  test.each<[string, Ranges, Ranges]>([
    ['nothing', mergeRanges([]), []],
    [
      'touching',
      mergeRanges([
        [5, 9],
        [0, 4],
      ]),
      [[0, 9]],
    ],
    [
      'one apart',
      mergeRanges([
        [6, 9],
        [0, 4],
      ]),
      [
        [0, 4],
        [6, 9],
      ],
    ],
    [
      'inside another',
      mergeRanges([
        [0, 9],
        [3, 4],
      ]),
      [[0, 9]],
    ],
    [
      'twice the same',
      mergeRanges([
        [3, 4],
        [3, 4],
      ]),
      [[3, 4]],
    ],
    [
      'the middle taken out',
      removeHeights([[0, 9]], [4, 5]),
      [
        [0, 3],
        [6, 9],
      ],
    ],
    ['the ends taken out', removeHeights([[0, 9]], [9, 0]), [[1, 8]]],
    [
      'all taken out',
      removeHeights(
        [
          [0, 1],
          [5, 5],
        ],
        [5, 1, 0],
      ),
      [],
    ],
    ['nothing there to take', removeHeights([[5, 6]], [4, 7]), [[5, 6]]],
    [
      'a hole filled',
      addHeights(
        [
          [0, 3],
          [5, 9],
        ],
        [4],
      ),
      [[0, 9]],
    ],
    [
      'the highest there is',
      addHeights([], [Number.MAX_SAFE_INTEGER - 1]),
      [[Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER - 1]],
    ],
  ])('%s', (_, got, expected) => {
    expect(got).toEqual(expected)
  })
})

test('a long history with many holes is searched, not walked', () => {
  const ranges = Array.from({ length: 100_000 }, (_, at): Range => [at * 10, at * 10 + 4])
  for (const at of [0, 1, 49_999, 50_000, 99_999]) {
    expect(
      [at * 10 - 1, at * 10, at * 10 + 4, at * 10 + 5].map(height => includesHeight(ranges, height)),
    ).toEqual([false, true, true, false])
  }
  expect(countHeights(ranges)).toBe(500_000)
})
