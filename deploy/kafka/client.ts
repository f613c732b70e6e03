import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import kafkajs, { type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs'
import { ConfigError } from '../../schema/errors.ts'
import type { Logger } from '../../schema/ports.ts'
import type { KafkaSettings } from '../servers.ts'
import { boundClient } from './bounded.ts'

/** Times that one request is tried before the one who asked decides: the adapter itself goes on for ever. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 5 }

/** The client of a Kafka by its settings. @throws ConfigError for a certificate that cannot be read */
export async function createClient(settings: KafkaSettings, logger: Logger): Promise<Kafka> {
  const { brokers, sasl } = settings
  const config: KafkaConfig = {
    clientId: 'wanlian',
    brokers: [...brokers],
    ssl: await readTls(settings.tls),
    connectionTimeout: 5_000,
    requestTimeout: 30_000,
    enforceRequestTimeout: true,
    retry: RETRY,
    logLevel: kafkajs.logLevel.INFO,
    // What the client tells is about tries that the adapter repeats: it tells itself when that matters.
    logCreator:
      () =>
      ({ namespace, log: { message, timestamp: _, logger: __, ...facts } }) =>
        logger.debug({ part: namespace, ...facts }, `kafka: ${message}`),
  }
  if (sasl) config.sasl = { ...sasl } as SASLOptions
  return boundClient(new kafkajs.Kafka(config))
}

async function readTls(tls: KafkaSettings['tls']): Promise<boolean | ConnectionOptions> {
  if (typeof tls === 'boolean' || tls === undefined) return tls ?? false
  const read = async (name: 'ca' | 'cert' | 'key') => {
    const path = tls[name]
    if (path === undefined) return {}
    try {
      return { [name]: await readFile(path, 'utf8') }
    } catch (error) {
      throw new ConfigError(`kafka.tls.${name}: expected a PEM file, ${path} cannot be read`, {
        cause: error,
      })
    }
  }
  return { ...(await read('ca')), ...(await read('cert')), ...(await read('key')) }
}
