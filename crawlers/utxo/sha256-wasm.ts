import {
  ADD,
  BRANCH_IF,
  type Code,
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
  tee,
} from '../wasm.ts'

/**
 * SHA-256 of SHA-256 (FIPS 180-4, 6.2) as a WebAssembly module, made here instruction by instruction. Bitcoin hashes many
 * short messages that way, and a call into the library of Node costs more than the hashing of one.
 */

/** Bytes of a block, and of a digest. */
export const BLOCK = 64
export const DIGEST = 32

/** Where things lie in the module's memory. */
export const STATE_AT = 0
const SCHEDULE_AT = 64
const CONSTANTS_AT = 512
/** The initial state, then a block that waits for a digest in its first half, padded. */
const INITIAL_AT = 768
const SECOND_AT = 832
export const INPUT_AT = 1024
const ROUNDS = 64

/** What the module exports: hashes padded blocks twice and leaves the digest in the state. */
interface Sha256Functions {
  hashTwice(at: number, blocks: number): void
}

/** The first 32 bits of the fractional part of a root (FIPS 180-4, 4.2.2 and 5.3.3), by whole numbers alone. */
function fraction(prime: number, degree: 2 | 3): number {
  // The root of prime · 2^(32 · degree) is the root of prime times 2^32.
  const target = BigInt(prime) << BigInt(32 * degree)
  let root = 0n
  for (let bit = 1n << 40n; bit > 0n; bit >>= 1n) {
    if ((root + bit) ** BigInt(degree) <= target) root += bit
  }
  return Number(root & 0xffff_ffffn)
}

function primes(count: number): number[] {
  const found: number[] = []
  for (let candidate = 2; found.length < count; candidate++) {
    if (found.every(prime => candidate % prime !== 0)) found.push(candidate)
  }
  return found
}

const load = (offset: number): Code => [0x28, 0, ...leb(offset)]
const store = (offset: number): Code => [0x36, 0, ...leb(offset)]
const AND = [0x71]
const OR = [0x72]
const XOR = [0x73]
const SHIFT = [0x76]
const ROTATE = [0x78]
const call = (index: number): Code => [0x10, index]
const rotated = (local: number, bits: number): Code => [...get(local), ...i32(bits), ...ROTATE]

/** Big-endian words of a block: 16 bytes at a time, each word's bytes turned round. */
function loadWords(at: number): Code {
  const turn = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12]
  return [0, 16, 32, 48].flatMap(offset => [
    ...i32(0),
    ...[...get(at), ...simd(0x00), 0, ...leb(offset)],
    ...[...get(at), ...simd(0x00), 0, ...leb(offset)],
    ...[...simd(0x0d), ...turn],
    ...[...simd(0x0b), 0, ...leb(SCHEDULE_AT + offset)],
  ])
}

/** Function 0: one block at a place into the state. */
function compressCode(): Code {
  const at = 0
  const word = (place: number) => 1 + place
  const [a, b, c, d, e, f, g, h] = [1, 2, 3, 4, 5, 6, 7, 8].map(place => 16 + place) as [
    ...[number, number, number, number],
    ...[number, number, number, number],
  ]
  const sum = 25
  const names = [a, b, c, d, e, f, g, h]
  const smallSigma = (local: number, first: number, second: number, shift: number): Code => [
    ...[...rotated(local, first), ...rotated(local, second), ...XOR],
    ...[...get(local), ...i32(shift), ...SHIFT, ...XOR],
  ]
  const bigSigma = (local: number, bits: readonly [number, number, number]): Code => [
    ...[...rotated(local, bits[0]), ...rotated(local, bits[1]), ...XOR],
    ...[...rotated(local, bits[2]), ...XOR],
  ]
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const w = word(round % 16)
    if (round >= 16) {
      rounds.push(
        ...[...get(w), ...smallSigma(word((round + 1) % 16), 7, 18, 3), ...ADD],
        ...[...get(word((round + 9) % 16)), ...ADD],
        ...[...smallSigma(word((round + 14) % 16), 17, 19, 10), ...ADD, ...set(w)],
      )
    }
    // Instead of moving eight values, their names move.
    const [ra, rb, rc, rd, re, rf, rg, rh] = names.map(
      (_, place) => names[(place + ROUNDS - round) % 8]!,
    ) as [...[number, number, number, number], ...[number, number, number, number]]
    rounds.push(
      ...[...get(rh), ...bigSigma(re, [6, 11, 25]), ...ADD],
      ...[...get(rf), ...get(rg), ...XOR, ...get(re), ...AND, ...get(rg), ...XOR, ...ADD],
      ...[...i32(0), ...load(CONSTANTS_AT + round * 4), ...ADD, ...get(w), ...ADD, ...tee(sum)],
      ...[...get(rd), ...ADD, ...set(rd)],
      ...[...get(sum), ...bigSigma(ra, [2, 13, 22]), ...ADD],
      ...[...get(ra), ...get(rb), ...AND, ...get(ra), ...get(rb), ...OR, ...get(rc), ...AND, ...OR, ...ADD],
      ...set(rh),
    )
  }
  const places = [...names.keys()]
  return functionBody(
    [[25, I32]],
    [
      ...loadWords(at),
      ...[...Array(16).keys()].flatMap(place => [
        ...i32(0),
        ...load(SCHEDULE_AT + place * 4),
        ...set(word(place)),
      ]),
      ...places.flatMap(place => [...i32(0), ...load(STATE_AT + place * 4), ...set(names[place]!)]),
      ...rounds,
      ...places.flatMap(place => [
        ...[...i32(0), ...i32(0), ...load(STATE_AT + place * 4)],
        ...[...get(names[place]!), ...ADD, ...store(STATE_AT + place * 4)],
      ]),
    ],
  )
}

/** Copies 32 bytes; the words turned round where they go to or come from a message. */
function copy32(from: number, to: number, turned: boolean): Code {
  const turn = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12]
  return [0, 16].flatMap(offset => {
    const half = [...i32(0), ...simd(0x00), 0, ...leb(from + offset)]
    const words = turned ? [...half, ...half, ...simd(0x0d), ...turn] : half
    return [...i32(0), ...words, ...simd(0x0b), 0, ...leb(to + offset)]
  })
}

/** Function 1: padded blocks at a place, then their digest. */
function hashTwiceCode(): Code {
  const [at, blocks] = [0, 1]
  return functionBody(
    [],
    [
      ...copy32(INITIAL_AT, STATE_AT, false),
      ...loop([
        ...[...get(at), ...call(0), ...get(at), ...i32(BLOCK), ...ADD, ...set(at)],
        ...[...get(blocks), ...i32(1), ...SUB, ...tee(blocks), ...BRANCH_IF],
      ]),
      ...copy32(STATE_AT, SECOND_AT, true),
      ...copy32(INITIAL_AT, STATE_AT, false),
      ...[...i32(SECOND_AT), ...call(0)],
      ...copy32(STATE_AT, STATE_AT, true),
    ],
  )
}

function words(values: readonly number[]): number[] {
  return values.flatMap(value => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24])
}

/** The second hash's block behind the digest: a one bit, zeros, and the length of 256 bits. */
const DIGEST_PADDING = [0x80, ...new Array<number>(29).fill(0), 1, 0]

/** An instance with a memory of its own. */
export function openSha256() {
  return instantiate<Sha256Functions>({
    pages: 1,
    functions: [
      { parameters: 1, body: compressCode() },
      { parameters: 2, body: hashTwiceCode(), exported: 'hashTwice' },
    ],
    data: [
      { at: CONSTANTS_AT, bytes: words(primes(ROUNDS).map(prime => fraction(prime, 3))) },
      { at: INITIAL_AT, bytes: words(primes(8).map(prime => fraction(prime, 2))) },
      { at: SECOND_AT + DIGEST, bytes: DIGEST_PADDING },
    ],
  })
}
