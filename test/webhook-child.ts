import { createAnnouncementHub } from '../api/announcement-hub.ts'
import { startWebhookWorker } from '../api/webhooks/worker.ts'
import { createSql } from '../deploy/sql.ts'
import { openSending } from '../deploy/webhooks.ts'
import { silent } from './harness.ts'

/** A worker of webhooks in a process of its own, to be killed. Arguments: the store's address, and the key of secrets in hex. */
const [address, key] = JSON.parse(process.argv[2] ?? '[]') as [Parameters<typeof createSql>[0], string]

const sending = openSending({ key: Buffer.from(key, 'hex'), allow: [], retryMs: 20, version: 'test' })
startWebhookWorker({
  sql: createSql(address),
  feed: createAnnouncementHub(),
  logger: silent,
  share: { index: 0, of: 1 },
  ...sending.worker,
})
process.stdout.write('works\n')
