import { pausable } from '../../schema/pause.ts'
import type { Logger } from '../../schema/ports.ts'
import type { Delivery, EventType, SkippedEvent, StoredEvent } from './contract.ts'
import type { Outbox } from './outbox.ts'
import type { Registered, Replay, WebhookState } from './registry.ts'

/** What an endpoint did with a request. Nothing that it does is thrown. */
export interface PostOutcome {
  /** It answered 2xx. */
  ok: boolean
  status: number | null
  /** One sentence for the delivery log. */
  error: string | null
  retryAfterMs: number | null
  durationMs: number
  responseHead: Record<string, string>
  responseBody: string
}

/** Sends one signed request. */
export interface Post {
  send(request: {
    url: string
    allowPrivate: boolean
    headers: Record<string, string>
    body: Uint8Array
    signal: AbortSignal
  }): Promise<PostOutcome>
}

export interface CourierDeps {
  post: Post
  outbox: Pick<Outbox, 'after'>
  /** Headers that prove who sent it, made anew for each attempt. */
  sign(webhook: Registered, event: { id: string; body: Uint8Array }, at: Date): Record<string, string>
  /** Milliseconds until the next attempt; null when the retries are used up. */
  retry(attempt: number, failingForMs: number, retryAfterMs: number | null): number | null
  /** Whether this process still is the one that sends. */
  isMine(): Promise<boolean>
  /** Told of every attempt. */
  onAttempt(delivery: Delivery): void
  onSkipped(webhook: string, event: SkippedEvent): void
  /** Told that the state has changed and is to be kept. */
  onChange(webhook: string): void
  onReplayed(replay: Replay): void
  logger: Logger
  now(): number
}

/**
 * Sends the events of one webhook, one after the other: the next when the endpoint has taken the one before. Each webhook
 * has its own, so that no endpoint is waited for by any other.
 */
export interface Courier {
  readonly state: WebhookState
  /** Events were made: they need not be read again when they are the next. */
  offer(events: readonly StoredEvent[], newest: number): void
  /** The owner has changed something. */
  become(webhook: Registered): void
  replay(replay: Replay): void
  /** Whether events are to be made for it: not while it is stopped, nor while very many wait. */
  wantsMore(): boolean
  stop(): Promise<void>
}

/** Events that wait in memory; more are read from the store again. */
const WAITING = { events: 256, bytes: 1 << 20 }
const PAGE = 200
/** Above this no events are made until the endpoint takes some: they are made as well later. */
const MAX_BACKLOG = 10_000
/** How often it is looked without being woken, and after another worker was seen to send. */
const LOOK_MS = 60_000
const ASIDE_MS = 1_000
const KEPT_TEXT = 4_096
const GONE = 410

export function createCourier(deps: CourierDeps, registered: Registered, state: WebhookState): Courier {
  const { outbox, now, logger } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  let webhook = registered
  let newest = state.sequence
  let waiting: StoredEvent[] = []
  let waitingBytes = 0
  let wait = pausable(0, signal)
  const replays = new Map<string, Promise<void>>()

  const isStopped = () => webhook.paused || state.disabled === webhook.version
  const isSent = () => webhook.definition.url !== null

  async function work(): Promise<void> {
    while (!signal.aborted) {
      const pause = (state.nextAttempt ?? 0) - now()
      // Made before it is looked whether there is something to do: no wake-up between is lost.
      wait = pausable(pause > 0 ? Math.min(pause, LOOK_MS) : LOOK_MS, signal)
      const event = isStopped() || !isSent() || pause > 0 ? null : await nextEvent()
      if (event === null) await wait.done
      else {
        wait.end()
        await deliver(event)
      }
    }
  }

  async function nextEvent(): Promise<StoredEvent | null> {
    if (!state.verified) return pingOf(webhook)
    const next = state.delivered + 1
    if (waiting[0]?.sequence !== next) forget()
    if (waiting.length === 0 && newest >= next) keep(await outbox.after(webhook.id, state.delivered, PAGE))
    return waiting[0] ?? null
  }

  function forget(): void {
    waiting = []
    waitingBytes = 0
  }

  function keep(events: readonly StoredEvent[]): void {
    for (const event of events) {
      const expected = (waiting.at(-1)?.sequence ?? state.delivered) + 1
      const isFull = waiting.length >= WAITING.events || waitingBytes + event.body.length > WAITING.bytes
      if (event.sequence !== expected || (isFull && waiting.length > 0)) return
      waiting.push(event)
      waitingBytes += event.body.length
    }
  }

  async function deliver(event: StoredEvent): Promise<void> {
    const outcome = await attempt(event, state.attempts + 1, 'live')
    if (outcome === null) {
      await pausable(ASIDE_MS, signal).done
      return
    }
    if (outcome.ok) {
      done(event)
      return
    }
    state.attempts++
    state.failingSince ??= now()
    state.lastError = outcome.error
    const delay =
      outcome.status === GONE
        ? null
        : deps.retry(state.attempts, now() - state.failingSince, outcome.retryAfterMs)
    if (delay !== null) state.nextAttempt = now() + delay
    else giveUp(event, outcome)
    deps.onChange(webhook.id)
  }

  function done(event: StoredEvent): void {
    if (event.sequence === 0) state.verified = true
    else {
      state.delivered = event.sequence
      if (waiting[0]?.sequence === event.sequence) waitingBytes -= waiting.shift()!.body.length
    }
    state.attempts = 0
    state.failingSince = null
    state.nextAttempt = null
    state.lastError = null
    deps.onChange(webhook.id)
  }

  /** An endpoint that is gone is not asked again; what was not taken waits for `resume`. */
  function giveUp(event: StoredEvent, { status, error }: PostOutcome): void {
    const facts = { webhook: webhook.id, sequence: event.sequence, attempts: state.attempts, error }
    if (webhook.definition.giveUp === 'skip' && status !== GONE && event.sequence > 0) {
      logger.warn(facts, 'the retries of an event are used up: it is set aside')
      deps.onSkipped(webhook.id, {
        sequence: event.sequence,
        eventId: event.id,
        type: event.type,
        time: new Date(now()).toISOString(),
        reason: error ?? 'no answer',
      })
      done(event)
      return
    }
    logger.warn(facts, 'the retries of an event are used up: the webhook is stopped until it is resumed')
    state.disabled = webhook.version
    state.nextAttempt = null
  }

  /** @returns null when it was not made, or was broken off by the end of this process. */
  async function attempt(
    event: StoredEvent,
    number: number,
    origin: Delivery['origin'],
  ): Promise<PostOutcome | null> {
    if (!(await deps.isMine()) || signal.aborted) return null
    const at = now()
    const body = Buffer.from(event.body)
    const headers = deps.sign(webhook, { id: event.id, body }, new Date(at))
    const { url, allowPrivate } = webhook.definition
    const outcome = await deps.post.send({ url: url!, allowPrivate, headers, body, signal })
    if (signal.aborted && !outcome.ok) return null
    deps.onAttempt(deliveryOf(webhook.id, event, { at, number, origin, headers, outcome }))
    return outcome
  }

  async function runReplay(replay: Replay): Promise<void> {
    let left = { ...replay }
    let version = replay.version
    let [number, failingSince, savedAt] = [0, 0, now()]
    let page: StoredEvent[] = []
    while (!signal.aborted && left.next <= left.last) {
      if (isStopped() || !state.verified) {
        await pausable(ASIDE_MS, signal).done
        continue
      }
      if (page[0]?.sequence !== left.next)
        page = await outbox.after(webhook.id, left.next - 1, PAGE, left.last)
      const event = page[0]
      if (!event) break
      const outcome = await attempt(event, number + 1, 'replay')
      if (outcome === null) {
        await pausable(ASIDE_MS, signal).done
        continue
      }
      if (outcome.ok) {
        page.shift()
        number = 0
        left = { ...left, next: event.sequence + 1 }
        if (now() - savedAt > 1_000 || left.next > left.last) {
          savedAt = now()
          deps.onReplayed({ ...left, version: ++version })
        }
        if (left.perSecond !== null) await pausable(1_000 / left.perSecond, signal).done
        continue
      }
      number++
      if (number === 1) failingSince = now()
      const delay =
        outcome.status === GONE ? null : deps.retry(number, now() - failingSince, outcome.retryAfterMs)
      if (delay === null) {
        logger.warn({ webhook: webhook.id, replay: left.id, sequence: left.next }, 'a replay is given up')
        left = { ...left, next: left.last + 1 }
        deps.onReplayed({ ...left, version: ++version })
      } else await pausable(delay, signal).done
    }
  }

  const working = keepWorking()
  async function keepWorking(): Promise<void> {
    while (!signal.aborted) {
      try {
        await work()
      } catch (error) {
        logger.error({ webhook: webhook.id, err: error }, 'a delivery failed here, it is tried again')
        await pausable(ASIDE_MS, signal).done
      }
    }
  }

  return {
    state,
    offer(events, last) {
      newest = last
      keep(events)
      wait.end()
    },
    become(changed) {
      // Whoever changes or resumes it wants to see at once whether it works.
      if (changed.version !== webhook.version && !changed.paused) state.nextAttempt = null
      webhook = changed
      wait.end()
    },
    replay(replay) {
      if (replays.has(replay.id)) return
      const run = runReplay(replay).catch((error: unknown) => {
        logger.error({ webhook: webhook.id, replay: replay.id, err: error }, 'a replay failed here')
        replays.delete(replay.id)
      })
      replays.set(replay.id, run)
    },
    wantsMore: () => !isStopped() && (!isSent() || newest - state.delivered < MAX_BACKLOG),
    async stop() {
      stopping.abort()
      await working
      await Promise.all(replays.values())
    },
  }
}

/** Proves the endpoint before anything else is sent; the same bytes at every attempt. */
function pingOf({ id, createdAt }: Registered): StoredEvent {
  return outsideOf('ping', id, `${id}_ping`, createdAt)
}

/** An event outside of the sequence. */
export function outsideOf(type: 'ping' | 'test', webhook: string, id: string, at: number): StoredEvent {
  const body = {
    id,
    type,
    chain: null,
    height: null,
    hash: null,
    sequence: 0,
    time: new Date(at).toISOString(),
    data: { webhook },
  }
  return { sequence: 0, id, type, body: JSON.stringify(body) }
}

/** What is kept of an attempt: no signature, and of long texts the beginning. */
export function deliveryOf(
  webhook: string,
  event: { id: string; sequence: number; type: EventType; body: string },
  made: {
    at: number
    number: number
    origin: Delivery['origin']
    headers: Record<string, string>
    outcome: PostOutcome
  },
): Delivery {
  const { outcome } = made
  const kept = Object.entries(made.headers).filter(([name]) => name.toLowerCase() !== 'webhook-signature')
  return {
    webhook,
    sequence: event.sequence,
    eventId: event.id,
    type: event.type,
    time: new Date(made.at).toISOString(),
    attempt: made.number,
    origin: made.origin,
    ok: outcome.ok,
    status: outcome.status,
    error: outcome.error,
    durationMs: outcome.durationMs,
    requestHeaders: Object.fromEntries(kept),
    requestBody: event.body.slice(0, KEPT_TEXT),
    responseHeaders: outcome.responseHead,
    responseBody: outcome.responseBody.slice(0, KEPT_TEXT),
  }
}
