import { assetOf } from './assets.ts'
import { connectionOfAll, type PageArgs } from './connection.ts'
import type { ApiContext } from './context.ts'
import type { Row } from './lists.ts'
import { readHash } from './names.ts'
import { formatNodeId } from './node-id.ts'
import { readOrphansByHash } from './queries-block.ts'
import type { Movement, Parties, TransactionRecord } from './queries-transaction.ts'
import { formatTime } from './scalars.ts'

export interface EffectNode {
  chain: string
  height: number
  time: string
  index: number
  transactionHash: string | null
  transactionIndex: number | null
  address: string
  asset: string
  amount: string
  kind: string
}

export function effectNode(row: Row): EffectNode {
  return {
    chain: row.chain,
    height: Number(row.height),
    time: formatTime(row.unix_time),
    index: row.index as number,
    transactionHash: (row.transaction_hash as string) || null,
    transactionIndex: row.transaction_index as number | null,
    address: row.address as string,
    asset: row.asset as string,
    amount: row.amount as string,
    kind: row.kind as string,
  }
}

export interface TransferNode {
  chain: string
  asset: string
  height: number
  logIndex: number
  batchIndex: number
}

export function transferNode(row: Row): TransferNode & Record<string, unknown> {
  const [token, tokenId] = [row.token as string, row.token_id as string | null]
  return {
    chain: row.chain,
    asset: tokenId === null ? token : `${token}/${tokenId}`,
    height: Number(row.height),
    time: formatTime(row.unix_time),
    transactionHash: row.transaction_hash,
    logIndex: row.log_index as number,
    batchIndex: row.batch_index as number,
    standard: row.standard,
    token,
    from: row.from_address,
    to: row.to_address,
    tokenId,
    amount: row.amount,
  }
}

const STATUSES = { 1: 'SUCCESS', 0: 'FAILED' } as const

/**
 * Who took part, as the effects tell (`readParties`). Where a family's transactions name one sender, that is the sender,
 * and whom they address is the receiver when nobody else gained anything. Of an orphaned transaction nothing is known.
 */
async function partiesOf(transaction: TransactionRecord, { load }: ApiContext) {
  if (transaction.orphanedIn !== null) return { senders: [], receivers: [], senderCount: 0, receiverCount: 0 }
  const [told, detail] = await Promise.all([
    load.parties.load(transaction),
    load.transactionDetail.load(transaction),
  ])
  const parties = told ?? { senders: [], senderCount: 0, receivers: [], receiverCount: 0 }
  if (!detail?.named) return parties
  const { sender, receiver } = detail.named
  const nobodyElse = parties.receivers.every(address => address === sender)
  return {
    senders: [sender],
    senderCount: 1,
    ...(nobodyElse && receiver !== null
      ? { receivers: [receiver], receiverCount: 1 }
      : { receivers: parties.receivers, receiverCount: parties.receiverCount }),
  }
}

/** Null while not known: a utxo chain's change cannot be told from payment while an input is open. */
async function amountOf(transaction: TransactionRecord, { load }: ApiContext): Promise<string | null> {
  if (transaction.orphanedIn !== null || transaction.status === null) return null
  const { ledger } = await load.chain(transaction.chain)
  if (ledger === 'utxo' && !transaction.effectsComplete) return null
  const parties: Parties | null = await load.parties.load(transaction)
  return parties?.amount ?? '0'
}

function placeOf({ chain, height, index }: TransactionRecord) {
  return { chain, height, transaction: index }
}

export const transactionResolvers = {
  Transaction: {
    __isTypeOf: (value: object) => 'effectsComplete' in value,
    id: (transaction: TransactionRecord) => formatNodeId('Transaction', transaction.chain, transaction.hash),
    chain: (transaction: TransactionRecord, _: unknown, { load }: ApiContext) =>
      load.chain(transaction.chain),
    block: async (transaction: TransactionRecord, _: unknown, { load, read }: ApiContext) => {
      if (transaction.orphanedIn === null) return load.block.load(transaction)
      const found = await readOrphansByHash(read, [transaction.chain], [transaction.blockHash])
      return found[0] ?? null
    },
    minedAgain: async ({ chain, hash, orphanedIn }: TransactionRecord, _: unknown, { load }: ApiContext) => {
      if (orphanedIn === null) return null
      const { prefix } = readHash((await load.chain(chain)).hashForm, hash) ?? {}
      return prefix === undefined ? null : load.transaction.load({ chain, hash, prefix })
    },
    status: ({ status }: TransactionRecord) => (status === null ? 'UNKNOWN' : STATUSES[status]),
    error: async (transaction: TransactionRecord, _: unknown, { load }: ApiContext) =>
      transaction.orphanedIn === null
        ? ((await load.transactionDetail.load(transaction))?.error ?? null)
        : null,
    senders: async (parent: TransactionRecord, _: unknown, context: ApiContext) =>
      (await partiesOf(parent, context)).senders,
    receivers: async (parent: TransactionRecord, _: unknown, context: ApiContext) =>
      (await partiesOf(parent, context)).receivers,
    senderCount: async (parent: TransactionRecord, _: unknown, context: ApiContext) =>
      (await partiesOf(parent, context)).senderCount,
    receiverCount: async (parent: TransactionRecord, _: unknown, context: ApiContext) =>
      (await partiesOf(parent, context)).receiverCount,
    amount: (parent: TransactionRecord, _: unknown, context: ApiContext) => amountOf(parent, context),
    movements: async (parent: TransactionRecord, args: PageArgs, { load }: ApiContext) =>
      connectionOfAll(args, parent.orphanedIn === null ? await load.movements.load(parent) : []),
    effects: (parent: TransactionRecord, args: PageArgs, { load }: ApiContext) =>
      parent.orphanedIn === null
        ? load.list('effects', placeOf(parent), args, effectNode, node => [node.index])
        : connectionOfAll(args, []),
    tokenTransfers: (parent: TransactionRecord, args: PageArgs, { load }: ApiContext) =>
      parent.orphanedIn === null
        ? load.list('tokenTransfers', placeOf(parent), args, transferNode, node => [
            node.logIndex,
            node.batchIndex,
          ])
        : connectionOfAll(args, []),
    details: (parent: TransactionRecord, _: unknown, { load }: ApiContext) =>
      parent.orphanedIn === null ? load.transactionDetail.load(parent) : null,
  },

  Movement: { asset: (parent: Movement, _: unknown, context: ApiContext) => assetOf(parent, context) },

  Effect: {
    transaction: ({ chain, height, transactionIndex }: EffectNode, _: unknown, { load }: ApiContext) =>
      transactionIndex === null ? null : load.transactionAt.load({ chain, height, index: transactionIndex }),
    block: (parent: EffectNode, _: unknown, { load }: ApiContext) => load.block.load(parent),
    asset: (parent: EffectNode, _: unknown, context: ApiContext) => assetOf(parent, context),
  },

  TokenTransfer: {
    asset: (parent: TransferNode, _: unknown, context: ApiContext) => assetOf(parent, context),
  },
}
