import type { ChainSource } from '../schema/chain.ts'

/** A block that was asked for, or why it could not be had. */
export type Fetched<Raw> = { height: number; raw: Raw } | { height: number; error: unknown }

/** Blocks in the order of `heights`, several calls ahead of the reader. One that fails does not stop the others. */
export async function* fetchBlocks<Raw>(
  source: Pick<ChainSource<Raw>, 'blockAt'>,
  heights: readonly number[],
  lookAhead = 16,
): AsyncGenerator<Fetched<Raw>> {
  const ahead: Promise<Fetched<Raw>>[] = []
  let next = 0
  while (next < heights.length || ahead.length > 0) {
    while (next < heights.length && ahead.length < lookAhead) ahead.push(fetchOne(source, heights[next++]!))
    yield await ahead.shift()!
  }
}

async function fetchOne<Raw>(
  source: Pick<ChainSource<Raw>, 'blockAt'>,
  height: number,
): Promise<Fetched<Raw>> {
  try {
    return { height, raw: await source.blockAt(height) }
  } catch (error) {
    return { height, error }
  }
}
