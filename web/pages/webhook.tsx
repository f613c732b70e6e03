import {
  type Delivery,
  EVENT_NAMES,
  type HttpHeader,
  type SkippedEvent,
  TYPE_NAMES,
  type WebhookWhole,
} from '../data/webhooks.ts'
import { formatCount } from '../format.ts'
import { Facts } from '../ui/facts.tsx'
import { Icon } from '../ui/icon.tsx'
import { Table } from '../ui/list.tsx'
import { Notice } from '../ui/notice.tsx'
import { Page } from '../ui/page.tsx'
import { Age, TimeFact } from '../ui/time.tsx'
import { Act, WebhookState } from '../ui/webhook-state.tsx'
import { urls, withQuery } from '../urls.ts'
import type { View } from '../view.ts'

/** One webhook: how it is, what was sent, what can be done. */
export function WebhookPage(props: {
  view: View
  webhook: WebhookWhole
  done: 'pause' | 'resume' | 'test' | 'untaken' | 'replay' | null
  /** Why what was asked for cannot be. */
  refused?: string
}) {
  const { view, webhook, done, refused } = props
  const { webhooks: words } = view.text
  const name = webhook.description || webhook.url || webhook.id
  const count = (value: number) => formatCount(value, view.language)
  const rests = webhook.status === 'PAUSED' || webhook.status === 'DISABLED'
  const action = (what: string) => urls.webhookAction(webhook.id, what)
  return (
    <Page
      view={view}
      title={name}
      description={words.description}
      canonical={urls.webhook(webhook.id)}
      hidden
    >
      <header class="title">
        <p class="crumb">
          <a href={urls.webhooks}>{words.title}</a>
        </p>
        <h1>
          <bdi>{name}</bdi>
        </h1>
        <p>
          <WebhookState view={view} status={webhook.status} />
        </p>
      </header>
      <p class="sentence">
        {webhook.url === null
          ? words.made(count(webhook.sequence))
          : words.progress(count(webhook.delivered), count(webhook.sequence - webhook.delivered))}
        <br />
        <span class="muted">{words.meaning[webhook.status]}</span>
      </p>
      {done === null ? null : (
        <Notice tone={done === 'untaken' ? 'warning' : 'info'}>{words.done[done]}</Notice>
      )}
      {refused === undefined ? null : (
        <Notice tone="warning">
          {words.refusedBecause} <bdi>{refused}</bdi>
        </Notice>
      )}
      <div class="acts">
        <Act to={action(rests ? 'resume' : 'pause')} label={rests ? words.resume : words.pause} />
        {webhook.url === null ? null : <Act to={action('test')} label={words.test} />}
      </div>
      <WebhookFacts view={view} webhook={webhook} />
      <DeliveryList view={view} deliveries={webhook.deliveries} />
      {webhook.skipped.length === 0 ? null : <SkippedList view={view} webhook={webhook} />}
      {webhook.url === null ? null : <ReplayForm view={view} webhook={webhook} />}
      <section class="list">
        <h2>{words.rotate}</h2>
        <p class="note">{words.rotateNote}</p>
        <form class="fields" action={action('rotate')} method="post">
          <label>
            <span>{words.keepHours}</span>
            <input name="keepHours" inputmode="numeric" pattern="[0-9]{1,3}" value="24" required />
          </label>
          <button type="submit">{words.rotate}</button>
        </form>
      </section>
      <details class="list remove">
        <summary>{words.remove}</summary>
        <p class="note">{words.removeNote}</p>
        <Act to={action('remove')} label={words.removeForGood} />
      </details>
    </Page>
  )
}

function WebhookFacts({ view, webhook }: { view: View; webhook: WebhookWhole }) {
  const { webhooks: words } = view.text
  const { facts } = words
  const { filters, start } = webhook
  const count = (value: number) => formatCount(value, view.language)
  const listed = (of: readonly string[]) => <bdi>{of.join(', ')}</bdi>
  return (
    <Facts
      facts={[
        { label: facts.id, value: <code>{webhook.id}</code> },
        { label: facts.created, value: <TimeFact view={view} at={webhook.createdAt} /> },
        webhook.url === null
          ? null
          : { label: words.form.url, wide: true, value: <bdi class="raw">{webhook.url}</bdi> },
        { label: facts.events, value: listed(webhook.events.map(event => EVENT_NAMES[event])) },
        { label: facts.chains, value: listed(webhook.chains) },
        {
          label: facts.addresses,
          value: filters.addresses === 0 ? words.anybody : count(filters.addresses),
        },
        filters.assets.length === 0 ? null : { label: facts.assets, value: listed(filters.assets) },
        filters.topics.length === 0
          ? null
          : {
              label: facts.topics,
              wide: true,
              value: filters.topics.map(position => (
                <code class="raw also">{position.join(', ') || words.anybody}</code>
              )),
            },
        filters.minimumAmount === null ? null : { label: facts.minimum, value: filters.minimumAmount },
        {
          label: facts.when,
          value:
            webhook.confirmations === null
              ? words.when[webhook.when]
              : words.when.confirmations(count(webhook.confirmations)),
        },
        { label: facts.payload, value: words.payload[webhook.payload] },
        {
          label: facts.began,
          value:
            start === null ? (
              words.begins.now
            ) : start.height !== null ? (
              words.begins.height(count(start.height))
            ) : (
              <TimeFact view={view} at={start.time ?? webhook.createdAt} />
            ),
        },
        { label: facts.giveUp, value: words.giveUp[webhook.giveUp] },
        { label: facts.private, value: webhook.allowPrivate ? words.allowed : words.refused },
        webhook.positions.length === 0
          ? null
          : {
              label: facts.read,
              value: listed(webhook.positions.map(({ chain, height }) => `${chain} ${count(height)}`)),
            },
        webhook.failingSince === null
          ? null
          : { label: facts.failingSince, value: <TimeFact view={view} at={webhook.failingSince} /> },
        webhook.nextAttemptAt === null
          ? null
          : { label: facts.nextAttempt, value: <TimeFact view={view} at={webhook.nextAttemptAt} /> },
        webhook.lastError === null
          ? null
          : { label: facts.lastError, wide: true, value: <bdi class="raw">{webhook.lastError}</bdi> },
      ]}
    />
  )
}

function DeliveryList({ view, deliveries }: { view: View; deliveries: readonly Delivery[] }) {
  const { webhooks: words } = view.text
  const isFailed = view.query.get('failed') === '1'
  const oldest = deliveries.at(-1)
  const link = (changes: Record<string, string | null>) =>
    withQuery(view.path, view.query, { lang: null, done: null, ...changes }, 'deliveries')
  return (
    <section class="list" id="deliveries">
      <header>
        <h2>{words.deliveries}</h2>
      </header>
      <p class="note">{words.deliveriesNote}</p>
      <div class="filters">
        <nav aria-label={words.deliveries}>
          <a href={link({ failed: null, before: null })} aria-current={isFailed ? undefined : 'true'}>
            {words.allDeliveries}
          </a>
          <a href={link({ failed: '1', before: null })} aria-current={isFailed ? 'true' : undefined}>
            {words.onlyFailed}
          </a>
        </nav>
      </div>
      {deliveries.length === 0 ? (
        <p class="empty">{words.noDeliveries}</p>
      ) : (
        deliveries.map(delivery => <DeliveryRow view={view} delivery={delivery} />)
      )}
      {oldest === undefined || deliveries.length < 25 ? null : (
        <nav class="pager" aria-label={words.deliveries}>
          <a rel="next" href={link({ before: oldest.time })}>
            {words.older} ›
          </a>
        </nav>
      )}
    </section>
  )
}

/** One line, and behind it what was sent and what came back. */
function DeliveryRow({ view, delivery }: { view: View; delivery: Delivery }) {
  const { webhooks: words, units } = view.text
  const result = delivery.status === null ? words.notOk : String(delivery.status)
  return (
    <details class="delivery">
      <summary>
        <span class={`state ${delivery.ok ? 'success' : 'failed'}`}>
          <Icon shape={delivery.ok ? 'check' : 'cross'} label={delivery.ok ? words.ok : words.notOk} />{' '}
          {result}
        </span>
        <code>{TYPE_NAMES[delivery.type] ?? delivery.type}</code>
        {delivery.sequence === 0 ? null : (
          <span>
            {words.columns.number}
            {formatCount(delivery.sequence, view.language)}
          </span>
        )}
        <span class="muted">
          {words.attempt(formatCount(delivery.attempt, view.language))} · {words.origin[delivery.origin]} ·{' '}
          {units.ms(formatCount(Math.round(delivery.durationMs), view.language))} ·{' '}
          <Age view={view} at={delivery.time} />
        </span>
        {delivery.error === null ? null : <bdi class="last-error">{delivery.error}</bdi>}
      </summary>
      <h3>{words.request}</h3>
      <pre class="shown">{messageOf(delivery.requestHeaders, delivery.requestBody)}</pre>
      <h3>{words.response}</h3>
      {delivery.status === null ? (
        <p class="note">{words.noResponse}</p>
      ) : (
        <pre class="shown">{messageOf(delivery.responseHeaders, delivery.responseBody)}</pre>
      )}
    </details>
  )
}

function messageOf(headers: readonly HttpHeader[], body: string): string {
  return [...headers.map(({ name, value }) => `${name}: ${value}`), '', body].join('\n')
}

function SkippedList({ view, webhook }: { view: View; webhook: WebhookWhole }) {
  const { webhooks: words } = view.text
  return (
    <section class="list">
      <header>
        <h2>{words.skipped}</h2>
      </header>
      <p class="note">{words.skippedNote}</p>
      <Table
        caption={words.skipped}
        rows={webhook.skipped}
        columns={[
          {
            head: words.columns.number,
            cell: (event: SkippedEvent) => formatCount(event.sequence, view.language),
          },
          { head: words.columns.event, cell: ({ type }) => <code>{TYPE_NAMES[type] ?? type}</code> },
          { head: words.columns.reason, place: 'main', cell: ({ reason }) => <bdi>{reason}</bdi> },
          { head: words.columns.when, place: 'second', cell: ({ time }) => <Age view={view} at={time} /> },
          {
            head: words.columns.action,
            place: 'last',
            cell: ({ sequence }) => (
              <form class="act" action={urls.webhookAction(webhook.id, 'replay')} method="post">
                <input type="hidden" name="fromSequence" value={String(sequence)} />
                <input type="hidden" name="toSequence" value={String(sequence)} />
                <button type="submit">{words.replay}</button>
              </form>
            ),
          },
        ]}
      />
    </section>
  )
}

function ReplayForm({ view, webhook }: { view: View; webhook: WebhookWhole }) {
  const { webhooks: words } = view.text
  const number = (name: string, label: string) => (
    <label>
      <span>{label}</span>
      <input name={name} inputmode="decimal" pattern="[0-9]{1,15}([.][0-9]{1,3})?" size={10} />
    </label>
  )
  return (
    <section class="list">
      <h2>{words.replay}</h2>
      <p class="note">{words.replayNote}</p>
      <form class="fields" action={urls.webhookAction(webhook.id, 'replay')} method="post">
        {number('fromSequence', words.fromSequence)}
        {number('fromHeight', words.fromHeight)}
        {webhook.chains.length < 2 ? null : (
          <label>
            <span>{words.ofChain}</span>
            <select name="chain">
              <option value="">{words.anybody}</option>
              {webhook.chains.map(chain => (
                <option value={chain}>{chain}</option>
              ))}
            </select>
          </label>
        )}
        <label>
          <span>{words.fromTime}</span>
          <input name="fromTime" type="datetime-local" />
        </label>
        {number('toSequence', words.toSequence)}
        {number('perSecond', words.perSecond)}
        <button type="submit">{words.replay}</button>
      </form>
    </section>
  )
}
