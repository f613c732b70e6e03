import { includesHeight } from '../schema/ranges.ts'
import { assetNode } from './assets.ts'
import type { ApiContext } from './context.ts'
import { BadRequestError } from './errors.ts'
import { tipOf } from './heights.ts'
import { canonicalAddress } from './names.ts'
import { readContractAssets } from './queries-address.ts'
import { type PrefixRange, readHashHits, readOrphansByHash } from './queries-block.ts'
import type { ChainRecord } from './queries-chain.ts'
import { readOrphanedTransactions } from './queries-transaction.ts'

/** What a query can be read as; several at once. */
interface Readings {
  height: number | null
  hash: { digits: string; whole: boolean } | null
  address: string | null
  /** Lower case. */
  name: string
}

interface Hit {
  chain: ChainRecord
  target: object
}

const MAX_QUERY = 200
const MAX_HITS = 20
const LEAST_DIGITS = 8
const HASH_DIGITS = 64
const NUMBER = /^\d{1,3}(?:[,. \u00a0\u202f'’_]\d{3})+$|^\d+$/
const HEX_DIGITS = /^(?:0x)?([0-9a-f]+)$/i
const HEX_ADDRESS = /^0x[0-9a-f]{40}$/i
/** What any chain's address may be made of. */
const ADDRESS = /^(?:[a-z0-9]{20,100}|script:[0-9a-f]{64}|[a-z0-9]+:[a-z0-9]{20,100})$/i

function parseQuery(text: string): Readings {
  const number = NUMBER.test(text) ? Number(text.replace(/\D/g, '')) : Number.NaN
  const digits = HEX_DIGITS.exec(text)?.[1]?.toLowerCase() ?? ''
  const isAddress = HEX_ADDRESS.test(text)
  const isHash = digits.length >= LEAST_DIGITS && digits.length <= HASH_DIGITS && !isAddress
  const isWhole = digits.length === HASH_DIGITS
  return {
    height: Number.isSafeInteger(number) ? number : null,
    hash: isHash ? { digits, whole: isWhole } : null,
    address: ADDRESS.test(text) && !isWhole ? canonicalAddress(text) : null,
    name: text.toLowerCase(),
  }
}

function describe({ height, hash, address, name }: Readings): string[] {
  return [
    ...(height === null ? [] : ['the height of a block']),
    ...(hash === null
      ? []
      : [hash.whole ? 'the hash of a block or a transaction' : 'the first digits of a hash']),
    ...(address === null ? [] : ['an address or the contract of a token']),
    ...(height === null && hash === null && name !== '' ? ['the name of a chain'] : []),
  ]
}

/** The numbers of the search index that begin with these digits. */
function prefixRange(digits: string): PrefixRange {
  const first = digits.slice(0, 16)
  return { low: BigInt(`0x${first.padEnd(16, '0')}`), high: BigInt(`0x${first.padEnd(16, 'f')}`) }
}

/** Explorers and tools also print the hashes of Bitcoin-like chains in the order of their bytes. */
function reversed(digits: string): string {
  return Buffer.from(digits, 'hex').reverse().toString('hex')
}

function hexOf(hash: string): string {
  return hash.startsWith('0x') ? hash.slice(2) : hash
}

async function findByHeight(
  chains: readonly ChainRecord[],
  height: number,
  { load }: ApiContext,
): Promise<Hit[]> {
  const having = chains.filter(chain => includesHeight(chain.ranges, height))
  const blocks = await Promise.all(having.map(chain => load.block.load({ chain: chain.slug, height })))
  return blocks.flatMap((block, at) => (block === null ? [] : [{ chain: having[at]!, target: block }]))
}

/** Stored blocks and transactions, then those that left their chain: five statements, whatever the number of chains. */
async function findByHash(
  chains: readonly ChainRecord[],
  { digits, whole }: NonNullable<Readings['hash']>,
  { load, read }: ApiContext,
): Promise<Hit[]> {
  const beginnings = whole ? [...new Set([digits, reversed(digits)])] : [digits]
  const slugs = chains.map(chain => chain.slug)
  const chainOf = new Map(chains.map(chain => [chain.slug, chain]))
  const [indexed, orphans, orphaned] = await Promise.all([
    readHashHits(read, slugs, beginnings.map(prefixRange), MAX_HITS * 2),
    readOrphansByHash(
      read,
      slugs,
      beginnings.flatMap(start => [start, `0x${start}`]),
    ),
    whole ? readOrphanedTransactions(read, slugs, beginnings) : [],
  ])
  const stored = await Promise.all(
    indexed.map(({ kind, ...place }) =>
      kind === 'block' ? load.block.load(place) : load.transactionAt.load(place),
    ),
  )
  const fits = (hash: string) => beginnings.some(start => hexOf(hash).startsWith(start))
  const alive = stored.filter(found => found !== null).filter(found => fits(found.hash))
  const known = new Set(alive.map(found => `${found.chain} ${found.hash}`))
  const gone = [...orphans, ...orphaned].filter(
    found => fits(found.hash) && !known.has(`${found.chain} ${found.hash}`),
  )
  // A block stands before the transactions that happen to begin like it.
  const inOrder = [...alive, ...gone].sort((a, b) => Number('parentHash' in b) - Number('parentHash' in a))
  return inOrder.map(target => ({ chain: chainOf.get(target.chain)!, target }))
}

/** Addresses with effects, tokens by their contract, and addresses that only transactions name. */
async function findByAddress(
  chains: readonly ChainRecord[],
  address: string,
  { load, read, families }: ApiContext,
): Promise<Hit[]> {
  const slugs = chains.map(chain => chain.slug)
  const chainOf = new Map(chains.map(chain => [chain.slug, chain]))
  const page = { limit: MAX_HITS, backwards: false, after: null, before: null }
  const [presences, assets] = await Promise.all([
    load.presences.load(address),
    readContractAssets(read, slugs, address, page),
  ])
  const tokens = assets.filter(asset => asset.asset === address || asset.asset.startsWith(`${address}/`))
  const contracts = [...new Map(tokens.map(asset => [asset.chain, asset])).values()]
  const hits: Hit[] = contracts.map(asset => {
    const chain = chainOf.get(asset.chain)!
    // A contract of many ids is found as the address that holds them.
    return asset.asset === address
      ? { chain, target: assetNode(chain, asset) }
      : {
          chain,
          target: { chain, address, presence: presences.find(one => one.chain === asset.chain) ?? null },
        }
  })
  const found = new Set(contracts.filter(asset => asset.asset !== address).map(asset => asset.chain))
  for (const presence of presences) {
    if (found.has(presence.chain)) continue
    hits.push({
      chain: chainOf.get(presence.chain)!,
      target: { chain: chainOf.get(presence.chain)!, address, presence },
    })
  }
  const seen = new Set(hits.map(hit => hit.chain.slug))
  const rest = chains.filter(chain => !seen.has(chain.slug))
  const naming = await Promise.all(
    [...families].map(([name, family]) =>
      family.chainsNaming(
        read,
        rest.filter(chain => chain.family === name).map(chain => chain.slug),
        address,
      ),
    ),
  )
  for (const slug of naming.flat()) {
    const chain = chainOf.get(slug)!
    hits.push({ chain, target: { chain, address, presence: null } })
  }
  return hits
}

function findByName(chains: readonly ChainRecord[], name: string): Hit[] {
  if (name.length < 2) return []
  const exact = chains.filter(chain =>
    [chain.slug, chain.name, chain.native.symbol, chain.native.name, chain.caip2].some(
      known => known.toLowerCase() === name,
    ),
  )
  const beginning = chains.filter(
    chain => chain.slug.startsWith(name) || chain.name.toLowerCase().startsWith(name),
  )
  return [...new Set([...exact, ...beginning])].map(chain => ({ chain, target: chain }))
}

/** Chains on which it may exist though it is not stored. */
function notIndexed(
  chains: readonly ChainRecord[],
  { height, hash, address }: Readings,
  hits: readonly Hit[],
  { load }: ApiContext,
): ChainRecord[] {
  return chains.filter(chain => {
    if (hits.some(hit => hit.chain === chain)) return false
    const head = load.follow(chain.slug)?.head ?? null
    if (height !== null) {
      return !includesHeight(chain.ranges, height) && (head === null || height <= head)
    }
    if (hash === null && address === null) return false
    const tip = tipOf(chain)
    const whole = chain.ranges.length === 1 && chain.ranges[0]![0] === 0
    return !whole || (head !== null && tip !== null && head > tip)
  })
}

/** The front door. At most ten statements, however many chains there are. */
export async function search(query: string, context: ApiContext) {
  const text = query.trim()
  if (text.length > MAX_QUERY) {
    throw new BadRequestError(`expected at most ${MAX_QUERY} characters to search for, got ${text.length}`)
  }
  const { all } = await context.load.chains()
  const readings = parseQuery(text)
  const { height, hash, address, name } = readings
  const found = await Promise.all([
    findByName(all, name),
    height === null ? [] : findByHeight(all, height, context),
    hash === null ? [] : findByHash(all, hash, context),
    address === null ? [] : findByAddress(all, address, context),
  ])
  const hits = found.flat().slice(0, MAX_HITS)
  return {
    query: text,
    readAs: describe(readings),
    hits,
    notIndexed: notIndexed(all, readings, hits, context),
  }
}
