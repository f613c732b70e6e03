import { Repeater } from 'graphql-yoga'
import type {
  QueryAddressArgs,
  QueryAssetArgs,
  QueryBlockArgs,
  QueryBlocksArgs,
  QueryReorgArgs,
  QueryReorgsArgs,
  QueryTransactionArgs,
  SubscriptionNewBlocksArgs,
} from '../schema/api.gen.ts'
import type { Announcement } from '../schema/events.ts'
import { assetNode, nativeAsset } from './assets.ts'
import type { ApiContext } from './context.ts'
import { BadRequestError } from './errors.ts'
import { canonicalAsset, readHash } from './names.ts'
import { parseNodeId } from './node-id.ts'
import { type BlockRecord, readOrphansByHash } from './queries-block.ts'
import type { ChainRecord } from './queries-chain.ts'
import { readOrphanedTransactions, type TransactionRecord } from './queries-transaction.ts'
import { findAddress } from './resolvers-address.ts'
import { allBlocksConnection, blockConnection } from './resolvers-block.ts'
import { reorgConnection } from './resolvers-chain.ts'
import { search } from './search.ts'

/** @throws BadRequestError for a chain that nobody knows: nothing could be said of what is asked of it. */
async function knownChain(slug: string, { load }: ApiContext): Promise<ChainRecord> {
  const { all, bySlug } = await load.chains()
  const chain = bySlug.get(slug)
  if (chain) return chain
  throw new BadRequestError(`there is no chain ${JSON.stringify(slug.slice(0, 80))} here`, {
    hint: `chains: ${all.map(one => one.slug).join(', ') || 'none yet'}`,
  })
}

async function blockByHash(
  chain: ChainRecord,
  typed: string,
  context: ApiContext,
): Promise<BlockRecord | null> {
  const hash = readHash(chain.hashForm, typed.trim())
  if (hash === null) return null
  const { load, read } = context
  const hits = await load.hashHits.load({ chain: chain.slug, prefix: hash.prefix })
  const blocks = await Promise.all(
    hits
      .filter(hit => hit.kind === 'block')
      .map(({ height }) => load.block.load({ chain: chain.slug, height })),
  )
  const found = blocks.find(block => block?.hash === hash.text)
  return found ?? (await readOrphansByHash(read, [chain.slug], [hash.text]))[0] ?? null
}

async function transactionByHash(
  chain: ChainRecord,
  typed: string,
  { load, read }: ApiContext,
): Promise<TransactionRecord | null> {
  const hash = readHash(chain.hashForm, typed.trim())
  if (hash === null) return null
  const found = await load.transaction.load({ chain: chain.slug, hash: hash.text, prefix: hash.prefix })
  if (found) return found
  const digits =
    chain.hashForm === 'text' ? Buffer.from(hash.text).toString('hex') : hash.text.replace(/^0x/, '')
  return (await readOrphanedTransactions(read, [chain.slug], [digits]))[0] ?? null
}

async function findAsset(chain: ChainRecord, typed: string, { load }: ApiContext) {
  const asset = canonicalAsset(typed.trim())
  if (asset === 'native') return nativeAsset(chain)
  const record = await load.asset.load({ chain: chain.slug, asset })
  return record && assetNode(chain, record)
}

async function findNode(id: string, context: ApiContext): Promise<object | null> {
  const { type, chain: slug, key } = parseNodeId(id)
  const chain = (await context.load.chains()).bySlug.get(slug)
  if (!chain) return null
  switch (type) {
    case 'Chain':
      return chain
    case 'Block':
      return blockByHash(chain, key, context)
    case 'Transaction':
      return transactionByHash(chain, key, context)
    case 'Address':
      return findAddress(chain, key, context)
    case 'Asset':
      return findAsset(chain, key, context)
    case 'Reorg':
      return /^\d{1,15}$/.test(key) ? context.load.reorg.load({ chain: slug, batch: Number(key) }) : null
  }
}

const EVENT_TYPES = { 'block.added': 'ADDED', 'block.removed': 'REMOVED' } as const

/** Follows the feed for as long as somebody listens. Each event is answered from the store as it is then. */
function newBlocks(slug: string | null, context: ApiContext): Repeater<{ newBlocks: Announcement }> {
  return new Repeater(async (push, stop) => {
    const listening = new AbortController()
    stop.then(() => listening.abort())
    for await (const announcement of context.feed.subscribe(listening.signal)) {
      if (slug !== null && announcement.chain !== slug) continue
      context.load = context.createLoad()
      await push({ newBlocks: announcement })
    }
    stop()
  })
}

export const queryResolvers = {
  Query: {
    node: (_: unknown, { id }: { id: string }, context: ApiContext) => findNode(id, context),
    chains: async (_: unknown, __: unknown, { load }: ApiContext) => (await load.chains()).all,
    chain: async (_: unknown, { slug }: { slug: string }, { load }: ApiContext) =>
      (await load.chains()).bySlug.get(slug) ?? null,
    block: async (_: unknown, args: QueryBlockArgs, context: ApiContext) => {
      const [height, hash] = [args.height ?? null, args.hash ?? null]
      if ((height === null) === (hash === null)) {
        throw new BadRequestError('expected a block by `height` or by `hash`, one of the two')
      }
      const chain = await knownChain(args.chain, context)
      return height === null
        ? blockByHash(chain, hash!, context)
        : context.load.block.load({ chain: chain.slug, height })
    },
    blocks: async (_: unknown, args: QueryBlocksArgs, context: ApiContext) =>
      args.chain === null || args.chain === undefined
        ? allBlocksConnection(args, context)
        : blockConnection(await knownChain(args.chain, context), args, context),
    transaction: async (_: unknown, args: QueryTransactionArgs, context: ApiContext) =>
      transactionByHash(await knownChain(args.chain, context), args.hash, context),
    address: async (_: unknown, args: QueryAddressArgs, context: ApiContext) =>
      findAddress(await knownChain(args.chain, context), args.address.trim(), context),
    asset: async (_: unknown, args: QueryAssetArgs, context: ApiContext) =>
      findAsset(await knownChain(args.chain, context), args.asset, context),
    search: (_: unknown, { query }: { query: string }, context: ApiContext) => search(query, context),
    reorgs: async (_: unknown, args: QueryReorgsArgs, context: ApiContext) => {
      if (args.chain !== null && args.chain !== undefined) await knownChain(args.chain, context)
      return reorgConnection(args.chain ?? undefined, args, context)
    },
    reorg: async (_: unknown, args: QueryReorgArgs, context: ApiContext) => {
      const chain = await knownChain(args.chain, context)
      return context.load.reorg.load({ chain: chain.slug, batch: args.batch })
    },
    status: () => ({}),
  },

  Subscription: {
    newBlocks: {
      subscribe: async (_: unknown, { chain }: SubscriptionNewBlocksArgs, context: ApiContext) => {
        if (chain !== null && chain !== undefined) await knownChain(chain, context)
        return newBlocks(chain ?? null, context)
      },
    },
  },

  BlockEvent: {
    type: (event: Announcement) => EVENT_TYPES[event.type],
    chain: (event: Announcement, _: unknown, { load }: ApiContext) => load.chain(event.chain),
    block: async (event: Announcement, _: unknown, context: ApiContext) => {
      const chain = await context.load.chain(event.chain)
      const block = await context.load.block.load({ chain: chain.slug, height: event.height })
      return block?.hash === event.hash ? block : blockByHash(chain, event.hash, context)
    },
  },
}
