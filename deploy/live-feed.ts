import type { AnnouncementHub } from '../api/announcement-hub.ts'
import { ANNOUNCEMENTS, type Announcement } from '../schema/events.ts'
import type { BlockLog, Logger } from '../schema/ports.ts'

/** Passes announcements of the moving tips from the log on to whoever listens, from now on. */
export async function feedListeners(
  log: BlockLog,
  hub: AnnouncementHub,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  let next = await log.end(ANNOUNCEMENTS)
  while (!signal.aborted) {
    const messages = await log.read(ANNOUNCEMENTS, next)
    for (const { offset, value } of messages) {
      next = offset + 1n
      try {
        const announcement = JSON.parse(Buffer.from(value).toString('utf8')) as Announcement
        if (!announcement.history) hub.publish(announcement)
      } catch (error) {
        logger.error({ err: error, offset: String(offset) }, 'an announcement cannot be read')
      }
    }
    if (messages.length === 0) await log.wait(ANNOUNCEMENTS, next, signal)
  }
}
