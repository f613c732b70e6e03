import type { ChainPage as Chain } from '../data/chain.ts'
import { liveDocument } from '../data/home.ts'
import { formatCount, formatDuration, formatRate } from '../format.ts'
import { Bars } from '../ui/bars.tsx'
import { BlockTable } from '../ui/block-table.tsx'
import { ChainMark } from '../ui/chain-mark.tsx'
import { type Fact, Facts } from '../ui/facts.tsx'
import { AssetLink, Hash } from '../ui/hash.tsx'
import { List, Table } from '../ui/list.tsx'
import { LiveMore } from '../ui/live.tsx'
import { NodeTable } from '../ui/node-table.tsx'
import { Notice } from '../ui/notice.tsx'
import { Page } from '../ui/page.tsx'
import { proofName } from '../ui/proofs.tsx'
import { Ranges } from '../ui/ranges.tsx'
import { ReorgTable } from '../ui/reorg-table.tsx'
import { FollowingState } from '../ui/state.tsx'
import { Age } from '../ui/time.tsx'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'

/** One chain: how far it is, how it is followed, its newest blocks. */
export function ChainPage({ view, chain }: { view: View; chain: Chain }) {
  const { text } = view
  const { blocks, assets, reorgs, following, tip } = chain
  const count = (value: number) => formatCount(value, view.language)
  const sentence =
    tip === null
      ? text.chain.nothing(chain.name)
      : text.chain.sentence({
          name: chain.name,
          blocks: count(chain.blockCount),
          transactions: count(chain.transactionCount),
          tip: <a href={urls.block(chain.slug, tip.height)}>{count(tip.height)}</a>,
          age: <Age view={view} at={tip.time} />,
        })
  return (
    <Page
      view={view}
      title={text.chain.title(chain.name)}
      description={text.chain.description(chain.name)}
      canonical={urls.chain(chain.slug)}
      chain={chain}
      live={urls.live(liveDocument, { chain: chain.slug })}
    >
      <header class="title">
        <h1>
          <ChainMark chain={chain} /> <bdi>{chain.name}</bdi>
        </h1>
        <p data-region="following">
          <FollowingState view={view} state={following?.state ?? null} />
        </p>
      </header>
      <p class="sentence" data-region="sentence">
        {sentence}
      </p>
      {following?.problem ? <Notice tone="warning">{following.problem}</Notice> : null}
      <div data-region="facts">
        <Facts facts={chainFacts(view, chain)} />
      </div>
      <LiveMore view={view} />
      <div data-region="blocks" data-region-list>
        <List
          view={view}
          key_="blocks"
          title={text.chain.blocks}
          connection={blocks}
          empty={text.chain.noBlocks}
          byTime
        >
          <BlockTable view={view} blocks={blocks.nodes} caption={text.chain.blocks} chains={false} />
        </List>
      </div>
      {assets.totalCount === 0 ? null : (
        <List
          view={view}
          key_="assets"
          title={text.chain.assets}
          connection={assets}
          empty={text.chain.noAssets}
          byTime
        >
          <Table
            caption={text.chain.assets}
            rows={assets.nodes}
            columns={[
              {
                head: text.columns.asset,
                cell: asset => <AssetLink view={view} chain={chain} asset={asset} />,
              },
              {
                head: text.columns.decimals,
                place: 'end',
                wide: true,
                cell: asset => asset.decimals ?? <span class="muted">–</span>,
              },
              {
                head: text.columns.contract,
                wide: true,
                cell: asset =>
                  asset.contract === null ? (
                    '–'
                  ) : (
                    <Hash hash={asset.contract} href={urls.address(chain.slug, asset.contract)} />
                  ),
              },
            ]}
          />
        </List>
      )}
      {reorgs.totalCount === 0 ? null : (
        <List
          view={view}
          key_="reorgs"
          title={text.reorgs.title}
          connection={reorgs}
          empty={text.reorgs.empty}
          exports={false}
        >
          <ReorgTable view={view} reorgs={reorgs.nodes} caption={text.reorgs.title} />
        </List>
      )}
      {following === null || following.nodes.length === 0 ? null : (
        <section class="list" aria-labelledby="nodes-title">
          <header>
            <h2 id="nodes-title">{text.statusPage.nodes}</h2>
          </header>
          <NodeTable view={view} nodes={following.nodes.map(node => ({ ...node, chain }))} chains={false} />
        </section>
      )}
    </Page>
  )
}

function chainFacts(view: View, chain: Chain): Fact[] {
  const { text } = view
  const { facts } = text
  const { following } = chain
  const count = (value: number) => formatCount(value, view.language)
  const height = (value: number | null) =>
    value === null ? <span class="muted">{text.words.unknown}</span> : count(value)
  return [
    { label: facts.head, value: height(chain.head) },
    {
      label: facts.lag,
      value:
        following?.lag === undefined || following.lag === null
          ? '–'
          : text.units.blocks(following.lag, count(following.lag)),
    },
    { label: facts.finalHeight, value: height(chain.finalHeight) },
    { label: facts.safeHeight, value: height(chain.safeHeight) },
    { label: facts.stored, value: <Ranges view={view} ranges={chain.ranges} /> },
    following !== null && following.missing > 0
      ? {
          label: facts.missing,
          value: [
            text.units.blocks(following.missing, count(following.missing)),
            following.blocksPerSecond
              ? ` · ${text.units.blocksPerSecond(formatRate(following.blocksPerSecond, view.language))}`
              : '',
            following.etaSeconds
              ? ` · ${text.units.left(formatDuration(following.etaSeconds, view.language))}`
              : '',
          ].join(''),
        }
      : null,
    {
      label: facts.proofs,
      value:
        chain.proofCounts.length === 0
          ? '–'
          : chain.proofCounts.map(({ proof, blocks, of }) => (
              <span class="proof-count">
                {proofName(view, proof)} <span class="muted">{`${count(blocks)}/${count(of)}`}</span>
              </span>
            )),
    },
    {
      label: facts.activity,
      value: (
        <Bars
          points={chain.activity}
          label={text.home.activity(chain.activity.map(point => count(point.transactions)).join(', '))}
        />
      ),
    },
    { label: facts.caip2, value: <code>{chain.caip2}</code> },
    { label: facts.ledger, value: text.ledgers[chain.ledger] },
    {
      label: facts.genesis,
      wide: true,
      value:
        chain.genesisHash === null ? (
          <span class="muted">{text.words.unknown}</span>
        ) : (
          <Hash hash={chain.genesisHash} href={urls.block(chain.slug, chain.genesisHash)} />
        ),
    },
    {
      label: facts.balances,
      wide: true,
      value: chain.complete ? text.chain.complete : text.chain.incomplete(chain.incompleteBecause),
    },
  ]
}
