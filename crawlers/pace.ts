/** How fast something goes at present, for progress and the time that is left. */
export interface Pace {
  advance(count: number): void
  /** Since the beginning. */
  total(): number
  /** A second, over the last half minute; null before anything happened in it. */
  perSecond(): number | null
}

const SPAN_MS = 30_000

export function createPace(now: () => number = Date.now): Pace {
  let total = 0
  let steps: { time: number; count: number }[] = []
  return {
    advance(count) {
      const time = now()
      total += count
      const last = steps.at(-1)
      if (last && time - last.time < 250) last.count += count
      else steps.push({ time, count })
    },
    total: () => total,
    perSecond() {
      const time = now()
      steps = steps.filter(step => time - step.time <= SPAN_MS)
      const [first] = steps
      if (!first) return null
      const seconds = Math.max(1, (time - first.time) / 1000)
      return steps.reduce((sum, step) => sum + step.count, 0) / seconds
    },
  }
}
