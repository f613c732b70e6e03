import { StatementRefusedError } from './sql-refusal.ts'

export interface TurnLimits {
  /** Statements that run at once. */
  running: number
  /** Of these, by one caller. */
  runningOfCaller: number
  /** Statements of one caller that wait. */
  waitingOfCaller: number
  waitMs: number
  /** What one caller may use in a minute: statements, and the time they run added up. */
  statementsPerMinute: number
  busyMsPerMinute: number
}

export interface Turns {
  /**
   * Waits for a place; in the order of arrival, but nobody waits for a caller who has all of his own.
   * @returns what gives the place back.
   * @throws StatementRefusedError when it takes too long, too many wait already, or the caller's minute is used up; the
   * signal's reason when aborted.
   */
  take(caller: string, signal: AbortSignal): Promise<() => void>
}

/** What a caller has used since the beginning of his minute. */
interface Account {
  since: number
  statements: number
  busyMs: number
}

const MINUTE_MS = 60_000
/** So many callers are remembered before those whose minute is over are forgotten. */
const ACCOUNTS = 10_000

interface Waiting {
  caller: string
  go(): void
}

/** Places for statements that run at the same time. */
export function createTurns(limits: TurnLimits): Turns {
  const running = new Map<string, number>()
  const accounts = new Map<string, Account>()
  let total = 0
  let waiting: Waiting[] = []

  const has = (caller: string) =>
    total < limits.running && (running.get(caller) ?? 0) < limits.runningOfCaller

  function accountOf(caller: string): Account {
    const now = Date.now()
    const known = accounts.get(caller)
    if (known !== undefined && now - known.since < MINUTE_MS) return known
    if (accounts.size >= ACCOUNTS) {
      for (const [name, { since }] of accounts) if (now - since >= MINUTE_MS) accounts.delete(name)
    }
    const account = { since: now, statements: 0, busyMs: 0 }
    accounts.set(caller, account)
    return account
  }

  /** The store has a quota of its own, but does not count what reads no table. */
  function charge(caller: string): void {
    const account = accountOf(caller)
    if (++account.statements <= limits.statementsPerMinute && account.busyMs < limits.busyMsPerMinute) return
    throw new StatementRefusedError(
      'QUOTA_EXCEEDED',
      `Quota for caller ${caller} has been exceeded: expected at most ${limits.statementsPerMinute} statements and ${limits.busyMsPerMinute / 1000} s of work a minute`,
      { retryable: true },
    )
  }

  function start(caller: string): () => void {
    const startedAt = Date.now()
    total++
    running.set(caller, (running.get(caller) ?? 0) + 1)
    let over = false
    return () => {
      if (over) return
      over = true
      total--
      accountOf(caller).busyMs += Date.now() - startedAt
      const left = (running.get(caller) ?? 1) - 1
      if (left === 0) running.delete(caller)
      else running.set(caller, left)
      const next = waiting.find(entry => has(entry.caller))
      next?.go()
    }
  }

  return {
    async take(caller, signal) {
      charge(caller)
      if (has(caller)) return start(caller)
      const queued = waiting.filter(entry => entry.caller === caller).length
      if (queued >= limits.waitingOfCaller) throw tooMany(limits)
      return new Promise((resolve, reject) => {
        const leave = () => {
          waiting = waiting.filter(entry => entry !== mine)
          clearTimeout(timer)
          signal.removeEventListener('abort', abort)
        }
        const abort = () => {
          leave()
          reject(signal.reason)
        }
        const mine: Waiting = {
          caller,
          go() {
            leave()
            resolve(start(caller))
          },
        }
        const timer = setTimeout(() => {
          leave()
          reject(tooMany(limits))
        }, limits.waitMs)
        waiting.push(mine)
        if (signal.aborted) abort()
        else signal.addEventListener('abort', abort, { once: true })
      })
    },
  }
}

function tooMany(limits: TurnLimits): StatementRefusedError {
  return new StatementRefusedError(
    'TOO_MANY_SIMULTANEOUS_QUERIES',
    `Too many simultaneous queries: expected at most ${limits.runningOfCaller} at once`,
    { hint: 'Try again when the others have ended', retryable: true },
  )
}
