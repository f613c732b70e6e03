import { z } from 'zod'
import { ConfigError } from '../schema/errors.ts'

/** Names of files in these settings start at the configuration file's folder. */
const tlsShape = z.union([
  z.boolean(),
  z.strictObject({
    /** Certificates that are trusted besides those of the system, and this program's own: PEM files. */
    ca: z.string().min(1).optional(),
    cert: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
  }),
])

export const kafkaShape = z.strictObject({
  brokers: z.array(z.string().regex(/^[^\s:/]+:\d+$/, 'expected host:port')).min(1),
  tls: tlsShape.optional(),
  sasl: z
    .strictObject({
      mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
      username: z.string().min(1),
      password: z.string().min(1),
    })
    .optional(),
  /** What names of topics and groups begin with, for several installations on one Kafka. */
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,60}$/, 'expected letters, digits, dots, dashes')
    .optional(),
  /** Copies of each topic; without it what the brokers do by default. */
  replication: z.int().min(1).max(15).optional(),
  /** Bytes that a partition keeps at least, once it has more. */
  retentionBytes: z.int().min(1_048_576).optional(),
})

export const clickhouseShape = z.strictObject({
  /** One server, or several that hold the same: they are tried in turn. */
  url: z.union([z.url(), z.array(z.url()).min(1)]),
  username: z.string().min(1).optional(),
  password: z.string().optional(),
  /** A cluster of the server's configuration: tables are replicated and distributed over it. */
  cluster: z.string().regex(/^\w+$/, 'expected the name of a cluster').optional(),
  /** Certificates that are trusted besides those of the system: a PEM file. */
  ca: z.string().min(1).optional(),
  /** The user that outsiders are for the server. Without it one is made, if the server allows. */
  outsider: z.strictObject({ username: z.string().min(1), password: z.string().min(1) }).optional(),
})

export interface KafkaSettings {
  brokers: readonly string[]
  tls: z.infer<typeof tlsShape>
  sasl: {
    mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    username: string
    password: string
  } | null
  prefix: string
  replication: number | null
  retentionBytes: number
}

export interface ClickHouseSettings {
  urls: readonly string[]
  username: string
  password: string
  cluster: string | null
  ca: string | null
  outsider: { username: string; password: string } | null
}

type Environment = Readonly<Record<string, string | undefined>>

const RETENTION_BYTES = 4 * 1024 ** 3

/** Kafka by file and environment; null when the log is to be embedded. @throws ConfigError */
export function kafkaSettings(
  file: z.infer<typeof kafkaShape> | undefined,
  environment: Environment,
): KafkaSettings | null {
  const named = environment.WANLIAN_KAFKA_BROKERS?.split(',').map(broker => broker.trim())
  const brokers = environment.WANLIAN_KAFKA_BROKERS ? named : file?.brokers
  if (!brokers) return null
  const parsed = kafkaShape.shape.brokers.safeParse(brokers)
  if (!parsed.success) {
    throw new ConfigError(
      `WANLIAN_KAFKA_BROKERS: expected host:port, separated by commas, got ${JSON.stringify(brokers.join(','))}`,
    )
  }
  return {
    brokers,
    tls: file?.tls ?? false,
    sasl: file?.sasl ?? null,
    prefix: environment.WANLIAN_KAFKA_PREFIX || (file?.prefix ?? 'wanlian.'),
    replication: file?.replication ?? null,
    retentionBytes: file?.retentionBytes ?? RETENTION_BYTES,
  }
}

/** A ClickHouse by file and environment; null when the store is to be embedded. @throws ConfigError */
export function clickhouseSettings(
  file: z.infer<typeof clickhouseShape> | undefined,
  environment: Environment,
): ClickHouseSettings | null {
  const named = environment.WANLIAN_CLICKHOUSE_URL?.split(',').map(url => url.trim())
  const urls = environment.WANLIAN_CLICKHOUSE_URL ? named : file && [file.url].flat()
  if (!urls) return null
  for (const url of urls) {
    const { protocol, username, pathname } = parseUrl(url)
    if (!/^https?:$/.test(protocol) || username !== '' || pathname !== '/') {
      throw new ConfigError(
        `ClickHouse: expected http(s)://host:port without user and path, got ${protocol}//… of ${JSON.stringify(hidden(url))}`,
        { hint: 'the user stands in WANLIAN_CLICKHOUSE_USER and WANLIAN_CLICKHOUSE_PASSWORD' },
      )
    }
  }
  return {
    urls: urls.map(url => parseUrl(url).origin),
    username: environment.WANLIAN_CLICKHOUSE_USER || (file?.username ?? 'default'),
    password: environment.WANLIAN_CLICKHOUSE_PASSWORD || (file?.password ?? ''),
    cluster: environment.WANLIAN_CLICKHOUSE_CLUSTER || (file?.cluster ?? null),
    ca: file?.ca ?? null,
    outsider: file?.outsider ?? null,
  }
}

function parseUrl(url: string): URL {
  try {
    return new URL(url)
  } catch {
    throw new ConfigError(`ClickHouse: expected http(s)://host:port, got ${JSON.stringify(hidden(url))}`)
  }
}

const hidden = (url: string) => url.replace(/\/\/[^@/]*@/, '//…@')
