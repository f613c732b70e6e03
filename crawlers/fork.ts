import type { BlockRef } from '../schema/block.ts'
import { equalBytes } from '../schema/bytes.ts'
import type { ChainDefinition, Verified } from '../schema/chain.ts'
import { AppError, NotAvailableError, ProofError } from '../schema/errors.ts'
import type { BlockEvent } from '../schema/events.ts'
import { pause } from '../schema/pause.ts'
import { countHeights, heightsOf, type Ranges } from '../schema/ranges.ts'
import type { Chain } from './chain.ts'
import type { Nodes, Place, Sight } from './nodes.ts'
import type { Link, Window } from './window.ts'

/** A proven block on its way into the log. */
export interface Crawled {
  verified: Verified
  event: Extract<BlockEvent, { kind: 'block' }>
}

/** Blocks of another branch from the one after the common ancestor on, ascending. */
export interface Branch {
  ancestor: BlockRef
  blocks: readonly Crawled[]
}

/** What the tables hold of the chain. */
export interface StoredBlocks {
  /** Heights that are stored or being written at this moment. */
  ranges(): Promise<Ranges>
  links(heights: readonly number[]): Promise<Map<number, Link>>
  /** What was told of finality last. */
  finality(): Promise<{ safe: number; final: number } | null>
}

export interface ForkDeps {
  definition: ChainDefinition
  formatHash(hash: Uint8Array): string
  nodes: Pick<Nodes<unknown>, 'hashAt' | 'head' | 'sights'>
  stored: StoredBlocks
  window: Window
  /** A command in the operator's words. */
  commandLine(words: string): string
  crawl(place: Place): Promise<Crawled>
  /** Nothing below this height is replaced; null when nobody said that something is final. */
  final(): number | null
  /** Least time between two looks at the same doubt. */
  pollMs: number
  now?: () => number
}

/**
 * Decides between branches. Where blocks carry work, the branch with more of it is the chain, and of equal ones the
 * first seen. Elsewhere the nodes' canonical chain is: a longer branch after a second look, one that is not longer when
 * they insist on it. A node that is only behind, or that answers from an older view now and then, decides nothing.
 */
export interface ForkChoice {
  /**
   * For blocks above the tip, linked to each other, that do not follow on it.
   * @param head up to which the node has more of them.
   * @returns the branch when it is better; null when the known blocks stay.
   * @throws DeepReorgError
   */
  above(blocks: readonly Crawled[], head: number): Promise<Branch | null>
  /** Whether what the node has above the tip up to this head was found to be not better. */
  isDeclined(head: number): Promise<boolean>
  /** A block that follows on the tip, of any node, while the one that is asked first is on a branch that is not better. */
  follower(): Promise<Crawled | null>
  /** When no node has more than the tip: whether they have something else. @throws DeepReorgError */
  look(head: number): Promise<Branch | null>
  /** What is being waited for, in a sentence. */
  waitingFor(): string | null
  /** The known blocks were confirmed: a block came that follows on them. */
  settled(): void
}

/** A branch that leaves the chain deeper than anybody may follow without being told to. */
export class DeepReorgError extends AppError {
  constructor(message: string, hint: string) {
    super('DEEP_REORG', message, { hint })
  }
}

/** What is being written anew is there again after a moment. */
const LOOKS_AT_STORED = 50
const LOOK_MS = 100

/**
 * Puts the newest stored blocks into the window, as many as a reorg may reach, in one piece: a branch must not be held for
 * one that leaves where the window ends by chance.
 * @throws AppError when blocks that are said to be stored cannot be read for longer than they are written anew.
 */
export async function loadWindow(
  window: Window,
  stored: Pick<StoredBlocks, 'ranges' | 'links'>,
  { slug, maxReorgDepth }: Pick<ChainDefinition, 'slug' | 'maxReorgDepth'>,
  signal: AbortSignal,
): Promise<void> {
  for (let look = 1; ; look++) {
    window.clear()
    const last = (await stored.ranges()).at(-1)
    if (!last) return
    const heights = heightsOf([[Math.max(last[0], last[1] - maxReorgDepth), last[1]]])
    const links = await stored.links(heights)
    const absent = heights.find(height => !links.has(height))
    if (absent === undefined) {
      for (const height of heights) window.push({ height, ...links.get(height)! })
      return
    }
    signal.throwIfAborted()
    if (look === LOOKS_AT_STORED) {
      throw new AppError('NOT_READABLE', `${slug}: block ${absent} is stored and cannot be read`, {
        retryable: true,
        hint: `it is being written anew, or lost: wanlian check ${slug}`,
      })
    }
    await pause(LOOK_MS, signal)
  }
}

/**
 * A development chain that was begun anew looks like one that lags until it is longer: the first stored block tells.
 * @throws DeepReorgError when the nodes have another there.
 */
export async function checkSameChain<Raw>(
  {
    chain,
    stored,
  }: { chain: Pick<Chain<Raw>, 'definition' | 'formatHash'>; stored: Pick<StoredBlocks, 'ranges' | 'links'> },
  blockAt: (height: number) => Promise<{ hash: Uint8Array }>,
): Promise<void> {
  const { slug, maxReorgDepth } = chain.definition
  const ranges = await stored.ranges()
  const [first, last] = [ranges[0]?.[0], ranges.at(-1)?.[1]]
  if (first === undefined || last === undefined) return
  const [link] = (await stored.links([first])).values()
  const { hash } = await blockAt(first)
  if (!link || equalBytes(link.hash, hash)) return
  // A short chain that was not followed from its first block on may have been replaced whole.
  if (first > 0 && last - first < maxReorgDepth) return
  throw new DeepReorgError(
    `${slug}: block ${first} of the node is ${chain.formatHash(hash)}, stored is ${chain.formatHash(link.hash)}: another chain`,
    'use another data directory (--data) for another chain',
  )
}

/** Looks that have to agree before a branch that is not longer is taken. */
const LOOKS = 5
/** How often a node is asked in one look whether it has our tip: behind its address may be several that take turns. */
const ASKED_FOR_TIP = 3

/** Another block than ours at a height, that nodes insist on. */
interface Doubt {
  height: number
  hash: Uint8Array
  looks: number
  lookedAt: number
}

export function createForkChoice(deps: ForkDeps): ForkChoice {
  const { definition, formatHash, nodes, stored, window, crawl, pollMs } = deps
  const { slug, maxReorgDepth } = definition
  const now = deps.now ?? (() => performance.now())
  let waitingFor: string | null = null
  let doubt: Doubt | null = null
  /** A branch that was found to be not better: its block above the tip, or its end, and the head that it had then. */
  let declined: { hash: Uint8Array; head: number } | null = null

  /** Walks back from a block to the common ancestor. */
  async function branchOf(end: Crawled): Promise<{ ancestor: BlockRef; blocks: Crawled[] }> {
    const tip = window.tip()!
    const blocks = [end]
    for (;;) {
      const { height, parentHash } = blocks[0]!.verified
      const parent = { height: height - 1, hash: parentHash }
      const known = window.has(parent)
      const depth = tip.height - parent.height
      // Where nothing is stored just below the known blocks, the branch replaces all of them.
      if (known || (known === null && depth <= maxReorgDepth)) {
        if (parent.height < (deps.final() ?? -1)) throw await belowFinal(parent.height)
        return { ancestor: parent, blocks }
      }
      if (known === null || depth >= maxReorgDepth || parent.height === 0) throw await tooDeep(parent.height)
      const block = await crawl({ hash: formatHash(parentHash) })
      if (block.verified.height !== parent.height) {
        throw new ProofError('height', `${slug}: parent of block ${height} is at ${block.verified.height}`)
      }
      blocks.unshift(block)
    }
  }

  async function tooDeep(height: number): Promise<DeepReorgError> {
    const depth = window.tip()!.height - height
    return new DeepReorgError(
      `${slug}: the node's chain is another one already at height ${height}, ${depth} blocks below the stored tip; at most ` +
        `${maxReorgDepth} are followed`,
      `${await wayOut()}, or raise chains.${slug}.maxReorgDepth in wanlian.yaml and start again`,
    )
  }

  async function belowFinal(height: number): Promise<DeepReorgError> {
    return new DeepReorgError(
      `${slug}: the node's chain leaves the stored one at height ${height}, below block ${deps.final()} that is final`,
      await wayOut(),
    )
  }

  async function wayOut(): Promise<string> {
    const look = 'look whether the node is on the right chain'
    // What cannot be found out now is told at the next look.
    const ancestor = await findCommonAncestor(stored, nodes).catch(() => null)
    return ancestor === null
      ? look
      : `${look}; if it is: \`${deps.commandLine(`rewind ${slug} ${ancestor}`)}\``
  }

  async function above(blocks: readonly Crawled[], head: number): Promise<Branch | null> {
    const [first] = blocks
    const branch = await branchOf(first!)
    branch.blocks.push(...blocks.slice(1))
    const ours = window.workAbove(branch.ancestor.height)
    const end = () => branch.blocks.at(-1)!.verified
    if (ours === null || end().work === undefined) {
      const { height, hash } = end()
      const told = await hashOrNothing(height)
      if (told !== null && equalBytes(told, hash)) return branch
      waitingFor = `${slug}: the nodes do not agree on block ${height} yet`
      return null
    }
    // Every block of it may be lighter than ours: then more of them are needed.
    for (
      let height = end().height + 1;
      sumOfWork(branch.blocks) <= ours && height <= head && branch.blocks.length < 2 * maxReorgDepth;
      height++
    ) {
      const block = await crawl({ height })
      if (!equalBytes(block.verified.parentHash, end().hash)) return null
      branch.blocks.push(block)
    }
    const work = sumOfWork(branch.blocks)
    if (work > ours) return branch
    declined = { hash: first!.verified.hash, head }
    waitingFor = notBetter(branch, work === ours)
    return null
  }

  function notBetter({ ancestor, blocks }: Branch, isEqual: boolean): string {
    const { height, hash } = blocks.at(-1)!.verified
    return (
      `${slug}: a node has another branch, from height ${ancestor.height + 1} to block ${height} ${formatHash(hash)}, with ` +
      `${isEqual ? 'the same work as' : 'less work than'} ours: ours stays until another has more`
    )
  }

  async function isDeclined(head: number): Promise<boolean> {
    const tip = window.tip()
    if (declined === null || tip === null || declined.head !== head || head <= tip.height) return false
    const hash = await hashOrNothing(tip.height + 1)
    return hash !== null && equalBytes(hash, declined.hash)
  }

  async function follower(): Promise<Crawled | null> {
    const tip = window.tip()
    if (!tip) return null
    const seen: Uint8Array[] = []
    for (const { hashes } of await nodes.sights([tip.height + 1])) {
      const hash = hashes?.[0] ?? null
      if (hash === null || seen.some(other => equalBytes(other, hash))) continue
      seen.push(hash)
      const block = await crawl({ hash: formatHash(hash) })
      if (block.verified.height === tip.height + 1 && equalBytes(block.verified.parentHash, tip.hash))
        return block
    }
    return null
  }

  async function look(head: number): Promise<Branch | null> {
    const tip = window.tip()!
    const height = Math.min(head, tip.height)
    const ours = window.hashAt(height)
    const told = ours === null ? null : await hashOrNothing(height)
    if (ours === null || told === null || equalBytes(told, ours)) {
      doubt = null
      waitingFor = head < tip.height ? behind(head, tip.height) : null
      return null
    }
    if (window.workAbove(tip.height - 1) === null) return insisted(height, told)
    // Behind one address, another node than the one that told its head may have this block, and more above it. Asked
    // by turns, the same two would answer the same two questions for ever.
    return (await nodes.head()) > tip.height ? null : heavier(told)
  }

  function behind(head: number, tip: number): string {
    return (
      `${slug}: the nodes are at height ${head}, ${tip - head} blocks below the stored tip: waiting for them (if the chain ` +
      `was taken back on purpose: \`${deps.commandLine(`rewind ${slug} ${head}`)}\`)`
    )
  }

  /** By work: a branch may be better without being longer. */
  async function heavier(hash: Uint8Array): Promise<Branch | null> {
    if (declined !== null && equalBytes(declined.hash, hash)) return null
    const end = await crawl({ hash: formatHash(hash) })
    const branch = await branchOf(end)
    const ours = window.workAbove(branch.ancestor.height)
    const work = sumOfWork(branch.blocks)
    if (ours !== null && work > ours) return branch
    declined = { hash, head: end.verified.height }
    waitingFor = notBetter(branch, work === ours)
    return null
  }

  /**
   * Without work: taken when several looks agree, when no node shows our tip any more, when two nodes say so where there
   * are two, and when every node that was once as high as our tip is among them.
   */
  async function insisted(height: number, hash: Uint8Array): Promise<Branch | null> {
    const tip = window.tip()!
    // A branch that grew since the last look is still the same one.
    if (
      doubt === null ||
      doubt.height > height ||
      (doubt.height === height && !equalBytes(doubt.hash, hash))
    ) {
      doubt = { height, hash, looks: 0, lookedAt: Number.NEGATIVE_INFINITY }
    }
    if (now() - doubt.lookedAt < pollMs) return null
    doubt.lookedAt = now()
    const sights = await nodes.sights([...Array<number>(ASKED_FOR_TIP).fill(tip.height), doubt.height])
    const trouble = objection(sights, doubt, tip)
    if (trouble !== null) {
      doubt.looks = 0
      waitingFor = `${slug}: block ${doubt.height} is ${formatHash(doubt.hash)} for a node, ${trouble}`
      return null
    }
    doubt.looks++
    waitingFor = `${slug}: block ${doubt.height} became ${formatHash(doubt.hash)}: look ${doubt.looks} of ${LOOKS}`
    if (doubt.looks < LOOKS) return null
    return branchOf(await crawl({ hash: formatHash(doubt.hash) }))
  }

  async function hashOrNothing(height: number): Promise<Uint8Array | null> {
    try {
      return await nodes.hashAt(height)
    } catch (error) {
      if (error instanceof NotAvailableError) return null
      throw error
    }
  }

  return {
    above,
    isDeclined,
    follower,
    look,
    waitingFor: () => waitingFor,
    settled() {
      waitingFor = null
      doubt = null
      declined = null
    },
  }
}

function sumOfWork(blocks: readonly Crawled[]): bigint {
  return blocks.reduce((sum, { verified }) => sum + (verified.work ?? 0n), 0n)
}

/** What stands against a branch that is not longer than ours; null when nothing does. */
function objection(sights: readonly Sight[], doubt: Doubt, tip: BlockRef): string | null {
  const says = ({ hashes }: Sight, at: number) => hashes?.[at] ?? null
  for (const sight of sights) {
    const tips = Array.from({ length: ASKED_FOR_TIP }, (_, at) => says(sight, at))
    if (tips.some(hash => hash !== null && equalBytes(hash, tip.hash))) return `${sight.name} has our tip`
    const there = says(sight, ASKED_FOR_TIP)
    const agrees = there !== null && equalBytes(there, doubt.hash)
    if (there !== null && !agrees) return `${sight.name} says otherwise`
    if (!agrees && (sight.highest ?? -1) >= tip.height) {
      return `${sight.name} was at height ${sight.highest} and does not say so`
    }
  }
  const known = sights.filter(({ highest }) => highest !== null).length
  const agreeing = sights.filter(sight => says(sight, ASKED_FOR_TIP) !== null).length
  return agreeing < Math.min(2, known) ? 'a second node has to say so too' : null
}

/**
 * The highest stored block that a node has too; null when there is none.
 * @throws NotAvailableError while a block is being written anew: whether a node has it too is not known then.
 */
export async function findCommonAncestor(
  stored: Pick<StoredBlocks, 'ranges' | 'links'>,
  nodes: Pick<Nodes<unknown>, 'hashAt'>,
): Promise<number | null> {
  const ranges = await stored.ranges()
  const isShared = async (height: number) => {
    const link = (await stored.links([height])).get(height)
    if (!link) throw new NotAvailableError(`stored block ${height} cannot be read at this moment`)
    try {
      return equalBytes(link.hash, await nodes.hashAt(height))
    } catch (error) {
      if (error instanceof NotAvailableError) return false
      throw error
    }
  }
  // Shared blocks lie below the others: which is the last?
  let [shared, unshared] = [-1, countHeights(ranges)]
  while (unshared - shared > 1) {
    const middle = (shared + unshared) >> 1
    if (await isShared(nthHeight(ranges, middle))) shared = middle
    else unshared = middle
  }
  return shared < 0 ? null : nthHeight(ranges, shared)
}

function nthHeight(ranges: Ranges, index: number): number {
  let left = index
  for (const [from, to] of ranges) {
    if (left <= to - from) return from + left
    left -= to - from + 1
  }
  throw new RangeError(`expected a place among ${countHeights(ranges)} heights, got ${index}`)
}
