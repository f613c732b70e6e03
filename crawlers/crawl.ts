import type { OutputLookup } from '../schema/chain.ts'
import { AppError } from '../schema/errors.ts'
import type { Appender } from './appender.ts'
import type { Chain } from './chain.ts'
import { fetchBlocks } from './fetch.ts'
import type { Crawled } from './fork.ts'
import type { Nodes, Place } from './nodes.ts'
import type { Pace } from './pace.ts'

export interface FailedFetch {
  height: number
  error: unknown
}

/** Proven blocks from nodes, as events for the log. */
export interface Crawler {
  /** @param withOutputs whether spent outputs are asked of the node where no stored block has them. */
  crawl(place: Place, withOutputs: boolean): Promise<Crawled>
  /** Fetches ahead, hands on in order. @returns what could not be had. */
  pump(
    heights: readonly number[],
    to: Appender,
    options: { withOutputs: boolean; onDone?: () => void },
  ): Promise<FailedFetch[]>
}

/** Blocks that go into the log with one append. */
export const APPEND_BLOCKS = 32
export const APPEND_BYTES = 4 * 1024 * 1024

export function createCrawler<Raw>(
  deps: { chain: Chain<Raw>; nodes: Nodes<Raw>; findOutputs: OutputLookup; lookAhead: number; pace: Pace },
  signal: AbortSignal,
): Crawler {
  const { chain, nodes, findOutputs, pace } = deps

  async function crawl(place: Place, withOutputs: boolean): Promise<Crawled> {
    return nodes.take(place, async (raw, source) => {
      const verified = chain.verify(raw)
      const whole = withOutputs ? await attachOutputs(raw, source) : raw
      const { height, hash, parentHash } = verified
      return { verified, event: { kind: 'block', height, hash, parentHash, payload: chain.encode(whole) } }
    })
  }

  /** Spent outputs: from stored blocks as far as they are there, else from the node. */
  async function attachOutputs(raw: Raw, source: Pick<Nodes<Raw>, 'attachPrevious'>): Promise<Raw> {
    const open = chain.outputs?.open(raw) ?? []
    if (open.length === 0 || !chain.outputs) return raw
    const found = await findOutputs(open)
    const attached = chain.outputs.attach(raw, found)
    return source.attachPrevious && found.includes(null) ? source.attachPrevious(attached) : attached
  }

  async function pump(
    heights: readonly number[],
    to: Appender,
    options: { withOutputs: boolean; onDone?: () => void },
  ): Promise<FailedFetch[]> {
    const failed: FailedFetch[] = []
    let group: Crawled[] = []
    let bytes = 0
    const flush = async () => {
      await to.append(group.map(block => block.event))
      pace.advance(group.length)
      group = []
      bytes = 0
    }
    const source = { blockAt: (height: number) => crawl({ height }, options.withOutputs) }
    for await (const fetched of fetchBlocks(source, heights, deps.lookAhead)) {
      signal.throwIfAborted()
      try {
        if ('error' in fetched) throw fetched.error
        group.push(fetched.raw)
        bytes += fetched.raw.event.payload.length
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        failed.push({ height: fetched.height, error })
      }
      options.onDone?.()
      if (group.length >= APPEND_BLOCKS || bytes >= APPEND_BYTES) await flush()
    }
    await flush()
    return failed
  }

  return { crawl, pump }
}
