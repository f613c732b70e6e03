import { groupBy } from '../group-by.ts'
import type {
  BlockDetails,
  BlockFacts,
  EffectFacts,
  LogFacts,
  TokenTransferFacts,
  TransactionFacts,
  Wanted,
} from './chain-view.ts'
import type { EventKind, EventType, WebhookDefinition } from './contract.ts'

/** What a webhook wants to know, ready to be asked of every row. */
export interface Watcher {
  id: string
  events: ReadonlySet<EventKind>
  payload: WebhookDefinition['payload']
  /** Whether only some addresses are meant; which they are stands in the store. */
  hasAddresses: boolean
  /** Null for every asset. */
  assets: ReadonlySet<string> | null
  /** By position; an empty set for any. */
  topics: readonly ReadonlySet<string>[]
  minimumAmount: bigint | null
}

/** An event before it has its number. */
export interface Draft {
  webhook: string
  type: EventType
  height: number
  hash: string
  /** Of the block, unix seconds. */
  time: number
  data: Record<string, unknown>
  /** The same in fewer words, for a body that would grow too long. */
  short?: Record<string, unknown>
  /** Sequence of the event that it takes back; 0 for none. */
  undoes: number
}

export function createWatcher(
  id: string,
  {
    events,
    payload,
    filters,
  }: Pick<WebhookDefinition, 'events' | 'payload'> & {
    filters: { addresses: number; assets: string[]; topics: string[][]; minimumAmount: string | null }
  },
): Watcher {
  return {
    id,
    events: new Set(events),
    payload,
    hasAddresses: filters.addresses > 0,
    assets: filters.assets.length === 0 ? null : new Set(filters.assets),
    topics: filters.topics.map(topics => new Set(topics)),
    minimumAmount: filters.minimumAmount === null ? null : BigInt(filters.minimumAmount),
  }
}

/** Which rows these webhooks are about. */
export function wantedBy(watchers: readonly Watcher[]): Wanted {
  const wants = (kind: EventKind) => watchers.some(({ events }) => events.has(kind))
  const full = watchers.some(({ events, payload }) => payload === 'full' && events.has('block.added'))
  return {
    transactions: full || wants('address.activity'),
    effects: full || wants('address.activity') || wants('transfer'),
    tokenTransfers: wants('transfer'),
    logs: wants('contract.event'),
  }
}

/** Addresses that the rows name: whom it concerns is looked up by them. */
export function addressesOf({ effects, tokenTransfers, logs }: BlockDetails): Set<string> {
  const found = new Set<string>()
  for (const { address } of effects) if (address !== '') found.add(address)
  for (const { from, to } of tokenTransfers) found.add(from).add(to)
  for (const { address } of logs) found.add(address)
  return found
}

/** Price of a transaction: nothing that it moves. */
const FEES: ReadonlySet<string> = new Set(['fee', 'tip', 'base_fee_burn', 'blob_fee'])

/** A movement of one asset in one transaction. */
interface Transfer {
  transactionIndex: number
  transactionHash: string
  asset: string
  standard: string
  tokenId: string | null
  logIndex: number | null
  amount: bigint
  from: Party[]
  to: Party[]
}

interface Party {
  address: string
  amount: string
}

/**
 * Events of one stored block, in order: for each webhook the block itself, then what its transactions did, transaction by
 * transaction. Pure: the same block gives the same events.
 * @param watching who watches an address.
 */
export function eventsOf(
  block: BlockFacts,
  details: BlockDetails,
  watchers: readonly Watcher[],
  watching: ReadonlyMap<string, readonly Watcher[]>,
): Draft[] {
  const place = { height: block.height, hash: block.hash, time: block.time, undoes: 0 }
  const drafts: Draft[] = []
  for (const watcher of watchers) {
    if (watcher.events.has('block.added'))
      drafts.push({
        webhook: watcher.id,
        type: 'block.added',
        ...place,
        ...blockData(block, details, watcher),
      })
  }
  const parts: { order: number; draft: Draft }[] = []
  const add = (order: number, watcher: Watcher, type: EventKind, words: Pick<Draft, 'data' | 'short'>) =>
    parts.push({ order, draft: { webhook: watcher.id, type, ...place, ...words } })

  const transactions = new Map(details.transactions.map(one => [one.index, one]))
  for (const [index, effects] of groupBy(details.effects, effect => effect.transactionIndex)) {
    const transaction = index === null ? undefined : transactions.get(index)
    for (const [watcher, own] of activityOf(effects, watching))
      add(index ?? -1, watcher, 'address.activity', activityData(own, transaction, watcher))
  }
  const ofEverybody = (kind: EventKind) =>
    watchers.filter(({ events, hasAddresses }) => !hasAddresses && events.has(kind))
  const [onTransfers, onLogs] = [ofEverybody('transfer'), ofEverybody('contract.event')]
  for (const transfer of transfersOf(details)) {
    for (const watcher of watchersOf(transfer, onTransfers, watching))
      add(transfer.transactionIndex, watcher, 'transfer', transferData(transfer, watcher))
  }
  for (const log of details.logs) {
    for (const watcher of listenersTo(log, onLogs, watching))
      add(log.transactionIndex, watcher, 'contract.event', logData(log, watcher))
  }
  parts.sort((a, b) => a.order - b.order)
  return [...drafts, ...parts.map(({ draft }) => draft)]
}

function blockData(
  block: BlockFacts,
  details: BlockDetails,
  { payload }: Watcher,
): Pick<Draft, 'data' | 'short'> {
  const reference = { parentHash: block.parentHash }
  if (payload === 'reference') return { data: reference }
  const summary = {
    ...reference,
    transactionCount: block.transactionCount,
    size: block.size,
    proofs: block.proofs,
  }
  if (payload === 'summary') return { data: summary }
  const byTransaction = groupBy(details.effects, effect => effect.transactionIndex)
  return {
    data: {
      ...summary,
      transactions: details.transactions.map(({ hash, index, status, fee }) => ({
        hash,
        index,
        status,
        fee,
        effects: (byTransaction.get(index) ?? []).map(effectWords),
      })),
      effects: (byTransaction.get(null) ?? []).map(effectWords),
    },
    short: { ...summary, truncated: true },
  }
}

const effectWords = ({ address, asset, amount, kind }: EffectFacts) => ({ address, asset, amount, kind })

/** Effects of one transaction (or of the block itself) on watched addresses, by who watches them. */
function activityOf(
  effects: readonly EffectFacts[],
  watching: ReadonlyMap<string, readonly Watcher[]>,
): Map<Watcher, EffectFacts[]> {
  const found = new Map<Watcher, EffectFacts[]>()
  for (const effect of effects) {
    for (const watcher of watching.get(effect.address) ?? []) {
      if (!watcher.events.has('address.activity')) continue
      if (watcher.assets !== null && !watcher.assets.has(effect.asset)) continue
      const own = found.get(watcher)
      if (own) own.push(effect)
      else found.set(watcher, [effect])
    }
  }
  return new Map(
    [...found].filter(
      ([{ minimumAmount }, own]) =>
        minimumAmount === null || own.some(({ amount }) => size(BigInt(amount)) >= minimumAmount),
    ),
  )
}

const size = (amount: bigint) => (amount < 0n ? -amount : amount)

function activityData(
  effects: readonly EffectFacts[],
  transaction: TransactionFacts | undefined,
  { payload }: Watcher,
): Pick<Draft, 'data' | 'short'> {
  const reference = {
    transactionHash: effects[0]!.transactionHash,
    addresses: [...new Set(effects.map(({ address }) => address))],
  }
  if (payload === 'reference') return { data: reference }
  return {
    data: { ...reference, effects: effects.map(effectWords), status: transaction?.status ?? null },
    short: { ...reference, truncated: true },
  }
}

/** Tokens as their logs tell; native coins from who had less to who had more after a transaction, its price left aside. */
function transfersOf({ effects, tokenTransfers }: BlockDetails): Transfer[] {
  return [...nativeTransfers(effects), ...tokenTransfers.map(tokenTransfer)]
}

function nativeTransfers(effects: readonly EffectFacts[]): Transfer[] {
  const native = effects.filter(
    ({ asset, kind, transactionIndex }) => asset === 'native' && transactionIndex !== null && !FEES.has(kind),
  )
  return [...groupBy(native, effect => effect.transactionIndex!)].flatMap(([transactionIndex, own]) => {
    const net = new Map<string, bigint>()
    for (const { address, amount } of own)
      if (address !== '') net.set(address, (net.get(address) ?? 0n) + BigInt(amount))
    const party = ([address, amount]: [string, bigint]): Party => ({
      address,
      amount: size(amount).toString(),
    })
    const gains = [...net].filter(([, amount]) => amount > 0n)
    if (gains.length === 0) return []
    return [
      {
        transactionIndex,
        transactionHash: own[0]!.transactionHash!,
        asset: 'native',
        standard: 'native',
        tokenId: null,
        logIndex: null,
        amount: gains.reduce((sum, [, amount]) => sum + amount, 0n),
        from: [...net].filter(([, amount]) => amount < 0n).map(party),
        to: gains.map(party),
      },
    ]
  })
}

function tokenTransfer(row: TokenTransferFacts): Transfer {
  const { transactionIndex, transactionHash, logIndex, standard, token, tokenId, amount } = row
  const isOne = tokenId !== null
  return {
    transactionIndex,
    transactionHash,
    asset: isOne ? `${token}/${tokenId}` : token,
    standard,
    tokenId,
    logIndex,
    amount: BigInt(amount),
    from: [{ address: row.from, amount }],
    to: [{ address: row.to, amount }],
  }
}

/** Those who watch one of the parties, and those who watch everybody. */
function watchersOf(
  { from, to, asset, amount }: Transfer,
  everybody: readonly Watcher[],
  watching: ReadonlyMap<string, readonly Watcher[]>,
): Watcher[] {
  const contract = asset.split('/', 1)[0]!
  return concerned(
    [...from, ...to].map(({ address }) => address),
    'transfer',
    everybody,
    watching,
  ).filter(
    ({ assets, minimumAmount }) =>
      (assets === null || assets.has(asset) || assets.has(contract)) &&
      (minimumAmount === null || amount >= minimumAmount),
  )
}

function transferData(transfer: Transfer, { payload }: Watcher): Pick<Draft, 'data' | 'short'> {
  const { transactionHash, asset, standard, tokenId, logIndex, from, to } = transfer
  const reference = {
    transactionHash,
    asset,
    standard,
    tokenId,
    logIndex,
    amount: transfer.amount.toString(),
  }
  if (payload === 'reference') return { data: reference }
  return { data: { ...reference, from, to }, short: { ...reference, truncated: true } }
}

function listenersTo(
  log: LogFacts,
  everybody: readonly Watcher[],
  watching: ReadonlyMap<string, readonly Watcher[]>,
): Watcher[] {
  return concerned([log.address], 'contract.event', everybody, watching).filter(({ topics }) =>
    topics.every((any, at) => any.size === 0 || any.has(log.topics[at] ?? '')),
  )
}

function logData(log: LogFacts, { payload }: Watcher): Pick<Draft, 'data' | 'short'> {
  const { transactionHash, logIndex, address, topics, data } = log
  const reference = { transactionHash, logIndex, address }
  if (payload === 'reference') return { data: reference }
  return { data: { ...reference, topics, data }, short: { ...reference, topics, truncated: true } }
}

/** Who wants this kind of event of these addresses, each once: `everybody` hears of all. */
function concerned(
  addresses: readonly string[],
  kind: EventKind,
  everybody: readonly Watcher[],
  watching: ReadonlyMap<string, readonly Watcher[]>,
): Watcher[] {
  const found = new Set(everybody)
  for (const address of addresses)
    for (const watcher of watching.get(address) ?? []) if (watcher.events.has(kind)) found.add(watcher)
  return [...found]
}
