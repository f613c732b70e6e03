import type { Balance } from './data/address.ts'
import type { Withdrawal } from './data/block.ts'
import {
  ASSET_NAME,
  type AssetName,
  BLOCK_ROW,
  type BlockRow,
  CHAIN_NAME,
  EFFECT_ROW,
  type EffectRow,
  REORG_ROW,
  type ReorgRow,
  TRANSACTION_ROW,
  TRANSFER_ROW,
  type TransactionRow,
  type TransferRow,
  type Unit,
} from './data/graph.ts'
import { type Connection, PAGE_FIELDS } from './data/lists.ts'
import { AFFECTED_TRANSACTION, type AffectedTransaction } from './data/reorg.ts'
import type { Log, Movement, Trace, UtxoInput, UtxoOutput } from './data/transaction.ts'
import { plainAmount } from './format.ts'

/** A cell of a file: null is an empty cell. */
export type Cell = string | number | boolean | null

/** A list of a page as a file: how a page of it is asked for, and what its columns hold. */
export interface ListFile {
  document: string
  /** Null when there is no such thing. */
  page(data: never): { connection: Connection<never>; unit: Unit } | null
  columns: Readonly<Record<string, (row: never, unit: Unit) => Cell>>
}

const NO_UNIT: Unit = { symbol: null, decimals: null }
const PASS = 'first: $first, after: $after'
const VARIABLES = '$first: Int, $after: String'

/** Lets each file name the type of its rows while the table of files holds them all. */
function file<Data, Row>(definition: {
  document: string
  page: (data: Data) => { connection: Connection<Row>; unit?: Unit } | null
  columns: Readonly<Record<string, (row: Row, unit: Unit) => Cell>>
}): ListFile {
  return {
    document: definition.document,
    columns: definition.columns,
    page: (data: Data) => {
      const page = definition.page(data)
      return page === null ? null : { unit: NO_UNIT, ...page }
    },
  } as unknown as ListFile
}

type Native = { native: Unit }
type Found<Name extends string, Value> = { [key in Name]: Value | null }

const asset = {
  asset: (row: { asset: AssetName }) => row.asset.asset,
  standard: (row: { asset: AssetName }) => row.asset.standard,
  symbol: (row: { asset: AssetName }) => row.asset.symbol,
}

/** The exact amount in units of its asset, and in base units. */
const assetAmount = {
  amount: (row: { amount: string; asset: AssetName }) => plainAmount(row.amount, row.asset.decimals),
  base_units: (row: { amount: string }) => row.amount,
}

const nativeAmount = (amount: string | null, unit: Unit): Cell =>
  amount === null ? null : plainAmount(amount, unit.decimals)

const blockColumns: Record<string, (block: BlockRow) => Cell> = {
  chain: block => block.chain.slug,
  height: block => block.height,
  hash: block => block.hash,
  time: block => block.time,
  transactions: block => block.transactionCount,
  size: block => block.size,
  producer: block => block.producer,
  state: block => block.finality,
}

const effectColumns: Record<string, (effect: EffectRow) => Cell> = {
  height: effect => effect.height,
  time: effect => effect.time,
  index: effect => effect.index,
  transaction: effect => effect.transactionHash,
  address: effect => effect.address,
  kind: effect => effect.kind,
  ...asset,
  ...assetAmount,
}

const transferColumns: Record<string, (transfer: TransferRow) => Cell> = {
  height: row => row.height,
  time: row => row.time,
  transaction: row => row.transactionHash,
  log_index: row => row.logIndex,
  batch_index: row => row.batchIndex,
  token: row => row.token,
  token_id: row => row.tokenId,
  from: row => row.from,
  to: row => row.to,
  ...asset,
  ...assetAmount,
}

const assetColumns: Record<string, (row: AssetName) => Cell> = {
  asset: row => row.asset,
  standard: row => row.standard,
  contract: row => row.contract,
  token_id: row => row.tokenId,
  symbol: row => row.symbol,
  name: row => row.name,
  decimals: row => row.decimals,
}

const BLOCK = `query ListOfBlock($chain: String!, $height: Height, $hash: String, ${VARIABLES})`
const TRANSACTION = `query ListOfTransaction($chain: String!, $hash: String!, ${VARIABLES})`
const ADDRESS = `query ListOfAddress($chain: String!, $address: String!, ${VARIABLES})`
const CHAIN = `query ListOfChain($chain: String!, ${VARIABLES})`

interface OfBlock<Row> {
  chain: Native
  list: Connection<Row>
}
const ofBlock = <Row>(data: Found<'block', OfBlock<Row>>) =>
  data.block === null ? null : { connection: data.block.list, unit: data.block.chain.native }

interface OfTransaction<Row> {
  chain: Native
  list: Connection<Row>
}
const ofTransaction = <Row>(data: Found<'transaction', OfTransaction<Row>>) =>
  data.transaction === null
    ? null
    : { connection: data.transaction.list, unit: data.transaction.chain.native }

/** Of a part that only one kind of ledger has. */
const ofDetails = <Row>(
  data: Found<'transaction', { chain: Native; details: { list?: Connection<Row> } | null }>,
) => {
  const list = data.transaction?.details?.list
  return data.transaction === null || list === undefined
    ? null
    : { connection: list, unit: data.transaction.chain.native }
}

const ofAddress = <Row>(data: Found<'address', { list: Connection<Row> }>) =>
  data.address === null ? null : { connection: data.address.list }

const ofChain = <Row>(data: Found<'chain', { list: Connection<Row> }>) =>
  data.chain === null ? null : { connection: data.chain.list }

const UNIT = 'chain { native { symbol decimals } }'

/** By kind of page and key of the list there. */
export const listFiles: Readonly<Record<string, Readonly<Record<string, ListFile>>>> = {
  home: {
    blocks: file({
      document: `query ListOfAll(${VARIABLES}) { list: blocks(${PASS}) { nodes { ...BlockRow } ${PAGE_FIELDS} } } ${BLOCK_ROW} ${CHAIN_NAME}`,
      page: (data: { list: Connection<BlockRow> }) => ({ connection: data.list }),
      columns: blockColumns,
    }),
    reorgs: file({
      document: `query ListOfReorgs($chain: String, ${VARIABLES}) { list: reorgs(chain: $chain, ${PASS}) { nodes { ...ReorgRow } ${PAGE_FIELDS} } } ${REORG_ROW} ${CHAIN_NAME}`,
      page: (data: { list: Connection<ReorgRow> }) => ({ connection: data.list }),
      columns: {
        chain: row => row.chain.slug,
        time: row => row.time,
        height: row => row.height,
        depth: row => row.depth,
        old_hash: row => row.oldHash,
        new_hash: row => row.newHash,
        common_ancestor: row => row.commonAncestor,
        transactions: row => row.transactions,
      },
    }),
  },
  reorg: {
    affected: file({
      document: `query ListOfAffected($chain: String!, $batch: Height!, ${VARIABLES}) { reorg(chain: $chain, batch: $batch) { list: affected(${PASS}) { nodes { ...AffectedTransaction } ${PAGE_FIELDS} } } } ${AFFECTED_TRANSACTION}`,
      page: (data: Found<'reorg', { list: Connection<AffectedTransaction> }>) =>
        data.reorg === null ? null : { connection: data.reorg.list },
      columns: {
        hash: row => row.hash,
        block_height: row => row.block.height,
        block_hash: row => row.block.hash,
        index: row => row.index,
        mined_again_height: row => row.minedAgain?.block.height ?? null,
        mined_again_block: row => row.minedAgain?.block.hash ?? null,
        mined_again_index: row => row.minedAgain?.index ?? null,
      },
    }),
  },
  chain: {
    blocks: file({
      document: `${CHAIN} { chain(slug: $chain) { list: blocks(${PASS}) { nodes { ...BlockRow } ${PAGE_FIELDS} } } } ${BLOCK_ROW} ${CHAIN_NAME}`,
      page: ofChain<BlockRow>,
      columns: blockColumns,
    }),
    assets: file({
      document: `${CHAIN} { chain(slug: $chain) { list: assets(${PASS}) { nodes { ...AssetName } ${PAGE_FIELDS} } } } ${ASSET_NAME}`,
      page: ofChain<AssetName>,
      columns: assetColumns,
    }),
  },
  block: {
    transactions: file({
      document: `${BLOCK} { block(chain: $chain, height: $height, hash: $hash) { ${UNIT} list: transactions(${PASS}) { nodes { ...TransactionRow } ${PAGE_FIELDS} } } } ${TRANSACTION_ROW}`,
      page: ofBlock<TransactionRow>,
      columns: {
        index: row => row.index,
        hash: row => row.hash,
        status: row => row.status,
        senders: row => row.senders.join(' '),
        sender_count: row => row.senderCount,
        receivers: row => row.receivers.join(' '),
        receiver_count: row => row.receiverCount,
        amount: (row, unit) => nativeAmount(row.amount, unit),
        fee: (row, unit) => nativeAmount(row.fee, unit),
        unit: (_row, unit) => unit.symbol,
      },
    }),
    withdrawals: file({
      document: `${BLOCK} { block(chain: $chain, height: $height, hash: $hash) { ${UNIT} details { ... on EvmBlock { list: withdrawals(${PASS}) { nodes { index validatorIndex address amount } ${PAGE_FIELDS} } } } } }`,
      page: (data: Found<'block', { chain: Native; details: { list?: Connection<Withdrawal> } | null }>) =>
        data.block?.details?.list === undefined
          ? null
          : { connection: data.block.details.list, unit: data.block.chain.native },
      columns: {
        index: row => row.index,
        validator: row => row.validatorIndex,
        address: row => row.address,
        amount: (row, unit) => nativeAmount(row.amount, unit),
        unit: (_row, unit) => unit.symbol,
      },
    }),
    effects: file({
      document: `${BLOCK} { block(chain: $chain, height: $height, hash: $hash) { ${UNIT} list: effects(${PASS}) { nodes { ...EffectRow } ${PAGE_FIELDS} } } } ${EFFECT_ROW} ${ASSET_NAME}`,
      page: ofBlock<EffectRow>,
      columns: effectColumns,
    }),
  },
  transaction: {
    inputs: file({
      document: `${TRANSACTION} { transaction(chain: $chain, hash: $hash) { ${UNIT} details { ... on UtxoTransaction { list: inputs(${PASS}) { nodes { index isCoinbase previousHash previousIndex amount address scriptType source scriptSig witness sequence } ${PAGE_FIELDS} } } } } }`,
      page: ofDetails<UtxoInput>,
      columns: {
        index: row => row.index,
        previous_hash: row => row.previousHash,
        previous_index: row => row.previousIndex,
        address: row => row.address,
        amount: (row, unit) => nativeAmount(row.amount, unit),
        unit: (_row, unit) => unit.symbol,
        script_type: row => row.scriptType,
        source: row => row.source,
        script_sig: row => row.scriptSig,
        witness: row => row.witness.join(' '),
        sequence: row => row.sequence,
      },
    }),
    outputs: file({
      document: `${TRANSACTION} { transaction(chain: $chain, hash: $hash) { ${UNIT} details { ... on UtxoTransaction { list: outputs(${PASS}) { nodes { index amount address scriptType scriptPubkey text spentBy { transactionHash index height } } ${PAGE_FIELDS} } } } } }`,
      page: ofDetails<UtxoOutput>,
      columns: {
        index: row => row.index,
        address: row => row.address,
        amount: (row, unit) => nativeAmount(row.amount, unit),
        unit: (_row, unit) => unit.symbol,
        script_type: row => row.scriptType,
        script: row => row.scriptPubkey,
        text: row => row.text,
        spent_by: row => row.spentBy?.transactionHash ?? null,
        spent_by_input: row => row.spentBy?.index ?? null,
      },
    }),
    movements: file({
      document: `${TRANSACTION} { transaction(chain: $chain, hash: $hash) { ${UNIT} list: movements(${PASS}) { nodes { address asset { ...AssetName } amount } ${PAGE_FIELDS} } } } ${ASSET_NAME}`,
      page: ofTransaction<Movement>,
      columns: { address: (row: Movement) => row.address, ...asset, ...assetAmount },
    }),
    effects: file({
      document: `${TRANSACTION} { transaction(chain: $chain, hash: $hash) { ${UNIT} list: effects(${PASS}) { nodes { ...EffectRow } ${PAGE_FIELDS} } } } ${EFFECT_ROW} ${ASSET_NAME}`,
      page: ofTransaction<EffectRow>,
      columns: effectColumns,
    }),
    transfers: file({
      document: `${TRANSACTION} { transaction(chain: $chain, hash: $hash) { ${UNIT} list: tokenTransfers(${PASS}) { nodes { ...TransferRow } ${PAGE_FIELDS} } } } ${TRANSFER_ROW} ${ASSET_NAME}`,
      page: ofTransaction<TransferRow>,
      columns: transferColumns,
    }),
    events: file({
      document: `${TRANSACTION} { transaction(chain: $chain, hash: $hash) { ${UNIT} details { ... on EvmTransaction { list: logs(${PASS}) { nodes { logIndex address topics data event { signature } } ${PAGE_FIELDS} } } } } }`,
      page: ofDetails<Omit<Log, 'event'> & { event: { signature: string } | null }>,
      columns: {
        log_index: row => row.logIndex,
        address: row => row.address,
        event: row => row.event?.signature ?? null,
        topics: row => row.topics.join(' '),
        data: row => row.data,
      },
    }),
    calls: file({
      document: `${TRANSACTION} { transaction(chain: $chain, hash: $hash) { ${UNIT} details { ... on EvmTransaction { list: traces(${PASS}) { nodes { index traceAddress type from to value gasUsed input error reverted } ${PAGE_FIELDS} } } } } }`,
      page: ofDetails<Trace>,
      columns: {
        index: row => row.index,
        trace_address: row => row.traceAddress.join(' '),
        type: row => row.type,
        from: row => row.from,
        to: row => row.to,
        value: (row, unit) => nativeAmount(row.value, unit),
        gas_used: row => row.gasUsed,
        error: row => row.error,
        reverted: row => row.reverted,
        input: row => row.input,
      },
    }),
  },
  address: {
    balances: file({
      document: `${ADDRESS} { address(chain: $chain, address: $address) { list: balances(${PASS}) { nodes { asset { ...AssetName } amount } ${PAGE_FIELDS} } } } ${ASSET_NAME}`,
      page: ofAddress<Balance>,
      columns: { ...asset, ...assetAmount },
    }),
    history: file({
      document: `query ListOfHistory($chain: String!, $address: String!, $direction: EffectDirection, $asset: String, $toHeight: Height, ${VARIABLES}) { address(chain: $chain, address: $address) { list: effects(direction: $direction, asset: $asset, toHeight: $toHeight, ${PASS}) { nodes { ...EffectRow } ${PAGE_FIELDS} } } } ${EFFECT_ROW} ${ASSET_NAME}`,
      page: ofAddress<EffectRow>,
      columns: effectColumns,
    }),
    tokens: file({
      document: `${ADDRESS} { address(chain: $chain, address: $address) { list: tokens(${PASS}) { nodes { ...AssetName } ${PAGE_FIELDS} } } } ${ASSET_NAME}`,
      page: ofAddress<AssetName>,
      columns: assetColumns,
    }),
    transfers: file({
      document: `${ADDRESS} { address(chain: $chain, address: $address) { list: tokenTransfers(${PASS}) { nodes { ...TransferRow } ${PAGE_FIELDS} } } } ${TRANSFER_ROW} ${ASSET_NAME}`,
      page: ofAddress<TransferRow>,
      columns: transferColumns,
    }),
  },
}

/**
 * A cell of RFC 4180. Text that a spreadsheet would take for a formula gets an apostrophe before it: names of tokens
 * and messages come from strangers. Numbers are left as they are.
 */
export function csvCell(cell: Cell): string {
  if (cell === null) return ''
  const text = String(cell)
  const isFormula = /^[=+\-@\t\r]/.test(text) && !/^-?[0-9]+(\.[0-9]+)?$/.test(text)
  const safe = isFormula ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** Rows of one page of a list, in the order of the file's columns. */
function cells(list: ListFile, page: NonNullable<ReturnType<ListFile['page']>>): Cell[][] {
  const columns = Object.values(list.columns)
  const rows: readonly never[] = page.connection.nodes
  return rows.map(row => columns.map(column => column(row, page.unit)))
}

/**
 * The text of a file, page by page: nothing is held longer than it takes to send it.
 * @param first its first page; @param more asks for the page after a cursor.
 */
export async function* writeFile(
  list: ListFile,
  format: 'csv' | 'json',
  first: NonNullable<ReturnType<ListFile['page']>>,
  more: (cursor: string) => Promise<NonNullable<ReturnType<ListFile['page']>>>,
): AsyncGenerator<string> {
  const names = Object.keys(list.columns)
  yield format === 'csv' ? `${names.join(',')}\r\n` : '['
  let separator = '\n'
  for (let page = first; ; ) {
    for (const row of cells(list, page)) {
      if (format === 'csv') yield `${row.map(csvCell).join(',')}\r\n`
      else {
        yield separator + JSON.stringify(Object.fromEntries(names.map((name, place) => [name, row[place]])))
        separator = ',\n'
      }
    }
    const { hasNextPage, endCursor } = page.connection.pageInfo
    if (!hasNextPage || endCursor === null) break
    page = await more(endCursor)
  }
  if (format === 'json') yield '\n]\n'
}
