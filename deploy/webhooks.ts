import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import type { WebhookDesk } from '../api/webhooks/contract.ts'
import { createWebhookDesk, type DeskDeps, validSecrets } from '../api/webhooks/desk.ts'
import { createTargetGuard } from '../api/webhooks/guard.ts'
import { type RetrySchedule, retryDelay } from '../api/webhooks/retry.ts'
import { createSender } from '../api/webhooks/sender.ts'
import { signatureHeaders } from '../api/webhooks/signature.ts'
import { createVault } from '../api/webhooks/vault.ts'
import type { WorkerDeps } from '../api/webhooks/worker.ts'
import { ConfigError } from '../schema/errors.ts'
import type { CommandContext } from './command.ts'
import type { Config } from './config.ts'
import { openSecretFile } from './secret-file.ts'
import { productVersion } from './serve.ts'
import { withStore } from './sql-session.ts'

/** What sends webhooks, and what manages them: both hold the key to their secrets. */
export interface Sending {
  desk(deps: Pick<DeskDeps, 'sql' | 'chains'>): WebhookDesk
  worker: Pick<WorkerDeps, 'post' | 'sign' | 'retry' | 'keepDays'>
  close(): Promise<void>
}

export function openSending(settings: {
  /** 32 bytes. */
  key: Uint8Array
  allow: readonly string[]
  schedule: RetrySchedule
  keepDays: number
  version: string
}): Sending {
  const vault = createVault(settings.key)
  const guard = createTargetGuard(settings)
  const sender = createSender({ guard, version: settings.version })
  const { schedule, keepDays } = settings
  const sign: DeskDeps['sign'] = (webhook, { id, body }, at) =>
    signatureHeaders({ id, body, at, secrets: validSecrets(vault, webhook, at.getTime()) })
  return {
    desk: ({ sql, chains }) =>
      createWebhookDesk({
        sql,
        chains,
        checkUrl: (url, options) => guard.check(url, options),
        vault,
        post: sender,
        sign,
        keepDays,
      }),
    worker: {
      post: sender,
      sign,
      keepDays,
      retry: (attempt, failingForMs, retryAfterMs) =>
        retryDelay(attempt, failingForMs, retryAfterMs, { schedule, random: Math.random }),
    },
    close: () => sender.close(),
  }
}

const FILE = 'webhooks.key'

/** As configured; the key is of the environment, or in the data directory. @throws ConfigError */
export async function openConfiguredSending({
  webhooks,
  dataDirectory,
}: Pick<Config, 'webhooks' | 'dataDirectory'>): Promise<Sending> {
  const [key, version] = [webhooks.key ?? (await keyOf(dataDirectory)), await productVersion()]
  return openSending({ ...webhooks, version, key })
}

/** For commands: whoever works with the store, running or not, notices what is changed. */
export function withDesk<T>(
  { config, logger }: Pick<CommandContext, 'config' | 'logger'>,
  run: (desk: WebhookDesk) => Promise<T>,
): Promise<T> {
  return withStore({ ...config, logger }, async ({ sql }) => {
    const sending = await openConfiguredSending(config)
    try {
      return await run(sending.desk({ sql, chains: new Set(config.chains.keys()) }))
    } finally {
      await sending.close()
    }
  })
}

async function keyOf(dataDirectory: string): Promise<Uint8Array> {
  const path = join(resolve(dataDirectory), FILE)
  const key = Buffer.from(await openSecretFile(path, () => randomBytes(32).toString('base64')), 'base64')
  if (key.length !== 32)
    throw new ConfigError(`${path}: expected 32 bytes in base64, got ${key.length} bytes`, {
      hint: 'restore the file: the secrets of webhooks are kept with it',
    })
  return key
}
