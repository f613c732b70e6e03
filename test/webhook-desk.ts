import type { WebhookDesk } from '../api/webhooks/contract.ts'
import { defaultSchedule } from '../api/webhooks/retry.ts'
import { openSending, type Sending } from '../deploy/webhooks.ts'
import type { Sql } from '../schema/ports.ts'

export interface TestDesk {
  desk: WebhookDesk
  close(): Promise<void>
}

/** Whoever is to open what a test's desk has sealed. */
export const SECRET_KEY = Buffer.alloc(32, 7)

/** What sends and manages webhooks in tests: the first retry comes soon. */
export function openTestSending(key: Uint8Array, allow: readonly string[] = []): Sending {
  const schedule = { ...defaultSchedule, firstMs: 20 }
  return openSending({ key, allow, schedule, keepDays: 30, version: 'test' })
}

/** The desk on a store; what it sends may go to this machine. */
export function openTestDesk(sql: Sql, chains: readonly string[]): TestDesk {
  const sending = openTestSending(SECRET_KEY, ['127.0.0.1'])
  return { desk: sending.desk({ sql, chains: new Set(chains) }), close: () => sending.close() }
}
