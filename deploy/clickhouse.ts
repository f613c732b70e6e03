import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { Agent, request } from 'undici'
import { ConfigError, StoreError } from '../schema/errors.ts'
import type { ClickHouseSettings } from './servers.ts'
import { createSql, type SqlClient } from './sql.ts'
import { OUTSIDER, outsiderPassword } from './store/server.ts'
import type { StoreAddress } from './store/supervisor.ts'

/** A ClickHouse by its addresses. */
export interface ClickHouse {
  sql: SqlClient
  /** For the gateway of outsiders: the first address that answers, and the user that they are there. */
  store: Pick<StoreAddress, 'url' | 'headers'> & { outsider: { username: string; password: string } }
}

/**
 * Opens the servers of the configuration. The first that answers is asked, the others stand in for it.
 * @throws ConfigError for credentials that are refused and certificates that cannot be read, StoreError when none answers.
 */
export async function openClickHouse(settings: ClickHouseSettings, logger: Logger): Promise<ClickHouse> {
  const { username, password } = settings
  const ca = settings.ca === null ? undefined : await readCertificate(settings.ca)
  const addresses = settings.urls.map(url => ({ url, username, password, headers: {}, ...(ca && { ca }) }))
  const sql = createSql(addresses)
  try {
    await sql.rows('SELECT 1')
    const { url, outsider } = await findOutsider(settings, ca, sql)
    logger.info({ url }, 'the store is a ClickHouse of the configuration')
    return { sql, store: { url, headers: {}, outsider } }
  } catch (error) {
    await sql.close()
    throw isRefused(error)
      ? new ConfigError(`ClickHouse refuses the user ${JSON.stringify(username)}`, {
          hint: 'correct WANLIAN_CLICKHOUSE_USER and WANLIAN_CLICKHOUSE_PASSWORD',
          cause: error,
        })
      : error
  }
}

async function readCertificate(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new ConfigError(`clickhouse.ca: expected a PEM file, got ${path}: ${String(cause)}`, { cause })
  }
}

const isRefused = (error: unknown) =>
  error instanceof StoreError && ['192', '193', '194', '516'].includes(String(error.details?.code))

/** The user that outsiders are: as configured, or the one that `wanlian store` has, or one that is made here. */
async function findOutsider(
  { urls, password, outsider: configured }: ClickHouseSettings,
  ca: Buffer | undefined,
  sql: SqlClient,
): Promise<{ url: string; outsider: { username: string; password: string } }> {
  const outsider = configured ?? { username: OUTSIDER, password: outsiderPassword(password) }
  for (const attempt of ['look', 'make'] as const) {
    if (attempt === 'make') {
      if (configured) break
      await makeOutsider(sql, outsider)
    }
    for (const url of urls) {
      if (await mayRead(url, outsider, ca)) return { url, outsider }
    }
  }
  throw new ConfigError('ClickHouse: the read-only user of outsiders cannot log in', {
    hint: 'give clickhouse.outsider in wanlian.yaml a user with the rights of deploy/store/users.xml',
  })
}

/** Whether the user can log in there; asked without any settings, which it may not change. */
async function mayRead(
  url: string,
  { username, password }: { username: string; password: string },
  ca: Buffer | undefined,
): Promise<boolean> {
  const agent = new Agent({ connect: { timeout: 5_000, ...(ca && { ca }) } })
  try {
    const { statusCode, body } = await request(`${url}/?query=SELECT+1`, {
      dispatcher: agent,
      headers: { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password },
      headersTimeout: 10_000,
    })
    await body.dump()
    return statusCode === 200
  } catch {
    return false
  } finally {
    await agent.close()
  }
}

/** The fence of `deploy/store/users.xml`, in statements. */
async function makeOutsider(
  sql: SqlClient,
  { username, password }: { username: string; password: string },
): Promise<void> {
  const name = `\`${username}\``
  const bounded = [
    'max_execution_time = 30 MIN 0.001 MAX 30 CHANGEABLE_IN_READONLY',
    'max_result_rows = 1000000 MIN 1 MAX 1000000 CHANGEABLE_IN_READONLY',
    'max_result_bytes CHANGEABLE_IN_READONLY',
    'result_overflow_mode CHANGEABLE_IN_READONLY',
    'max_block_size MIN 1 MAX 65536 CHANGEABLE_IN_READONLY',
    'extremes CHANGEABLE_IN_READONLY',
    'date_time_output_format CHANGEABLE_IN_READONLY',
    'readonly = 1',
    'allow_ddl = 0',
    'output_format_json_quote_64bit_integers = 1',
    'max_concurrent_queries_for_user = 32',
    'max_query_size = 1048576',
    'cancel_http_readonly_queries_on_client_close = 1',
  ]
  try {
    await sql.command(
      `CREATE USER IF NOT EXISTS ${name} IDENTIFIED WITH sha256_password BY {password:String} SETTINGS ${bounded.join(', ')}`,
      { password },
    )
    await sql.command(`GRANT SELECT ON default.* TO ${name}`)
  } catch (cause) {
    throw new ConfigError(
      `ClickHouse does not let ${JSON.stringify(username)}, the read-only user of outsiders, be made: ${String(cause)}`,
      {
        hint: 'make it as deploy/store/users.xml does and name it under clickhouse.outsider in wanlian.yaml',
        cause,
      },
    )
  }
}
