import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { createWebhookMeasures, sumOf } from '../../api/webhooks/measures.ts'
import type { EventTopic, PublishedEvent } from '../../api/webhooks/publisher.ts'
import { startWebhookWorker, type WebhookWorker } from '../../api/webhooks/worker.ts'
import type { AnnouncementFeed } from '../../schema/events.ts'
import type { Sql } from '../../schema/ports.ts'
import type { PublishedRecord } from '../kafka/publisher.ts'
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
  /** Adds measurements of deliveries to those of a registry. */
  measure(registry: Registry): void
  stop(): Promise<void>
}

/** Into so many parts all webhooks are shared out: for ever, as a part is found by a webhook's id. */
const PARTS = 16
/** Its partitions are what is shared out; the events of each part are published there for programs of others. */
const TOPIC = 'webhooks'
const GROUP = 'deliverers'

export async function startDeliverers({ sql, log, feed, sending, logger }: DeliverDeps): Promise<Deliverers> {
  const measures = createWebhookMeasures(() =>
    sumOf([...shares.running().values()].map(worker => worker.figures())),
  )
  const { onAttempt } = measures
  const shares = createShares<WebhookWorker>(
    async part => {
      const share = { index: Number(part), of: PARTS }
      const topic: EventTopic = {
        publish: events => log.publish({ topic: TOPIC, partition: share.index }, events.map(recordOf)),
      }
      return startWebhookWorker({ sql, feed, logger, share, topic, onAttempt, ...sending.worker })
    },
    (part, error) => logger.error({ part, err: error }, 'these webhooks cannot be served here'),
  )
  await log.ensureTopics([{ topic: TOPIC, partitions: PARTS }])
  const membership = await log.share(GROUP, [TOPIC], mine =>
    shares.become(new Set(mine.map(({ partition }) => String(partition)))),
  )
  return {
    work: () => [...shares.running().keys()].map(part => ({ name: `webhooks/${part}`, problem: null })),
    measure: registry => measures.join(registry),
    async stop() {
      await shares.close()
      await membership.close()
    },
  }
}

/** The value is the body as endpoints get it; one webhook's events are in one partition, in order. */
function recordOf({ webhook, id, sequence, type, body }: PublishedEvent): PublishedRecord {
  return { key: webhook, value: body, headers: { id, sequence: String(sequence), type } }
}
