import type { Unit } from '../data/graph.ts'
import { amountParts } from '../format.ts'
import type { View } from '../view.ts'

const LONG_WHOLE = 5

/** Digits in groups of three. The gaps are drawn, not typed: what is copied is the number. */
function Groups({ groups, wraps }: { groups: readonly string[]; wraps: boolean }) {
  return groups.map((group, place) => (
    <>
      {wraps && place > 0 ? <wbr /> : null}
      <span class="g">{group}</span>
    </>
  ))
}

/** An exact amount with its unit; with `signed`, a gain says so too. Very long ones may break between groups. */
export function Amount(props: { view: View; amount: string; unit: Unit; signed?: boolean }) {
  const { view, amount, unit } = props
  const { negative, whole, fraction } = amountParts(amount, unit.decimals)
  const gained = props.signed === true && !negative && amount !== '0'
  const tone = props.signed !== true || amount === '0' ? '' : negative ? ' lost' : ' gained'
  const wraps = whole.length > LONG_WHOLE
  return (
    <span class={`amount${tone}${wraps ? ' long' : ''}`}>
      <span class="digits">
        {negative ? '−' : gained ? '+' : ''}
        <Groups groups={whole} wraps={wraps} />
        <span class="fraction">
          {fraction.length > 0 ? '.' : ''}
          <Groups groups={fraction} wraps={false} />
        </span>
      </span>{' '}
      <bdi class="unit">{unit.symbol ?? (unit.decimals === null ? view.text.units.base : '')}</bdi>
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

/** How prices of gas are written: of an 18-digit coin a thousand millionth, which has a name of its own. */
export function gasUnit(chain: { native: Unit }): Unit {
  return chain.native.decimals === 18 ? { symbol: 'gwei', decimals: 9 } : chain.native
}
