import { readFile } from 'node:fs/promises'
import { createUpstream, type OutsiderAccess } from '../api/sql-upstream.ts'
import { ConfigError, StoreError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'
import type { ClickHouseSettings } from './servers.ts'
import { OUTSIDER, outsiderPassword } from './store/server.ts'
import type { StoreAddress } from './store/supervisor.ts'

/** How to reach the servers of the configuration. @throws ConfigError when the file of certificates cannot be read. */
export async function clickhouseAddress(settings: ClickHouseSettings): Promise<StoreAddress> {
  const [url = '', ...otherUrls] = settings.urls
  return {
    url,
    otherUrls,
    username: settings.username,
    password: settings.password,
    headers: {},
    // On one machine it costs more than it saves.
    compress: !settings.urls.every(isHere),
    ...(settings.ca !== null && { ca: await readCertificates(settings.ca) }),
  }
}

function isHere(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname)
}

async function readCertificates(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ConfigError(`clickhouse.ca: ${path} cannot be read: ${String(cause)}`, { cause })
  })
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new ConfigError(`clickhouse.ca: expected certificates as PEM in ${path}`)
}

/**
 * The read-only user of the outsiders on servers: the one that is configured, or one of our name, which our own
 * `store` knows and any other server is asked to make.
 * @throws ConfigError when there is none and none can be made, or when the one there is may write.
 */
export async function findOutsider(
  sql: Sql,
  address: StoreAddress,
  settings: ClickHouseSettings,
): Promise<OutsiderAccess> {
  const user = settings.outsider ?? {
    username: OUTSIDER,
    password: outsiderPassword(settings.password),
  }
  const access = { ...address, ...user }
  if (await mayRead(access)) return access
  if (settings.outsider) {
    throw new ConfigError(
      `clickhouse.outsider: the server refuses user ${user.username}, or its password is another`,
    )
  }
  try {
    for (const statement of outsiderStatements(user, settings.cluster)) await sql.command(statement)
  } catch (cause) {
    if (!(cause instanceof StoreError) || cause.retryable) throw cause
    throw new ConfigError(
      `the server has no user for outsiders, and ${settings.username} may not make one: ${cause.message}`,
      {
        cause,
        hint: 'name one in clickhouse.outsider (readonly = 1, SELECT on default.*), or allow access_management',
      },
    )
  }
  if (await mayRead(access)) return access
  throw new ConfigError(`the server made user ${user.username}, but does not let it in`, {
    hint: 'name a user in clickhouse.outsider',
  })
}

/** What the servers say to the configured user, in the operator's words. */
export function explainRefusal(error: unknown, settings: ClickHouseSettings): unknown {
  if (!(error instanceof StoreError) || !UNKNOWN_USER.has(String(error.details.code))) return error
  return new ConfigError(`ClickHouse refuses user ${settings.username}, or its password is another`, {
    hint: 'correct WANLIAN_CLICKHOUSE_USER and WANLIAN_CLICKHOUSE_PASSWORD',
    cause: error,
  })
}

/** Codes of ClickHouse for a user that it does not know, or whose password is another. */
const UNKNOWN_USER = new Set(['192', '193', '194', '516'])

/** Asked the way the gateway will ask. @throws ConfigError when the user may do more than read. */
async function mayRead(access: OutsiderAccess): Promise<boolean> {
  const upstream = createUpstream(access, { connections: 1, restartMs: 10_000, silenceMs: 30_000 })
  const answer = { status: 0, code: '', text: '' }
  const statement = "SELECT toString(getSetting('readonly')) FORMAT TabSeparated"
  try {
    await upstream.ask(
      { statement, fields: [], acceptEncoding: '', quotaKey: 'wanlian' },
      {
        head(status, headers) {
          answer.status = status
          answer.code = String(headers['x-clickhouse-exception-code'] ?? '')
        },
        data(chunk) {
          answer.text += chunk.toString()
          return null
        },
      },
      new AbortController().signal,
    )
  } finally {
    await upstream.close()
  }
  if (UNKNOWN_USER.has(answer.code)) return false
  const readonly = answer.text.trim()
  if (answer.status === 200 && readonly === '1') return true
  throw new ConfigError(
    `the outsiders' user ${access.username}: expected setting readonly = 1, got ${readonly.slice(0, 500)}`,
  )
}

/** What outsiders may read besides the public views: what their tools ask for. */
const READABLE = [
  'default.*',
  'information_schema.*',
  ...[
    'parts',
    'settings',
    'functions',
    'formats',
    'data_type_families',
    'table_functions',
    'table_engines',
    'time_zones',
    'collations',
    'keywords',
    'one',
  ].map(table => `system.${table}`),
]

/** The fence of deploy/store/users.xml, in the server's own words. */
export function outsiderStatements(
  user: { username: string; password: string },
  cluster: string | null,
): string[] {
  const on = cluster === null ? '' : ` ON CLUSTER \`${cluster}\``
  const name = user.username
  return [
    `CREATE SETTINGS PROFILE OR REPLACE ${name}${on} SETTINGS
      readonly = 1,
      allow_ddl = 0,
      output_format_json_quote_64bit_integers = 1,
      max_memory_usage = 4000000000,
      max_concurrent_queries_for_user = 32,
      max_query_size = 1048576,
      cancel_http_readonly_queries_on_client_close = 1,
      distributed_product_mode = 'global',
      max_execution_time = 30 MIN 0.001 MAX 30 CHANGEABLE_IN_READONLY,
      max_result_rows = 1000000 MIN 1 MAX 1000000 CHANGEABLE_IN_READONLY,
      max_result_bytes CHANGEABLE_IN_READONLY,
      result_overflow_mode CHANGEABLE_IN_READONLY,
      max_block_size MIN 1 MAX 65536 CHANGEABLE_IN_READONLY,
      extremes CHANGEABLE_IN_READONLY,
      date_time_output_format CHANGEABLE_IN_READONLY`,
    `CREATE USER OR REPLACE ${name}${on} IDENTIFIED WITH sha256_password BY '${user.password}'
      SETTINGS PROFILE '${name}'`,
    // The gateway asks twice for each statement: once to have it formatted.
    `CREATE QUOTA OR REPLACE ${name}${on} KEYED BY client_key
      FOR INTERVAL 60 second MAX queries = 1200, execution_time = 120 TO ${name}`,
    ...READABLE.map(what => `GRANT${on} SELECT ON ${what} TO ${name}`),
  ]
}
