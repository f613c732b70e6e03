import {
  ADD,
  BRANCH_IF,
  type Code,
  constant,
  functionBody,
  get,
  I32,
  i32,
  instantiate,
  leb,
  loop,
  SUB,
  set,
  simd,
  when,
} from '../wasm.ts'

/**
 * Keccak-f[1600] (FIPS 202, 3.2 and 3.3) as a WebAssembly module, made here instruction by instruction: for one state, and
 * for two at once in the lanes of 128-bit registers. It absorbs whole blocks; padding and squeezing are the caller's.
 */

/** Bytes that a block of Keccak-256 absorbs: 1600 bits less twice 256. */
export const RATE = 136
const LANES = 25
const ROUNDS = 24

/** Where things lie in the module's memory. A pair's state is two interleaved ones: lane by lane, first and second. */
export const STATE_AT = 0
export const PAIR_STATE_AT = 256
const CONSTANTS_AT = 1024
const CONSTANT_STRIDE = 16
export const INPUT_AT = 2048
/** Two messages, or parts of them, each with room for so many blocks. */
export const INPUT_BLOCKS = 512
export const SECOND_INPUT_AT = INPUT_AT + INPUT_BLOCKS * RATE
const PAGE = 65_536
const PAGES = Math.ceil((SECOND_INPUT_AT + INPUT_BLOCKS * RATE) / PAGE)

/**
 * What the module exports. Blocks from a place on are absorbed into an empty state, or with `goOn` (1, else 0) into the one
 * in memory, where the new state is left.
 */
interface KeccakFunctions {
  absorb(at: number, blocks: number, goOn: number): void
  absorbPair(first: number, second: number, blocks: number, goOn: number): void
}

/** Rotations by place x + 5y, and round constants, both as FIPS 202 defines them (3.2.2, 3.2.5). */
function rotations(): number[] {
  const offsets = new Array<number>(LANES).fill(0)
  let [x, y] = [1, 0]
  for (let t = 0; t < ROUNDS; t++) {
    offsets[x + 5 * y] = (((t + 1) * (t + 2)) / 2) % 64
    ;[x, y] = [y, (2 * x + 3 * y) % 5]
  }
  return offsets
}

function roundConstants(): bigint[] {
  let register = 1
  const bit = () => {
    const out = register & 1
    register <<= 1
    if (register & 0x100) register ^= 0x171
    return out
  }
  return Array.from({ length: ROUNDS }, () => {
    let constant = 0n
    for (let j = 0; j <= 6; j++) if (bit()) constant |= 1n << BigInt(2 ** j - 1)
    return constant
  })
}

const I64 = 0x7e
const V128 = 0x7b
const memory = (offset: number): Code => [0, ...leb(offset)]

/** The instructions that one state and two at once differ in. */
interface Lane {
  type: number
  /** Bytes of a lane of the state in memory. */
  size: number
  /** Locals that are parameters: places of messages, then the number of blocks and whether to go on. */
  inputs: number
  xor: Code
  load(offset: number): Code
  store(offset: number): Code
  /** The message's lane at an offset, of all messages. */
  message(offset: number): Code
  roundConstant: Code
  /** Top of the stack, kept in a local on the way, rotated. */
  rotate(bits: number, spare: number): Code
  /** a and not b, with b and then a given as locals. */
  andNot(b: number, a: number): Code
}

const ONE: Lane = {
  type: I64,
  size: 8,
  inputs: 1,
  xor: [0x85],
  load: offset => [0x29, ...memory(offset)],
  store: offset => [0x37, ...memory(offset)],
  message: offset => [...get(0), 0x29, ...memory(offset)],
  roundConstant: [0x29, ...memory(CONSTANTS_AT)],
  rotate: bits => (bits === 0 ? [] : [0x42, ...constant(bits), 0x89]),
  andNot: (b, a) => [...get(b), 0x42, 0x7f, 0x85, ...get(a), 0x83],
}

const TWO: Lane = {
  type: V128,
  size: 16,
  inputs: 2,
  xor: simd(0x51),
  load: offset => [...simd(0x00), ...memory(offset)],
  store: offset => [...simd(0x0b), ...memory(offset)],
  // The first message's 64 bits with zeros above, then the second's into the upper half.
  message: offset => [
    ...[...get(1), ...get(0), ...simd(0x5d), ...memory(offset)],
    ...[...simd(0x57), ...memory(offset), 1],
  ],
  roundConstant: [...simd(0x0a), ...memory(CONSTANTS_AT)],
  rotate: (bits, spare) =>
    bits === 0
      ? []
      : [
          ...[...set(spare), ...get(spare), ...i32(bits), ...simd(0xcb)],
          ...[...get(spare), ...i32(64 - bits), ...simd(0xcd), ...simd(0x50)],
        ],
  andNot: (b, a) => [...get(a), ...get(b), ...simd(0x4f)],
}

/** Absorbs blocks of one message, or of two of them, into the state at `stateAt`. */
function absorbCode(lane: Lane, stateAt: number): Code {
  const blocks = lane.inputs
  const goOn = blocks + 1
  const round = blocks + 2
  const a = (place: number) => round + 1 + place
  const b = (place: number) => a(LANES) + place
  const c = (x: number) => b(LANES) + (x % 5)
  const d = (x: number) => c(0) + 5 + (x % 5)
  const spare = d(0) + 5
  const places = [...Array(LANES).keys()]
  const columns = [0, 1, 2, 3, 4]
  const offsets = rotations()
  const theta = [
    ...columns.flatMap(x => [
      ...get(a(x)),
      ...[5, 10, 15, 20].flatMap(y => [...get(a(x + y)), ...lane.xor]),
      ...set(c(x)),
    ]),
    ...columns.flatMap(x => [
      ...[...get(c(x + 1)), ...lane.rotate(1, spare)],
      ...[...get(c(x + 4)), ...lane.xor, ...set(d(x))],
    ]),
  ]
  const rhoPi = places.flatMap(place => {
    const [x, y] = [place % 5, Math.floor(place / 5)]
    const turned = [...get(a(place)), ...get(d(x)), ...lane.xor, ...lane.rotate(offsets[place]!, spare)]
    return [...turned, ...set(b(y + 5 * ((2 * x + 3 * y) % 5)))]
  })
  const chi = places.flatMap(place => {
    const row = place - (place % 5)
    const next = (step: number) => b(row + ((place + step) % 5))
    return [...get(b(place)), ...lane.andNot(next(1), next(2)), ...lane.xor, ...set(a(place))]
  })
  const iota = [...get(a(0)), ...get(round), ...lane.roundConstant, ...lane.xor, ...set(a(0))]
  const permute = [
    ...[...i32(0), ...set(round)],
    ...loop([
      ...[...theta, ...rhoPi, ...chi, ...iota],
      ...[...get(round), ...i32(CONSTANT_STRIDE), ...ADD, ...set(round)],
      ...[...get(round), ...i32(ROUNDS * CONSTANT_STRIDE), ...SUB, ...BRANCH_IF],
    ]),
  ]
  const absorbOne = [
    ...places
      .slice(0, RATE / 8)
      .flatMap(place => [...get(a(place)), ...lane.message(place * 8), ...lane.xor, ...set(a(place))]),
    ...[...Array(lane.inputs).keys()].flatMap(input => [...get(input), ...i32(RATE), ...ADD, ...set(input)]),
    ...permute,
    ...[...get(blocks), ...i32(1), ...SUB, ...set(blocks), ...get(blocks), ...BRANCH_IF],
  ]
  const at = (place: number) => stateAt + place * lane.size
  return functionBody(
    [
      [1, I32],
      [2 * LANES + 11, lane.type],
    ],
    [
      // Locals begin as zeros: the empty state.
      ...[
        ...get(goOn),
        ...when(places.flatMap(place => [...i32(0), ...lane.load(at(place)), ...set(a(place))])),
      ],
      ...loop(absorbOne),
      ...places.flatMap(place => [...i32(0), ...get(a(place)), ...lane.store(at(place))]),
    ],
  )
}

function constantBytes(): Code {
  return roundConstants().flatMap(value => {
    const lane = Buffer.alloc(CONSTANT_STRIDE)
    lane.writeBigUInt64LE(value)
    return [...lane]
  })
}

/** An instance with a memory of its own. */
export function openKeccak() {
  return instantiate<KeccakFunctions>({
    pages: PAGES,
    functions: [
      { parameters: 3, body: absorbCode(ONE, STATE_AT), exported: 'absorb' },
      { parameters: 4, body: absorbCode(TWO, PAIR_STATE_AT), exported: 'absorbPair' },
    ],
    data: [{ at: CONSTANTS_AT, bytes: constantBytes() }],
  })
}
