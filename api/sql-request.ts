import type { IncomingHttpHeaders } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import type { StatementParams } from './sql-gate.ts'
import { StatementRefusedError } from './sql-refusal.ts'
import { readSettings } from './sql-settings.ts'

/** A statement of an outsider, read out of a request. Nothing else of the request goes any further. */
export interface SqlRequest {
  /** Address part and body joined as ClickHouse joins them. */
  statement: string
  params: StatementParams
  /** Settings that the store is given. */
  settings: readonly (readonly [string, string])[]
  /** Format of the answer when the statement names none. */
  format: string | null
  /** Answer in ClickHouse's own compressed blocks (`compress=1`). */
  compress: boolean
  /** What the client understands of the Native format. */
  protocolVersion: string | null
  /** The caller's name for the statement: told back, never passed on. */
  queryId: string | null
  /** Codings of the answer that the caller takes and the store offers. */
  acceptEncoding: string
}

export interface RawRequest {
  /** Path and query of the request line. */
  target: string
  headers: IncomingHttpHeaders
  body: Buffer
  /** Bound of body and statement, in bytes. */
  maxBytes: number
}

const CODINGS = new Set(['br', 'deflate', 'gzip', 'lz4', 'zstd'])
const decoders: Record<string, (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
}

/**
 * Reads an HTTP request as ClickHouse would.
 * @returns null when there is no statement in it at all.
 * @throws StatementRefusedError
 */
export async function readSqlRequest(raw: RawRequest): Promise<SqlRequest | null> {
  const { headers } = raw
  const fields = readFields(raw.target)
  checkCaller(headers, fields)
  const body = await readBody(raw)
  const query = take(fields, 'query')
  if (query === undefined && body === '') return null
  const statement = query && body ? `${query}\n${body}` : query || body
  checkStatement(statement, raw.maxBytes)

  const format = take(fields, 'default_format') ?? single(headers['x-clickhouse-format'])
  if (format !== undefined && !/^[A-Za-z0-9_]{1,64}$/.test(format)) {
    throw new StatementRefusedError('UNKNOWN_FORMAT', 'Unknown format')
  }
  const compress = take(fields, 'compress') === '1'
  if ((take(fields, 'decompress') ?? '0') !== '0') {
    throw new StatementRefusedError('BAD_ARGUMENTS', 'decompress=1 is not supported', {
      hint: 'Send the statement as it is or with Content-Encoding gzip, deflate or br',
    })
  }
  const protocolVersion = take(fields, 'client_protocol_version') ?? null
  if (protocolVersion !== null && !/^\d{1,6}$/.test(protocolVersion)) {
    throw new StatementRefusedError('BAD_ARGUMENTS', 'client_protocol_version must be a number')
  }
  const queryId = take(fields, 'query_id') ?? null
  const params = takeParams(fields)
  const plain = fields.get('enable_http_compression') === '0'
  return {
    statement,
    params,
    settings: readSettings(fields),
    format: format ?? null,
    compress,
    protocolVersion,
    queryId: queryId !== null && /^[\w.:-]{1,128}$/.test(queryId) ? queryId : null,
    acceptEncoding: plain ? '' : codings(single(headers['accept-encoding']) ?? ''),
  }
}

/** Names and values of the address; each name once, so that nobody has to know which one would count. */
function readFields(target: string): Map<string, string> {
  const fields = new Map<string, string>()
  const start = target.indexOf('?')
  if (start < 0) return fields
  for (const part of target.slice(start + 1).split('&')) {
    if (part === '') continue
    const [, name = '', value = ''] = /^([^=]*)=?([\s\S]*)$/.exec(part) ?? []
    const key = decode(name)
    if (fields.has(key)) throw new StatementRefusedError('BAD_ARGUMENTS', `'${key}' is given twice`)
    fields.set(key, decode(value))
  }
  return fields
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new StatementRefusedError('BAD_ARGUMENTS', 'the address is not percent-encoded UTF-8')
  }
}

function take(fields: Map<string, string>, name: string): string | undefined {
  const value = fields.get(name)
  fields.delete(name)
  return value
}

function takeParams(fields: Map<string, string>): StatementParams {
  const params = new Map<string, string>()
  for (const [name, value] of [...fields]) {
    if (!name.startsWith('param_')) continue
    fields.delete(name)
    const param = name.slice('param_'.length)
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(param)) {
      throw new StatementRefusedError('BAD_ARGUMENTS', `'${name}' is not the name of a parameter`)
    }
    if (value.includes('\0'))
      throw new StatementRefusedError('BAD_ARGUMENTS', `parameter '${param}' has a NUL byte`)
    params.set(param, value)
  }
  return params
}

/** Everybody is `default` without a password, in each of the places where ClickHouse looks for credentials. */
function checkCaller(headers: IncomingHttpHeaders, fields: Map<string, string>): void {
  const users = [take(fields, 'user'), single(headers['x-clickhouse-user'])]
  const passwords = [take(fields, 'password'), single(headers['x-clickhouse-key'])]
  const databases = [take(fields, 'database'), single(headers['x-clickhouse-database'])]
  const { authorization } = headers
  if (authorization !== undefined) {
    const encoded = /^Basic ([A-Za-z0-9+/]*={0,2})$/i.exec(authorization.trim())?.[1]
    const text = encoded === undefined ? '\0' : Buffer.from(encoded, 'base64').toString('utf8')
    const colon = text.indexOf(':')
    users.push(colon < 0 ? text : text.slice(0, colon))
    passwords.push(colon < 0 ? '' : text.slice(colon + 1))
  }
  const certificate = headers['x-clickhouse-ssl-certificate-auth'] !== undefined
  const stranger = users.find(user => user !== undefined && user !== '' && user !== 'default')
  if (stranger !== undefined || certificate || passwords.some(Boolean)) {
    throw new StatementRefusedError(
      'AUTHENTICATION_FAILED',
      `${stranger ?? 'default'}: Authentication failed: password is incorrect, or there is no user with such name`,
      { hint: 'Connect as `default` without a password' },
    )
  }
  const other = databases.find(database => database !== undefined && !['', 'default'].includes(database))
  if (other !== undefined) {
    throw new StatementRefusedError('UNKNOWN_DATABASE', `Database ${other} does not exist`, {
      hint: 'The views are in `default`',
    })
  }
  if (take(fields, 'role') !== undefined) {
    throw new StatementRefusedError('UNKNOWN_ROLE', 'There are no roles')
  }
}

async function readBody({ headers, body, maxBytes }: RawRequest): Promise<string> {
  if (body.length === 0) return ''
  if (/^\s*multipart\//i.test(single(headers['content-type']) ?? '')) {
    throw new StatementRefusedError('BAD_ARGUMENTS', 'multipart bodies (external tables) are not supported', {
      hint: 'Send the statement as the body, parameters as param_<name> in the address',
    })
  }
  const coding = (single(headers['content-encoding']) ?? 'identity').trim().toLowerCase()
  return decodeText(coding === 'identity' || coding === '' ? body : await unpack(coding, body, maxBytes))
}

async function unpack(coding: string, body: Buffer, maxBytes: number): Promise<Buffer> {
  const decoder = Object.hasOwn(decoders, coding) ? decoders[coding] : undefined
  if (decoder === undefined) {
    throw new StatementRefusedError('BAD_ARGUMENTS', `Content-Encoding ${coding} is not supported`, {
      hint: 'Expected gzip, deflate or br',
    })
  }
  try {
    return await decoder(body, { maxOutputLength: maxBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes)
    throw new StatementRefusedError('BAD_ARGUMENTS', `the body is not ${coding}`)
  }
}

function decodeText(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new StatementRefusedError('SYNTAX_ERROR', 'the statement is not UTF-8')
  }
}

function checkStatement(statement: string, maxBytes: number): void {
  if (statement.trim() === '') throw new StatementRefusedError('SYNTAX_ERROR', 'Syntax error: Empty query')
  if (Buffer.byteLength(statement) > maxBytes) throw tooLarge(maxBytes)
  // To the store's parser a NUL byte is the end; what stands behind it would be nobody's.
  if (statement.includes('\0'))
    throw new StatementRefusedError('SYNTAX_ERROR', 'the statement has a NUL byte')
}

export function tooLarge(maxBytes: number): StatementRefusedError {
  return new StatementRefusedError(
    'MAX_QUERY_SIZE',
    `Max query size exceeded: expected at most ${maxBytes} bytes`,
  )
}

/** Codings that the caller names without refusing them (RFC 9110 §12.5.3) and the store knows. */
function codings(accepted: string): string {
  return accepted
    .split(',')
    .map(part => part.trim().toLowerCase())
    .filter(part => !/;\s*q\s*=\s*0(\.0*)?\s*$/.test(part))
    .map(part => part.split(';')[0]?.trim() ?? '')
    .filter(part => CODINGS.has(part))
    .join(', ')
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value
}
