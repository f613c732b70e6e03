import type { ChainName, EffectRow, Unit } from '../data/graph.ts'
import { fractionDigits } from '../format.ts'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'
import { Amount, assetUnit } from './amount.tsx'
import { Address, AssetLink, Hash } from './hash.tsx'
import { type Column, Table } from './list.tsx'
import { Age } from './time.tsx'

/** How a column of these amounts is set so that points stand beneath each other. */
export function alignment(rows: readonly { amount: string; asset: Unit }[]): {
  fraction: number
  mixed: boolean
} {
  return {
    fraction: Math.max(0, ...rows.map(({ amount, asset }) => fractionDigits(amount, asset.decimals))),
    mixed: new Set(rows.map(({ asset }) => asset.symbol)).size > 1,
  }
}

export function effectKind(view: View, kind: string): string {
  const { effects } = view.text
  return Object.hasOwn(effects, kind) ? effects[kind as keyof typeof effects] : kind
}

/** Signed amounts: of an address (with their transactions), or of a block or transaction (with their addresses). */
export function EffectTable(props: {
  view: View
  chain: ChainName
  effects: readonly EffectRow[]
  caption: string
  of: 'address' | 'block' | 'transaction'
}) {
  const { view, chain, effects } = props
  const { columns } = view.text
  const who: Column<EffectRow> = {
    head: columns.address,
    place: 'main',
    cell: effect => <Address view={view} chain={chain} address={effect.address} />,
  }
  const where: Column<EffectRow>[] = [
    {
      head: columns.transaction,
      cell: effect =>
        effect.transactionHash === null ? (
          <a href={urls.block(chain.slug, effect.height)}>{view.text.kinds.ofBlock}</a>
        ) : (
          <Hash hash={effect.transactionHash} href={urls.transaction(chain.slug, effect.transactionHash)} />
        ),
    },
    {
      head: columns.height,
      wide: true,
      cell: effect => (
        <a href={urls.block(chain.slug, effect.height)}>{effect.height.toLocaleString('en')}</a>
      ),
    },
    { head: columns.age, place: 'second', cell: effect => <Age view={view} at={effect.time} /> },
  ]
  return (
    <Table
      caption={props.caption}
      rows={effects}
      {...alignment(effects)}
      columns={[
        ...(props.of === 'address' ? where : [who]),
        {
          head: columns.kind,
          place: 'second',
          cell: effect => <span class="tag">{effectKind(view, effect.kind)}</span>,
        },
        {
          head: columns.asset,
          wide: true,
          cell: effect => <AssetLink view={view} chain={chain} asset={effect.asset} />,
        },
        {
          head: columns.amount,
          place: 'end',
          cell: effect => <Amount view={view} amount={effect.amount} unit={assetUnit(effect.asset)} signed />,
        },
      ]}
    />
  )
}
