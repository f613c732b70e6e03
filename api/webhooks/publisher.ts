import { pausable } from '../../schema/pause.ts'
import type { Logger } from '../../schema/ports.ts'
import type { StoredEvent } from './contract.ts'
import type { Outbox } from './outbox.ts'

/** An event as other programs read it from a topic. */
export interface PublishedEvent extends StoredEvent {
  webhook: string
}

/** Where the events of all webhooks of a share are published, besides being sent. */
export interface EventTopic {
  /** Behind each other, in this order. Returns once they are kept; after an error, some of them may be. */
  publish(events: readonly PublishedEvent[]): Promise<void>
}

/** How far the events of a webhook are published. */
interface Publication {
  published: number
}

export interface PublisherDeps {
  topic: EventTopic
  outbox: Pick<Outbox, 'after'>
  logger: Logger
  signal: AbortSignal
  /** Told that more of a webhook is published, which is to be kept. */
  onPublished(webhook: string): void
}

/**
 * Publishes events, those of each webhook in the order of their sequence and without a gap; after a crash the last
 * ones again. Nothing waits for it: events that come faster than they are taken are read from the outbox again.
 */
export interface Publisher {
  /** Goes on with a webhook; `publication` is its state, `newest` its newest sequence. */
  add(webhook: string, publication: Publication, newest: number): void
  remove(webhook: string): void
  /** Newly stored events of a webhook. */
  offer(webhook: string, events: readonly StoredEvent[]): void
  /** Until the signal. */
  work(): Promise<void>
}

/** What is handed over at once, about. */
const BATCH = { events: 2_000, bytes: 4 << 20 }
/** Bodies that wait in memory. */
const MAX_WAITING_BYTES = 16 << 20
const PAGE = 500
const LOOK_MS = 60_000
const AGAIN_MS = 1_000

interface Line {
  webhook: string
  publication: Publication
  newest: number
  waiting: StoredEvent[]
}

export function createPublisher({ topic, outbox, logger, signal, onPublished }: PublisherDeps): Publisher {
  const lines = new Map<string, Line>()
  const behind = new Set<Line>()
  let waitingBytes = 0
  let wait = pausable(0, signal)

  function forget(line: Line): void {
    for (const { body } of line.waiting.splice(0)) waitingBytes -= body.length
  }

  async function next(line: Line): Promise<readonly StoredEvent[]> {
    const { publication, waiting, webhook } = line
    if (waiting[0]?.sequence === publication.published + 1) return waiting
    forget(line)
    return outbox.after(webhook, publication.published, PAGE)
  }

  /** The next events of those that are behind, by turns; and up to where each is published then. */
  async function gather(): Promise<{ events: PublishedEvent[]; reached: Map<Line, number> }> {
    const events: PublishedEvent[] = []
    const reached = new Map<Line, number>()
    let bytes = 0
    for (const line of behind) {
      for (const event of await next(line)) {
        if (bytes > BATCH.bytes || events.length >= BATCH.events) return { events, reached }
        events.push({ ...event, webhook: line.webhook })
        bytes += event.body.length
        reached.set(line, event.sequence)
      }
    }
    return { events, reached }
  }

  function advance(line: Line, reached: number): void {
    line.publication.published = reached
    while (line.waiting[0] && line.waiting[0].sequence <= reached) {
      waitingBytes -= line.waiting.shift()!.body.length
    }
    // To the end of the turn: one that is far behind does not keep the others waiting.
    behind.delete(line)
    if (reached < line.newest) behind.add(line)
    onPublished(line.webhook)
  }

  return {
    add(webhook, publication, newest) {
      const line: Line = { webhook, publication, newest, waiting: [] }
      lines.set(webhook, line)
      if (newest > publication.published) behind.add(line)
      wait.end()
    },
    remove(webhook) {
      const line = lines.get(webhook)
      if (!line) return
      forget(line)
      lines.delete(webhook)
      behind.delete(line)
    },
    offer(webhook, events) {
      const line = lines.get(webhook)
      if (!line) return
      for (const event of events) {
        const isNext = event.sequence === (line.waiting.at(-1)?.sequence ?? line.publication.published) + 1
        if (isNext && waitingBytes < MAX_WAITING_BYTES) {
          line.waiting.push(event)
          waitingBytes += event.body.length
        }
        line.newest = event.sequence
      }
      behind.add(line)
      wait.end()
    },
    async work() {
      while (!signal.aborted) {
        // Made before it is looked: no wake-up between is lost.
        wait = pausable(LOOK_MS, signal)
        const { events, reached } = await gather()
        if (events.length === 0) {
          await wait.done
          continue
        }
        wait.end()
        try {
          await topic.publish(events)
        } catch (error) {
          if (signal.aborted) return
          logger.warn({ err: error }, 'events could not be published, it is tried again')
          await pausable(AGAIN_MS, signal).done
          continue
        }
        for (const [line, sequence] of reached) advance(line, sequence)
      }
    },
  }
}
