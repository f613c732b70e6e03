import { createAnnouncementHub } from '../api/announcement-hub.ts'
import { startWebhookWorker } from '../api/webhooks/worker.ts'
import { createSql } from '../deploy/sql.ts'
import { silent } from './harness.ts'
import { openTestSending } from './webhook-desk.ts'

/** A worker of webhooks in a process of its own, to be killed. Arguments: the store's address, and the key of secrets in hex. */
const [address, key] = JSON.parse(process.argv[2] ?? '[]') as [Parameters<typeof createSql>[0], string]

const sending = openTestSending(Buffer.from(key, 'hex'))
startWebhookWorker({
  sql: createSql(address),
  feed: createAnnouncementHub(),
  logger: silent,
  share: { index: 0, of: 1 },
  ...sending.worker,
})
process.stdout.write('works\n')
