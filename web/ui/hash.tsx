import type { AssetName, ChainName } from '../data/graph.ts'
import { hashText, hueOf } from '../format.ts'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'

const TAIL = 8
/** Shorter names are never cut. */
const SHORT = 16
const SCRIPT = 'script:'

/** A long name of fixed form: whole in the page and when copied, cut in the middle where there is no room. */
export function Hash({ hash, href }: { hash: string; href?: string | undefined }) {
  const prefix = hash.startsWith(SCRIPT) ? SCRIPT : ''
  const cut = hash.length - TAIL
  const text =
    hash.length <= SHORT ? (
      hash
    ) : (
      <>
        {prefix === '' ? null : <span class="prefix">{prefix}</span>}
        <span class="head">{hash.slice(prefix.length, cut)}</span>
        <span class="tail">{hash.slice(cut)}</span>
      </>
    )
  return href === undefined ? (
    <span class="hash">{text}</span>
  ) : (
    <a class="hash" href={href}>
      {text}
    </a>
  )
}

const SIDE = 5
const HALF = 3

/** A drawing that is always the same for the same address: two that look alike as text differ in it. */
export function Pattern({ of }: { of: string }) {
  const bits = hashText(of)
  const mirrored = hashText(`${of}/`)
  let cells = ''
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < HALF; column++) {
      const bit = row * HALF + column
      if (((bits >>> bit) & 1) === 0) continue
      for (const x of new Set([column, SIDE - 1 - column])) cells += `M${x} ${row}h1v1h-1z`
    }
  }
  return (
    <svg
      class={`pattern h${hueOf(of)} p${mirrored % 3}`}
      viewBox="-.5 -.5 6 6"
      width="18"
      height="18"
      aria-hidden="true"
    >
      <path d={cells} />
    </svg>
  )
}

/** An address with its pattern; nobody is the ledger itself. */
export function Address(props: { view: View; chain: ChainName; address: string; link?: boolean }) {
  const { view, chain, address } = props
  if (address === '') return <span class="nobody">{view.text.words.ledger}</span>
  const href = props.link === false ? undefined : urls.address(chain.slug, address)
  return (
    <span class="address" data-same={address}>
      <Pattern of={address} />
      <Hash hash={address} href={href} />
    </span>
  )
}

/** Up to three addresses and how many more there are. */
export function Addresses(props: {
  view: View
  chain: ChainName
  addresses: readonly string[]
  count: number
}) {
  const { view, chain, addresses, count } = props
  const more = count - addresses.length
  return (
    <span class="addresses">
      {addresses.map(address => (
        <Address view={view} chain={chain} address={address} />
      ))}
      {more > 0 ? <span class="muted">{view.text.words.more(more)}</span> : null}
    </span>
  )
}

const LONGEST_NAME = 60

/** What an asset is called, as a link to where it lives; foreign names are kept apart from our text. */
export function AssetLink(props: { view: View; chain: ChainName; asset: AssetName }) {
  const { view, chain, asset } = props
  const { symbol, name, contract, tokenId } = asset
  if (contract === null) return <a href={urls.chain(chain.slug)}>{symbol ?? chain.name}</a>
  const called = symbol ?? name
  return (
    <span class="asset">
      {called === null ? (
        <Hash hash={contract} href={urls.address(chain.slug, contract)} />
      ) : (
        <a href={urls.address(chain.slug, contract)}>
          <bdi>{called.slice(0, LONGEST_NAME)}</bdi>
        </a>
      )}
      {tokenId === null ? null : (
        <>
          {' '}
          <span class="token-id">
            #<Hash hash={tokenId} />
          </span>
        </>
      )}
      {asset.standard === 'native' ? null : (
        <>
          {' '}
          <span class="tag">{view.text.standards[asset.standard as 'erc20'] ?? asset.standard}</span>
        </>
      )}
    </span>
  )
}
