import { NATIVE_ASSET } from '../schema/block.ts'
import type { ApiContext } from './context.ts'
import { formatNodeId } from './node-id.ts'
import type { AssetRecord } from './queries-address.ts'
import type { ChainRecord } from './queries-chain.ts'

/** An asset with its chain. What a token is called stands on no chain as data: it stays null. */
export interface AssetNode extends Omit<AssetRecord, 'chain'> {
  chain: ChainRecord
  symbol: string | null
  name: string | null
  decimals: number | null
}

export function assetNode(chain: ChainRecord, record: AssetRecord): AssetNode {
  const named = record.asset === NATIVE_ASSET ? chain.native : { symbol: null, name: null, decimals: null }
  return { ...record, ...named, chain }
}

export function nativeAsset(chain: ChainRecord): AssetNode {
  return assetNode(chain, {
    chain: chain.slug,
    asset: NATIVE_ASSET,
    standard: 'native',
    contract: null,
    tokenId: null,
    firstSeen: chain.ranges[0]?.[0] ?? 0,
  })
}

/** The asset that a row of the chain names. */
export async function assetOf(
  row: { chain: string; asset: string },
  { load }: ApiContext,
): Promise<AssetNode | null> {
  const chain = await load.chain(row.chain)
  if (row.asset === NATIVE_ASSET) return nativeAsset(chain)
  const record = await load.asset.load({ chain: row.chain, asset: row.asset })
  return record && assetNode(chain, record)
}

export const assetResolvers = {
  Asset: {
    __isTypeOf: (value: object) => 'standard' in value && 'contract' in value,
    id: (asset: AssetNode) => formatNodeId('Asset', asset.chain.slug, asset.asset),
  },
}
