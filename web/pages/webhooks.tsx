import { commandExample, EVENT_NAMES, type WebhookSummary, type WebhooksData } from '../data/webhooks.ts'
import { formatCount } from '../format.ts'
import { Table } from '../ui/list.tsx'
import { Notice } from '../ui/notice.tsx'
import { Page } from '../ui/page.tsx'
import { Age } from '../ui/time.tsx'
import { Act, WebhookState } from '../ui/webhook-state.tsx'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'

/** What webhooks give, and where the operator comes in. */
export function WebhooksDoor({ view, wrong = false }: { view: View; wrong?: boolean }) {
  const { webhooks } = view.text
  return (
    <Page view={view} title={webhooks.title} description={webhooks.description} canonical={urls.webhooks}>
      <header class="title">
        <h1>{webhooks.title}</h1>
      </header>
      <p class="sentence">{webhooks.promise}</p>
      <ul class="plain gives">
        {webhooks.gives.map(given => (
          <li>{given}</li>
        ))}
        <li>
          <a href={urls.webhookSchema}>{webhooks.schema}</a>
        </li>
      </ul>
      <section class="list">
        <h2>{webhooks.examples}</h2>
        <pre class="shown">{commandExample(view.origin)}</pre>
      </section>
      <section class="list">
        <h2>{webhooks.enter}</h2>
        <p class="note">{webhooks.enterNote}</p>
        {wrong ? <Notice tone="warning">{webhooks.wrongToken}</Notice> : null}
        <form class="fields" action={urls.webhooksEnter} method="post">
          <label>
            <span>{webhooks.token}</span>
            <input name="token" type="password" required maxlength={4096} autocomplete="off" />
          </label>
          <button type="submit">{webhooks.show}</button>
        </form>
      </section>
    </Page>
  )
}

/** What was typed, to be corrected. */
export interface Attempt {
  reason: string
  form: URLSearchParams
}

/** All webhooks, and a form for another one. */
export function WebhooksPage(props: { view: View; data: WebhooksData; attempt?: Attempt }) {
  const { view, data, attempt } = props
  const { text } = view
  const { webhooks: words } = text
  const troubled = data.webhooks.filter(({ status }) => status === 'FAILING' || status === 'DISABLED').length
  const { length } = data.webhooks
  return (
    <Page view={view} title={words.title} description={words.description} canonical={urls.webhooks} hidden>
      <header class="title">
        <h1>{words.title}</h1>
        <Act to={urls.webhooksLeave} label={words.leave} />
      </header>
      <p class="sentence">{words.sentence(formatCount(length, view.language), length, troubled)}</p>
      <section class="list">
        <header>
          <h2>{words.list}</h2>
          <p class="exports">
            <a href={urls.webhookSchema}>{words.schema}</a>
          </p>
        </header>
        {length === 0 ? (
          <p class="empty">{words.none}</p>
        ) : (
          <WebhookTable view={view} webhooks={data.webhooks} />
        )}
      </section>
      <section class="list" id="add">
        <h2>{words.add}</h2>
        {attempt === undefined ? null : (
          <Notice tone="warning">
            {words.refusedBecause} <bdi>{attempt.reason}</bdi>
          </Notice>
        )}
        <AddForm view={view} chains={data.chains} typed={attempt?.form ?? new URLSearchParams()} />
      </section>
    </Page>
  )
}

function WebhookTable({ view, webhooks }: { view: View; webhooks: readonly WebhookSummary[] }) {
  const { webhooks: words } = view.text
  const count = (value: number) => formatCount(value, view.language)
  return (
    <Table
      caption={words.list}
      rows={webhooks}
      columns={[
        {
          head: words.columns.endpoint,
          place: 'main',
          cell: (webhook: WebhookSummary) => (
            <>
              <a class="endpoint" href={urls.webhook(webhook.id)}>
                <bdi>{webhook.description || webhook.url || webhook.id}</bdi>
              </a>
              <span class="last-error">
                <bdi>
                  {webhook.description ? (webhook.url ?? words.stream) : webhook.url ? '' : words.stream}
                </bdi>
              </span>
              {webhook.lastError === null ? null : <bdi class="last-error">{webhook.lastError}</bdi>}
            </>
          ),
        },
        {
          head: words.columns.state,
          cell: webhook => (
            <>
              <WebhookState view={view} status={webhook.status} />
              {webhook.failingSince === null ? null : (
                <span class="last-error">
                  <Age view={view} at={webhook.failingSince} />
                </span>
              )}
            </>
          ),
        },
        {
          head: words.columns.taken,
          place: 'second',
          cell: webhook => words.taken(count(webhook.delivered), count(webhook.sequence)),
        },
        {
          head: words.columns.waiting,
          place: 'end',
          wide: true,
          cell: webhook => (webhook.url === null ? '–' : count(webhook.sequence - webhook.delivered)),
        },
        {
          head: words.columns.action,
          place: 'last',
          cell: webhook => (
            <div class="acts">
              {webhook.status === 'PAUSED' || webhook.status === 'DISABLED' ? (
                <Act to={urls.webhookAction(webhook.id, 'resume')} label={words.resume} />
              ) : (
                <Act to={urls.webhookAction(webhook.id, 'pause')} label={words.pause} />
              )}
              {webhook.url === null ? null : (
                <Act to={urls.webhookAction(webhook.id, 'test')} label={words.test} />
              )}
            </div>
          ),
        },
      ]}
    />
  )
}

function AddForm(props: { view: View; chains: WebhooksData['chains']; typed: URLSearchParams }) {
  const { view, chains, typed } = props
  const { webhooks: words } = view.text
  const { form } = words
  const value = (name: string) => typed.get(name) ?? ''
  const isTicked = (name: string, one: string) => typed.getAll(name).includes(one)
  const choice = (label: string, name: string, of: Readonly<Record<string, string>>, first: string) => (
    <label>
      <span>{label}</span>
      <select name={name}>
        {Object.entries(of).map(([key, word]) => (
          <option value={key} selected={(value(name) || first) === key}>
            {word}
          </option>
        ))}
      </select>
    </label>
  )
  const { confirmations: _, ...whens } = words.when
  return (
    <form class="fields" action={urls.webhooks} method="post">
      <label class="long">
        <span>{form.url}</span>
        <input name="url" type="url" maxlength={2048} value={value('url')} autocomplete="off" />
        <small>{form.urlNote}</small>
      </label>
      <label class="long">
        <span>{form.name}</span>
        <input name="description" maxlength={200} value={value('description')} />
      </label>
      <fieldset>
        <legend>{form.chains}</legend>
        {chains.map(({ slug, name }) => (
          <label class="tick">
            <input type="checkbox" name="chain" value={slug} checked={isTicked('chain', slug)} /> {name}
          </label>
        ))}
      </fieldset>
      <fieldset>
        <legend>{form.events}</legend>
        {Object.entries(EVENT_NAMES).map(([kind, name]) => (
          <label class="tick">
            <input type="checkbox" name="event" value={kind} checked={isTicked('event', kind)} />{' '}
            <code>{name}</code>
          </label>
        ))}
      </fieldset>
      <details open={props.typed.size > 0}>
        <summary>{form.filters}</summary>
        <label class="long">
          <span>{form.addresses}</span>
          <textarea name="addresses" rows={4} spellcheck={false}>
            {value('addresses')}
          </textarea>
        </label>
        <label class="long">
          <span>{form.topics}</span>
          <textarea name="topics" rows={2} spellcheck={false}>
            {value('topics')}
          </textarea>
        </label>
        <label class="long">
          <span>{form.assets}</span>
          <input name="assets" value={value('assets')} autocomplete="off" />
        </label>
        <label>
          <span>{form.minimum}</span>
          <input name="minimum" inputmode="numeric" pattern="[0-9]{1,78}" value={value('minimum')} />
        </label>
      </details>
      <details open={props.typed.size > 0}>
        <summary>{form.more}</summary>
        {choice(words.facts.when, 'when', whens, 'TIP')}
        <label>
          <span>{form.confirmations}</span>
          <input
            name="confirmations"
            inputmode="numeric"
            pattern="[0-9]{1,6}"
            value={value('confirmations')}
          />
        </label>
        <label>
          <span>{form.fromHeight}</span>
          <input name="fromHeight" inputmode="numeric" pattern="[0-9]{1,15}" value={value('fromHeight')} />
        </label>
        <label>
          <span>{words.fromTime}</span>
          <input name="fromTime" type="datetime-local" value={value('fromTime')} />
        </label>
        {choice(words.facts.payload, 'payload', words.payload, 'SUMMARY')}
        {choice(words.facts.giveUp, 'giveUp', words.giveUp, 'STOP')}
      </details>
      <button type="submit">{form.make}</button>
    </form>
  )
}

/** A secret, once. */
export function SecretPage({ view, id, secret }: { view: View; id: string; secret: string }) {
  const { webhooks: words } = view.text
  return (
    <Page view={view} title={words.secret} description={words.description} canonical={urls.webhooks} hidden>
      <header class="title">
        <h1>{words.secret}</h1>
      </header>
      <p class="sentence">{words.secretOnce}</p>
      <pre class="shown" id="secret">
        {secret}
      </pre>
      <p>
        <a href={urls.webhook(id)}>{words.toWebhook}</a>
      </p>
    </Page>
  )
}
