import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parse, stringify } from 'lossless-json'
import { formatHex } from '../../schema/bytes.ts'
import type { RegtestBlock, RegtestView } from './bitcoin-regtest.ts'
import { blockJson, chainInfoJson, headerJson, rawTransactionJson, unspentJson } from './core-json.ts'

export interface RegtestNodeSettings {
  /** 0 or none: any free port. */
  port?: number
  host?: string
  /** `user:password` that callers must send; none lets everybody in. */
  credentials?: string
}

/** A server that answers like bitcoind. */
export interface RegtestNode {
  /** Where to call it, without credentials. */
  url: string
  close(): Promise<void>
}

const MAX_REQUEST_BYTES = 4 * 1024 * 1024

/** Serves a chain as JSON-RPC over HTTP the way bitcoind does, its errors included. */
export async function startRegtestNode(
  chain: RegtestView,
  settings: RegtestNodeSettings = {},
): Promise<RegtestNode> {
  const host = settings.host ?? '127.0.0.1'
  const expected =
    settings.credentials === undefined
      ? null
      : `Basic ${Buffer.from(settings.credentials).toString('base64')}`
  const server = createServer((request, response) => {
    serve(chain, expected, request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(settings.port ?? 0, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host}:${port}/`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close(error => (error ? reject(error) : resolve()))
        server.closeAllConnections()
      }),
  }
}

async function serve(
  chain: RegtestView,
  expected: string | null,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'POST') return send(response, 405, 'JSONRPC server handles only POST requests')
  if (expected !== null && request.headers.authorization !== expected) {
    response.setHeader('www-authenticate', 'Basic realm="jsonrpc"')
    return send(response, 401, '')
  }
  const body = await readBody(request)
  if (body === null) return send(response, 413, '')
  const { status, body: text } = answerRegtestCall(chain, body)
  send(response, status, text)
}

/** What bitcoind answers to the body of a request, a single call or many. */
export function answerRegtestCall(chain: RegtestView, request: string): { status: number; body: string } {
  const call = parseCall(request)
  if (Array.isArray(call)) {
    return { status: 200, body: `[${call.map(one => answer(chain, one).body).join(',')}]\n` }
  }
  const { status, body } = answer(chain, call)
  return { status, body: `${body}\n` }
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body)
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request) {
    size += part.length
    if (size > MAX_REQUEST_BYTES) return null
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** A refusal with the code that bitcoind gives it. */
class RpcRefusal extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

const METHOD_NOT_FOUND = -32601
const INVALID_REQUEST = -32600
const PARSE_ERROR = -32700
const INVALID_PARAMETER = -8
const NOT_FOUND = -5
const WRONG_TYPE = -3

function parseCall(body: string): unknown {
  try {
    return parse(body, null, Number)
  } catch {
    return new RpcRefusal(PARSE_ERROR, 'Parse error')
  }
}

function answer(chain: RegtestView, call: unknown): { status: number; body: string } {
  const id = typeof call === 'object' && call !== null && 'id' in call ? call.id : null
  try {
    const { method, params } = readCall(call)
    return { status: 200, body: stringify({ result: perform(chain, method, params), error: null, id })! }
  } catch (error) {
    const refusal = error instanceof RpcRefusal ? error : new RpcRefusal(-1, String(error))
    const { code, message } = refusal
    const status = code === METHOD_NOT_FOUND ? 404 : code === INVALID_REQUEST ? 400 : 500
    return { status, body: stringify({ result: null, error: { code, message }, id })! }
  }
}

function readCall(call: unknown): { method: string; params: readonly unknown[] } {
  if (call instanceof RpcRefusal) throw call
  if (typeof call !== 'object' || call === null) {
    throw new RpcRefusal(INVALID_REQUEST, 'Invalid Request object')
  }
  const { method, params = [] } = call as { method?: unknown; params?: unknown }
  if (typeof method !== 'string') throw new RpcRefusal(INVALID_REQUEST, 'Method must be a string')
  if (!Array.isArray(params)) throw new RpcRefusal(INVALID_REQUEST, 'Params must be an array or object')
  return { method, params }
}

type Method = (chain: RegtestView, params: readonly unknown[]) => unknown

const METHODS = new Map<string, Method>([
  ['getblockchaininfo', chain => chainInfoJson(chain)],
  ['getblockcount', chain => chain.head.height],
  ['getbestblockhash', chain => chain.head.hash],
  [
    'getblockhash',
    (chain, [height]) => {
      const block = chain.blockAt(integer(height))
      if (!block) throw new RpcRefusal(INVALID_PARAMETER, 'Block height out of range')
      return block.hash
    },
  ],
  ['getblock', (chain, [hash, level]) => blockJson(chain, findBlock(chain, hash), verbosity(level, 1))],
  [
    'getblockheader',
    (chain, [hash, verbose]) => {
      const block = findBlock(chain, hash)
      return verbose === false ? formatHex(block.bytes.subarray(0, 80)) : headerJson(chain, block)
    },
  ],
  ['getrawtransaction', getRawTransaction],
  ['gettxout', (chain, [txid, vout]) => unspentJson(chain, hashText(txid, 'txid'), integer(vout))],
])

function perform(chain: RegtestView, name: string, params: readonly unknown[]): unknown {
  const method = METHODS.get(name)
  if (!method) throw new RpcRefusal(METHOD_NOT_FOUND, 'Method not found')
  return method(chain, params)
}

function getRawTransaction(chain: RegtestView, [id, level, blockHash]: readonly unknown[]): unknown {
  const txid = hashText(id, 'parameter 1')
  if (txid === chain.blockAt(0)!.transactions[0]!.getId()) {
    throw new RpcRefusal(
      NOT_FOUND,
      'The genesis block coinbase is not considered an ordinary transaction and cannot be retrieved',
    )
  }
  const named = blockHash === undefined || blockHash === null ? null : findBlock(chain, blockHash)
  const found = named ? locate(named, txid) : chain.transaction(txid)
  if (!found) {
    const where = named
      ? 'No such transaction found in the provided block'
      : 'No such mempool or blockchain transaction'
    throw new RpcRefusal(NOT_FOUND, `${where}. Use gettransaction for wallet transactions.`)
  }
  const detail = verbosity(level, 0)
  if (detail <= 0) return found.block.transactions[found.index]!.toHex()
  const json = rawTransactionJson(chain, found.block, found.index, detail)
  return named ? { in_active_chain: chain.isActive(named), ...json } : json
}

function locate(block: RegtestBlock, txid: string): { block: RegtestBlock; index: number } | undefined {
  const index = block.transactions.findIndex(tx => tx.getId() === txid)
  return index < 0 ? undefined : { block, index }
}

function findBlock(chain: RegtestView, hash: unknown): RegtestBlock {
  const block = chain.blockByHash(hashText(hash, 'blockhash'))
  if (!block) throw new RpcRefusal(NOT_FOUND, 'Block not found')
  return block
}

function hashText(value: unknown, name: string): string {
  if (typeof value !== 'string') {
    throw new RpcRefusal(WRONG_TYPE, `JSON value of type ${typeName(value)} is not of expected type string`)
  }
  if (value.length !== 64) {
    throw new RpcRefusal(
      INVALID_PARAMETER,
      `${name} must be of length 64 (not ${value.length}, for '${value}')`,
    )
  }
  if (!/^[0-9a-f]+$/i.test(value)) {
    throw new RpcRefusal(INVALID_PARAMETER, `${name} must be hexadecimal string (not '${value}')`)
  }
  return value.toLowerCase()
}

function integer(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw new RpcRefusal(WRONG_TYPE, `JSON value of type ${typeName(value)} is not of expected type number`)
}

/** `true` and `false` are the old spelling of 1 and 0. */
function verbosity(value: unknown, otherwise: number): number {
  if (value === undefined || value === null) return otherwise
  return typeof value === 'boolean' ? Number(value) : integer(value)
}

function typeName(value: unknown): string {
  return value === undefined
    ? 'null'
    : Array.isArray(value)
      ? 'array'
      : value === null
        ? 'null'
        : typeof value
}
