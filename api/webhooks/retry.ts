/** When an event that was not taken is sent again: later and later, for days. */
export interface RetrySchedule {
  /** Milliseconds before the second attempt. */
  firstMs: number
  /** Each pause is so many times the one before. */
  factor: number
  /** Longest pause. */
  mostMs: number
  /** After failing for so long it is given up. */
  giveUpMs: number
}

const HOUR_MS = 3_600_000

export const defaultSchedule: RetrySchedule = {
  firstMs: 5_000,
  factor: 3,
  mostMs: 6 * HOUR_MS,
  giveUpMs: 5 * 24 * HOUR_MS,
}

/** What an endpoint may ask for with `Retry-After`, at most. */
const MOST_ASKED_MS = 24 * HOUR_MS

/**
 * Milliseconds until the next attempt, with jitter: from three quarters of the pause to five quarters, so that many that
 * failed together do not come back together.
 * @param attempt how many were made.
 * @param random from 0 to below 1.
 * @returns null when it is given up.
 */
export function retryDelay(
  attempt: number,
  failingForMs: number,
  retryAfterMs: number | null,
  { schedule, random }: { schedule: RetrySchedule; random: () => number },
): number | null {
  if (failingForMs >= schedule.giveUpMs) return null
  const pause = Math.min(schedule.mostMs, schedule.firstMs * schedule.factor ** (attempt - 1))
  const withJitter = pause * (0.75 + random() / 2)
  return Math.round(Math.max(withJitter, Math.min(retryAfterMs ?? 0, MOST_ASKED_MS)))
}
