import type { ChainExtent } from '../data/graph.ts'
import type { Connection } from '../data/lists.ts'
import type { UtxoDetails, UtxoInput, UtxoOutput } from '../data/transaction.ts'
import { formatBytes, formatCount, formatRate } from '../format.ts'
import { Amount, MaybeAmount } from '../ui/amount.tsx'
import type { Fact } from '../ui/facts.tsx'
import { Address, Hash } from '../ui/hash.tsx'
import { List } from '../ui/list.tsx'
import { Day } from '../ui/time.tsx'
import { urls } from '../urls.ts'
import type { View } from '../view.ts'
import { BlockOf, type TransactionProps } from './block-of.tsx'

export function utxoSentence(props: TransactionProps, details: UtxoDetails) {
  const { view, chain, transaction } = props
  const { text } = view
  const { senders, receivers, senderCount, receiverCount, amount, fee } = transaction
  const address = (value: string) => <Address view={view} chain={chain} address={value} />
  const group = (addresses: readonly string[], count: number) =>
    count === 1 && addresses[0] !== undefined
      ? address(addresses[0])
      : text.words.addresses(formatCount(count, view.language))
  const where = { block: <BlockOf {...props} />, day: <Day view={view} at={transaction.time} /> }
  if (details.isCoinbase) {
    return text.transaction.coinbase({
      amount: <MaybeAmount view={view} amount={details.outputAmount} unit={chain.native} />,
      receivers: group(receivers, receiverCount),
      ...where,
    })
  }
  return text.transaction.paid({
    senders: senderCount === 0 ? text.words.unknownSenders : group(senders, senderCount),
    amount:
      amount === null ? text.words.unknownAmount : <Amount view={view} amount={amount} unit={chain.native} />,
    receivers: receiverCount === 0 ? text.words.nobody : group(receivers, receiverCount),
    fee: fee === null ? null : <Amount view={view} amount={fee} unit={chain.native} />,
    ...where,
  })
}

export function utxoFacts(view: View, chain: ChainExtent, details: UtxoDetails): Fact[] {
  const { facts, units } = view.text
  const count = (value: number) => formatCount(value, view.language)
  return [
    details.isCoinbase || details.feeRate === null
      ? null
      : {
          label: facts.feeRate,
          value: units.feeRate(formatRate(details.feeRate, view.language)),
        },
    details.isCoinbase
      ? null
      : {
          label: facts.inputAmount,
          value: <MaybeAmount view={view} amount={details.inputAmount} unit={chain.native} />,
        },
    {
      label: facts.outputAmount,
      value: <MaybeAmount view={view} amount={details.outputAmount} unit={chain.native} />,
    },
    { label: facts.size, value: formatBytes(details.size, view.language) },
    { label: facts.virtualSize, value: units.virtualBytes(count(details.virtualSize)) },
    { label: facts.weight, value: units.weight(count(details.weight)) },
    { label: facts.version, value: count(details.version) },
    { label: facts.lockTime, value: count(details.lockTime) },
    { label: facts.witnessHash, wide: true, value: <Hash hash={details.witnessHash} /> },
  ]
}

/** The picture of a transaction: what goes in at the left, what comes out at the right, and the bands between. */
export function Flow({ view, chain, details }: { view: View; chain: ChainExtent; details: UtxoDetails }) {
  const { text } = view
  const { inputs, outputs } = details
  return (
    <div class="flow">
      <List
        view={view}
        key_="inputs"
        title={text.transaction.inputs}
        connection={inputs}
        empty={text.transaction.noInputs}
      >
        <ol class="ends in">
          {inputs.nodes.map(input => (
            <li>
              <Input view={view} chain={chain} input={input} />
            </li>
          ))}
        </ol>
      </List>
      <Bands inputs={inputs} outputs={outputs} />
      <List
        view={view}
        key_="outputs"
        title={text.transaction.outputs}
        connection={outputs}
        empty={text.transaction.noOutputs}
      >
        <ol class="ends out">
          {outputs.nodes.map(output => (
            <li>
              <Output view={view} chain={chain} output={output} />
            </li>
          ))}
        </ol>
      </List>
    </div>
  )
}

function Input({ view, chain, input }: { view: View; chain: ChainExtent; input: UtxoInput }) {
  const { words, transaction } = view.text
  return (
    <>
      <span class="who">
        {input.isCoinbase ? (
          <span class="nobody">{words.newCoins}</span>
        ) : input.address === null ? (
          <span class="muted">{transaction.unknownInput}</span>
        ) : (
          <Address view={view} chain={chain} address={input.address} />
        )}
      </span>
      <span class="much">
        <MaybeAmount view={view} amount={input.amount} unit={chain.native} unknown={words.unknown} />
      </span>
      <span class="link">
        {input.previousHash === null || input.isCoinbase ? null : (
          <a href={urls.transaction(chain.slug, input.previousHash)}>{transaction.cameFrom}</a>
        )}
      </span>
    </>
  )
}

function Output({ view, chain, output }: { view: View; chain: ChainExtent; output: UtxoOutput }) {
  const { transaction } = view.text
  const { spentBy } = output
  return (
    <>
      <span class="who">
        {output.text === null ? (
          <Address view={view} chain={chain} address={output.address} />
        ) : (
          <bdi class="quote">{output.text}</bdi>
        )}
      </span>
      <span class="much">
        <Amount view={view} amount={output.amount} unit={chain.native} />
      </span>
      <span class="link">
        {spentBy === null ? (
          <span class="muted">
            {output.scriptType === 'nulldata' || output.text !== null
              ? transaction.message
              : transaction.unspent}
          </span>
        ) : (
          <a href={urls.transaction(chain.slug, spentBy.transactionHash)}>
            {transaction.spent(formatCount(spentBy.height, view.language))}
          </a>
        )}
      </span>
    </>
  )
}

const ROW = 56
const WIDTH = 120
const NODE = 60
const THICKEST = 28

/** Bands from the inputs shown to one line and from it to the outputs shown, as thick as their share of the most. */
function Bands({ inputs, outputs }: { inputs: Connection<UtxoInput>; outputs: Connection<UtxoOutput> }) {
  const left = inputs.nodes.map(input => BigInt(input.amount ?? '0'))
  const right = outputs.nodes.map(output => BigInt(output.amount))
  const sum = (side: readonly bigint[]) => side.reduce((all, amount) => all + amount, 0n)
  const [most = 0n] = [sum(left), sum(right), 1n].sort((a, b) => (a > b ? -1 : 1))
  const rows = Math.max(left.length, right.length, 1)
  const thickness = (amount: bigint) => Math.max(1, Number((amount * 1000n) / most) * (THICKEST / 1000))
  const middle = ROW / 2
  const bands = (amounts: readonly bigint[], from: number, to: number) => {
    let offset = -amounts.reduce((sum, amount) => sum + thickness(amount), 0) / 2
    return amounts.map((amount, place) => {
      const thick = thickness(amount)
      const outer = place * ROW + ROW / 2
      const inner = middle + offset + thick / 2
      offset += thick
      const bend = (from + to) / 2
      return (
        <path
          d={`M${from} ${outer}C${bend} ${outer} ${bend} ${inner.toFixed(1)} ${to} ${inner.toFixed(1)}`}
          stroke-width={thick.toFixed(1)}
        />
      )
    })
  }
  return (
    <svg
      class="bands"
      viewBox={`0 0 ${WIDTH} ${rows * ROW}`}
      width={WIDTH}
      height={rows * ROW}
      aria-hidden="true"
    >
      <g class="in">{bands(left, 0, NODE)}</g>
      <g class="out">{bands(right, WIDTH, NODE)}</g>
    </svg>
  )
}
