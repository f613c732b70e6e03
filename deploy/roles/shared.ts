import type { Logger } from 'pino'
import type { State } from '../../schema/ports.ts'
import type { Config } from '../config.ts'
import { openKafka } from '../kafka/open.ts'
import { type Session, withStore } from '../sql-session.ts'
import type { SharedLog } from './shares.ts'

/** What the processes of an installation share. */
export interface Shared extends Session {
  log: SharedLog
  state: State
  logger: Logger
}

/** Opens Kafka and ClickHouse for the time of `run`. */
export function withShared<Value>(
  config: Config,
  logger: Logger,
  run: (shared: Shared) => Promise<Value>,
): Promise<Value> {
  return withStore({ ...config, logger }, async session => {
    const { log, state, close } = await openKafka(config.kafka!, logger)
    try {
      return await run({ ...session, log, state, logger })
    } finally {
      await close()
    }
  })
}
