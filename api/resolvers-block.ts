import { countHeights } from '../schema/ranges.ts'
import { connectionOf, connectionOfAll, type PageArgs, parsePage } from './connection.ts'
import type { ApiContext } from './context.ts'
import type { BlockDetail } from './family.ts'
import { countFrom, finalityOf, heightsOf, neighbours } from './heights.ts'
import { formatNodeId } from './node-id.ts'
import { type BlockRecord, readBlocksByTime } from './queries-block.ts'
import type { ChainRecord } from './queries-chain.ts'
import { readTransactionsOfOrphan, transactionOf } from './queries-transaction.ts'
import { effectNode } from './resolvers-transaction.ts'

/** Blocks of a chain by height, newest first. Which heights there are is known: only the rows are read. */
export async function blockConnection(chain: ChainRecord, args: PageArgs, { load }: ApiContext) {
  const page = parsePage(args, ['number'])
  const heights = page.limit === 0 ? [] : heightsOf(chain.ranges, page)
  const found = await load.block.loadMany(heights.map(height => ({ chain: chain.slug, height })))
  const blocks = found.filter(block => block !== null).map(throwing)
  return connectionOf(
    page,
    blocks,
    block => [block.height],
    () => countHeights(chain.ranges),
  )
}

function throwing<T>(value: T | Error): T {
  if (value instanceof Error) throw value
  return value
}

/**
 * Blocks of all chains by time, newest first. Where the list begins is known from the ends of the chains: as many blocks of
 * each as the page holds are enough to say how far back in time it reaches.
 */
export async function allBlocksConnection(args: PageArgs, { load, read }: ApiContext) {
  const page = parsePage(args, ['number', 'string', 'number'])
  const stored = (await load.chains()).all.filter(chain => chain.ranges.length > 0)
  const total = stored.reduce((sum, chain) => sum + countHeights(chain.ranges), 0)
  const ends = (chain: ChainRecord) =>
    heightsOf(chain.ranges, { ...page, after: null, before: null }).map(height => ({
      chain: chain.slug,
      height,
    }))
  const isWithin = (page.backwards ? page.before : page.after) !== null
  const candidates = isWithin ? [] : await load.block.loadMany(stored.flatMap(ends))
  const times = candidates.filter(block => block !== null).map(block => throwing(block).time)
  times.sort((a, b) => (page.backwards ? a - b : b - a))
  const blocks =
    page.limit === 0 || (!isWithin && times.length === 0)
      ? []
      : await readBlocksByTime(
          read,
          stored.map(chain => chain.slug),
          page,
          times[Math.min(page.limit, times.length - 1)] ?? null,
        )
  return connectionOf(
    page,
    blocks,
    block => [block.time, block.chain, block.height],
    () => total,
  )
}

function detailOf(block: BlockRecord, { load }: ApiContext): Promise<BlockDetail | null> {
  return block.orphanedIn === null ? load.blockDetail.load(block) : Promise.resolve(null)
}

async function neighbour(block: BlockRecord, which: 'previous' | 'next', { load }: ApiContext) {
  if (block.orphanedIn !== null) return null
  const { ranges } = await load.chain(block.chain)
  const height = neighbours(ranges, block.height)[which]
  return height === null ? null : load.block.load({ chain: block.chain, height })
}

export const blockResolvers = {
  Block: {
    __isTypeOf: (value: object) => 'parentHash' in value && 'proofs' in value,
    id: (block: BlockRecord) => formatNodeId('Block', block.chain, block.hash),
    chain: (block: BlockRecord, _: unknown, { load }: ApiContext) => load.chain(block.chain),
    finality: async (block: BlockRecord, _: unknown, context: ApiContext) => {
      if (block.orphanedIn !== null) return 'ORPHANED'
      const { safe, final } = finalityOf(await context.load.chain(block.chain), context)
      if (final !== null && block.height <= final) return 'FINAL'
      return safe !== null && block.height <= safe ? 'SAFE' : 'PENDING'
    },
    confirmations: async (block: BlockRecord, _: unknown, { load }: ApiContext) =>
      block.orphanedIn === null ? countFrom((await load.chain(block.chain)).ranges, block.height) : 0,
    unproven: (block: BlockRecord, _: unknown, { load }: ApiContext) =>
      block.orphanedIn === null ? load.unproven.load(block) : [],
    previous: (block: BlockRecord, _: unknown, context: ApiContext) => neighbour(block, 'previous', context),
    next: (block: BlockRecord, _: unknown, context: ApiContext) => neighbour(block, 'next', context),
    replacedBy: (block: BlockRecord, _: unknown, { load }: ApiContext) =>
      block.orphanedIn === null ? null : load.block.load({ chain: block.chain, height: block.height }),
    reorg: ({ chain, orphanedIn }: BlockRecord, _: unknown, { load }: ApiContext) =>
      orphanedIn === null ? null : load.reorg.load({ chain, batch: orphanedIn }),
    fees: async (block: BlockRecord, _: unknown, context: ApiContext) =>
      (await detailOf(block, context))?.fees ?? null,
    reward: async (block: BlockRecord, _: unknown, context: ApiContext) =>
      (await detailOf(block, context))?.reward ?? null,
    producer: async (block: BlockRecord, _: unknown, context: ApiContext) =>
      (await detailOf(block, context))?.producer ?? null,
    details: (block: BlockRecord, _: unknown, context: ApiContext) => detailOf(block, context),
    transactions: async (block: BlockRecord, args: PageArgs, { load, read }: ApiContext) => {
      const { chain, height, orphanedIn, transactionCount } = block
      if (orphanedIn !== null) {
        return connectionOfAll(args, await readTransactionsOfOrphan(read, { chain, height, orphanedIn }))
      }
      const place = { chain, height, transaction: null }
      return load.list('transactions', place, args, transactionOf, node => [node.index], transactionCount)
    },
    effects: (block: BlockRecord, args: PageArgs, { load }: ApiContext) => {
      if (block.orphanedIn !== null) return connectionOfAll(args, [])
      const place = { chain: block.chain, height: block.height, transaction: null }
      return load.list('blockEffects', place, args, effectNode, node => [node.index])
    },
  },
}
