import DataLoader from 'dataloader'
import { InputError } from '../schema/errors.ts'
import type { AnnouncementFeed } from '../schema/events.ts'
import { countHeights } from '../schema/ranges.ts'
import type { FollowStatus, StatusBoard } from '../schema/status.ts'
import { type Connection, connectionOf, type Key, type Page, type PageArgs, parsePage } from './connection.ts'
import type { BlockDetail, Family, TransactionDetail, Unproven } from './family.ts'
import { groupBy } from './group-by.ts'
import { countRows, type ListName, lists, type Place, type Row, readPages } from './lists.ts'
import { type AddressPresence, readAssets, readPresences } from './queries-address.ts'
import {
  type BlockPlace,
  type BlockRecord,
  type HashHit,
  type ReorgRecord,
  readBlocks,
  readHashHits,
  readOrphansOfBatches,
  readReorg,
} from './queries-block.ts'
import {
  type ActivityPoint,
  type ChainRecord,
  type ChainTotals,
  type ProofCount,
  readActivity,
  readChains,
  readChainTotals,
  readProofCounts,
} from './queries-chain.ts'
import { readSpendings } from './queries-output.ts'
import {
  readMovements,
  readParties,
  readTransactionsAt,
  readTransactionsByHash,
} from './queries-transaction.ts'
import type { Reader } from './reader.ts'
import type { WebhookDesk } from './webhooks/contract.ts'

/** What every resolver is given. */
export interface ApiContext {
  read: Reader
  load: Loaders
  status: StatusBoard
  feed: AnnouncementFeed
  families: ReadonlyMap<string, Family>
  version: string
  /** Unix seconds. */
  startedAt: number
  /** Null where webhooks are not served. */
  desk: WebhookDesk | null
  /** Whether who asks proved himself the operator. */
  operator: boolean
  /** Loaders that have read nothing yet: an event tells of a newer world. */
  createLoad(): Loaders
}

export interface TransactionPlace extends BlockPlace {
  index: number
}

/** Chains of the store with what belongs to a whole chain; read once for a request. */
export interface ChainDirectory {
  all: readonly ChainRecord[]
  bySlug: ReadonlyMap<string, ChainRecord>
}

/** Blocks whose proofs are counted, and blocks that the activity of a chain is made of. */
const NEWEST = { proofs: 100, activity: 1_000 }

/** Keys in one statement: they travel in its address line. */
const MAX_BATCH = 1_000

/** More than ever share the first 8 bytes of a hash. */
const MAX_HASH_HITS = 50

/** One request's reads: the same is read once, and what is asked together is read together. */
export function createLoaders(read: Reader, families: ReadonlyMap<string, Family>, status: StatusBoard) {
  let directory: Promise<ChainDirectory> | undefined
  let totals: Promise<Map<string, ChainTotals>> | undefined
  const follows = new Map(status.follows().map(follow => [follow.chain, follow]))

  function chains(): Promise<ChainDirectory> {
    directory ??= readChains(read).then(all => ({
      all,
      bySlug: new Map(all.map(chain => [chain.slug, chain])),
    }))
    return directory
  }

  async function byFamily<Asked extends { chain: string }, Found>(
    asked: readonly Asked[],
    readAll: (family: Family, asked: readonly Asked[]) => Promise<readonly (Found | null)[]>,
  ): Promise<(Found | null)[]> {
    const { bySlug } = await chains()
    const found = new Map<Asked, Found | null>()
    const groups = groupBy(asked, one => families.get(bySlug.get(one.chain)?.family ?? ''))
    await Promise.all(
      [...groups].map(async ([family, group]) => {
        const answers = family === undefined ? [] : await readAll(family, group)
        group.forEach((one, at) => {
          found.set(one, answers[at] ?? null)
        })
      }),
    )
    return asked.map(one => found.get(one) ?? null)
  }

  const pages = new DataLoader<{ name: ListName; place: Place; page: Page }, Row[], string>(
    async asked => {
      const answers = new Map<(typeof asked)[number], Row[]>()
      const groups = groupBy(asked, one => `${one.name} ${JSON.stringify(one.page)}`)
      await Promise.all(
        [...groups.values()].map(async group => {
          const { name, page } = group[0]!
          const rows = await readPages(
            read,
            name,
            group.map(one => one.place),
            page,
          )
          group.forEach((one, at) => {
            answers.set(one, rows[at]!)
          })
        }),
      )
      return asked.map(one => answers.get(one)!)
    },
    { maxBatchSize: MAX_BATCH, cacheKeyFn: one => JSON.stringify(one) },
  )

  const counts = new DataLoader<{ name: ListName; place: Place }, number, string>(
    async asked => {
      const answers = new Map<(typeof asked)[number], number>()
      await Promise.all(
        [...groupBy(asked, one => one.name)].map(async ([name, group]) => {
          const numbers = await countRows(
            read,
            name,
            group.map(one => one.place),
          )
          group.forEach((one, at) => {
            answers.set(one, numbers[at]!)
          })
        }),
      )
      return asked.map(one => answers.get(one)!)
    },
    { maxBatchSize: MAX_BATCH, cacheKeyFn: one => JSON.stringify(one) },
  )

  const blockDetail = new DataLoader<BlockPlace, BlockDetail | null, string>(
    places => byFamily(places, (family, some) => family.blocks(read, some)),
    { maxBatchSize: MAX_BATCH, cacheKeyFn: placeKey },
  )
  const detailsOf = (blocks: readonly BlockPlace[]) =>
    Promise.all(blocks.map(block => blockDetail.load(block)))

  /** A page of the rows of a block or a transaction. */
  async function list<Node>(
    name: ListName,
    place: Place,
    args: PageArgs,
    nodeOf: (row: Row) => Node,
    keyOf: (node: Node) => Key,
    total?: number,
  ): Promise<Connection<Node>> {
    const page = parsePage(
      args,
      lists[name].order.map(() => 'number' as const),
    )
    const rows = page.limit === 0 ? [] : await pages.load({ name, place, page })
    return connectionOf(page, rows.map(nodeOf), keyOf, () => total ?? counts.load({ name, place }))
  }

  return {
    chains,
    async chain(slug: string): Promise<ChainRecord> {
      const found = (await chains()).bySlug.get(slug)
      if (!found) throw new InputError(`rows of a chain that the store does not name: ${slug}`)
      return found
    },
    totals: () => (totals ??= readChainTotals(read)),
    /** How the chain is being followed; null when nobody follows it. */
    follow: (slug: string): FollowStatus | null => follows.get(slug) ?? null,
    list,
    block: new DataLoader((places: readonly BlockPlace[]) => readBlocks(read, places), {
      maxBatchSize: MAX_BATCH,
      cacheKeyFn: placeKey,
    }),
    blockDetail,
    /** Blocks and transactions whose hash begins with this number of the search index. */
    hashHits: new DataLoader<{ chain: string; prefix: bigint }, HashHit[], string>(
      async asked => {
        const answers = asked.map(({ chain, prefix }) =>
          readHashHits(read, [chain], [{ low: prefix, high: prefix }], MAX_HASH_HITS),
        )
        return Promise.all(answers)
      },
      { maxBatchSize: MAX_BATCH, cacheKeyFn: one => `${one.chain} ${one.prefix}` },
    ),
    transaction: new DataLoader(
      (asked: readonly { chain: string; hash: string; prefix: bigint }[]) =>
        readTransactionsByHash(read, asked),
      { maxBatchSize: MAX_BATCH, cacheKeyFn: ({ chain, hash }) => `${chain} ${hash}` },
    ),
    transactionAt: new DataLoader((places: readonly TransactionPlace[]) => readTransactionsAt(read, places), {
      maxBatchSize: MAX_BATCH,
      cacheKeyFn: transactionKey,
    }),
    transactionDetail: new DataLoader<TransactionPlace, TransactionDetail | null, string>(
      places => byFamily(places, (family, some) => family.transactions(read, some)),
      { maxBatchSize: MAX_BATCH, cacheKeyFn: transactionKey },
    ),
    movements: new DataLoader((places: readonly TransactionPlace[]) => readMovements(read, places), {
      maxBatchSize: MAX_BATCH,
      cacheKeyFn: transactionKey,
    }),
    /** What could be proven about a block and was not. */
    unproven: new DataLoader<BlockRecord, Unproven[], string>(
      async blocks => {
        const found = await byFamily(blocks, (family, some) => family.unproven(read, some, detailsOf))
        return found.map(unproven => unproven ?? [])
      },
      { maxBatchSize: MAX_BATCH, cacheKeyFn: placeKey },
    ),
    parties: new DataLoader((places: readonly TransactionPlace[]) => readParties(read, places), {
      maxBatchSize: MAX_BATCH,
      cacheKeyFn: transactionKey,
    }),
    asset: new DataLoader((asked: readonly { chain: string; asset: string }[]) => readAssets(read, asked), {
      maxBatchSize: MAX_BATCH,
      cacheKeyFn: ({ chain, asset }) => `${chain} ${asset}`,
    }),
    spending: new DataLoader(
      (outpoints: Parameters<typeof readSpendings>[1]) => readSpendings(read, outpoints),
      { maxBatchSize: MAX_BATCH, cacheKeyFn: one => `${one.chain} ${one.hash}:${one.index}` },
    ),
    orphansOf: new DataLoader(
      (batches: readonly { chain: string; batch: number }[]) => readOrphansOfBatches(read, batches),
      { maxBatchSize: MAX_BATCH, cacheKeyFn: one => `${one.chain} ${one.batch}` },
    ),
    /** Reorgs by chain and batch. */
    reorg: new DataLoader<{ chain: string; batch: number }, ReorgRecord | null, string>(
      asked => Promise.all(asked.map(one => readReorg(read, one))),
      { maxBatchSize: MAX_BATCH, cacheKeyFn: one => `${one.chain} ${one.batch}` },
    ),
    /** Chains on which an address has effects. */
    presences: new DataLoader<string, AddressPresence[]>(
      async addresses => {
        const { all } = await chains()
        const found = await readPresences(
          read,
          all.map(chain => chain.slug),
          addresses,
        )
        return addresses.map(address => found.filter(one => one.address === address))
      },
      { maxBatchSize: MAX_BATCH },
    ),
    activity: new DataLoader<{ chain: ChainRecord; points: number }, ActivityPoint[], string>(
      async asked => {
        const groups = groupBy(asked, one => one.points)
        const found = new Map<number, Map<string, ActivityPoint[]>>()
        await Promise.all(
          [...groups].map(async ([points, group]) => {
            const chainsAsked = group.map(({ chain }) => ({
              chain: chain.slug,
              low: lowestOf(chain, NEWEST.activity),
            }))
            found.set(points, await readActivity(read, chainsAsked, points))
          }),
        )
        return asked.map(one => found.get(one.points)?.get(one.chain.slug) ?? [])
      },
      { maxBatchSize: MAX_BATCH, cacheKeyFn: one => `${one.chain.slug} ${one.points}` },
    ),
    proofCounts: new DataLoader<ChainRecord, ProofCount[], string>(
      async asked => {
        const found = await readProofCounts(
          read,
          asked.map(chain => ({
            chain: chain.slug,
            low: lowestOf(chain, NEWEST.proofs),
            of: Math.min(countHeights(chain.ranges), NEWEST.proofs),
          })),
        )
        return asked.map(chain => found.get(chain.slug) ?? [])
      },
      { maxBatchSize: MAX_BATCH, cacheKeyFn: chain => chain.slug },
    ),
  }
}

export type Loaders = ReturnType<typeof createLoaders>

function placeKey({ chain, height }: BlockPlace): string {
  return `${chain} ${height}`
}

function transactionKey({ chain, height, index }: TransactionPlace): string {
  return `${chain} ${height} ${index}`
}

/** The lowest of a chain's newest stored heights. */
function lowestOf({ ranges }: ChainRecord, count: number): number {
  let left = count
  for (const [low, high] of ranges.toReversed()) {
    if (high - low + 1 >= left) return high - left + 1
    left -= high - low + 1
  }
  return ranges[0]?.[0] ?? 0
}
