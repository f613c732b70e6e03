import { countHeights } from '../schema/ranges.ts'
import type { FollowStatus } from '../schema/status.ts'
import { assetNode, nativeAsset } from './assets.ts'
import { connectionOf, type PageArgs, parsePage } from './connection.ts'
import type { ApiContext } from './context.ts'
import { BadRequestError } from './errors.ts'
import { finalityOf, tipOf } from './heights.ts'
import { formatNodeId } from './node-id.ts'
import { countAssets, readNewestAssets } from './queries-address.ts'
import { type ReorgRecord, readReorgs } from './queries-block.ts'
import {
  type ChainRecord,
  countDeadLetters,
  countReorgs,
  type DeadLetterRecord,
  type DifferingRange,
  readDeadLetters,
  readDifferences,
} from './queries-chain.ts'
import { countDropped, readTransactionsOfReorg } from './queries-transaction.ts'
import { blockConnection } from './resolvers-block.ts'

const MAX_POINTS = 100
const DEFAULT_POINTS = 24

const STATES = {
  starting: 'STARTING',
  'catching-up': 'CATCHING_UP',
  following: 'FOLLOWING',
  ended: 'ENDED',
  stopped: 'STOPPED',
  paused: 'PAUSED',
} as const satisfies Record<FollowStatus['state'], string>

/** Why sums of effects are not balances; empty when they are. The same rules as in the view `chains`. */
async function incompleteBecause(chain: ChainRecord, { load }: ApiContext): Promise<string> {
  const [first, ...others] = chain.ranges
  if (first === undefined) return 'no block is stored yet'
  if (first[0] !== 0) return `history begins at height ${first[0]}`
  if (others.length > 0) return `blocks are missing: the first gap is at height ${first[1] + 1}`
  if (chain.partialEffects !== '') return chain.partialEffects
  const { incomplete = 0, incompleteBlocks = 0 } = (await load.totals()).get(chain.slug) ?? {}
  if (incompleteBlocks > 0) return `the effects of ${incompleteBlocks} blocks themselves are not all known`
  return incomplete === 0 ? '' : `the effects of ${incomplete} transactions are not all known`
}

export async function isComplete(chain: ChainRecord, context: ApiContext): Promise<boolean> {
  return (await incompleteBecause(chain, context)) === ''
}

/** Reorgs of one chain or of all, newest first. */
export async function reorgConnection(slug: string | undefined, args: PageArgs, { read }: ApiContext) {
  const page = parsePage(args, ['number', 'string', 'number'])
  const reorgs = await readReorgs(read, slug === undefined ? {} : { chain: slug }, page)
  return connectionOf(
    page,
    reorgs,
    reorg => [reorg.time, reorg.chain, reorg.batch],
    async () => {
      const counts = await countReorgs(read)
      return slug === undefined
        ? [...counts.values()].reduce((sum, one) => sum + one, 0)
        : (counts.get(slug) ?? 0)
    },
  )
}

export const chainResolvers = {
  Chain: {
    __isTypeOf: (value: object) => 'ranges' in value,
    id: (chain: ChainRecord) => formatNodeId('Chain', chain.slug),
    ledger: (chain: ChainRecord) => chain.ledger.toUpperCase(),
    native: nativeAsset,
    tip: (chain: ChainRecord, _: unknown, { load }: ApiContext) => {
      const height = tipOf(chain)
      return height === null ? null : load.block.load({ chain: chain.slug, height })
    },
    head: (chain: ChainRecord, _: unknown, { load }: ApiContext) => load.follow(chain.slug)?.head ?? null,
    safeHeight: (chain: ChainRecord, _: unknown, context: ApiContext) => finalityOf(chain, context).safe,
    finalHeight: (chain: ChainRecord, _: unknown, context: ApiContext) => finalityOf(chain, context).final,
    ranges: (chain: ChainRecord) => chain.ranges.map(([from, to]) => ({ from, to })),
    blockCount: (chain: ChainRecord) => countHeights(chain.ranges),
    transactionCount: async (chain: ChainRecord, _: unknown, { load }: ApiContext) =>
      (await load.totals()).get(chain.slug)?.transactions ?? 0,
    complete: (chain: ChainRecord, _: unknown, context: ApiContext) => isComplete(chain, context),
    incompleteBecause: (chain: ChainRecord, _: unknown, context: ApiContext) =>
      incompleteBecause(chain, context),
    following: (chain: ChainRecord, _: unknown, { load }: ApiContext) => {
      const follow = load.follow(chain.slug)
      const tip = tipOf(chain)
      return (
        follow && {
          ...follow,
          state: STATES[follow.state],
          lag: follow.head === null ? null : Math.max(0, follow.head - (tip ?? -1)),
        }
      )
    },
    activity: (chain: ChainRecord, args: { points?: number | null }, { load }: ApiContext) => {
      const points = args.points ?? DEFAULT_POINTS
      if (points < 1 || points > MAX_POINTS) {
        throw new BadRequestError(`expected 1 to ${MAX_POINTS} points, got ${points}`)
      }
      return load.activity.load({ chain, points })
    },
    proofCounts: (chain: ChainRecord, _: unknown, { load }: ApiContext) => load.proofCounts.load(chain),
    blocks: (chain: ChainRecord, args: PageArgs, context: ApiContext) =>
      blockConnection(chain, args, context),
    reorgs: (chain: ChainRecord, args: PageArgs, context: ApiContext) =>
      reorgConnection(chain.slug, args, context),
    assets: async (chain: ChainRecord, args: PageArgs, { read }: ApiContext) => {
      const page = parsePage(args, ['number', 'string'])
      const found = await readNewestAssets(read, chain.slug, page)
      return connectionOf(
        page,
        found.map(asset => assetNode(chain, asset)),
        asset => [asset.firstSeen, asset.asset],
        () => countAssets(read, chain.slug),
      )
    },
  },

  Reorg: {
    __isTypeOf: (value: object) => 'commonAncestor' in value,
    id: (reorg: ReorgRecord) => formatNodeId('Reorg', reorg.chain, reorg.batch),
    chain: (reorg: ReorgRecord, _: unknown, { load }: ApiContext) => load.chain(reorg.chain),
    orphanedBlocks: (reorg: ReorgRecord, _: unknown, { load }: ApiContext) => load.orphansOf.load(reorg),
    dropped: ({ chain, batch }: ReorgRecord, _: unknown, { read }: ApiContext) =>
      countDropped(read, chain, batch),
    affected: async (reorg: ReorgRecord, args: PageArgs, { read }: ApiContext) => {
      const page = parsePage(args, ['number', 'number'])
      return connectionOf(
        page,
        page.limit === 0 ? [] : await readTransactionsOfReorg(read, reorg, page),
        transaction => [transaction.height, transaction.index],
        () => reorg.transactions,
      )
    },
  },

  Status: {
    version: (_: unknown, __: unknown, context: ApiContext) => context.version,
    startedAt: (_: unknown, __: unknown, context: ApiContext) => context.startedAt,
    chains: async (_: unknown, __: unknown, { load }: ApiContext) => (await load.chains()).all,
    deadLetters: async (_: unknown, __: unknown, { read }: ApiContext) =>
      [...(await countDeadLetters(read)).values()].reduce((sum, one) => sum + one, 0),
    setAside: (_: unknown, __: unknown, { read }: ApiContext) => readDeadLetters(read),
    differences: (_: unknown, __: unknown, { read }: ApiContext) => readDifferences(read),
  },

  DifferingRange: {
    chain: (range: DifferingRange, _: unknown, { load }: ApiContext) => load.chain(range.chain),
    time: ({ unixTime }: DifferingRange) => unixTime,
  },

  DeadLetter: {
    chain: (letter: DeadLetterRecord, _: unknown, { load }: ApiContext) => load.chain(letter.chain),
    time: ({ unixTime }: DeadLetterRecord) => unixTime,
  },
}
