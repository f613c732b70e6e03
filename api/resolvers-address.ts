import { assetNode, assetOf } from './assets.ts'
import { connectionOf, type PageArgs, parsePage } from './connection.ts'
import type { ApiContext } from './context.ts'
import { canonicalAddress, canonicalAsset } from './names.ts'
import { formatNodeId } from './node-id.ts'
import {
  type BalanceRecord,
  countAddressEffects,
  countAddressTransactions,
  countBalances,
  countContractAssets,
  countTokenTransfers,
  type EffectFilter,
  readAddressEffects,
  readBalances,
  readContractAssets,
  readEndOfHistory,
  readTokenTransfers,
} from './queries-address.ts'
import type { BlockRecord } from './queries-block.ts'
import type { ChainRecord } from './queries-chain.ts'
import { isComplete } from './resolvers-chain.ts'
import { effectNode, transferNode } from './resolvers-transaction.ts'

/** An address that some stored block knows. */
export interface AddressNode {
  chain: ChainRecord
  address: string
  /** Its effects; null for one that only transactions name. */
  presence: { effects: number } | null
}

/** The address on this chain; null when nothing that is stored names it. */
export async function findAddress(
  chain: ChainRecord,
  typed: string,
  { load, read, families }: ApiContext,
): Promise<AddressNode | null> {
  const address = canonicalAddress(typed)
  if (address === '') return null
  const presence = (await load.presences.load(address)).find(one => one.chain === chain.slug)
  if (presence) return { chain, address, presence }
  if ((await countContractAssets(read, chain.slug, address)) > 0) return { chain, address, presence: null }
  const naming = await families.get(chain.family)?.chainsNaming(read, [chain.slug], address)
  return naming && naming.length > 0 ? { chain, address, presence: null } : null
}

async function endOfHistory(
  { chain, address, presence }: AddressNode,
  end: 'first' | 'last',
  { load, read }: ApiContext,
): Promise<BlockRecord | null> {
  if (presence === null) return null
  const height = await readEndOfHistory(read, { chain: chain.slug, address }, end)
  return height === null ? null : load.block.load({ chain: chain.slug, height })
}

type EffectArgs = PageArgs & {
  direction?: 'IN' | 'OUT' | null
  asset?: string | null
  toHeight?: number | null
}

export const addressResolvers = {
  Address: {
    __isTypeOf: (value: object) => 'presence' in value,
    id: ({ chain, address }: AddressNode) => formatNodeId('Address', chain.slug, address),
    complete: ({ chain }: AddressNode, _: unknown, context: ApiContext) => isComplete(chain, context),
    since: ({ chain }: AddressNode) => chain.ranges[0]?.[0] ?? 0,
    firstSeen: (parent: AddressNode, _: unknown, context: ApiContext) =>
      endOfHistory(parent, 'first', context),
    lastSeen: (parent: AddressNode, _: unknown, context: ApiContext) => endOfHistory(parent, 'last', context),
    transactionCount: ({ chain, address }: AddressNode, _: unknown, { read }: ApiContext) =>
      countAddressTransactions(read, chain.slug, address),
    balances: async ({ chain, address }: AddressNode, args: PageArgs, { read }: ApiContext) => {
      const page = parsePage(args, ['number', 'string'])
      return connectionOf(
        page,
        await readBalances(read, { chain: chain.slug, address }, page),
        balance => [balance.asset === 'native' ? 0 : 1, balance.asset],
        () => countBalances(read, chain.slug, address),
      )
    },
    effects: async ({ chain, address }: AddressNode, args: EffectArgs, { read }: ApiContext) => {
      const page = parsePage(args, ['number', 'number'])
      const filter: EffectFilter = {
        chain: chain.slug,
        address,
        direction: args.direction ?? null,
        asset: args.asset ? canonicalAsset(args.asset) : null,
        toHeight: args.toHeight ?? null,
      }
      const rows = await readAddressEffects(read, filter, page)
      return connectionOf(
        page,
        rows.map(effectNode),
        effect => [effect.height, effect.index],
        () => countAddressEffects(read, filter),
      )
    },
    alsoOn: async ({ chain, address }: AddressNode, _: unknown, { load }: ApiContext) => {
      const others = (await load.presences.load(address)).filter(one => one.chain !== chain.slug)
      return Promise.all(others.map(one => load.chain(one.chain)))
    },
    tokens: async ({ chain, address }: AddressNode, args: PageArgs, { read }: ApiContext) => {
      const page = parsePage(args, ['string'])
      const found = await readContractAssets(read, [chain.slug], address, page)
      return connectionOf(
        page,
        found.map(asset => assetNode(chain, asset)),
        asset => [asset.asset],
        () => countContractAssets(read, chain.slug, address),
      )
    },
    tokenTransfers: async ({ chain, address }: AddressNode, args: PageArgs, { read }: ApiContext) => {
      const page = parsePage(args, ['number', 'number', 'number'])
      const rows = await readTokenTransfers(read, chain.slug, address, page)
      return connectionOf(
        page,
        rows.map(transferNode),
        transfer => [transfer.height, transfer.logIndex, transfer.batchIndex],
        () => countTokenTransfers(read, chain.slug, address),
      )
    },
  },

  Balance: { asset: (parent: BalanceRecord, _: unknown, context: ApiContext) => assetOf(parent, context) },
}
