import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { createAnnouncementHub } from '../api/announcement-hub.ts'
import { createApi } from '../api/server.ts'
import { createSqlGateway } from '../api/sql-gateway.ts'
import type { WebhookDesk } from '../api/webhooks/contract.ts'
import type { AnnouncementFeed } from '../schema/events.ts'
import type { BlockLog } from '../schema/ports.ts'
import type { StatusBoard } from '../schema/status.ts'
import { createWeb } from '../web/web.tsx'
import { openAdminToken } from './admin-token.ts'
import type { Config } from './config.ts'
import { addressOf, portError, startHttpServer } from './http.ts'
import { feedListeners } from './live-feed.ts'
import type { Session } from './sql-session.ts'

/** Where a running product is reached. */
export interface Addresses {
  site: string
  graphql: string
  clickhouse: string
}

export interface ServeDeps extends Pick<Session, 'sql' | 'outsiders'> {
  config: Pick<Config, 'host' | 'port' | 'clickhousePort' | 'adminToken' | 'dataDirectory'>
  log: BlockLog
  status: StatusBoard
  /** Null where webhooks are not served. */
  desk: WebhookDesk | null
  logger: Logger
}

export interface Serving {
  addresses: Addresses
  feed: AnnouncementFeed
  /** For measurements of other parts. */
  registry: Registry
  close(): Promise<void>
}

/** Serves site, API and the ClickHouse interface for outsiders. @throws ConfigError when a port cannot be had. */
export async function startServing(deps: ServeDeps): Promise<Serving> {
  const { config, sql, outsiders, log, status, desk, logger } = deps
  const { host } = config
  const closing: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const one of closing.splice(0).reverse()) await one()
  }
  try {
    const hub = createAnnouncementHub()
    const feeding = new AbortController()
    const fed = feedListeners(log, hub, logger, feeding.signal)
    closing.push(async () => {
      feeding.abort()
      await fed
    })
    const admin = await openAdminToken(config)
    const api = createApi({
      sql,
      status,
      feed: hub,
      logger,
      version: await productVersion(),
      desk,
      adminToken: admin.token,
    })
    closing.push(() => api.close())
    const web = createWeb({ gql: api.gql, logger })
    const server = await startHttpServer([api.app, web], { host, port: config.port, option: '--port' })
    closing.push(() => server.close())

    const gateway = createSqlGateway({
      store: await outsiders(),
      onTrouble: error => logger.warn({ err: error }, 'ClickHouse interface'),
    })
    const port = await listen(gateway, { host, port: config.clickhousePort, option: '--clickhouse-port' })
    closing.push(() => gateway.close())
    const addresses = {
      site: server.url,
      graphql: `${server.url}/graphql`,
      clickhouse: addressOf(host, port),
    }
    return { addresses, feed: hub, registry: api.registry, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function listen(
  gateway: ReturnType<typeof createSqlGateway>,
  options: { host: string; port: number; option: string },
): Promise<number> {
  try {
    return await gateway.listen(options.port, options.host)
  } catch (error) {
    throw portError(error, options)
  }
}

/** Of the package. */
export async function productVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
