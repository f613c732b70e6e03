import type { Announcement, AnnouncementFeed } from '../schema/events.ts'

/** What a reader may fall behind before it loses the oldest. */
const MAX_WAITING = 1_000

/** Passes announcements on to whoever listens in this process. */
export interface AnnouncementHub extends AnnouncementFeed {
  publish(announcement: Announcement): void
  /** How many listen. */
  readonly listeners: number
}

interface Listener {
  waiting: Announcement[]
  wake: () => void
}

export function createAnnouncementHub(): AnnouncementHub {
  const listeners = new Set<Listener>()
  return {
    get listeners() {
      return listeners.size
    },
    publish(announcement) {
      for (const listener of listeners) {
        listener.waiting.push(announcement)
        if (listener.waiting.length > MAX_WAITING) listener.waiting.shift()
        listener.wake()
      }
    },
    subscribe(signal) {
      // Listening begins now, not with the first read: nothing in between is lost.
      const listener: Listener = { waiting: [], wake: () => {} }
      if (!signal.aborted) listeners.add(listener)
      return read(listener, signal, () => listeners.delete(listener))
    },
  }
}

async function* read(
  listener: Listener,
  signal: AbortSignal,
  leave: () => void,
): AsyncGenerator<Announcement, void> {
  const onAbort = () => {
    leave()
    listener.wake()
  }
  signal.addEventListener('abort', onAbort)
  try {
    while (!signal.aborted) {
      const next = listener.waiting.shift()
      if (next) yield next
      else {
        await new Promise<void>(resolve => {
          listener.wake = resolve
          if (signal.aborted || listener.waiting.length > 0) resolve()
        })
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    leave()
  }
}
