import { AppError, describeError, NotAvailableError, RpcError } from '../schema/errors.ts'
import type { EndpointStatus } from '../schema/status.ts'

/** How an endpoint is doing, and whether it is to be left alone for now. */
export interface Health {
  /** Milliseconds for which it is not to be asked; 0 when it may be. */
  restMs(): number
  /** Troubles since the last good answer. */
  failures(): number
  /** Blamed, and not credited since. */
  blamed(): boolean
  lastError(): AppError | null
  /** Median of the last answers; null before the first. */
  latencyMs(): number | null
  answered(ms: number): void
  /** A call came to nothing. What is an answer all the same ("not there", "refused") is counted as one. */
  failed(error: unknown, ms: number): void
  /** What it gave was wrong: it rests for `leastMs` at least, and longer each time until it is credited. */
  blame(error: AppError, leastMs: number): void
  credit(): void
  status(): Omit<EndpointStatus, 'name' | 'head' | 'callsPerSecond'>
}

const MOST_REST_MS = 5 * 60_000
/** A `Retry-After` beyond this is a mistake or malice. */
const MOST_ASKED_REST_MS = 60 * 60_000
const KEPT_LATENCIES = 31

/** @param backoffMs rest after the first trouble, doubled by each that follows. */
export function createHealth(backoffMs: number): Health {
  const latencies: number[] = []
  let [calls, errors, failures, strikes] = [0, 0, 0, 0]
  let restUntil = 0
  let lastError: AppError | null = null

  function note(ms: number): void {
    calls++
    latencies.push(ms)
    if (latencies.length > KEPT_LATENCIES) latencies.shift()
  }

  function rest(times: number, leastMs: number): void {
    const growing = Math.min(backoffMs * 2 ** Math.min(times - 1, 30), MOST_REST_MS)
    // Spread, so that many who were refused together do not come back together.
    const spread = growing * (0.75 + Math.random() / 4)
    restUntil = Math.max(restUntil, performance.now() + Math.max(spread, leastMs))
  }

  return {
    restMs: () => Math.max(0, restUntil - performance.now()),
    failures: () => failures,
    blamed: () => strikes > 0,
    lastError: () => lastError,
    latencyMs: () => median(latencies),
    answered(ms) {
      note(ms)
      failures = 0
    },
    failed(error, ms) {
      if (error instanceof NotAvailableError || error instanceof RpcError) {
        note(ms)
        failures = 0
        return
      }
      calls++
      errors++
      lastError = asAppError(error)
      const asked = Math.min(Number(lastError.details.retryAfterMs ?? 0), MOST_ASKED_REST_MS)
      // Calls that were under way together fail together: that is one trouble.
      if (restUntil > performance.now()) {
        restUntil = Math.max(restUntil, performance.now() + asked)
        return
      }
      rest(++failures, asked)
    },
    blame(error, leastMs) {
      errors++
      lastError = error
      rest(++strikes, leastMs)
    },
    credit() {
      strikes = 0
    },
    status: () => ({
      reachable: calls > 0 && failures === 0 && strikes === 0,
      latencyMs: median(latencies),
      calls,
      errors,
      lastError: lastError === null ? null : describeError(lastError),
    }),
  }
}

function asAppError(error: unknown): AppError {
  return error instanceof AppError ? error : new AppError('UNKNOWN', String(error), { cause: error })
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  return Math.round(sorted[sorted.length >> 1]! * 10) / 10
}
