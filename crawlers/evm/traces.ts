import { MalformedAnswerError, ProofError } from '../../schema/errors.ts'
import {
  type Answer,
  asAddress,
  asBytes,
  asHash,
  asList,
  asNumber,
  asObject,
  asQuantity,
  asText,
  asUint64,
  isAbsent,
  optional,
} from './fields.ts'
import { type CallFrame, FRAME_TYPES, type FrameType } from './raw.ts'

/** The EVM nests calls no deeper than 1024 below the top one (Yellow Paper, 9.4). */
const MAX_DEPTH = 1025
/** Bounds what an answer of many deep frames can make of memory; real blocks stay far below. */
const MAX_PLACES = 20_000_000

/** A frame before it has its place in the tree. */
export type UnplacedFrame = Omit<CallFrame, 'traceAddress' | 'reverted'> & { depth: number }

const NOTHING = Buffer.alloc(0)
const frameTypes = new Set<string>(FRAME_TYPES)

/**
 * Gives frames in depth-first order their trace addresses, and says what a failure above undid.
 * @throws MalformedAnswerError when the depths are not those of one tree.
 */
export function placeFrames(frames: readonly UnplacedFrame[]): CallFrame[] {
  /** Of the frames that are open: children seen so far, place in the parent, and whether nothing of it lasted. */
  const open: { children: number; reverted: boolean }[] = []
  const path: number[] = []
  let places = 0
  return frames.map((frame, at) => {
    const { depth, error } = frame
    if (depth > open.length || (depth === 0) !== (at === 0) || depth > MAX_DEPTH) {
      throw new MalformedAnswerError(
        `trace: expected a tree of at most ${MAX_DEPTH} levels, got depth ${depth}`,
      )
    }
    places += depth
    if (places > MAX_PLACES)
      throw new MalformedAnswerError(`trace: expected at most ${MAX_PLACES} places in a tree`)
    open.length = depth
    path.length = depth
    const parent = open[depth - 1]
    if (parent) path[depth - 1] = parent.children++
    const reverted = error !== null || parent?.reverted === true
    open.push({ children: 0, reverted })
    return placed(frame, path.slice(), reverted)
  })
}

/** One literal: spreading costs several times as much, and there are many frames. */
function placed(frame: UnplacedFrame, traceAddress: number[], reverted: boolean): CallFrame {
  const { type, from, to, value, gas, gasUsed, input, output, error } = frame
  return { type, traceAddress, from, to, value, gas, gasUsed, input, output, error, reverted }
}

/**
 * Call trees as geth's callTracer gives them for a block: `[{result, txHash?}, …]`. Null when the node could not
 * trace one of the transactions.
 * @throws ProofError when a tree names another transaction than the one at its place.
 */
export function readCallTracer(answer: unknown, hashes: readonly Buffer[]): CallFrame[][] | null {
  const trees: CallFrame[][] = []
  for (const [place, entry] of asList(answer, 'debug_traceBlockByNumber').entries()) {
    const where = `trace of transaction ${place}`
    const { result, txHash, error } = asObject(entry, where)
    if (isAbsent(result) && !isAbsent(error)) return null
    if (!isAbsent(txHash)) expectHash(asHash(txHash, where, 'txHash'), hashes[place], where)
    trees.push(placeFrames(flatten(asObject(result, where), where)))
  }
  return trees
}

function expectHash(got: Buffer, expected: Buffer | undefined, where: string): void {
  if (expected?.equals(got)) return
  throw new ProofError(
    'traces',
    `${where}: expected ${expected?.toString('hex')}, got ${got.toString('hex')}`,
  )
}

/** Depth first with a stack of our own: how deep an answer nests is up to the node. */
function flatten(top: Answer, where: string): UnplacedFrame[] {
  const frames: UnplacedFrame[] = []
  const todo: { node: Answer; depth: number }[] = [{ node: top, depth: 0 }]
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { node, depth } = next
    if (depth > MAX_DEPTH) {
      throw new MalformedAnswerError(`${where}: expected at most ${MAX_DEPTH} nested calls, got more`)
    }
    frames.push(readFrame(node, depth, where))
    if (isAbsent(node.calls)) continue
    const calls = asList(node.calls, where)
    for (let at = calls.length - 1; at >= 0; at--) {
      todo.push({ node: asObject(calls[at], where), depth: depth + 1 })
    }
  }
  return frames
}

function readFrame(node: Answer, depth: number, where: string): UnplacedFrame {
  const type = readType(node.type, where)
  const error = readError(node, where)
  const failedCreation = error !== null && (type === 'CREATE' || type === 'CREATE2')
  return {
    depth,
    type,
    from: asAddress(node.from, where, 'from'),
    to: failedCreation ? null : readTarget(node.to, type, where),
    value: optional(node.value, where, 'value', asQuantity) ?? 0n,
    gas: optional(node.gas, where, 'gas', asUint64),
    gasUsed: optional(node.gasUsed, where, 'gasUsed', asUint64),
    input: optional(node.input, where, 'input', asBytes) ?? NOTHING,
    output: optional(node.output, where, 'output', asBytes) ?? NOTHING,
    error,
  }
}

function readType(value: unknown, where: string): FrameType {
  const type = asText(value, where, 'type').toUpperCase()
  if (frameTypes.has(type)) return type as FrameType
  throw new MalformedAnswerError(
    `${where}: expected one of ${FRAME_TYPES.join(', ')}, got ${type.slice(0, 40)}`,
  )
}

function readTarget(value: unknown, type: FrameType, where: string): Buffer | null {
  const to = optional(value, where, 'to', asAddress)
  if (to === null && type !== 'CREATE' && type !== 'CREATE2') {
    throw new MalformedAnswerError(`${where}: expected ${type} to have to, got none`)
  }
  return to
}

function readError(node: Answer, where: string): string | null {
  const error = optional(node.error, where, 'error', asText)
  if (error === null || isAbsent(node.revertReason)) return error
  return `${error}: ${asText(node.revertReason, where, 'revertReason')}`
}

/**
 * Call frames as OpenEthereum's and Erigon's `trace_block` gives them: one flat list for the block, rewards among it
 * (which are not frames).
 */
export function readTraceBlock(answer: unknown, hashes: readonly Buffer[]): CallFrame[][] {
  const trees: { frames: UnplacedFrame[]; addresses: string[] }[] = hashes.map(() => ({
    frames: [],
    addresses: [],
  }))
  for (const [at, entry] of asList(answer, 'trace_block').entries()) {
    const where = `trace ${at}`
    const node = asObject(entry, where)
    if (node.type === 'reward') continue
    const place = readPosition(node, where)
    const tree = trees[place]
    if (tree === undefined) {
      throw new ProofError('traces', `${where}: expected one of ${hashes.length} transactions, got ${place}`)
    }
    if (!isAbsent(node.transactionHash)) {
      expectHash(asHash(node.transactionHash, where, 'transactionHash'), hashes[place], where)
    }
    const address = asList(node.traceAddress, where)
    tree.frames.push(readFlatFrame(node, address.length, where))
    tree.addresses.push(address.join())
  }
  return trees.map(({ frames, addresses }, place) => {
    const placed = placeFrames(frames)
    placed.forEach((frame, at) => {
      if (frame.traceAddress.join() === addresses[at]) return
      throw new MalformedAnswerError(
        `trace of transaction ${place}: expected address [${frame.traceAddress}] at ${at}, got [${addresses[at]}]`,
      )
    })
    return placed
  })
}

/** `transactionPosition` is a plain number; some nodes write it as a quantity. */
function readPosition(node: Answer, where: string): number {
  const position = node.transactionPosition
  if (typeof position === 'number' && Number.isSafeInteger(position) && position >= 0) return position
  return asNumber(position, where, 'transactionPosition')
}

function readFlatFrame(node: Answer, depth: number, where: string): UnplacedFrame {
  const action = asObject(node.action, `${where}: action`)
  const result = isAbsent(node.result) ? {} : asObject(node.result, `${where}: result`)
  const error = optional(node.error, where, 'error', asText)
  if (node.type === 'suicide' || node.type === 'selfdestruct') return readSuicide(action, depth, error, where)
  const isCreation = node.type === 'create'
  const type = isCreation
    ? readType(action.creationMethod ?? 'create', where)
    : readType(node.type === 'call' ? action.callType : node.type, where)
  return {
    depth,
    type,
    from: asAddress(action.from, where, 'from'),
    to: isCreation ? readCreated(result, error, where) : asAddress(action.to, where, 'to'),
    value: optional(action.value, where, 'value', asQuantity) ?? 0n,
    gas: optional(action.gas, where, 'gas', asUint64),
    gasUsed: optional(result.gasUsed, where, 'gasUsed', asUint64),
    input: optional(isCreation ? action.init : action.input, where, 'input', asBytes) ?? NOTHING,
    output: optional(isCreation ? result.code : result.output, where, 'output', asBytes) ?? NOTHING,
    error,
  }
}

function readCreated(result: Answer, error: string | null, where: string): Buffer | null {
  return error === null ? asAddress(result.address, where, 'address') : null
}

function readSuicide(action: Answer, depth: number, error: string | null, where: string): UnplacedFrame {
  return {
    depth,
    type: 'SELFDESTRUCT',
    from: asAddress(action.address, where, 'address'),
    to: asAddress(action.refundAddress, where, 'refundAddress'),
    value: asQuantity(action.balance, where, 'balance'),
    gas: null,
    gasUsed: null,
    input: NOTHING,
    output: NOTHING,
    error,
  }
}
