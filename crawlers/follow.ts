import type { OutputLookup, Verified } from '../schema/chain.ts'
import { AppError, describeError, EndpointError, ProofError } from '../schema/errors.ts'
import { type BlockEvent, HISTORY_PARTITION, TIP_PARTITION } from '../schema/events.ts'
import { pausable, pause } from '../schema/pause.ts'
import type { BlockLog, Logger } from '../schema/ports.ts'
import { countHeights, mergeRanges, type Ranges, subtractRanges } from '../schema/ranges.ts'
import type { FollowState, FollowStatus } from '../schema/status.ts'
import { type Appender, createAppender } from './appender.ts'
import type { Chain } from './chain.ts'
import { fetchBlocks } from './fetch.ts'
import type { Nodes, Place } from './nodes.ts'
import { createPace } from './pace.ts'
import { createWindow } from './window.ts'

/** What the tables hold of the chain: where following goes on. */
export interface StoredBlocks {
  /** Heights that are stored or being written at this moment. */
  ranges(): Promise<Ranges>
  links(heights: readonly number[]): Promise<Map<number, { hash: Uint8Array; parentHash: Uint8Array }>>
}

export interface FollowSettings {
  /** First height of the history that is filled in behind the tip; null for none. */
  historyFrom: number | null
  /** How often the head is asked for where no node tells of new ones. */
  pollMs: number
  /** Bytes of events in the log that nobody read yet, at most. */
  maxUnreadBytes: number
  /** Blocks that are fetched at the same time. */
  lookAhead: number
}

export interface FollowDeps<Raw> {
  chain: Chain<Raw>
  nodes: Nodes<Raw>
  log: BlockLog
  stored: StoredBlocks
  /** Finds spent outputs among stored blocks, so that nodes need not be asked for them. */
  findOutputs: OutputLookup
  logger: Logger
  settings: FollowSettings
}

/** One chain that is being followed: what comes goes into the log, proven. */
export interface Follower {
  status(): FollowStatus
  /** Returns soon after the signal was aborted, or at the end of a recording's last block. */
  done: Promise<void>
}

/** A proven block on its way into the log. */
interface Crawled {
  verified: Verified
  event: Extract<BlockEvent, { kind: 'block' }>
}

interface FailedFetch {
  height: number
  error: unknown
}

/** What goes on beside each other, each with its own trouble. */
type Part = 'tip' | 'history'

/** Blocks that go into the log with one append. */
const APPEND_BLOCKS = 32
const APPEND_BYTES = 4 * 1024 * 1024
/** Heights below the tip that are filled in before a look at the head. */
const NEAR_BLOCKS = 25
const LONGEST_PAUSE_MS = 30_000
/** How often history is looked through for gaps once it is complete. */
const GAP_LOOK_MS = 60_000

/** A branch that leaves the chain deeper than anybody may follow without being told to. */
class DeepReorgError extends AppError {
  constructor(message: string, hint: string) {
    super('DEEP_REORG', message, { hint })
  }
}

/**
 * Follows a chain. The tip comes first: from a few blocks below the node's head upward, as blocks come, with reorgs. What
 * can still be replaced goes through one partition of the log in order; history, deeper than any reorg, goes through
 * another behind it. After a pause it goes on where the tables stand.
 */
export function startFollow<Raw>(deps: FollowDeps<Raw>, signal: AbortSignal): Follower {
  const { chain, nodes, log, stored, findOutputs, logger, settings } = deps
  const { slug, finality, maxReorgDepth } = chain.definition
  const tipLog = createAppender(log, slug, TIP_PARTITION, settings.maxUnreadBytes, signal)
  const historyLog = createAppender(log, slug, HISTORY_PARTITION, settings.maxUnreadBytes, signal)
  const window = createWindow(maxReorgDepth)
  const pace = createPace()
  const status = {
    state: 'starting' as FollowState,
    problem: { tip: null, history: null } as Record<Part, string | null>,
    head: null as number | null,
    safe: null as number | null,
    final: null as number | null,
    /** Heights of history, and those of recordings, that are not handed on yet. */
    history: 0,
  }
  /** Deep history that is to be complete: above it the tip's own partition is responsible. */
  let deep: Ranges = []
  let near: Ranges = []
  let isRecording = false
  let refused: string | null = null
  let wakeHistory = () => {}
  let wakeTip = () => {}

  async function run(): Promise<void> {
    const recorded = await untilItWorks('tip', () => nodes.recordedHeights())
    if (signal.aborted || recorded === undefined) return
    if (recorded !== null) {
      await untilItWorks('history', () => followRecording(recorded))
      return
    }
    void nodes
      .watchHead?.(signal, () => wakeTip())
      .catch(error => {
        if (!signal.aborted)
          logger.warn({ chain: slug, err: error }, 'no notice of new heads, asking for them')
      })
    await Promise.all([untilItWorks('tip', followTip), untilItWorks('history', fillHistory)])
  }

  /** Trouble is told and tried again, for as long as it takes. */
  async function untilItWorks<Value>(part: Part, step: () => Promise<Value>): Promise<Value | undefined> {
    for (let wait = settings.pollMs; !signal.aborted; wait = Math.min(LONGEST_PAUSE_MS, wait * 2)) {
      const startedAt = Date.now()
      try {
        const value = await step()
        status.problem[part] = null
        return value
      } catch (error) {
        if (signal.aborted) return undefined
        if (Date.now() - startedAt > LONGEST_PAUSE_MS) wait = settings.pollMs
        status.problem[part] = describeError(error)
        if (error instanceof DeepReorgError) status.state = 'stopped'
        logger.warn({ chain: slug, err: error }, 'following goes on soon')
        await pause(wait, signal)
      }
    }
    return undefined
  }

  // What comes from nodes.

  async function crawl(place: Place, withOutputs: boolean): Promise<Crawled> {
    return nodes.take(place, async (raw, source) => {
      const verified = chain.verify(raw)
      const whole = withOutputs ? await attachOutputs(raw, source) : raw
      const { height, hash, parentHash } = verified
      return { verified, event: { kind: 'block', height, hash, parentHash, payload: chain.encode(whole) } }
    })
  }

  /** Spent outputs: from stored blocks as far as they are there, else from the node. */
  async function attachOutputs(raw: Raw, source: Pick<Nodes<Raw>, 'attachPrevious'>): Promise<Raw> {
    const open = chain.outputs?.open(raw) ?? []
    if (open.length === 0 || !chain.outputs) return raw
    const found = await findOutputs(open)
    const attached = chain.outputs.attach(raw, found)
    return source.attachPrevious && found.includes(null) ? source.attachPrevious(attached) : attached
  }

  /** Fetches ahead, hands on in order. @returns what could not be had. */
  async function pump(
    heights: readonly number[],
    to: Appender,
    options: { withOutputs: boolean; onDone?: () => void },
  ): Promise<FailedFetch[]> {
    const failed: FailedFetch[] = []
    let group: Crawled[] = []
    let bytes = 0
    const flush = async () => {
      await to.append(group.map(block => block.event))
      pace.advance(group.length)
      group = []
      bytes = 0
    }
    const source = { blockAt: (height: number) => crawl({ height }, options.withOutputs) }
    for await (const fetched of fetchBlocks(source, heights, settings.lookAhead)) {
      signal.throwIfAborted()
      try {
        if ('error' in fetched) throw fetched.error
        group.push(fetched.raw)
        bytes += fetched.raw.event.payload.length
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        failed.push({ height: fetched.height, error })
      }
      options.onDone?.()
      if (group.length >= APPEND_BLOCKS || bytes >= APPEND_BYTES) await flush()
    }
    await flush()
    return failed
  }

  // Recordings: what is listed, and nothing more.

  async function followRecording(recorded: readonly number[]): Promise<void> {
    isRecording = true
    await historyLog.drained()
    const ranges = await stored.ranges()
    const asRanges = mergeRanges(recorded.map(height => [height, height] as const))
    const missing = subtractRanges(asRanges, ranges)
    status.head = recorded.at(-1) ?? null
    status.history = countHeights(missing)
    if (status.history > 0) status.state = 'catching-up'
    const failed = await pump(heightsOf(missing), historyLog, {
      withOutputs: true,
      onDone: () => {
        status.history--
      },
    })
    await historyLog.drained()
    status.state = 'ended'
    const [first] = failed
    refused = first
      ? `${failed.length} of ${recorded.length} recorded blocks refused; block ${first.height}: ${describeError(first.error)}`
      : null
    for (const { height, error } of failed) logger.error({ chain: slug, height, err: error }, 'block refused')
  }

  // The tip.

  async function followTip(): Promise<void> {
    await tipLog.drained()
    await loadWindow()
    await checkSameChain()
    let planned = false
    while (!signal.aborted) {
      const head = await nodes.head()
      status.head = head
      if (!planned) {
        await plan(head)
        planned = true
      }
      const next = (window.tip()?.height ?? planStart) + (window.tip() ? 1 : 0)
      if (head >= next) await extend(next, head)
      await tellFinality()
      status.problem.tip = null
      status.state = missing() > 0 ? 'catching-up' : 'following'
      if ((await nodes.head()) > (window.tip()?.height ?? -1)) continue
      if (near.length > 0) await fillNear()
      else await nextLook()
    }
  }

  /** Where the tip begins when nothing is stored yet. */
  let planStart = 0

  /**
   * Decides what is tip and what history. Far behind, for example after a long stop, the tip is taken up anew near the
   * head; what lies between becomes history.
   */
  async function plan(head: number): Promise<void> {
    const from = settings.historyFrom
    const deepest = head - maxReorgDepth
    let tip = window.tip()
    if (tip && head - tip.height > 2 * maxReorgDepth) {
      // Before it is left behind, what was the tip is brought onto the node's chain.
      await extend(tip.height + 1, tip.height + 1)
      // History begins where the tables stand then, not in the middle of a reorg.
      await tipLog.drained()
      window.clear()
      tip = null
    }
    const beginning = from !== null && deepest <= from ? from : Math.max(0, head - safeDepth())
    planStart = tip ? tip.height + 1 : beginning
    if (from === null) return
    const last = planStart - 1
    deep = last < from || deepest <= from ? [] : [[from, Math.min(last, deepest - 1)]]
    near = last < Math.max(from, deepest) ? [] : [[Math.max(from, deepest), last]]
    near = subtractRanges(near, await stored.ranges())
    wakeHistory()
  }

  function safeDepth(): number {
    return finality.kind === 'confirmations' ? finality.safe : finality.fallback.safe
  }

  async function loadWindow(): Promise<void> {
    window.clear()
    const last = (await stored.ranges()).at(-1)
    if (!last) return
    const first = Math.max(last[0], last[1] - maxReorgDepth)
    const links = await stored.links(Array.from({ length: last[1] - first + 1 }, (_, at) => first + at))
    for (const [height, link] of [...links].sort((a, b) => a[0] - b[0])) window.push({ height, ...link })
  }

  /** Takes up blocks from `next` to `head`. A block that does not follow on the tip is the end of a branch. */
  async function extend(next: number, head: number): Promise<void> {
    const heights = Array.from({ length: head - next + 1 }, (_, at) => next + at)
    const source = { blockAt: (height: number) => crawl({ height }, true) }
    for await (const fetched of fetchBlocks(source, heights, settings.lookAhead)) {
      signal.throwIfAborted()
      if ('error' in fetched) throw fetched.error
      const block = fetched.raw
      const { height, parentHash } = block.verified
      const follows = window.tip() === null || window.has({ height: height - 1, hash: parentHash })
      if (!follows) {
        await followBranch(block)
        // What was fetched ahead may be of the branch that was left.
        return
      }
      await tipLog.append([block.event])
      window.push(block.verified)
      pace.advance(1)
    }
  }

  /** Walks back to the common ancestor and hands on the whole branch at once. It is longer than what it replaces. */
  async function followBranch(end: Crawled): Promise<void> {
    const branch = [end]
    const tip = window.tip()!
    for (;;) {
      const { height, parentHash } = branch[0]!.verified
      const parent = { height: height - 1, hash: parentHash }
      const known = window.has(parent)
      const depth = tip.height - parent.height
      // Where nothing is stored just below the known blocks, the branch replaces all of them.
      if (known || (known === null && depth <= maxReorgDepth)) break
      if (known === null || depth >= maxReorgDepth || parent.height === 0) throw tooDeep(parent.height)
      const block = await crawl({ hash: chain.formatHash(parentHash) }, true)
      if (block.verified.height !== parent.height) {
        throw new ProofError('height', `${slug}: parent of block ${height} is at ${block.verified.height}`)
      }
      branch.unshift(block)
    }
    const first = branch[0]!.verified
    const to = { height: first.height - 1, hash: first.parentHash }
    logger.info(
      { chain: slug, commonAncestor: to.height, depth: tip.height - to.height, blocks: branch.length },
      'reorg',
    )
    await tipLog.append([{ kind: 'revert', to }, ...branch.map(block => block.event)])
    window.cut(to.height)
    for (const block of branch) window.push(block.verified)
    pace.advance(branch.length)
  }

  function tooDeep(height: number): DeepReorgError {
    return new DeepReorgError(
      `${slug}: the node's chain is another one already at height ${height}, ${window.tip()!.height - height} blocks below ` +
        `the stored tip; at most ${maxReorgDepth} are followed`,
      `look whether the node is on the right chain; if it is, raise chains.${slug}.maxReorgDepth in wanlian.yaml and start again`,
    )
  }

  /** A development chain that was begun anew looks like one that lags until it is longer. */
  async function checkSameChain(): Promise<void> {
    const first = (await stored.ranges())[0]?.[0]
    if (first === undefined) return
    const [link] = (await stored.links([first])).values()
    const { hash } = (await crawl({ height: first }, false)).verified
    if (!link || Buffer.compare(link.hash, hash) === 0) return
    // A short chain that was not followed from its first block on may have been replaced whole.
    if (first > 0 && window.tip()!.height - first < maxReorgDepth) return
    throw new DeepReorgError(
      `${slug}: block ${first} of the node is ${chain.formatHash(hash)}, stored is ${chain.formatHash(link.hash)}: another chain`,
      'use another data directory (--data) for another chain',
    )
  }

  /**
   * History that a reorg may still reach goes the way of the tip, a few blocks at a time and from the tip downward: below
   * a block that is missing nothing stands that a reorg would have to take along.
   */
  async function fillNear(): Promise<void> {
    await tipLog.drained()
    near = subtractRanges(near, await stored.ranges())
    const heights = heightsOf(near.slice(-1)).slice(-NEAR_BLOCKS)
    const failed = await handOnBelow(heights)
    await tipLog.drained()
    await loadWindow()
    near = subtractRanges(near, await stored.ranges())
    if (failed[0]) throw failed[0].error
  }

  /** Hands on those of some blocks that the stored one above them follows on. @returns what could not be had. */
  async function handOnBelow(heights: readonly number[]): Promise<FailedFetch[]> {
    const above = (heights.at(-1) ?? 0) + 1
    let expected = (await stored.links([above])).get(above)?.parentHash ?? null
    const source = { blockAt: (height: number) => crawl({ height }, true) }
    const linked: Crawled[] = []
    const failed: FailedFetch[] = []
    for await (const fetched of fetchBlocks(source, heights.toReversed(), settings.lookAhead)) {
      signal.throwIfAborted()
      if (failed.length > 0) continue
      if ('error' in fetched) {
        failed.push(fetched)
        continue
      }
      const { height, hash, parentHash } = fetched.raw.verified
      if (expected !== null && Buffer.compare(expected, hash) !== 0) {
        const error = new EndpointError(`${slug}: block ${height} is not the parent of the one above it`)
        failed.push({ height, error })
        continue
      }
      linked.unshift(fetched.raw)
      expected = parentHash
    }
    await tipLog.append(linked.map(block => block.event))
    pace.advance(linked.length)
    return failed
  }

  let toldAt = 0
  /** By the chain's rule; asked of the node where it has a say. */
  async function tellFinality(): Promise<void> {
    const tip = window.tip()
    if (!tip || (finality.kind === 'tags' && Date.now() - toldAt < 5 * settings.pollMs)) return
    toldAt = Date.now()
    const depths = finality.kind === 'confirmations' ? finality : finality.fallback
    const byDepth = (confirmations: number) => Math.max(0, tip.height - confirmations + 1)
    const tagged = finality.kind === 'tags' ? await nodes.finalized() : null
    const final = tagged === null ? byDepth(depths.final) : Math.min(tagged, tip.height)
    const safe = Math.max(final, byDepth(depths.safe))
    if (safe === status.safe && final === status.final) return
    await tipLog.append([{ kind: 'finalize', safe, final }])
    status.safe = safe
    status.final = final
  }

  // History.

  async function fillHistory(): Promise<void> {
    while (!signal.aborted) {
      await historyLog.drained()
      const missingNow = subtractRanges(deep, await stored.ranges())
      status.history = countHeights(missingNow)
      if (status.history === 0) {
        status.problem.history = null
        const wait = pausable(GAP_LOOK_MS, signal)
        wakeHistory = wait.end
        await wait.done
        continue
      }
      const failed: FailedFetch[] = []
      for (const heights of chunksOf(missingNow, 500)) {
        failed.push(
          ...(await pump(heights, historyLog, {
            // History from the first block on resolves itself in the tables.
            withOutputs: settings.historyFrom !== 0,
            onDone: () => {
              status.history--
            },
          })),
        )
        if (failed[0]) break
      }
      if (failed[0]) throw failed[0].error
      await historyLog.drained()
      const left = countHeights(subtractRanges(deep, await stored.ranges()))
      if (left > 0) {
        throw new EndpointError(
          `${slug}: ${left} blocks of history were fetched and not stored: see the dead letters`,
        )
      }
    }
  }

  function missing(): number {
    if (isRecording) return status.history
    const tip = window.tip()?.height ?? -1
    return status.history + countHeights(near) + Math.max(0, (status.head ?? tip) - tip)
  }

  async function nextLook(): Promise<void> {
    const look = pausable(settings.pollMs, signal)
    wakeTip = look.end
    await look.done
  }

  return {
    status: () => {
      const left = status.state === 'starting' ? 0 : missing()
      const blocksPerSecond = pace.perSecond()
      return {
        chain: slug,
        state: status.state,
        problem: status.problem.tip ?? status.problem.history ?? refused,
        head: status.head,
        safe: status.safe,
        final: status.final,
        missing: left,
        blocksPerSecond,
        etaSeconds: left === 0 ? 0 : blocksPerSecond ? left / blocksPerSecond : null,
        nodes: nodes.status(),
      }
    },
    done: run(),
  }
}

function heightsOf(ranges: Ranges): number[] {
  return ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, at) => from + at))
}

/** Histories are long: heights a few at a time. */
function* chunksOf(ranges: Ranges, size: number): Generator<number[]> {
  for (const [from, to] of ranges) {
    for (let first = from; first <= to; first += size) {
      yield Array.from({ length: Math.min(size, to - first + 1) }, (_, at) => first + at)
    }
  }
}
