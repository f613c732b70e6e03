import { createHash } from 'node:crypto'

/** Repeatable choices: the same seed gives the same ones in the same order. */
export interface Randomness {
  /** An integer in `[0, below)`. */
  integer(below: number): number
  pick<T>(items: readonly T[]): T
}

export function createRandomness(seed: string): Randomness {
  let drawn = 0
  function integer(below: number): number {
    const digest = createHash('sha256').update(`${seed}/${drawn++}`).digest()
    return Number(digest.readBigUInt64LE(0) % BigInt(below))
  }
  return { integer, pick: items => items[integer(items.length)]! }
}
