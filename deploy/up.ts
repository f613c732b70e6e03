import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { createAnnouncementHub } from '../api/announcement-hub.ts'
import { createApi } from '../api/server.ts'
import { createSqlGateway } from '../api/sql-gateway.ts'
import { createWeb } from '../web/web.tsx'
import { type ChainSettings, type Config, commandLine } from './config.ts'
import { openControl } from './control.ts'
import { addressOf, portError, startHttpServer } from './http.ts'
import { openLearned } from './learned.ts'
import { feedListeners } from './live-feed.ts'
import { lockDirectory } from './lock.ts'
import { openEmbeddedLog } from './log-embedded.ts'
import { openPaused } from './paused.ts'
import { startPipeline } from './pipeline.ts'
import { withStore } from './sql-session.ts'

/** Where a running product is reached. */
export interface Addresses {
  site: string
  graphql: string
  clickhouse: string
}

/** What is closed at the end, in the opposite order of opening. */
type Close = () => Promise<unknown>

/** Every role in this process, until `stop` is settled: what came last is closed first. */
export async function runEverything(
  context: { config: Config; logger: Logger },
  chains: readonly ChainSettings[],
  onReady: (addresses: Addresses) => void,
  stop: Promise<void>,
): Promise<void> {
  const { config, logger } = context
  const { dataDirectory, host } = config
  await withStore({ dataDirectory, logger }, async ({ sql, store }) => {
    const closing: Close[] = []
    try {
      const lock = await lockDirectory(dataDirectory)
      closing.push(() => lock.release())
      const log = await openEmbeddedLog({ directory: join(dataDirectory, 'log') })
      closing.push(() => log.close())
      const learned = await openLearned(dataDirectory, logger)
      closing.push(() => learned.close())
      const pipeline = await startPipeline({
        chains,
        sql,
        log,
        logger,
        learned,
        paused: await openPaused(dataDirectory),
        commandLine: words => commandLine(config, words),
      })
      closing.push(() => pipeline.stop())

      const hub = createAnnouncementHub()
      const feeding = new AbortController()
      const fed = feedListeners(log, hub, logger, feeding.signal)
      closing.push(async () => {
        feeding.abort()
        await fed
      })
      const api = createApi({ sql, status: pipeline, feed: hub, logger, version: await productVersion() })
      closing.push(() => api.close())
      const web = createWeb({ gql: api.gql, logger })
      const server = await startHttpServer([api.app, web], {
        host,
        port: config.port,
        option: '--port',
      })
      closing.push(() => server.close())

      const gateway = createSqlGateway({
        store: { url: store.url, headers: store.headers, ...store.outsider },
        onTrouble: error => logger.warn({ err: error }, 'ClickHouse interface'),
      })
      const port = await listen(gateway, { host, port: config.clickhousePort, option: '--clickhouse-port' })
      closing.push(() => gateway.close())

      const control = await openControl(dataDirectory, pipeline, logger).catch(error => {
        // Not every file system has sockets.
        logger.warn({ err: error }, 'pause, resume and rewind are not to be had while this runs')
      })
      closing.push(async () => control?.close())

      onReady({ site: server.url, graphql: `${server.url}/graphql`, clickhouse: addressOf(host, port) })
      await stop
      logger.info({}, 'stopping')
    } finally {
      for (const close of closing.reverse()) await close()
    }
  })
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

async function productVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
