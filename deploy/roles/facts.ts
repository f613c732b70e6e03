import { z } from 'zod'
import type { LearnedLimits } from '../../crawlers/rpc.ts'
import type { Logger, State } from '../../schema/ports.ts'
import type { FollowStatus, StatusBoard } from '../../schema/status.ts'
import type { PausedChains } from '../paused.ts'

/*
 * What the processes of an installation tell each other through the state:
 *   paused/<chain>                 true while the operator wants it to rest
 *   learned/<endpoint>             calls a second that it was seen to allow
 *   following/<chain>              how following goes, by who leads it
 *   splitting/<chain>/<partition>  what a splitter cannot get over
 *   command/<chain>                what the operator asks of the leader
 *   answer/<chain>                 what became of it
 */

const PAUSED = 'paused/'
const pausedKey = (chain: string) => `${PAUSED}${chain}`
const followingKey = (chain: string) => `following/${chain}`
const splittingKey = (chain: string, partition: number) => `splitting/${chain}/${partition}`

export function createPausedChains(state: State): PausedChains {
  return {
    has: chain => state.get(pausedKey(chain))?.value === true,
    async set(chain, isPaused) {
      await state.put(pausedKey(chain), isPaused ? true : null)
    },
  }
}

/** Chains that rest. */
export function pausedChains(state: State): string[] {
  return state
    .list(PAUSED)
    .filter(([, { value }]) => value === true)
    .map(([key]) => key.slice(PAUSED.length))
}

const LEARNED_AFTER_MS = 5_000

/** Limits change with many answers: they are told now and then. */
export function createLearnedLimits(state: State, logger: Logger): LearnedLimits & { close(): void } {
  const known = new Map<string, number | null>()
  const timers = new Map<string, NodeJS.Timeout>()
  const key = (endpoint: string) => `learned/${endpoint}`

  return {
    get(endpoint) {
      const own = known.get(endpoint)
      if (own !== undefined) return own
      const told = state.get(key(endpoint))?.value
      return typeof told === 'number' && told > 0 ? told : null
    },
    put(endpoint, perSecond) {
      known.set(endpoint, perSecond)
      if (timers.has(endpoint)) return
      const timer = setTimeout(() => {
        timers.delete(endpoint)
        state
          .put(key(endpoint), known.get(endpoint) ?? null)
          .catch(error => logger.warn({ endpoint, err: error }, 'what an endpoint allows could not be kept'))
      }, LEARNED_AFTER_MS)
      timers.set(endpoint, timer.unref())
    },
    close() {
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}

const TELL_MS = 2_000
/** Told again though nothing changed: who says nothing for longer is not there. */
const ALIVE_MS = 10_000
const SILENT_MS = 45_000

/** Tells the state, while it changes and now and then besides. */
function startTelling(read: () => Map<string, unknown>, state: State, logger: Logger) {
  const last = new Map<string, { text: string; at: number }>()

  async function tell(): Promise<void> {
    for (const [key, value] of read()) {
      const text = JSON.stringify(value)
      const before = last.get(key)
      if (before?.text === text && Date.now() - before.at < ALIVE_MS) continue
      await state.put(key, { at: Date.now(), told: value })
      last.set(key, { text, at: Date.now() })
    }
  }

  let telling: Promise<void> | null = null
  const timer = setInterval(() => {
    telling ??= tell()
      .catch(error => logger.warn({ err: error }, 'what goes on here could not be told'))
      .finally(() => {
        telling = null
      })
  }, TELL_MS)
  return {
    async close() {
      clearInterval(timer)
      await telling
    },
  }
}

export function tellFollowing(follows: () => readonly FollowStatus[], state: State, logger: Logger) {
  return startTelling(
    () => new Map(follows().map(follow => [followingKey(follow.chain), follow])),
    state,
    logger,
  )
}

export interface SplitterWord {
  chain: string
  partition: number
  problem: string | null
}

export function tellSplitting(words: () => readonly SplitterWord[], state: State, logger: Logger) {
  return startTelling(
    () =>
      new Map(words().map(({ chain, partition, problem }) => [splittingKey(chain, partition), { problem }])),
    state,
    logger,
  )
}

const word = z.object({ at: z.number(), told: z.unknown() })
const splitterWord = z.object({ problem: z.string().nullable() })

/** What crawlers and splitters of all processes told last. */
export function createStatusBoard(state: State, now: () => number = Date.now): StatusBoard {
  const heard = (key: string) => {
    const parsed = word.safeParse(state.get(key)?.value)
    return parsed.success ? parsed.data : null
  }

  function stuck(chain: string): string | null {
    for (const [key] of state.list(`splitting/${chain}/`)) {
      const said = heard(key)
      const parsed = splitterWord.safeParse(said?.told)
      if (said && parsed.success && parsed.data.problem !== null && now() - said.at < SILENT_MS)
        return parsed.data.problem
    }
    return null
  }

  return {
    follows: () =>
      state.list('following/').flatMap(([key]) => {
        const said = heard(key)
        if (said === null) return []
        const status = said.told as FollowStatus
        const silence = now() - said.at
        if (silence < SILENT_MS) return [{ ...status, problem: status.problem ?? stuck(status.chain) }]
        const problem = `no crawler said anything of ${status.chain} for ${Math.floor(silence / 1000)} s: is one running (wanlian crawl)?`
        return [{ ...status, problem, waitingFor: null, blocksPerSecond: null, etaSeconds: null }]
      }),
  }
}
