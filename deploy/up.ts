import { join } from 'node:path'
import type { Logger } from 'pino'
import { createWebhookMeasures } from '../api/webhooks/measures.ts'
import { startWebhookWorker } from '../api/webhooks/worker.ts'
import { type ChainSettings, type Config, commandLine } from './config.ts'
import { openControl } from './control.ts'
import { openLearned } from './learned.ts'
import { lockDirectory } from './lock.ts'
import { openEmbeddedLog } from './log-embedded.ts'
import { openPaused } from './paused.ts'
import { startPipeline } from './pipeline.ts'
import { startCrawlers } from './roles/crawl.ts'
import { startDeliverers } from './roles/deliver.ts'
import { createStatusBoard } from './roles/facts.ts'
import { withShared } from './roles/shared.ts'
import { startSplitters } from './roles/split.ts'
import { type Addresses, startServing } from './serve.ts'
import { withStore } from './sql-session.ts'
import { openConfiguredSending } from './webhooks.ts'

/** One process serves all webhooks. */
const EVERYTHING = { index: 0, of: 1 }

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
  if (config.kafka !== null) {
    await runShared(context, chains, onReady, stop)
    return
  }
  const { dataDirectory } = config
  await withStore({ ...config, logger }, async ({ sql, outsiders }) => {
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

      const sending = await openConfiguredSending(config)
      closing.push(() => sending.close())
      const desk = sending.desk({ sql, chains: new Set(config.chains.keys()) })
      const serving = await startServing({ config, sql, outsiders, log, status: pipeline, desk, logger })
      closing.push(() => serving.close())
      const { feed, registry } = serving
      const measures = createWebhookMeasures(() => worker.figures())
      const worker = startWebhookWorker({
        sql,
        feed,
        logger,
        share: EVERYTHING,
        onAttempt: measures.onAttempt,
        ...sending.worker,
      })
      measures.join(registry)
      closing.push(() => worker.stop())

      const control = await openControl(dataDirectory, pipeline, logger).catch(error => {
        // Not every file system has sockets.
        logger.warn({ err: error }, 'pause, resume and rewind are not to be had while this runs')
      })
      closing.push(async () => control?.close())

      onReady(serving.addresses)
      await stop
      logger.info({}, 'stopping')
    } finally {
      for (const close of closing.reverse()) await close()
    }
  })
}

/** The same on Kafka: other processes may take part. */
async function runShared(
  { config, logger }: { config: Config; logger: Logger },
  chains: readonly ChainSettings[],
  onReady: (addresses: Addresses) => void,
  stop: Promise<void>,
): Promise<void> {
  await withShared(config, logger, async shared => {
    const closing: Close[] = []
    try {
      if (config.clickhouse === null) {
        const lock = await lockDirectory(config.dataDirectory)
        closing.push(() => lock.release())
      }
      const splitters = await startSplitters({ ...shared, chains: config.chains })
      closing.push(() => splitters.stop())
      const crawlers = await startCrawlers({
        ...shared,
        chains,
        commandLine: words => commandLine(config, words),
      })
      closing.push(() => crawlers.stop())
      const sending = await openConfiguredSending(config)
      closing.push(() => sending.close())
      const desk = sending.desk({ sql: shared.sql, chains: new Set(config.chains.keys()) })
      const status = createStatusBoard(shared.state)
      const serving = await startServing({ ...shared, config, status, desk })
      closing.push(() => serving.close())
      const deliverers = await startDeliverers({ ...shared, feed: serving.feed, sending })
      closing.push(() => deliverers.stop())
      deliverers.measure(serving.registry)
      onReady(serving.addresses)
      await stop
      logger.info({}, 'stopping')
    } finally {
      for (const close of closing.reverse()) await close()
    }
  })
}
