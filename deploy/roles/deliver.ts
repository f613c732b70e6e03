import type { Logger } from 'pino'
import { startWebhookWorker, type WebhookWorker } from '../../api/webhooks/worker.ts'
import type { AnnouncementFeed } from '../../schema/events.ts'
import type { Sql } from '../../schema/ports.ts'
import type { Sending } from '../webhooks.ts'
import { createShares, type SharedLog } from './shares.ts'

export interface DeliverDeps {
  sql: Sql
  log: SharedLog
  feed: AnnouncementFeed
  sending: Pick<Sending, 'worker'>
  logger: Logger
}

/** Deliverers of this process: those of all processes share the webhooks. */
export interface Deliverers {
  /** Shares that are served here. */
  work(): { name: string; problem: null }[]
  stop(): Promise<void>
}

/** Into so many parts all webhooks are shared out: for ever, as a part is found by a webhook's id. */
const PARTS = 16
/** Nothing is written there: its partitions are what is shared out. */
const TOPIC = 'webhooks'
const GROUP = 'deliverers'

export async function startDeliverers({ sql, log, feed, sending, logger }: DeliverDeps): Promise<Deliverers> {
  const shares = createShares<WebhookWorker>(
    async part => {
      const share = { index: Number(part), of: PARTS }
      return startWebhookWorker({ sql, feed, logger, share, ...sending.worker })
    },
    (part, error) => logger.error({ part, err: error }, 'these webhooks cannot be served here'),
  )
  await log.ensureTopics([{ topic: TOPIC, partitions: PARTS }])
  const membership = await log.share(GROUP, [TOPIC], mine =>
    shares.become(new Set(mine.map(({ partition }) => String(partition)))),
  )
  return {
    work: () => [...shares.running().keys()].map(part => ({ name: `webhooks/${part}`, problem: null })),
    async stop() {
      await shares.close()
      await membership.close()
    },
  }
}
