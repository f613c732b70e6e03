import { setMaxListeners } from 'node:events'
import PQueue from 'p-queue'
import type { Identity } from '../schema/chain.ts'
import {
  type AppError,
  ConfigError,
  EndpointError,
  MalformedAnswerError,
  NotAvailableError,
  RpcError,
  WrongChainError,
} from '../schema/errors.ts'
import type { EndpointStatus } from '../schema/status.ts'
import { type Budget, createBudget } from './budget.ts'
import type { Call, CallOptions, Endpoint, EndpointSettings } from './endpoint.ts'
import { createHealth, type Health } from './health.ts'
import { openHttpEndpoint } from './http-endpoint.ts'
import { openRecording, type Recording } from './recording.ts'
import { openWsEndpoint } from './ws-endpoint.ts'

/** What families see of the endpoints: calls that are retried and fall over from one endpoint to the next. */
export interface Rpc {
  call(method: string, params: readonly unknown[], options?: CallOptions): Promise<unknown>
  /** Many calls at once, each with its own outcome, in the order of the calls. */
  callMany(calls: readonly Call[], options?: CallOptions): Promise<(unknown | Error)[]>
  /**
   * Subscribes on every endpoint that keeps a connection (`ws`), with the call that the family names, and wakes for each
   * notice; also when a subscription stands, at first and after every reconnect: notices may have been missed. Absent
   * when no endpoint keeps a connection. Ends when `signal` is aborted, or when every endpoint refuses the call.
   */
  watch?(call: Call, signal: AbortSignal, wake: () => void): Promise<void>
  /** The recordings among the endpoints. */
  recordings: readonly Recording[]
  /** Names of the endpoints, without credentials. */
  names: readonly string[]
  close(): Promise<void>
}

/** The endpoints of a chain, together and one by one; `at` is their place in `names`. */
export interface RpcPool extends Rpc {
  /** Asks this endpoint before the others. */
  preferring(at: number): Rpc
  /** Asks this endpoint alone, and once. Answers at once with an error while it rests. */
  only(at: number): Rpc
  /** Identifies every endpoint by itself, all at once, with the usual retries. In the order of `names`. */
  identifyEach(): Promise<(Identity | AppError)[]>
  health(at: number): Health
  /** Whether it may be asked now: it does not rest and is known to be of the chain. */
  ready(at: number): boolean
  /** How long a call would wait for its turn, in milliseconds. */
  waitMs(at: number): number
  /** Heads are not known here. */
  status(): EndpointStatus[]
}

/** What endpoints allow, known from before, by their names; calls a second. */
export interface LearnedLimits {
  get(endpoint: string): number | null
  /** Null when no limit is known any more. */
  put(endpoint: string, perSecond: number | null): void
}

export interface RpcSettings {
  /** Calls in flight per endpoint. */
  concurrency?: number
  timeoutMs?: number
  /** Rounds over all endpoints before a call is given up. */
  attempts?: number
  /** Rest of an endpoint after its first trouble in a row, doubled by each that follows, in milliseconds. */
  backoffMs?: number
  /** How long a call waits in all for endpoints that rest. */
  patienceMs?: number
  /**
   * Looks whether an endpoint is of the chain. Asked before its first use, and again when it comes back after it was
   * away: until then it answers nothing. @throws WrongChainError
   */
  identify?: (endpoint: Rpc) => Promise<Identity>
  learned?: LearnedLimits
}

type Optional = 'identify' | 'learned'
type Settings = Required<Omit<RpcSettings, Optional>> & Pick<RpcSettings, Optional>

const DEFAULTS: Settings = {
  concurrency: 8,
  timeoutMs: 60_000,
  attempts: 4,
  backoffMs: 250,
  patienceMs: 30_000,
}
/** Troubles in a row after which an endpoint is taken to be away. */
const AWAY_AFTER = 3
/** Rest of an endpoint of another chain: somebody has to correct something. */
const WRONG_CHAIN_REST_MS = 60_000

/** An endpoint with all that the pool knows of it. */
interface Member {
  endpoint: Endpoint
  health: Health
  budget: Budget
  ask(call: Call, options: CallOptions | undefined): Promise<unknown>
  /** Whether it is known to be of the chain since it was last away. */
  admitted(): boolean
  /** Identifies it, once for all who wait. */
  admit(attempts: number): Promise<Identity>
  /** It was away: it has to be identified again. */
  forget(): void
}

/** Many calls out of single ones: a failed call is an answer like any other. */
export function callEach(call: Rpc['call']): Rpc['callMany'] {
  return (calls, options) =>
    Promise.all(
      calls.map(({ method, params }) =>
        call(method, params, options).catch((error: unknown) =>
          error instanceof Error ? error : new Error(String(error)),
        ),
      ),
    )
}

/** Opens the endpoints; nothing is called yet. @throws ConfigError for an address that is not understood. */
export async function openRpc(
  endpoints: readonly EndpointSettings[],
  given: RpcSettings = {},
): Promise<RpcPool> {
  if (endpoints.length === 0)
    throw new ConfigError('no endpoint: give --node or `endpoints` in the configuration')
  const settings = { ...DEFAULTS, ...given }
  const opened = await Promise.all(endpoints.map(endpoint => openEndpoint(endpoint, settings.timeoutMs)))
  const closing = new AbortController()
  // As many calls wait for their turn as there are, each until it is closed.
  setMaxListeners(0, closing.signal)
  const members = opened.map((endpoint, at) =>
    createMember(endpoint, endpoints[at]!.callsPerSecond ?? null, settings, closing.signal),
  )
  const watched = members.filter(member => member.endpoint.watch)

  /** The pool as it looks to who asks the members in this order. */
  function facade(order: readonly Member[], { attempts, patienceMs }: Settings, gated = true): Rpc {
    const limits = { attempts, patienceMs, gated, closing: closing.signal }
    const call: Rpc['call'] = (method, params, options) =>
      askInTurn(order, { method, params }, options, limits)
    return {
      call,
      callMany: callEach(call),
      recordings: order.flatMap(({ endpoint }) => endpoint.recording ?? []),
      names: order.map(({ endpoint }) => endpoint.name),
      close: async () => {},
      ...(watched.length > 0 && {
        watch: async (subscription, signal, wake) => {
          const until = AbortSignal.any([signal, closing.signal])
          await Promise.all(watched.map(member => keepWatching(member, subscription, until, wake)))
        },
      }),
    }
  }

  const once = { ...settings, attempts: 1, patienceMs: 0 }
  return {
    ...facade(members, settings),
    preferring: at => facade([members[at]!, ...members.filter((_, other) => other !== at)], settings),
    only: at => facade([members[at]!], once),
    identifyEach: () =>
      Promise.all(members.map(member => member.admit(settings.attempts).catch((error: AppError) => error))),
    health: at => members[at]!.health,
    ready: at => members[at]!.admitted() && members[at]!.health.restMs() === 0,
    waitMs: at => members[at]!.budget.waitMs(),
    status: () =>
      members.map(({ endpoint, health, budget }) => ({
        name: endpoint.name,
        head: null,
        callsPerSecond: budget.perSecond(),
        ...health.status(),
      })),
    async close() {
      closing.abort()
      await Promise.all(opened.map(endpoint => endpoint.close()))
    },
  }

  function createMember(
    endpoint: Endpoint,
    most: number | null,
    options: Settings,
    signal: AbortSignal,
  ): Member {
    const health = createHealth(options.backoffMs)
    const { learned } = options
    const budget = createBudget({
      most,
      learned: learned?.get(endpoint.name) ?? null,
      onLearned: perSecond => learned?.put(endpoint.name, perSecond),
      sleep,
    })
    const queue = new PQueue({ concurrency: options.concurrency })
    let identity: Promise<Identity> | null = null
    let known = options.identify === undefined
    const member: Member = {
      endpoint,
      health,
      budget,
      admitted: () => known,
      ask: (call, callOptions) =>
        queue.add(async () => {
          await budget.take(signal)
          if (signal.aborted) throw new EndpointError(`${endpoint.name}: closed`)
          const startedAt = performance.now()
          try {
            const answer = await endpoint.call(call, callOptions)
            health.answered(performance.now() - startedAt)
            return answer
          } catch (error) {
            health.failed(error, performance.now() - startedAt)
            if (error instanceof EndpointError && error.details.tooOften === true) budget.refused()
            if (health.failures() >= AWAY_AFTER) member.forget()
            throw error
          }
        }),
      admit(attempts) {
        identity ??= identifyMember(attempts).finally(() => {
          identity = null
        })
        return identity
      },
      forget() {
        known = options.identify === undefined
      },
    }
    async function identifyMember(attempts: number): Promise<Identity> {
      const alone = facade([member], { ...options, attempts }, false)
      try {
        const told = (await options.identify?.(alone)) ?? { checked: [], unchecked: [] }
        known = true
        return told
      } catch (error) {
        member.forget()
        if (error instanceof WrongChainError) health.blame(error, WRONG_CHAIN_REST_MS)
        else if (health.restMs() === 0) health.blame(error as AppError, 0)
        throw error
      }
    }
    return member
  }
}

interface Limits {
  attempts: number
  patienceMs: number
  /** Only endpoints that are known to be of the chain are asked. */
  gated: boolean
  closing: AbortSignal
}

/** The first answer, in rounds; endpoints that rest are left out, and waited for when there is no other. */
async function askInTurn(
  order: readonly Member[],
  call: Call,
  options: CallOptions | undefined,
  limits: Limits,
): Promise<unknown> {
  const givenUpAt = performance.now() + limits.patienceMs
  for (let asked = 0; ; ) {
    if (limits.gated) await admitSome(order)
    const before = asked
    const errors: AppError[] = []
    for (const member of order) {
      if (member.health.restMs() > 0) errors.push(resting(member))
      else if (limits.gated && !member.admitted()) errors.push(lookedAt(member))
      else {
        asked = before + 1
        try {
          return await member.ask(call, options)
        } catch (error) {
          errors.push(error as AppError)
        }
      }
    }
    const told = mostTelling(errors, order, limits)
    if (!(told instanceof EndpointError) || asked >= limits.attempts || limits.closing.aborted) throw told
    const troubled = order.filter((_, at) => errors[at] instanceof EndpointError)
    const wait = Math.min(...troubled.map(member => member.health.restMs()))
    if (performance.now() + wait > givenUpAt) throw told
    await sleep(wait, limits.closing)
  }
}

/**
 * Sees to it that endpoints which came back are identified. When another is ready nobody waits for that: a look at one
 * that is still away takes as long as a timeout.
 */
async function admitSome(order: readonly Member[]): Promise<void> {
  const rested = order.filter(member => member.health.restMs() === 0)
  const unknown = rested.filter(member => !member.admitted())
  if (unknown.length === 0) return
  const admissions = unknown.map(member => member.admit(1))
  const settled = Promise.allSettled(admissions)
  if (unknown.length < rested.length) return
  await Promise.race([settled, Promise.any(admissions).catch(() => settled)])
}

function resting({ endpoint, health }: Member): AppError {
  const last = health.lastError()
  if (last instanceof ConfigError || last instanceof WrongChainError) return last
  const seconds = Math.ceil(health.restMs() / 1000)
  return new EndpointError(
    `${endpoint.name}: left alone for ${seconds} s${last ? ` after: ${last.message}` : ''}`,
  )
}

function lookedAt({ endpoint, health }: Member): AppError {
  const last = health.lastError()
  if (last instanceof ConfigError || last instanceof WrongChainError) return last
  return new EndpointError(
    `${endpoint.name}: not yet known to be of the chain${last ? `: ${last.message}` : ''}`,
  )
}

/**
 * Callers take "not there" and "refused" for answers. One endpoint alone must not give them while another, which may
 * well have it, is in trouble; unless that has been so for long, or it is not to be believed.
 */
function mostTelling(errors: readonly AppError[], order: readonly Member[], limits: Limits): AppError {
  const answers = errors.filter(isAnswer)
  const away = (at: number) => {
    const { health } = order[at]!
    return health.failures() > limits.attempts || health.blamed() || health.restMs() > limits.patienceMs
  }
  const counted = answers.length > 0 ? errors.filter((error, at) => isAnswer(error) || !away(at)) : errors
  return [...counted].sort((a, b) => rankOf(a) - rankOf(b))[0]!
}

const isAnswer = (error: unknown) => error instanceof NotAvailableError || error instanceof RpcError

function rankOf(error: AppError): number {
  if (error instanceof EndpointError) return 0
  if (error instanceof NotAvailableError) return 3
  return error instanceof RpcError ? 2 : 1
}

/** Subscribes again and again. Ends when aborted, or when the endpoint does not take the subscription. */
async function keepWatching(
  member: Member,
  call: Call,
  signal: AbortSignal,
  wake: () => void,
): Promise<void> {
  const { endpoint, health } = member
  while (!signal.aborted) {
    const startedAt = performance.now()
    let stands = false
    try {
      if (!member.admitted()) await member.admit(1)
      await endpoint.watch!(call, signal, () => {
        if (!stands) health.answered(performance.now() - startedAt)
        stands = true
        wake()
      })
    } catch (error) {
      if (isAnswer(error) || error instanceof MalformedAnswerError) return
      if (health.restMs() === 0) health.failed(error, performance.now() - startedAt)
      member.forget()
    }
    await sleep(health.restMs(), signal)
  }
}

async function openEndpoint(settings: EndpointSettings, timeoutMs: number): Promise<Endpoint> {
  if (settings.url.startsWith('file:')) {
    const recording = await openRecording(settings.url.slice('file:'.length).replace(/^\/\/(?=\/)/, ''))
    return {
      name: `file:${recording.directory}`,
      recording,
      call: ({ method, params }, options) => recording.call(method, params, options?.parse),
      close: async () => {},
    }
  }
  return /^wss?:/i.test(settings.url)
    ? openWsEndpoint(settings, timeoutMs)
    : openHttpEndpoint(settings, timeoutMs)
}

/** At least as long as said: timers may fire a moment early. Aborted, it returns at once. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, Math.ceil(ms) + 1)
    signal.addEventListener('abort', done, { once: true })
  })
}
