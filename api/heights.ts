import { includesHeight, type Ranges } from '../schema/ranges.ts'
import type { Page } from './connection.ts'
import type { ApiContext } from './context.ts'
import type { ChainRecord } from './queries-chain.ts'

/** Height of the newest stored block; null before the first. */
export function tipOf({ ranges }: ChainRecord): number | null {
  return ranges.at(-1)?.[1] ?? null
}

/**
 * Heights up to which blocks are safe and final: as whoever follows the chain says, or whoever followed it last; where
 * nobody ever did, by the rule of the chain's definition in confirmations below the tip. The same as in the view `chains`.
 */
export function finalityOf(
  chain: ChainRecord,
  { load }: Pick<ApiContext, 'load'>,
): { safe: number | null; final: number | null } {
  const follow = load.follow(chain.slug)
  const tip = tipOf(chain)
  const below = (confirmations: number) =>
    tip === null || tip - confirmations + 1 < 0 ? null : tip - confirmations + 1
  return {
    safe: follow?.safe ?? chain.finality?.safe ?? below(chain.confirmations.safe),
    final: follow?.final ?? chain.finality?.final ?? below(chain.confirmations.final),
  }
}

/** Stored blocks from a height up to the tip. */
export function countFrom(ranges: Ranges, height: number): number {
  return ranges.reduce((sum, [low, high]) => sum + Math.max(0, high - Math.max(low, height) + 1), 0)
}

/** The stored heights next to one. */
export function neighbours(ranges: Ranges, height: number): { previous: number | null; next: number | null } {
  return {
    previous: includesHeight(ranges, height - 1) ? height - 1 : null,
    next: includesHeight(ranges, height + 1) ? height + 1 : null,
  }
}

/** Heights of a page of blocks, newest first, one more than it holds where there is one: nothing is read for it. */
export function heightsOf(ranges: Ranges, page: Page): number[] {
  const below = page.after === null ? Number.POSITIVE_INFINITY : Number(page.after[0])
  const above = page.before === null ? -1 : Number(page.before[0])
  const heights: number[] = []
  const ordered = page.backwards ? ranges : ranges.toReversed()
  for (const [low, high] of ordered) {
    const [from, to] = [Math.max(low, above + 1), Math.min(high, below - 1)]
    for (let at = 0; from + at <= to && heights.length <= page.limit; at++) {
      heights.push(page.backwards ? from + at : to - at)
    }
  }
  return heights
}
