import type { AssetName, Unit } from '../data/graph.ts'
import { amountParts } from '../format.ts'
import type { View } from '../view.ts'

/** Groups of an amount, and letters of a unit, from which they are long. */
const LONG_WHOLE = 5
const LONG_UNIT = 8

/** Digits in groups of three. The gaps are drawn, not typed: what is copied is the number. */
function Groups({ groups }: { groups: readonly string[] }) {
  return groups.map(group => <span class="g">{group}</span>)
}

/** An exact amount with its unit; with `signed`, a gain says so too. Very long ones may break between groups. */
export function Amount(props: { view: View; amount: string; unit: Unit; signed?: boolean }) {
  const { view, amount, unit } = props
  const { negative, whole, fraction } = amountParts(amount, unit.decimals)
  const gained = props.signed === true && !negative && amount !== '0'
  const tone = props.signed !== true || amount === '0' ? '' : negative ? ' lost' : ' gained'
  const symbol = unit.symbol ?? (unit.decimals === null ? view.text.units.base : '')
  return (
    <span class={`amount${tone}${whole.length > LONG_WHOLE ? ' long' : ''}`}>
      <span class="digits">
        {negative ? '−' : gained ? '+' : ''}
        <Groups groups={whole} />
        <span class="fraction">
          {fraction.length > 0 ? '.' : ''}
          <Groups groups={fraction} />
        </span>
      </span>{' '}
      <bdi class={symbol.length > LONG_UNIT ? 'unit cut' : 'unit'}>{symbol}</bdi>
    </span>
  )
}

/** The same where it may be unknown, with the word for that. */
export function MaybeAmount(props: {
  view: View
  amount: string | null
  unit: Unit
  unknown?: string | undefined
}) {
  return props.amount === null ? (
    <span class="muted">{props.unknown ?? props.view.text.words.unknown}</span>
  ) : (
    <Amount view={props.view} amount={props.amount} unit={props.unit} />
  )
}

/** What amounts of an asset are counted in; single things have no unit. */
export function assetUnit(asset: AssetName): Unit {
  return asset.tokenId === null ? asset : { symbol: '', decimals: asset.decimals }
}

/** How prices of gas are written: of an 18-digit coin a thousand millionth, which has a name of its own. */
export function gasUnit(chain: { native: Unit }): Unit {
  return chain.native.decimals === 18 ? { symbol: 'gwei', decimals: 9 } : chain.native
}
