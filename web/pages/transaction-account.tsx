import type { ChainExtent, DecodedCall } from '../data/graph.ts'
import type { EvmDetails, Log, Trace } from '../data/transaction.ts'
import { formatCount, formatShare } from '../format.ts'
import { Amount, gasUnit } from '../ui/amount.tsx'
import type { Fact } from '../ui/facts.tsx'
import { Address, Hash } from '../ui/hash.tsx'
import { Icon } from '../ui/icon.tsx'
import { List } from '../ui/list.tsx'
import { Day } from '../ui/time.tsx'
import type { View } from '../view.ts'
import { BlockOf, type TransactionProps } from './block-of.tsx'

export function accountSentence(props: TransactionProps, details: EvmDetails) {
  const { view, chain, transaction } = props
  const { text } = view
  const address = (value: string) => <Address view={view} chain={chain} address={value} />
  const parts = {
    from: address(details.from),
    to: details.to === null ? null : address(details.to),
    contract: details.contractAddress === null ? null : address(details.contractAddress),
    called: details.call === null ? null : <bdi class="called">{details.call.name}</bdi>,
    value: details.value === '0' ? null : <Amount view={view} amount={details.value} unit={chain.native} />,
    fee:
      transaction.fee === null ? null : <Amount view={view} amount={transaction.fee} unit={chain.native} />,
    block: <BlockOf {...props} />,
    day: <Day view={view} at={transaction.time} />,
  }
  const hasInput = details.input.length > 2
  if (parts.to === null)
    return text.transaction.created({ ...parts, failed: transaction.status === 'FAILED' })
  if (transaction.status === 'FAILED') return text.transaction.failed({ ...parts, to: parts.to })
  return hasInput || parts.value === null
    ? text.transaction.called({ ...parts, to: parts.to })
    : text.transaction.sent({ ...parts, to: parts.to, value: parts.value })
}

export function accountFacts(view: View, chain: ChainExtent, details: EvmDetails): Fact[] {
  const { text } = view
  const { facts } = text
  const count = (value: number) => formatCount(value, view.language)
  const address = (value: string) => <Address view={view} chain={chain} address={value} />
  const price = (label: string, value: string | null): Fact =>
    value === null ? null : { label, value: <Amount view={view} amount={value} unit={gasUnit(chain)} /> }
  const amount = (label: string, value: string | null): Fact =>
    value === null ? null : { label, value: <Amount view={view} amount={value} unit={chain.native} /> }
  return [
    amount(facts.value, details.value),
    {
      label: facts.from,
      wide: true,
      value: (
        <>
          {address(details.from)}{' '}
          <span class="tag">
            {details.senderProven ? text.transaction.senderProven : text.transaction.senderTold}
          </span>
        </>
      ),
    },
    details.to === null ? null : { label: facts.to, wide: true, value: address(details.to) },
    details.contractAddress === null
      ? null
      : { label: facts.contract, wide: true, value: address(details.contractAddress) },
    amount(facts.burnt, details.burntFee),
    amount(facts.tip, details.producerFee),
    {
      label: facts.gasUsed,
      value:
        details.gasUsed === null
          ? `– / ${count(details.gasLimit)}`
          : `${count(details.gasUsed)} / ${count(details.gasLimit)} · ${formatShare(details.gasUsed, details.gasLimit, view.language)}`,
    },
    price(facts.gasPrice, details.effectiveGasPrice ?? details.gasPrice),
    price(facts.maxFee, details.maxFeePerGas),
    price(facts.maxTip, details.maxPriorityFeePerGas),
    price(facts.maxBlobFee, details.maxFeePerBlobGas),
    details.blobGasUsed === null ? null : { label: facts.blobGas, value: count(details.blobGasUsed) },
    { label: facts.type, value: text.transactionTypes[details.type as 0] ?? String(details.type) },
    { label: facts.nonce, value: count(details.nonce) },
    details.blobVersionedHashes.length === 0
      ? null
      : {
          label: facts.blobs,
          wide: true,
          value: details.blobVersionedHashes.map(hash => (
            <div>
              <Hash hash={hash} />
            </div>
          )),
        },
    details.authorizations.length === 0
      ? null
      : {
          label: facts.authorizations,
          wide: true,
          value: details.authorizations.map(entry => (
            <div>
              {entry.authority === null ? (
                <span class="muted">{text.words.unknown}</span>
              ) : (
                address(entry.authority)
              )}{' '}
              <Icon shape="arrow" label={text.words.to} /> {address(entry.address)}
            </div>
          )),
        },
  ]
}

/** The call and what came of it: arguments, events, the tree of calls. */
export function AccountParts({
  view,
  chain,
  details,
}: {
  view: View
  chain: ChainExtent
  details: EvmDetails
}) {
  const { text } = view
  const { logs, traces, input, call } = details
  return (
    <>
      {input.length <= 2 ? null : (
        <section class="list" id="call" aria-labelledby="call-title">
          <header>
            <h2 id="call-title">{details.to === null ? text.transaction.initCode : text.transaction.call}</h2>
          </header>
          {call !== null ? (
            <Call view={view} call={call} />
          ) : details.to === null ? null : (
            <p class="note">{text.transaction.unknownCall(input.slice(0, SELECTOR))}</p>
          )}
          <Raw view={view} hex={input} />
        </section>
      )}
      <List
        view={view}
        key_="events"
        title={text.transaction.events}
        connection={logs}
        empty={text.transaction.noEvents}
      >
        <ol class="events">
          {logs.nodes.map(log => (
            <Event view={view} chain={chain} log={log} />
          ))}
        </ol>
      </List>
      <List
        view={view}
        key_="calls"
        title={text.transaction.calls}
        connection={traces}
        empty={text.transaction.noCalls}
        note={<p class="note">{text.transaction.callsNote}</p>}
      >
        <section class="scroll" aria-label={text.transaction.calls} tabindex={0}>
          <ol class="calls">
            {traces.nodes.map(trace => (
              <Frame view={view} chain={chain} trace={trace} />
            ))}
          </ol>
        </section>
      </List>
    </>
  )
}

function Call({ view, call }: { view: View; call: DecodedCall }) {
  const { columns } = view.text
  return (
    <>
      <p class="signature">
        <code>{call.signature}</code>
      </p>
      {call.arguments.length === 0 ? null : (
        <table class="arguments">
          <caption class="unseen">{view.text.transaction.arguments}</caption>
          <thead>
            <tr>
              <th scope="col">{columns.argument}</th>
              <th scope="col">{columns.type}</th>
              <th scope="col">{columns.value}</th>
            </tr>
          </thead>
          <tbody>
            {call.arguments.map(argument => (
              <tr>
                <td>
                  <bdi>{argument.name}</bdi>
                </td>
                <td>
                  <code>{argument.type}</code>
                </td>
                <td>
                  <code class="raw">{argument.value}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  )
}

/** `0x` and four bytes. */
const SELECTOR = 10
const SHOWN_HEX = 2 + 2 * 2048

/** Bytes behind a fold; of very many the first, and how many there are. */
function Raw({ view, hex }: { view: View; hex: string }) {
  const bytes = Math.max(0, hex.length / 2 - 1)
  return (
    <details class="fold">
      <summary>{view.text.transaction.bytes(formatCount(bytes, view.language))}</summary>
      <pre class="raw">{hex.slice(0, SHOWN_HEX)}</pre>
      {hex.length > SHOWN_HEX ? <p class="note">{view.text.transaction.cutBytes}</p> : null}
    </details>
  )
}

function Event({ view, chain, log }: { view: View; chain: ChainExtent; log: Log }) {
  const { transaction } = view.text
  return (
    <li>
      <p>
        <span class="muted">{formatCount(log.logIndex, view.language)}</span>{' '}
        <bdi class="called">
          {log.event?.name ?? (log.topics.length === 0 ? transaction.anonymous : transaction.unknownEvent)}
        </bdi>{' '}
        <span class="muted">{transaction.by}</span>{' '}
        <Address view={view} chain={chain} address={log.address} />
      </p>
      {log.event === null ? (
        <ul class="topics">
          {log.topics.map(topic => (
            <li>
              <Hash hash={topic} />
            </li>
          ))}
        </ul>
      ) : (
        <dl class="values">
          {log.event.arguments.map(argument => (
            <div>
              <dt>
                <bdi>{argument.name}</bdi> <code class="muted">{argument.type}</code>
              </dt>
              <dd>
                <code class="raw">{argument.value}</code>
              </dd>
            </div>
          ))}
        </dl>
      )}
      {log.event === null && log.data.length > 2 ? <Raw view={view} hex={log.data} /> : null}
    </li>
  )
}

const DEEPEST = 16

/** One frame of the tree of calls, indented by its depth. */
function Frame({ view, chain, trace }: { view: View; chain: ChainExtent; trace: Trace }) {
  const { words, transaction } = view.text
  return (
    <li class={`depth d${Math.min(DEEPEST, trace.traceAddress.length)}${trace.reverted ? ' reverted' : ''}`}>
      <span class="tag">{trace.type}</span> <Address view={view} chain={chain} address={trace.from} />{' '}
      <Icon shape="arrow" label={words.to} />{' '}
      {trace.to === null ? (
        <span class="muted">–</span>
      ) : (
        <Address view={view} chain={chain} address={trace.to} />
      )}{' '}
      {trace.input.length >= 10 ? <code class="muted">{trace.input.slice(0, 10)}</code> : null}{' '}
      {trace.value === '0' ? null : <Amount view={view} amount={trace.value} unit={chain.native} />}{' '}
      {trace.gasUsed === null ? null : (
        <span class="muted">{view.text.units.gas(formatCount(trace.gasUsed, view.language))}</span>
      )}{' '}
      {trace.error === null ? null : (
        <span class="state failed">
          <Icon shape="cross" />
          <bdi>{trace.error}</bdi>
        </span>
      )}
      {trace.error === null && trace.reverted ? <span class="state failed">{transaction.undone}</span> : null}
    </li>
  )
}
