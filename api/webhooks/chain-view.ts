import { BASE_DATABASE } from '../../schema/ddl.ts'
import { mergeRanges, type Range, type Ranges } from '../../schema/ranges.ts'
import { blockTables } from '../../schema/tables.ts'
import { from, PUBLISHED, shown } from '../published.ts'
import type { Reader } from '../reader.ts'

/** What a chain's books say at one moment. */
export interface ChainBooks {
  /** Published heights. */
  ranges: Ranges
  /** Height up to which blocks are final; null while none is. */
  final: number | null
  /** Last batch that is done, by log partition. */
  committed: ReadonlyMap<number, number>
}

export interface BlockFacts {
  height: number
  hash: string
  parentHash: string
  /** Unix seconds. */
  time: number
  transactionCount: number
  size: number | null
  proofs: string[]
}

export interface TransactionFacts {
  height: number
  index: number
  hash: string
  status: 'success' | 'failed' | null
  fee: string | null
}

export interface EffectFacts {
  height: number
  /** Null, like the hash, for effects of the block itself. */
  transactionIndex: number | null
  transactionHash: string | null
  address: string
  asset: string
  amount: string
  kind: string
}

export interface TokenTransferFacts {
  height: number
  transactionIndex: number
  transactionHash: string
  logIndex: number
  standard: string
  token: string
  from: string
  to: string
  tokenId: string | null
  amount: string
}

export interface LogFacts {
  height: number
  transactionIndex: number
  transactionHash: string
  logIndex: number
  address: string
  topics: string[]
  data: string
}

/** A block that left its chain. */
export interface Orphan {
  parentHash: string
  time: number
  /** Unix seconds. */
  orphanedAt: number
}

/** Which rows of blocks are wanted. */
export interface Wanted {
  transactions: boolean
  effects: boolean
  tokenTransfers: boolean
  logs: boolean
}

export interface BlockDetails {
  transactions: TransactionFacts[]
  effects: EffectFacts[]
  tokenTransfers: TokenTransferFacts[]
  logs: LogFacts[]
}

/** How webhooks read chains: only what is published, and never half of a change. */
export interface ChainView {
  books(chains: readonly string[]): Promise<Map<string, ChainBooks>>
  /** Published blocks among heights, ascending. */
  blocks(chain: string, from: number, to: number): Promise<BlockFacts[]>
  details(chain: string, from: number, to: number, wanted: Wanted): Promise<BlockDetails>
  /** Whether any batch that is not among those done has to do with these heights: what was read of them may be half. */
  wasTouched(chain: string, since: ChainBooks, from: number, to: number): Promise<boolean>
  /** The block as it left the chain last; null when it never did. */
  orphan(chain: string, height: number, hash: string): Promise<Orphan | null>
  /** Lowest published height of a time (unix seconds) or later; null when there is none. */
  heightAt(chain: string, time: number): Promise<number | null>
}

type Row = Record<string, unknown> & { height: string }

const HEIGHTS = `chain IN {chains:Array(String)} AND height BETWEEN {from:UInt64} AND {to:UInt64} AND ${PUBLISHED}`

export function createChainView(read: Reader): ChainView {
  const rowsOf = (select: string, order: string, chain: string, low: number, high: number) =>
    read.rows<Row>(`${select} WHERE ${HEIGHTS} ORDER BY ${order}`, { chains: [chain], from: low, to: high })

  return {
    async books(chains) {
      const rows = await read.rows<{
        slug: string
        confirmations: number
        told: string[]
        ranges: [string, string][]
        committed: [number, string][]
      }>(
        `SELECT toString(chains.chain) AS slug, finality_final AS confirmations, finality.told AS told,
          books.ranges AS ranges, books.committed AS committed
        FROM ${BASE_DATABASE}.chains AS chains FINAL
        LEFT JOIN (
          SELECT chain, groupArrayArray(ranges) AS ranges, groupArray((partition, committed)) AS committed
          FROM ${from('checkpoints')} GROUP BY chain
        ) AS books ON chains.chain = books.chain
        LEFT JOIN (
          SELECT chain, groupArray(final) AS told FROM ${from('finality')} GROUP BY chain
        ) AS finality ON chains.chain = finality.chain
        WHERE chains.chain IN {chains:Array(String)}`,
        { chains: [...chains] },
      )
      return new Map(
        rows.map(row => {
          const ranges = mergeRanges(row.ranges.map(([low, high]): Range => [Number(low), Number(high)]))
          const tip = ranges.at(-1)?.[1]
          const byRule = tip === undefined ? -1 : tip - row.confirmations + 1
          const final = row.told[0] === undefined ? byRule : Number(row.told[0])
          return [
            row.slug,
            {
              ranges,
              final: final < 0 ? null : final,
              committed: new Map(row.committed.map(([partition, batch]) => [partition, Number(batch)])),
            },
          ]
        }),
      )
    },

    async blocks(chain, low, high) {
      const columns = shown(blockTables.blocks, [
        'block_hash',
        'parent_hash',
        'time',
        'transaction_count',
        'size',
        'proofs',
      ])
      const rows = await rowsOf(
        `SELECT height, ${columns} FROM ${from(blockTables.blocks)}`,
        'height',
        chain,
        low,
        high,
      )
      return rows.map(row => ({
        height: Number(row.height),
        hash: row.block_hash as string,
        parentHash: row.parent_hash as string,
        time: row.unix_time as number,
        transactionCount: row.transaction_count as number,
        size: row.size as number | null,
        proofs: row.proofs as string[],
      }))
    },

    async details(chain, low, high, wanted) {
      const { transactions, effects, token_transfers, evm_logs } = blockTables
      const none = Promise.resolve<Row[]>([])
      const [ofTransactions, ofEffects, ofTransfers, ofLogs] = await Promise.all([
        wanted.transactions
          ? rowsOf(
              `SELECT height, ${shown(transactions, ['index', 'hash', 'status', 'fee'])} FROM ${from(transactions)}`,
              'height, `index`',
              chain,
              low,
              high,
            )
          : none,
        wanted.effects
          ? rowsOf(
              `SELECT height, ${shown(effects, ['transaction_index', 'transaction_hash', 'address', 'asset', 'amount', 'kind'])}
              FROM ${from(effects)}`,
              'height, `index`',
              chain,
              low,
              high,
            )
          : none,
        wanted.tokenTransfers
          ? rowsOf(
              `SELECT height, ${shown(token_transfers, ['transaction_index', 'transaction_hash', 'log_index', 'standard', 'token', 'from_address', 'to_address', 'token_id', 'amount'])}
              FROM ${from(token_transfers)}`,
              'height, log_index, batch_index',
              chain,
              low,
              high,
            )
          : none,
        wanted.logs
          ? rowsOf(
              `SELECT height, ${shown(evm_logs, ['transaction_index', 'transaction_hash', 'log_index', 'address', 'topic0', 'topic1', 'topic2', 'topic3', 'data'])}
              FROM ${from(evm_logs)}`,
              'height, log_index',
              chain,
              low,
              high,
            )
          : none,
      ])
      return {
        transactions: ofTransactions.map(row => ({
          height: Number(row.height),
          index: row.index as number,
          hash: row.hash as string,
          status: row.status === null ? null : row.status === 1 ? 'success' : 'failed',
          fee: row.fee as string | null,
        })),
        effects: ofEffects.map(row => ({
          height: Number(row.height),
          transactionIndex: row.transaction_index as number | null,
          transactionHash: row.transaction_index === null ? null : (row.transaction_hash as string),
          address: row.address as string,
          asset: row.asset as string,
          amount: row.amount as string,
          kind: row.kind as string,
        })),
        tokenTransfers: ofTransfers.map(row => ({
          height: Number(row.height),
          transactionIndex: row.transaction_index as number,
          transactionHash: row.transaction_hash as string,
          logIndex: row.log_index as number,
          standard: row.standard as string,
          token: row.token as string,
          from: row.from_address as string,
          to: row.to_address as string,
          tokenId: row.token_id as string | null,
          amount: row.amount as string,
        })),
        logs: ofLogs.map(row => ({
          height: Number(row.height),
          transactionIndex: row.transaction_index as number,
          transactionHash: row.transaction_hash as string,
          logIndex: row.log_index as number,
          address: row.address as string,
          topics: [row.topic0, row.topic1, row.topic2, row.topic3].filter(
            topic => topic !== null,
          ) as string[],
          data: row.data as string,
        })),
      }
    },

    async wasTouched(chain, { committed }, low, high) {
      const known = [...committed]
      const later = [
        ...known.map((_, at) => `(partition = {partition${at}:UInt16} AND batch > {batch${at}:UInt64})`),
        'partition NOT IN {partitions:Array(UInt16)}',
      ]
      const [row] = await read.rows<{ touched: number }>(
        `SELECT count() > 0 AS touched FROM ${BASE_DATABASE}.journal
        WHERE chain = {chain:String} AND (${later.join(' OR ')})
          AND arrayExists(one -> one BETWEEN {from:UInt64} AND {to:UInt64}, arrayConcat(cancels.height, blocks.height))`,
        {
          chain,
          from: low,
          to: high,
          partitions: known.map(([partition]) => partition),
          ...Object.fromEntries(known.map(([partition], at) => [`partition${at}`, partition])),
          ...Object.fromEntries(known.map(([, batch], at) => [`batch${at}`, batch])),
        },
      )
      return row?.touched === 1
    },

    async orphan(chain, height, hash) {
      const [row] = await read.rows<{ parent_hash: string; unix_time: number; left_at: number }>(
        `SELECT parent_hash, toUnixTimestamp(time) AS unix_time, toUnixTimestamp(orphaned_at) AS left_at FROM orphaned_blocks
        WHERE chain = {chain:String} AND height = {height:UInt64} AND hash = {hash:String} ORDER BY batch DESC LIMIT 1`,
        { chain, height, hash },
      )
      return row ? { parentHash: row.parent_hash, time: row.unix_time, orphanedAt: row.left_at } : null
    },

    async heightAt(chain, time) {
      const [row] = await read.rows<{ found: number; height: string }>(
        `SELECT count() > 0 AS found, min(height) AS height FROM ${from(blockTables.blocks)}
        WHERE chain IN {chains:Array(String)} AND time >= toDateTime({time:UInt32}, 'UTC') AND ${PUBLISHED}`,
        { chains: [chain], time },
      )
      return row?.found === 1 ? Number(row.height) : null
    },
  }
}
