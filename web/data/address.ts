import {
  ASSET_NAME,
  type AssetName,
  CHAIN_EXTENT,
  CHAIN_NAME,
  type ChainExtent,
  type ChainName,
  EFFECT_ROW,
  type EffectRow,
  TRANSFER_ROW,
  type TransferRow,
} from './graph.ts'
import { type Connection, declarePage, PAGE_FIELDS, passPage } from './lists.ts'

export interface Balance {
  asset: AssetName
  amount: string
}

export interface AddressPage {
  address: string
  complete: boolean
  since: number
  firstSeen: { height: number; time: string } | null
  lastSeen: { height: number; time: string } | null
  transactionCount: number
  balances: Connection<Balance>
  effects: Connection<EffectRow>
  alsoOn: ChainName[]
  tokens: Connection<AssetName>
  tokenTransfers: Connection<TransferRow>
}

export interface AddressData {
  chain: (ChainExtent & { incompleteBecause: string }) | null
  address: AddressPage | null
}
export const addressDocument = /* GraphQL */ `
  query Address(
    $chain: String!, $address: String!, $direction: EffectDirection, $asset: String, $toHeight: Height,
    ${declarePage('balances')}, ${declarePage('history')}, ${declarePage('tokens')}, ${declarePage('transfers')}
  ) {
    chain(slug: $chain) { ...ChainExtent incompleteBecause }
    address(chain: $chain, address: $address) {
      address complete since firstSeen { height time } lastSeen { height time } transactionCount
      balances(${passPage('balances')}) { nodes { asset { ...AssetName } amount } ${PAGE_FIELDS} }
      effects(direction: $direction, asset: $asset, toHeight: $toHeight, ${passPage('history')}) {
        nodes { ...EffectRow } ${PAGE_FIELDS}
      }
      alsoOn { ...ChainName }
      tokens(${passPage('tokens')}) { nodes { ...AssetName } ${PAGE_FIELDS} }
      tokenTransfers(${passPage('transfers')}) { nodes { ...TransferRow } ${PAGE_FIELDS} }
    }
  }
  ${CHAIN_NAME} ${CHAIN_EXTENT} ${ASSET_NAME} ${EFFECT_ROW} ${TRANSFER_ROW}
`
