import type { AnnouncementFeed } from '../../schema/events.ts'
import { bearerToken } from '../operator.ts'
import type { StoredEvent, WebhookDesk } from './contract.ts'

export interface StreamLimits {
  /** Readers at one time: of all webhooks, and of one. */
  readers: number
  readersOfOne: number
  /** How often is looked though nothing was announced. */
  pollMs: number
  /** Longest silence; then a comment is sent, and the secret is looked at again. */
  heartbeatMs: number
}

const DEFAULTS: StreamLimits = { readers: 200, readersOfOne: 10, pollMs: 1_000, heartbeatMs: 15_000 }
/** Events that are read at once. A body has up to some hundred KiB. */
const BATCH = 20
/** What is announced is queryable; its events are made in the moment after. */
const SOON_MS = 100

export interface EventStreams {
  /**
   * Answers `GET /webhooks/:id/events` as a stream of server-sent events (WHATWG HTML §9.2): `id` is the sequence,
   * `event` the type, `data` the body as webhooks get it. `Authorization: Bearer` carries a secret of the webhook;
   * `Last-Event-ID`, or `?after=`, the sequence after which it goes on, the first event without them.
   */
  open(id: string, request: Request): Promise<Response>
  readonly readers: number
  /** Ends every stream. */
  close(): void
}

export interface EventStreamsDeps extends Partial<StreamLimits> {
  desk: WebhookDesk
  feed: AnnouncementFeed
  logger: { error(facts: object, message: string): void }
}

/** Readers of webhooks' events. */
export function createEventStreams(deps: EventStreamsDeps): EventStreams {
  const { desk, feed, logger } = deps
  const limits = { ...DEFAULTS, ...deps }
  const reading = new Map<AbortController, string>()
  let isClosed = false

  async function open(id: string, request: Request): Promise<Response> {
    const secret = bearerToken(request.headers.get('authorization'))
    if (secret === null || !(await desk.isSecret(id, secret))) return refuse(401, NOT_PROVEN)
    const last = request.headers.get('last-event-id') ?? new URL(request.url).searchParams.get('after') ?? '0'
    if (!/^\d{1,15}$/.test(last)) {
      return refuse(400, {
        code: 'BAD_REQUEST',
        message: `Last-Event-ID, or after: expected the sequence of an event, got ${JSON.stringify(last.slice(0, 40))}`,
      })
    }
    const ofThis = [...reading.values()].filter(one => one === id).length
    if (isClosed || reading.size >= limits.readers || ofThis >= limits.readersOfOne)
      return refuse(503, TOO_MANY)

    const ending = new AbortController()
    reading.set(ending, id)
    ending.signal.addEventListener('abort', () => reading.delete(ending), { once: true })
    const isValid = () => desk.isSecret(id, secret)
    const body = streamOf(eventsFrom(id, Number(last), isValid, ending), ending, error =>
      logger.error({ err: error, webhook: id }, 'a stream of events broke off'),
    )
    return new Response(body, { headers: HEADERS })
  }

  /** Frames for as long as the secret is valid and nobody ends it. */
  async function* eventsFrom(
    id: string,
    last: number,
    isValid: () => Promise<boolean>,
    ending: AbortController,
  ): AsyncGenerator<string, void> {
    const alarm = createAlarm(feed, ending.signal)
    let after = last
    let saidAt = Date.now()
    let isSoon = false
    yield `retry: ${limits.pollMs}\n\n`
    while (!ending.signal.aborted) {
      const events = await desk.events(id, after, BATCH)
      if (events.length > 0) {
        after = events.at(-1)!.sequence
        saidAt = Date.now()
        yield events.map(frameOf).join('')
        continue
      }
      const silence = saidAt + limits.heartbeatMs - Date.now()
      if (silence <= 0) {
        if (!(await isValid())) return
        saidAt = Date.now()
        yield ':\n\n'
        continue
      }
      isSoon = await alarm(Math.min(isSoon ? SOON_MS : limits.pollMs, silence))
    }
  }

  return {
    open,
    get readers() {
      return reading.size
    },
    close() {
      isClosed = true
      for (const ending of reading.keys()) ending.abort()
    },
  }
}

function frameOf({ sequence, type, body }: StoredEvent): string {
  // JSON has no line breaks; were there one, readers put the lines together again.
  return `id: ${sequence}\nevent: ${type}\ndata: ${body.replaceAll('\n', '\ndata: ')}\n\n`
}

/** @returns waits for an announcement (true) or for so many milliseconds (false). */
function createAlarm(feed: AnnouncementFeed, signal: AbortSignal): (ms: number) => Promise<boolean> {
  let rung = false
  let wake = () => {}
  const listen = async () => {
    for await (const _ of feed.subscribe(signal)) {
      rung = true
      wake()
    }
  }
  void listen()
  signal.addEventListener('abort', () => wake(), { once: true })
  return async ms => {
    if (!rung && !signal.aborted) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        wake = resolve
        timer = setTimeout(resolve, ms)
      })
      clearTimeout(timer)
    }
    const wasRung = rung
    rung = false
    return wasRung
  }
}

/** Read only as fast as it is sent on; ends when `ending` is aborted, and aborts it when the reader goes. */
function streamOf(
  frames: AsyncGenerator<string, void>,
  ending: AbortController,
  onError: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let isGone = false
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await frames.next()
        if (isGone) return
        if (!done) controller.enqueue(encoder.encode(value))
        else {
          ending.abort()
          controller.close()
        }
      } catch (error) {
        if (isGone) return
        // Whoever reads comes again with the last sequence.
        ending.abort()
        onError(error)
        controller.close()
      }
    },
    async cancel() {
      isGone = true
      ending.abort()
      await frames.return(undefined)
    },
  })
}

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Proxies that gather what is sent would hold events back.
  'x-accel-buffering': 'no',
}

interface Refusal {
  code: string
  message: string
}

/** The same whether there is such a webhook or not. */
const NOT_PROVEN: Refusal = {
  code: 'UNAUTHORIZED',
  message: 'expected `Authorization: Bearer` with the secret of this webhook',
}
const TOO_MANY: Refusal = { code: 'BUSY', message: 'too many readers at this time: come again' }

function refuse(status: 400 | 401 | 503, { code, message }: Refusal): Response {
  const headers = {
    400: {},
    401: { 'www-authenticate': 'Bearer realm="webhook"' },
    503: { 'retry-after': '5' },
  }[status]
  return Response.json({ errors: [{ message, extensions: { code } }] }, { status, headers })
}
