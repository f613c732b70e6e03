import type { ChainExtent } from '../data/graph.ts'
import type { OrphanedBlock, ReorgPage as Reorg } from '../data/reorg.ts'
import { formatCount } from '../format.ts'
import { ChainLink } from '../ui/chain-mark.tsx'
import { Facts } from '../ui/facts.tsx'
import { Hash } from '../ui/hash.tsx'
import { List, Table } from '../ui/list.tsx'
import { Page } from '../ui/page.tsx'
import { Age, TimeFact } from '../ui/time.tsx'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'

interface Props {
  view: View
  chain: ChainExtent
  reorg: Reorg
}

/** One reorg: the blocks that left, what is there now, and what became of the transactions. */
export function ReorgPage({ view, chain, reorg }: Props) {
  const { text } = view
  const { columns, facts } = text
  const count = (value: number) => formatCount(value, view.language)
  const block = (place: { height: number; hash: string }, by: number | string) => (
    <a href={urls.block(chain.slug, by)}>{count(place.height)}</a>
  )
  return (
    <Page
      view={view}
      title={text.reorg.title(chain.name, count(reorg.height))}
      description={text.reorg.description(chain.name, count(reorg.height))}
      canonical={urls.reorg(chain.slug, reorg.batch)}
      chain={chain}
    >
      <header class="title">
        <p class="crumb">
          <ChainLink chain={chain} /> · <a href={urls.reorgs}>{text.reorgs.title}</a>
        </p>
        <h1>{text.reorg.heading(count(reorg.height))}</h1>
      </header>
      <p class="sentence">
        {text.reorg.sentence({
          chain: chain.name,
          depth: text.units.blocks(reorg.depth, count(reorg.depth)),
          age: <Age view={view} at={reorg.time} />,
          transactions: count(reorg.transactions),
          single: reorg.transactions === 1,
          again: count(reorg.transactions - reorg.dropped),
          dropped: count(reorg.dropped),
        })}
      </p>
      <Facts
        facts={[
          { label: facts.time, value: <TimeFact view={view} at={reorg.time} /> },
          { label: columns.depth, value: text.units.blocks(reorg.depth, count(reorg.depth)) },
          {
            label: text.reorg.ancestor,
            value: <Hash hash={reorg.commonAncestor} href={urls.block(chain.slug, reorg.commonAncestor)} />,
            wide: true,
          },
          {
            label: columns.oldTip,
            value: <Hash hash={reorg.oldHash} href={urls.block(chain.slug, reorg.oldHash)} />,
            wide: true,
          },
          reorg.newHash === ''
            ? null
            : {
                label: columns.newTip,
                value: <Hash hash={reorg.newHash} href={urls.block(chain.slug, reorg.newHash)} />,
                wide: true,
              },
        ]}
      />
      <section class="list" aria-labelledby="blocks-title">
        <header>
          <h2 id="blocks-title">
            {text.reorg.blocks} <span class="count">{count(reorg.orphanedBlocks.length)}</span>
          </h2>
        </header>
        <Table
          caption={text.reorg.blocks}
          rows={reorg.orphanedBlocks}
          columns={[
            { head: columns.height, cell: (row: OrphanedBlock) => count(row.height) },
            {
              head: text.reorg.left,
              place: 'main',
              cell: row => <Hash hash={row.hash} href={urls.block(chain.slug, row.hash)} />,
            },
            {
              head: text.reorg.instead,
              place: 'second',
              cell: row =>
                row.replacedBy === null ? (
                  <span class="muted">–</span>
                ) : (
                  <Hash hash={row.replacedBy.hash} href={urls.block(chain.slug, row.replacedBy.height)} />
                ),
            },
            { head: columns.transactions, place: 'end', cell: row => count(row.transactionCount) },
          ]}
        />
      </section>
      <List
        view={view}
        key_="affected"
        title={text.reorg.affected}
        connection={reorg.affected}
        empty={text.reorg.noneAffected}
      >
        <Table
          caption={text.reorg.affected}
          rows={reorg.affected.nodes}
          columns={[
            {
              head: columns.hash,
              place: 'main',
              cell: row => <Hash hash={row.hash} href={urls.transaction(chain.slug, row.hash)} />,
            },
            { head: text.reorg.was, place: 'second', cell: row => block(row.block, row.block.hash) },
            {
              head: text.reorg.is,
              place: 'end',
              cell: row =>
                row.minedAgain === null ? (
                  <span class="state failed">{text.reorg.droppedWord}</span>
                ) : (
                  block(row.minedAgain.block, row.minedAgain.block.height)
                ),
            },
          ]}
        />
      </List>
    </Page>
  )
}
