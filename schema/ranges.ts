/** First and last height, both included. */
export type Range = readonly [from: number, to: number]

/** Ascending, not overlapping, not touching. */
export type Ranges = readonly Range[]

/** Any ranges as ascending, merged ones. */
export function mergeRanges(ranges: Iterable<Range>): Ranges {
  const merged: [number, number][] = []
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1)
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else merged.push([from, to])
  }
  return merged
}

export function addHeights(ranges: Ranges, heights: Iterable<number>): Ranges {
  return mergeRanges([...ranges, ...Array.from(heights, height => [height, height] as const)])
}

export function removeHeights(ranges: Ranges, heights: Iterable<number>): Ranges {
  let left = [...ranges]
  for (const [from, to] of mergeRanges(Array.from(heights, height => [height, height] as const))) {
    left = left.flatMap(([first, last]): Range[] => {
      if (last < from || first > to) return [[first, last]]
      const parts: Range[] = []
      if (first < from) parts.push([first, from - 1])
      if (last > to) parts.push([to + 1, last])
      return parts
    })
  }
  return left
}

/** Binary search: histories are long, holes may be many. */
export function includesHeight(ranges: Ranges, height: number): boolean {
  let [low, high] = [0, ranges.length - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const [from, to] = ranges[middle]!
    if (height < from) high = middle - 1
    else if (height > to) low = middle + 1
    else return true
  }
  return false
}

export function countHeights(ranges: Ranges): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0)
}

/** Every height in them, ascending. */
export function heightsOf(ranges: Ranges): number[] {
  return ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, at) => from + at))
}

/** Histories are long: heights a few at a time. */
export function* chunksOf(ranges: Ranges, size: number): Generator<number[]> {
  for (const [from, to] of ranges) {
    for (let first = from; first <= to; first += size) {
      yield Array.from({ length: Math.min(size, to - first + 1) }, (_, at) => first + at)
    }
  }
}

/** Every height above `above`, ascending. */
export function heightsAbove(ranges: Ranges, above: number): number[] {
  return ranges.flatMap(([from, to]) => {
    const first = Math.max(from, above + 1)
    return Array.from({ length: Math.max(0, to - first + 1) }, (_, at) => first + at)
  })
}

/** The parts of `ranges` that `others` do not cover. */
export function subtractRanges(ranges: Ranges, others: Ranges): Ranges {
  const left: Range[] = []
  for (const [from, to] of ranges) {
    let next = from
    for (const [low, high] of others) {
      if (high < next || low > to) continue
      if (low > next) left.push([next, low - 1])
      next = high + 1
    }
    if (next <= to) left.push([next, to])
  }
  return left
}

/** A select of every height in `ranges`, to be used with `heightParams`. */
export const HEIGHTS_SQL = `SELECT arrayJoin(arrayFlatten(arrayMap(
  (low, high) -> range(low, high + 1), {lows:Array(UInt64)}, {highs:Array(UInt64)}))) AS height`

export function heightParams(ranges: Ranges): { lows: number[]; highs: number[] } {
  return { lows: ranges.map(([low]) => low), highs: ranges.map(([, high]) => high) }
}
