import type { Logger } from 'pino'
import type { State } from '../../schema/ports.ts'
import type { KafkaSettings } from '../servers.ts'
import { createClient } from './client.ts'
import { type KafkaLog, openKafkaLog } from './log.ts'
import { openKafkaState } from './state.ts'

/** Log and state on the same brokers. */
export async function openKafka(
  settings: KafkaSettings,
  logger: Logger,
): Promise<{ log: KafkaLog; state: State; close(): Promise<void> }> {
  const facts = await openKafkaFacts(settings, logger)
  const log = await openKafkaLog(settings, { logger }).catch(async error => {
    await facts.close()
    throw error
  })
  return {
    log,
    state: facts.state,
    async close() {
      try {
        await log.close()
      } finally {
        await facts.close()
      }
    },
  }
}

/** The state alone, for commands. */
export async function openKafkaFacts(
  settings: KafkaSettings,
  logger: Logger,
): Promise<{ state: State; close(): Promise<void> }> {
  const state = await openKafkaState({
    kafka: await createClient(settings, logger),
    topic: `${settings.prefix}state`,
    prefix: settings.prefix,
    replication: settings.replication,
    logger,
  })
  return { state, close: () => state.close() }
}
