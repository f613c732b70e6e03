import { StatementRefusedError } from './sql-refusal.ts'

export interface TurnLimits {
  /** Statements that run at once. */
  running: number
  /** Of these, by one caller. */
  runningOfCaller: number
  /** Statements of one caller that wait. */
  waitingOfCaller: number
  waitMs: number
}

export interface Turns {
  /**
   * Waits for a place; in the order of arrival, but nobody waits for a caller who has all of his own.
   * @returns what gives the place back.
   * @throws StatementRefusedError when it takes too long or too many wait already; the signal's reason when aborted.
   */
  take(caller: string, signal: AbortSignal): Promise<() => void>
}

interface Waiting {
  caller: string
  go(): void
}

/** Places for statements that run at the same time. */
export function createTurns(limits: TurnLimits): Turns {
  const running = new Map<string, number>()
  let total = 0
  let waiting: Waiting[] = []

  const has = (caller: string) =>
    total < limits.running && (running.get(caller) ?? 0) < limits.runningOfCaller

  function start(caller: string): () => void {
    total++
    running.set(caller, (running.get(caller) ?? 0) + 1)
    let over = false
    return () => {
      if (over) return
      over = true
      total--
      const left = (running.get(caller) ?? 1) - 1
      if (left === 0) running.delete(caller)
      else running.set(caller, left)
      const next = waiting.find(entry => has(entry.caller))
      next?.go()
    }
  }

  return {
    take(caller, signal) {
      if (has(caller)) return Promise.resolve(start(caller))
      const queued = waiting.filter(entry => entry.caller === caller).length
      if (queued >= limits.waitingOfCaller) return Promise.reject(tooMany(limits))
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
