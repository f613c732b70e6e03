import { formatHex0x } from '../../schema/bytes.ts'
import type { ChainDefinition, ChainSource, Identity } from '../../schema/chain.ts'
import { EndpointError, NotAvailableError, RpcError, WrongChainError } from '../../schema/errors.ts'
import type { SourceOptions } from '../chain.ts'
import type { Call } from '../endpoint.ts'
import type { Rpc } from '../rpc.ts'
import { type Answer, asAddress, asHash, asList, asNumber, asObject, asQuantity, isAbsent } from './fields.ts'
import { headerHash } from './header.ts'
import { type BlockAnswer, readBlock, readHeader, readReceipts } from './json.ts'
import type { CallFrame, EvmHeader, EvmRaw, EvmReceipt, EvmTransaction, TraceSource } from './raw.ts'
import { readRawBlock, readRawReceipts } from './rlp-block.ts'
import { surveyNode } from './survey.ts'
import { readCallTracer, readTraceBlock } from './traces.ts'

/** How often a call is left out after a node did not know its method, before it is tried again. */
const FORGET_AFTER = 1000

const NEW_HEADS: Call = { method: 'eth_subscribe', params: ['newHeads'] }

/** A block by height or by hash, and the names of the calls that ask for its parts in that way. */
interface Place {
  id: string
  block: string
  uncle: string
  geth: string
}

function placeOfHeight(height: number): Place {
  return {
    id: `0x${height.toString(16)}`,
    block: 'eth_getBlockByNumber',
    uncle: 'eth_getUncleByBlockNumberAndIndex',
    geth: 'debug_traceBlockByNumber',
  }
}

function placeOfHash(hash: string): Place {
  return {
    id: hash,
    block: 'eth_getBlockByHash',
    uncle: 'eth_getUncleByBlockHashAndIndex',
    geth: 'debug_traceBlockByHash',
  }
}

type Told = BlockAnswer & Partial<Pick<EvmRaw, 'uncles'>>

/** Blocks below the head whose receipts no node has forgotten. */
const ALL_HAVE = 64

/** What a chain's nodes differ in. */
export interface SourceQuirks {
  chainId: number
  blobSidecarsInRoot: boolean
  /** A development node is asked for the balances of its own accounts in block 0. */
  tellsAllocations: boolean
}

/** Some nodes tell what no block commits to. */
function withoutSidecar({ sidecar: _told, ...tx }: EvmTransaction): EvmTransaction {
  return tx
}

/** Reads blocks of an Ethereum-like chain from its nodes or from a recording. */
export function openEvmSource(
  rpc: Rpc,
  definition: ChainDefinition,
  quirks: SourceQuirks,
  options: SourceOptions = {},
): ChainSource<EvmRaw> {
  const ask = createAsker(rpc)
  let highest: number | null = null
  let toldReceipts = false

  /**
   * Behind one address there may be several nodes, and the one that is asked for the receipts may not have the block yet:
   * near the head a node that told receipts before has them, or will.
   */
  function expectReceipts(receipts: readonly unknown[] | null, { transactions, header }: Told): void {
    if (transactions.length === 0 || rpc.recordings.length > 0) return
    if (receipts !== null) toldReceipts = true
    else if (toldReceipts && highest !== null && header.height > highest - ALL_HAVE) {
      throw new EndpointError(
        `block ${header.height}: expected the receipts of ${transactions.length} transactions, got none yet`,
      )
    }
  }

  async function complete(
    told: Told,
    place: Place,
    asked: { height: number } | { hash: Buffer },
  ): Promise<EvmRaw> {
    const fromRlp = told.claimedHash === null
    const asksAccounts = quirks.tellsAllocations && told.header.height === 0
    const [receipts, traced, uncles, allocations] = await Promise.all([
      fromRlp ? askRawReceipts(ask, told, place) : askReceipts(ask, rpc, told, place),
      options.traces === false ? NO_TRACES : askTraces(ask, told, place),
      told.uncles ?? askUncles(rpc, told, place),
      asksAccounts ? askAllocations(rpc) : null,
    ])
    expectReceipts(receipts, told)
    return {
      askedHeight: 'height' in asked ? asked.height : null,
      askedHash: 'hash' in asked ? asked.hash : null,
      fromRlp,
      ...told,
      transactions: quirks.blobSidecarsInRoot ? told.transactions : told.transactions.map(withoutSidecar),
      uncles,
      receipts,
      ...traced,
      recoverSenders: options.recoverSenders ?? false,
      ...(allocations && { allocations }),
    }
  }

  return {
    identify: () => identify(rpc, definition, quirks.chainId),
    async head() {
      const answer = await orNull(rpc.call('eth_blockNumber', []))
      if (answer !== null) {
        const height = asNumber(answer, 'eth_blockNumber', '')
        highest = Math.max(highest ?? 0, height)
        return height
      }
      const heights = await recordedHeights(rpc)
      const last = heights?.at(-1)
      if (last === undefined) throw new NotAvailableError(`${definition.slug}: no endpoint tells its head`)
      return last
    },
    async finalized() {
      const answer = await orNull(rpc.call('eth_getBlockByNumber', ['finalized', false]))
      return answer === null ? null : asNumber(asObject(answer, 'finalized').number, 'finalized', 'number')
    },
    async blockAt(height) {
      const place = placeOfHeight(height)
      return complete(await askBlock(ask, place, height), place, { height })
    },
    async hashAt(height) {
      const answer = await orNull(rpc.call('eth_getBlockByNumber', [placeOfHeight(height).id, false]))
      if (answer === null) throw new NotAvailableError(`${definition.slug}: no endpoint has block ${height}`)
      return asHash(asObject(answer, `block ${height}`).hash, `block ${height}`, 'hash')
    },
    async blockByHash(text) {
      const hash = asHash(text, 'blockByHash', '')
      const place = placeOfHash(text.toLowerCase())
      const answer = await ask(place.block, [place.id, true])
      if (answer !== null) return complete(readBlock(answer), place, { hash })
      const height = await findRecorded(rpc, hash)
      if (height === null)
        throw new NotAvailableError(`${definition.slug}: no endpoint has the block ${text}`)
      return { ...(await this.blockAt(height)), askedHeight: null, askedHash: hash }
    },
    ...(rpc.watch && { watchHead: (signal, wake) => rpc.watch!(NEW_HEADS, signal, wake) }),
    survey: () => surveyNode(rpc),
    coins: { kind: 'balances', balancesAt: (height, addresses) => askBalances(rpc, height, addresses) },
    recordedHeights: () => recordedHeights(rpc),
  }
}

/** A call whose absence is an answer: null when no endpoint has it, or every one refuses. */
type Ask = (method: string, params: readonly unknown[]) => Promise<unknown>

/** Null for what is not there. Trouble that may pass is still thrown. */
async function orNull(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof NotAvailableError || error instanceof RpcError) return null
    throw error
  }
}

/** Remembers which methods the nodes do not have. In a recording every call may be there or not, one by one. */
function createAsker(rpc: Rpc): Ask {
  const skips = new Map<string, number>()
  const remembers = rpc.recordings.length === 0
  return async (method, params) => {
    const left = skips.get(method) ?? 0
    if (left > 0) {
      skips.set(method, left - 1)
      return null
    }
    return orNull(
      rpc.call(method, params).catch(error => {
        if (remembers && error instanceof NotAvailableError) skips.set(method, FORGET_AFTER)
        throw error
      }),
    )
  }
}

async function askBlock(ask: Ask, place: Place, height: number): Promise<Told> {
  const answer = await ask(place.block, [place.id, true])
  if (answer !== null) return readBlock(answer)
  const bytes = await ask('debug_getRawBlock', [place.id])
  if (bytes !== null) return readRawBlock(bytes)
  throw new NotAvailableError(`no endpoint has block ${height}`)
}

async function askReceipts(ask: Ask, rpc: Rpc, told: Told, { id }: Place): Promise<EvmReceipt[] | null> {
  const { transactions } = told
  if (transactions.length === 0) return []
  const answer = await ask('eth_getBlockReceipts', [id])
  const list = answer === null ? await askEachReceipt(rpc, told) : asList(answer, 'receipts')
  if (list === null) return null
  expectSameBlock(list, told.claimedHash)
  return readReceipts(list, transactions)
}

async function askEachReceipt(rpc: Rpc, { transactions }: Told): Promise<unknown[] | null> {
  const method = 'eth_getTransactionReceipt'
  const [first, ...rest] = transactions.map(
    (tx): Call => ({ method, params: [`0x${tx.hash.toString('hex')}`] }),
  )
  // One alone first: a block whose receipts are not there must not cost a call for each transaction.
  const answers = await callAll(rpc, first === undefined ? [] : [first])
  if (answers === null) return null
  const others = await callAll(rpc, rest)
  return others === null ? null : [...answers, ...others]
}

/** Every answer; null when one of them is not there. */
async function callAll(rpc: Rpc, calls: readonly Call[]): Promise<unknown[] | null> {
  const answers = await rpc.callMany(calls)
  for (const answer of answers) {
    if (answer === null || answer instanceof NotAvailableError || answer instanceof RpcError) return null
    if (answer instanceof Error) throw answer
  }
  return answers
}

/** A reorg between two calls is not a lie: worth trying again. */
function expectSameBlock(list: readonly unknown[], hash: Buffer | null): void {
  for (const [place, entry] of list.entries()) {
    const { blockHash } = asObject(entry, `receipt ${place}`)
    if (hash === null || isAbsent(blockHash)) continue
    const got = asHash(blockHash, `receipt ${place}`, 'blockHash')
    if (got.equals(hash)) continue
    throw new EndpointError(
      `receipt ${place}: expected one of block ${hash.toString('hex')}, got one of ${got.toString('hex')}`,
    )
  }
}

async function askRawReceipts(ask: Ask, told: Told, { id }: Place): Promise<EvmReceipt[] | null> {
  if (told.transactions.length === 0) return []
  const answer = await ask('debug_getRawReceipts', [id])
  return answer === null ? null : readRawReceipts(answer)
}

type Traced = Pick<EvmRaw, 'traces' | 'traceSource'>

const NO_TRACES: Traced = { traces: null, traceSource: '' }

async function askTraces(ask: Ask, { transactions }: Told, place: Place): Promise<Traced> {
  if (transactions.length === 0) return { traces: [], traceSource: '' }
  const hashes = transactions.map(tx => tx.hash)
  const geth = await ask(place.geth, [place.id, { tracer: 'callTracer' }])
  const traces = geth === null ? null : readCallTracer(geth, hashes)
  if (traces !== null) return tracedBy('debug_traceBlockByNumber', traces)
  const parity = await ask('trace_block', [place.id])
  return parity === null ? NO_TRACES : tracedBy('trace_block', readTraceBlock(parity, hashes))
}

function tracedBy(traceSource: TraceSource, traces: CallFrame[][]): Traced {
  return { traces, traceSource }
}

async function askUncles(rpc: Rpc, { uncleHashes }: Told, place: Place): Promise<EvmHeader[] | null> {
  const calls = uncleHashes.map((_, at) => ({
    method: place.uncle,
    params: [place.id, `0x${at.toString(16)}`],
  }))
  const answers = await callAll(rpc, calls)
  return answers?.map((answer, at) => readHeader(asObject(answer, `uncle ${at}`), `uncle ${at}`)) ?? null
}

/** What the node's own accounts held in block 0; null when it does not tell. */
async function askAllocations(rpc: Rpc): Promise<NonNullable<EvmRaw['allocations']> | null> {
  const [accounts] = (await callAll(rpc, [{ method: 'eth_accounts', params: [] }])) ?? []
  if (accounts === undefined) return null
  const addresses = asList(accounts, 'eth_accounts').map(one => asAddress(one, 'eth_accounts', ''))
  const answers = await callAll(rpc, balanceCalls(0, addresses.map(formatHex0x)))
  return (
    answers?.map((answer, at) => ({
      address: addresses[at]!,
      balance: asQuantity(answer, 'eth_getBalance', ''),
    })) ?? null
  )
}

function balanceCalls(height: number, addresses: readonly string[]): Call[] {
  const { id } = placeOfHeight(height)
  return addresses.map(address => ({ method: 'eth_getBalance', params: [address, id] }))
}

/** Nodes that keep no old states refuse those of blocks that are not near their head. */
async function askBalances(rpc: Rpc, height: number, addresses: readonly string[]): Promise<bigint[]> {
  const answers = await rpc.callMany(balanceCalls(height, addresses))
  return answers.map((answer, at) => {
    if (answer instanceof Error) throw answer
    return asQuantity(answer, `eth_getBalance ${addresses[at]}`, '')
  })
}

async function identify(rpc: Rpc, definition: ChainDefinition, chainId: number): Promise<Identity> {
  const checked: string[] = []
  const unchecked: string[] = []
  const told = await orNull(rpc.call('eth_chainId', []))
  if (told === null) unchecked.push('chainId')
  else {
    const got = asQuantity(told, 'eth_chainId', '')
    if (got !== BigInt(chainId)) throw wrongChain(definition, 'chain id', String(chainId), String(got))
    checked.push('chainId')
  }
  const genesis = definition.genesisHash === null ? null : await askGenesis(rpc)
  if (definition.genesisHash === null || genesis === null) unchecked.push('genesisHash')
  else {
    const got = `0x${asHash(genesis.hash, 'block 0', 'hash').toString('hex')}`
    if (got !== definition.genesisHash)
      throw wrongChain(definition, 'hash of block 0', definition.genesisHash, got)
    checked.push('genesisHash')
  }
  return { checked, unchecked }
}

function wrongChain({ slug }: ChainDefinition, what: string, expected: string, got: string): WrongChainError {
  return new WrongChainError(`${slug}: expected ${what} ${expected}, got ${got}`, {
    hint: 'the endpoint is of another chain: correct its address, or the chain it is configured for',
  })
}

/** Block 0; a recording may hold it in its long form only. */
async function askGenesis(rpc: Rpc): Promise<Answer | null> {
  for (const full of [false, true]) {
    const answer = await orNull(rpc.call('eth_getBlockByNumber', ['0x0', full]))
    if (answer !== null) return asObject(answer, 'block 0')
  }
  return null
}

async function recordedHeights(rpc: Rpc): Promise<number[] | null> {
  if (rpc.recordings.length === 0) return null
  const heights = new Set<number>()
  for (const recording of rpc.recordings) {
    for (const name of await recording.list('eth_getBlockByNumber'))
      addHeight(heights, /^0x([0-9a-f]+)_true$/.exec(name))
    for (const name of await recording.list('debug_getRawBlock'))
      addHeight(heights, /^0x([0-9a-f]+)$/.exec(name))
  }
  return [...heights].sort((a, b) => a - b)
}

function addHeight(heights: Set<number>, found: RegExpExecArray | null): void {
  if (found !== null) heights.add(Number.parseInt(found[1]!, 16))
}

/** A recording has its blocks by height only: which of them has this hash. */
async function findRecorded(rpc: Rpc, hash: Buffer): Promise<number | null> {
  for (const height of (await recordedHeights(rpc)) ?? []) {
    const id = `0x${height.toString(16)}`
    const answer = await orNull(rpc.call('eth_getBlockByNumber', [id, true]))
    if (answer !== null && asObject(answer, 'block').hash === `0x${hash.toString('hex')}`) return height
    const bytes = answer === null ? await orNull(rpc.call('debug_getRawBlock', [id])) : null
    if (bytes !== null && headerHash(readRawBlock(bytes).header).equals(hash)) return height
  }
  return null
}
