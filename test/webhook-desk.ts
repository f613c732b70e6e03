import type { WebhookDesk } from '../api/webhooks/contract.ts'
import { openSending } from '../deploy/webhooks.ts'
import type { Sql } from '../schema/ports.ts'

export interface TestDesk {
  desk: WebhookDesk
  close(): Promise<void>
}

/** The desk on a store; what it sends may go to this machine. */
export function openTestDesk(sql: Sql, chains: readonly string[]): TestDesk {
  const sending = openSending({
    key: Buffer.alloc(32, 7),
    allow: ['127.0.0.1'],
    retryMs: 20,
    version: 'test',
  })
  return { desk: sending.desk({ sql, chains: new Set(chains) }), close: () => sending.close() }
}
