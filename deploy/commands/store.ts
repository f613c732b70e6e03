import { type CommandContext, EXIT } from '../command.ts'
import { lockDirectory } from '../lock.ts'
import { stopSignal } from '../stop-signal.ts'
import { startStoreServer } from '../store/server.ts'
import { openStore } from '../store/supervisor.ts'

/** The embedded engine of a data directory as a server of its own, until it is told to stop. */
export async function runStore(
  { config, logger, stdout }: CommandContext,
  { port = 8123, host = '127.0.0.1' }: { port?: number; host?: string },
): Promise<number> {
  const stopped = stopSignal()
  const store = await openStore({ dataDirectory: config.dataDirectory, logger })
  try {
    const lock = await lockDirectory(config.dataDirectory)
    try {
      const password = process.env.WANLIAN_CLICKHOUSE_PASSWORD ?? ''
      const server = await startStoreServer({ store, host, port, password, logger })
      stdout.write(`${JSON.stringify({ role: 'store', url: server.url })}\n`)
      await stopped
      logger.info({ role: 'store' }, 'stopping')
      await server.close()
    } finally {
      await lock.release()
    }
  } finally {
    await store.close()
  }
  return EXIT.done
}
