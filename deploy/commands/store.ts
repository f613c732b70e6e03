import { mkdir } from 'node:fs/promises'
import { ConfigError } from '../../schema/errors.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { addressOf, portError } from '../http.ts'
import { lockDirectory } from '../lock.ts'
import { stopSignal } from '../stop-signal.ts'
import { createStoreServer } from '../store/server.ts'
import { openStore } from '../store/supervisor.ts'

export interface StoreOptions {
  port?: number
  host?: string
  /** Of user `default`; empty for none. */
  password: string
}

/** The store of a data directory as a server of its own, until it is told to stop. */
export async function runStore(context: CommandContext, options: StoreOptions): Promise<number> {
  const { config, logger, stdout } = context
  const { dataDirectory } = config
  const host = options.host ?? config.host
  const port = options.port ?? config.clickhousePort
  const password = options.password || (config.clickhouse?.password ?? '')
  if (password === '' && !isLoopback(host)) {
    throw new ConfigError(`without a password the store does not listen on ${host}: everybody could write`, {
      hint: 'set WANLIAN_CLICKHOUSE_PASSWORD, or leave --host out',
    })
  }
  const stop = stopSignal()
  await mkdir(dataDirectory, { recursive: true })
  const lock = await lockDirectory(dataDirectory)
  try {
    const store = await openStore({ dataDirectory, logger, alone: true })
    const server = createStoreServer({
      store,
      password,
      onTrouble: error => logger.warn({ err: error }, 'store'),
    })
    try {
      const taken = await server.listen(port, host).catch((error: unknown) => {
        throw portError(error, { host, port, option: '--port' })
      })
      stdout.write(`${JSON.stringify({ role: 'store', url: addressOf(host, taken) })}\n`)
      await stop
      logger.info({}, 'stopping')
    } finally {
      await server.close()
      await store.close()
    }
  } finally {
    await lock.release()
  }
  return EXIT.done
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
