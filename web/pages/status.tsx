import type { ChainStatus, DeadLetter, DifferingRange, StatusData } from '../data/status.ts'
import { formatCount, formatDuration, formatRate } from '../format.ts'
import { ChainLink } from '../ui/chain-mark.tsx'
import { Facts } from '../ui/facts.tsx'
import { Table } from '../ui/list.tsx'
import { NodeTable } from '../ui/node-table.tsx'
import { Notice } from '../ui/notice.tsx'
import { Page } from '../ui/page.tsx'
import { Ranges } from '../ui/ranges.tsx'
import { FollowingState } from '../ui/state.tsx'
import { Age, TimeFact } from '../ui/time.tsx'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'

/** How the machinery is doing: chains, nodes, what could not be read. */
export function StatusPage({ view, data }: { view: View; data: StatusData }) {
  const { text } = view
  const { status } = data
  const { chains } = status
  const page = text.statusPage
  const nodes = chains.flatMap(chain => (chain.following?.nodes ?? []).map(node => ({ ...node, chain })))
  const problems = chains.filter(chain => chain.following?.problem)
  return (
    <Page view={view} title={page.title} description={page.description} canonical={urls.status}>
      <header class="title">
        <h1>{page.title}</h1>
      </header>
      <p class="sentence">
        {problems.length > 0
          ? page.troubled(formatCount(problems.length, view.language), problems.length)
          : page.well(formatCount(chains.length, view.language), chains.length)}
      </p>
      {problems.map(chain => (
        <Notice tone="warning">
          <ChainLink chain={chain} /> {chain.following?.problem}
        </Notice>
      ))}
      {chains.map(chain =>
        chain.following?.waitingFor ? (
          <Notice>
            <ChainLink chain={chain} /> {chain.following.waitingFor}
          </Notice>
        ) : null,
      )}
      <Facts
        facts={[
          { label: text.facts.program, value: status.version },
          { label: text.facts.startedAt, value: <TimeFact view={view} at={status.startedAt} /> },
          { label: text.facts.deadLetters, value: formatCount(status.deadLetters, view.language) },
          { label: text.facts.nodes, value: formatCount(nodes.length, view.language) },
        ]}
      />
      <section class="list" aria-labelledby="chains-title">
        <header>
          <h2 id="chains-title">
            {page.chains} <span class="count">{formatCount(chains.length, view.language)}</span>
          </h2>
        </header>
        {chains.length === 0 ? (
          <p class="empty">{text.home.noChains}</p>
        ) : (
          <ChainStatusTable view={view} chains={chains} />
        )}
      </section>
      {status.setAside.length === 0 ? null : (
        <section class="list" aria-labelledby="letters-title">
          <header>
            <h2 id="letters-title">
              {text.facts.deadLetters}{' '}
              <span class="count">{formatCount(status.deadLetters, view.language)}</span>
            </h2>
          </header>
          <p class="sentence">{page.setAside}</p>
          <LetterTable view={view} letters={status.setAside} />
        </section>
      )}
      {status.differences.length === 0 ? null : (
        <section class="list" aria-labelledby="differences-title">
          <header>
            <h2 id="differences-title">
              {page.differences}{' '}
              <span class="count">{formatCount(status.differences.length, view.language)}</span>
            </h2>
          </header>
          <p class="sentence">{page.differing}</p>
          <DifferenceTable view={view} ranges={status.differences} />
        </section>
      )}
      <section class="list" aria-labelledby="nodes-title">
        <header>
          <h2 id="nodes-title">
            {page.nodes} <span class="count">{formatCount(nodes.length, view.language)}</span>
          </h2>
        </header>
        {nodes.length === 0 ? (
          <p class="empty">{page.noNodes}</p>
        ) : (
          <NodeTable view={view} nodes={nodes} chains />
        )}
      </section>
    </Page>
  )
}

function ChainStatusTable({ view, chains }: { view: View; chains: readonly ChainStatus[] }) {
  const { columns, units } = view.text
  const count = (value: number) => formatCount(value, view.language)
  const height = (value: number | null | undefined) =>
    value === null || value === undefined ? '–' : count(value)
  return (
    <Table
      caption={view.text.statusPage.chains}
      rows={chains}
      columns={[
        { head: columns.chain, cell: (chain: ChainStatus) => <ChainLink chain={chain} /> },
        {
          head: columns.state,
          place: 'end',
          cell: chain => <FollowingState view={view} state={chain.following?.state ?? null} />,
        },
        { head: columns.head, place: 'end', wide: true, cell: chain => height(chain.head) },
        {
          head: columns.tip,
          place: 'end',
          wide: true,
          cell: chain =>
            chain.tip === null ? (
              '–'
            ) : (
              <a href={urls.block(chain.slug, chain.tip.height)}>{height(chain.tip.height)}</a>
            ),
        },
        {
          head: columns.lag,
          place: 'second',
          cell: chain => {
            const lag = chain.following?.lag
            return lag === null || lag === undefined ? (
              '–'
            ) : (
              <Told number={count(lag)} sentence={units.behind(count(lag))} />
            )
          },
        },
        { head: columns.final, place: 'end', wide: true, cell: chain => height(chain.finalHeight) },
        { head: columns.stored, wide: true, cell: chain => <Ranges view={view} ranges={chain.ranges} /> },
        {
          head: columns.missing,
          place: 'last',
          cell: ({ following }) =>
            following === null ? (
              '–'
            ) : (
              <Told number={count(following.missing)} sentence={units.missing(count(following.missing))} />
            ),
        },
        {
          head: columns.pace,
          wide: true,
          place: 'end',
          cell: ({ following }) =>
            [
              following?.blocksPerSecond
                ? units.blocksPerSecond(formatRate(following.blocksPerSecond, view.language))
                : '',
              following?.etaSeconds ? units.left(formatDuration(following.etaSeconds, view.language)) : '',
            ]
              .filter(Boolean)
              .join(' · ') || '–',
        },
        {
          head: columns.reorgs,
          wide: true,
          place: 'end',
          cell: ({ reorgs }) => {
            const last = reorgs.nodes[0]
            return last === undefined ? (
              count(reorgs.totalCount)
            ) : (
              <>
                {count(reorgs.totalCount)} · <Age view={view} at={last.time} />
              </>
            )
          },
        },
      ]}
    />
  )
}

function LetterTable({ view, letters }: { view: View; letters: readonly DeadLetter[] }) {
  const { columns, facts } = view.text
  const count = (value: number) => formatCount(value, view.language)
  return (
    <Table
      caption={facts.deadLetters}
      rows={letters}
      columns={[
        { head: columns.chain, cell: (letter: DeadLetter) => <ChainLink chain={letter.chain} /> },
        {
          head: columns.height,
          place: 'end',
          cell: ({ height }) => (height === null ? '–' : count(height)),
        },
        {
          head: columns.reason,
          place: 'main',
          cell: ({ code, reason }) => (
            <>
              {code} <bdi class="last-error">{reason}</bdi>
            </>
          ),
        },
        { head: columns.age, place: 'second', cell: ({ time }) => <Age view={view} at={time} /> },
        { head: columns.attempts, place: 'last', wide: true, cell: ({ attempts }) => count(attempts) },
      ]}
    />
  )
}

function DifferenceTable({ view, ranges }: { view: View; ranges: readonly DifferingRange[] }) {
  const { columns, statusPage } = view.text
  const count = (value: number) => formatCount(value, view.language)
  return (
    <Table
      caption={statusPage.differences}
      rows={ranges}
      columns={[
        { head: columns.chain, cell: (range: DifferingRange) => <ChainLink chain={range.chain} /> },
        {
          head: columns.height,
          place: 'end',
          cell: ({ fromHeight, toHeight }) => `${count(fromHeight)} – ${count(toHeight)}`,
        },
        {
          head: columns.reason,
          place: 'main',
          cell: ({ differences }) => (
            <>
              {differences.map(difference => (
                <bdi class="last-error">{difference}</bdi>
              ))}
            </>
          ),
        },
        { head: columns.age, place: 'second', cell: ({ time }) => <Age view={view} at={time} /> },
      ]}
    />
  )
}

/** A number under its heading; where there are no headings, the same in words. */
function Told({ number, sentence }: { number: string; sentence: string }) {
  return (
    <>
      <span class="on-desk">{number}</span>
      <span class="on-phone">{sentence}</span>
    </>
  )
}
