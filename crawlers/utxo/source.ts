import { formatHex, parseHex } from '../../schema/bytes.ts'
import type { ChainSource, Identity } from '../../schema/chain.ts'
import {
  EndpointError,
  MalformedAnswerError,
  NotAvailableError,
  RpcError,
  WrongChainError,
} from '../../schema/errors.ts'
import type { ParseJson } from '../recording.ts'
import type { Rpc } from '../rpc.ts'
import type { BlockFormat, BlockReader } from './block.ts'
import {
  type NodeBlock,
  parseHexText,
  parseNodeJson,
  readHashText,
  readHeight,
  readNodeBlock,
  readPreviousTransaction,
} from './node-json.ts'
import { fetchPrevious, pickOutputs, previousHashes, readRecordedPrevious } from './previous.ts'
import type { SpentOutput, UtxoRaw } from './raw.ts'
import { rebuildBlock, toldOutputs } from './rebuild.ts'
import { recordedHeightOf, recordedHeights } from './recorded.ts'
import { fillOpen, openInputs, spentInBlock } from './spent.ts'
import { surveyNode } from './survey.ts'
import { fetchUnspent } from './unspent.ts'

/** What a source must know of its chain. */
export interface SourceRules {
  /** `chain` in `getblockchaininfo`: main, test, regtest. */
  network: string
  /** Hash of block 0 as printed; null when it is not known. */
  genesisHash: string | null
  format: BlockFormat
  read: BlockReader
}

/** "Invalid address or key" and "Invalid parameter": what nodes say of blocks that they do not have. */
const NOT_FOUND_CODES = [-5, -8]
/** Descriptions of a block from the most to the least telling. */
const VERBOSITIES = [3, 2, 1]

/** One call; a block or transaction that the node does not have is `NotAvailableError`, whatever the node calls it. */
async function ask(rpc: Rpc, method: string, params: readonly unknown[], parse: ParseJson): Promise<unknown> {
  try {
    return await rpc.call(method, params, { parse })
  } catch (error) {
    if (error instanceof RpcError && NOT_FOUND_CODES.includes(error.rpcCode)) {
      throw new NotAvailableError(error.message, { cause: error })
    }
    throw error
  }
}

/** An answer, or null when the node does not have it or does not understand the call. */
async function askIfThere(
  rpc: Rpc,
  method: string,
  params: readonly unknown[],
  parse: ParseJson,
): Promise<unknown> {
  try {
    return await ask(rpc, method, params, parse)
  } catch (error) {
    if (error instanceof NotAvailableError || error instanceof RpcError) return null
    throw error
  }
}

async function askHash(rpc: Rpc, height: number): Promise<string> {
  return readHashText(await ask(rpc, 'getblockhash', [height], JSON.parse), `getblockhash ${height}`)
}

async function askRaw(rpc: Rpc, hash: string): Promise<Buffer | null> {
  const answer = await askIfThere(rpc, 'getblock', [hash, 0], JSON.parse)
  // Nodes from before verbosity levels take 0 for "not verbose" or describe the block all the same.
  return typeof answer === 'string' ? parseHexText(answer, `getblock ${hash} 0`) : null
}

async function askDescription(rpc: Rpc, hash: string, verbosity: number): Promise<NodeBlock | null> {
  const answer = await askIfThere(rpc, 'getblock', [hash, verbosity], parseNodeJson)
  if (answer === null) return null
  const block = readNodeBlock(answer, `getblock ${hash} ${verbosity}`)
  if (block.hash !== hash) throw new MalformedAnswerError(`getblock ${hash}: got block ${block.hash}`)
  return block
}

/** Bytes of the transactions that a description only names. */
async function askTransactions(rpc: Rpc, { hash, tx }: NodeBlock): Promise<Map<string, Buffer>> {
  const txids = tx.filter(entry => typeof entry === 'string')
  const calls = txids.map(txid => ({ method: 'getrawtransaction', params: [txid, 1] }))
  const answers = await rpc.callMany(calls, { parse: parseNodeJson })
  return new Map(
    answers.map((answer, at) => {
      const txid = txids[at]!
      if (answer instanceof EndpointError) throw answer
      if (answer instanceof Error) {
        throw new NotAvailableError(`block ${hash}: transaction ${txid} is missing`, { cause: answer })
      }
      const { hex } = readPreviousTransaction(answer, `getrawtransaction ${txid}`)
      if (!hex) throw new NotAvailableError(`block ${hash}: transaction ${txid} came without its bytes`)
      return [txid, hex]
    }),
  )
}

function createRaw(height: number, hash: string, bytes: Buffer, read: BlockReader): UtxoRaw {
  const spent = spentInBlock(read(bytes))
  return { height, hash: parseHex(hash, 32), bytes, spent, medianTime: null, chainWork: null }
}

async function rebuildRaw(
  rpc: Rpc,
  block: NodeBlock,
  height: number,
  { format, read }: SourceRules,
): Promise<UtxoRaw> {
  if (block.height !== height) {
    throw new MalformedAnswerError(`block ${block.hash}: expected height ${height}, got ${block.height}`)
  }
  const bytes = await askTransactions(rpc, block)
  const raw = createRaw(
    height,
    block.hash,
    rebuildBlock(block, format, txid => bytes.get(txid)!),
    read,
  )
  return {
    ...attachTold(raw, block),
    medianTime: block.mediantime ?? null,
    chainWork: block.chainwork === undefined ? null : BigInt(`0x${block.chainwork}`),
  }
}

/** The block with what its description tells of previous outputs. */
function attachTold(raw: UtxoRaw, block: NodeBlock): UtxoRaw {
  const told = toldOutputs(block)
  if (told.length === 0) return raw
  if (told.length !== raw.spent.length) {
    throw new MalformedAnswerError(
      `block ${block.hash}: expected ${raw.spent.length} inputs in the description, got ${told.length}`,
    )
  }
  return { ...raw, spent: raw.spent.map((output, at) => output ?? told[at] ?? null) }
}

async function fetchBlock(rpc: Rpc, hash: string, height: number, rules: SourceRules): Promise<UtxoRaw> {
  const bytes = await askRaw(rpc, hash)
  if (bytes) return createRaw(height, hash, bytes, rules.read)
  for (const verbosity of VERBOSITIES) {
    const block = await askDescription(rpc, hash, verbosity)
    if (block) return rebuildRaw(rpc, block, height, rules)
  }
  throw new NotAvailableError(`no endpoint has block ${hash} (height ${height})`)
}

async function heightOf(rpc: Rpc, hash: string): Promise<number> {
  const header = await askIfThere(rpc, 'getblockheader', [hash, true], JSON.parse)
  if (typeof header === 'object' && header !== null && 'height' in header) {
    return readHeight(header.height, `getblockheader ${hash}`)
  }
  const block = (await askDescription(rpc, hash, 1)) ?? (await askDescription(rpc, hash, 2))
  return block ? block.height : recordedHeightOf(rpc.recordings, hash)
}

async function identify(rpc: Rpc, rules: SourceRules): Promise<Identity> {
  const told: [string, string | null, unknown][] = []
  const genesis = await askIfThere(rpc, 'getblockhash', [0], JSON.parse)
  told.push(['genesisHash', rules.genesisHash, genesis])
  const info = await askIfThere(rpc, 'getblockchaininfo', [], JSON.parse)
  const network = typeof info === 'object' && info !== null && 'chain' in info ? info.chain : null
  told.push(['network', rules.network, network])
  for (const [what, expected, got] of told) {
    if (expected !== null && got !== null && got !== expected) {
      throw new WrongChainError(`${what}: expected ${expected}, the node says ${JSON.stringify(got)}`, {
        hint: `endpoints: ${rpc.names.join(', ')}`,
      })
    }
  }
  const isChecked = ([, expected, got]: (typeof told)[number]) => expected !== null && got !== null
  return {
    checked: told.filter(isChecked).map(([what]) => what),
    unchecked: told.filter(entry => !isChecked(entry)).map(([what]) => what),
  }
}

/** A recording that does not tell its head ends with its highest block. */
async function head(rpc: Rpc): Promise<number> {
  try {
    return readHeight(await ask(rpc, 'getblockcount', [], JSON.parse), 'getblockcount')
  } catch (error) {
    if (!(error instanceof NotAvailableError)) throw error
    const highest = (await recordedHeights(rpc.recordings)).at(-1)
    if (highest === undefined) throw error
    return highest
  }
}

/** Where previous outputs may come from, best proof first. */
type FindPrevious = (raw: UtxoRaw, inputs: ReturnType<typeof openInputs>) => Promise<UtxoRaw>

function previousFinders(rpc: Rpc, format: BlockFormat): FindPrevious[] {
  const fill = (raw: UtxoRaw, found: readonly (SpentOutput | null)[]) => fillOpen(raw, found)
  return [
    async (raw, inputs) =>
      fill(raw, pickOutputs(inputs, await fetchPrevious(rpc, previousHashes(inputs), format))),
    async (raw, inputs) =>
      fill(raw, pickOutputs(inputs, await readRecordedPrevious(rpc, raw.height, format))),
    async raw => {
      const block = await askDescription(rpc, formatHex(raw.hash), 3)
      return block ? attachTold(raw, block) : raw
    },
  ]
}

/** Opens a chain of the family behind JSON-RPC endpoints or recordings of them. */
export function openUtxoSource(rpc: Rpc, rules: SourceRules): ChainSource<UtxoRaw> {
  const { format } = rules
  const finders = previousFinders(rpc, format)
  return {
    identify: () => identify(rpc, rules),
    head: () => head(rpc),
    finalized: async () => null,
    hashAt: async height => parseHex(await askHash(rpc, height), 32),
    blockAt: async height => fetchBlock(rpc, await askHash(rpc, height), height, rules),
    blockByHash: async hash => fetchBlock(rpc, hash, await heightOf(rpc, hash), rules),
    recordedHeights: async () => (rpc.recordings.length === 0 ? null : recordedHeights(rpc.recordings)),
    survey: () => surveyNode(rpc),
    coins: { kind: 'outputs', unspent: outpoints => fetchUnspent(rpc, outpoints) },
    async attachPrevious(raw) {
      const block = rules.read(raw.bytes)
      let attached = raw
      for (const find of finders) {
        const open = openInputs(block, attached)
        if (open.length === 0) break
        attached = await find(attached, open)
      }
      return attached
    },
  }
}
