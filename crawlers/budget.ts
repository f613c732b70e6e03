/** How often an endpoint may be asked: at most as configured, and no more than it was seen to allow. */
export interface Budget {
  /** Returns when it is the caller's turn, or when the signal is aborted. */
  take(signal: AbortSignal): Promise<void>
  /** The endpoint said that it is asked too often. */
  refused(): void
  /** Calls a second; null while no limit is known. */
  perSecond(): number | null
  /** How long the next call would wait, in milliseconds. */
  waitMs(): number
}

export interface BudgetOptions {
  /** Calls a second that are never exceeded; null for no such limit. */
  most?: number | null
  /** What was learned before, in calls a second. */
  learned?: number | null
  /** Called with what is learned from now on; null when no limit is known any more. */
  onLearned?: (perSecond: number | null) => void
  now?: () => number
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

/** A refusal takes the budget back to this part of the rate at which calls were made then. */
const BACK = 0.7
/**
 * Calls a second. An endpoint that refuses at a lower rate means something else, a quota of the day for instance: it is
 * left alone for a while as any that is in trouble. Lower limits are for the configuration.
 */
const LEAST = 5
/** From here on there is no limit that matters. */
const NO_LIMIT = 1_000
/** Calls that were under way together are refused together: one lesson. */
const LESSON_MS = 5_000
const GROW_MS = 10_000
/** Near the rate that was refused it grows slowly, elsewhere fast: beyond it the limit is seen to be another. */
const [FAST, SLOW] = [1.25, 1.05]
const OBSERVED_MS = 2_000

/** @returns a budget without a limit where none is configured and none was learned. */
export function createBudget(options: BudgetOptions): Budget {
  const { onLearned, sleep } = options
  const now = options.now ?? (() => performance.now())
  const most = options.most ?? Number.POSITIVE_INFINITY
  let limit = Math.min(most, Math.max(LEAST, options.learned ?? Number.POSITIVE_INFINITY))
  let ceiling = limit
  let next = 0
  let changedAt = now()
  let lessonAt = Number.NEGATIVE_INFINITY
  let calls: number[] = []

  function observed(): number {
    const from = now() - OBSERVED_MS
    calls = calls.filter(time => time >= from)
    return calls.length / (Math.max(OBSERVED_MS / 2, now() - (calls[0] ?? 0)) / 1000)
  }

  function set(perSecond: number): void {
    limit = perSecond
    changedAt = now()
    onLearned?.(shown())
  }

  function grow(): void {
    if (limit >= most || now() - changedAt < GROW_MS) return
    const near = ceiling * 0.9
    const grown = limit < near ? Math.min(near, limit * FAST) : limit * (limit > ceiling ? FAST : SLOW)
    set(Math.min(most, grown > NO_LIMIT ? Number.POSITIVE_INFINITY : grown))
  }

  const shown = () => (Number.isFinite(limit) ? Math.round(limit * 10) / 10 : null)

  return {
    async take(signal) {
      grow()
      const at = Math.max(now(), next)
      next = at + 1000 / limit
      if (at > now()) await sleep(at - now(), signal)
      calls.push(now())
      if (calls.length > 2 * NO_LIMIT) observed()
    },
    refused() {
      const rate = observed()
      // Far below what it is given, it is not how often it was asked.
      const isOurs = rate >= LEAST && (!Number.isFinite(limit) || rate >= limit / 2)
      if (!isOurs || now() - lessonAt < LESSON_MS) return
      lessonAt = now()
      ceiling = Math.min(limit, rate)
      set(Math.max(LEAST, ceiling * BACK))
    },
    perSecond: shown,
    waitMs: () => Math.max(0, next - now()),
  }
}
