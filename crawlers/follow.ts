import type { BlockRef } from '../schema/block.ts'
import { equalBytes } from '../schema/bytes.ts'
import type { OutputLookup } from '../schema/chain.ts'
import { describeError, EndpointError, NotAvailableError, ProofError } from '../schema/errors.ts'
import { blockEvents, HISTORY_PARTITION, TIP_PARTITION } from '../schema/events.ts'
import { pausable, pause } from '../schema/pause.ts'
import type { BlockLog, Logger } from '../schema/ports.ts'
import {
  chunksOf,
  countHeights,
  heightsOf,
  includesHeight,
  mergeRanges,
  type Ranges,
  subtractRanges,
} from '../schema/ranges.ts'
import type { FollowState, FollowStatus } from '../schema/status.ts'
import { createAppender } from './appender.ts'
import type { Chain } from './chain.ts'
import { APPEND_BLOCKS, APPEND_BYTES, createCrawler, type FailedFetch } from './crawl.ts'
import { fetchBlocks } from './fetch.ts'
import {
  type Branch,
  type Crawled,
  checkSameChain,
  createForkChoice,
  DeepReorgError,
  loadWindow,
  type StoredBlocks,
} from './fork.ts'
import type { Nodes } from './nodes.ts'
import { createPace } from './pace.ts'
import { createWindow } from './window.ts'

export interface FollowSettings {
  /** First height of the history that is filled in behind the tip; null for none. */
  historyFrom: number | null
  /** How often the head is asked for where no node tells of new ones. */
  pollMs: number
  /** Bytes of events in the log that nobody read yet, at most. */
  maxUnreadBytes: number
  /** Blocks that are fetched at the same time. */
  lookAhead: number
  /** Nodes that have to give the same hash before a block is handed on; 1 when one is enough. */
  confirmWith: number
  /** How often it is looked for blocks that were handed on and are not stored. */
  gapLookMs?: number
}

export interface FollowDeps<Raw> {
  chain: Chain<Raw>
  nodes: Nodes<Raw>
  log: BlockLog
  stored: StoredBlocks
  /** Finds spent outputs among stored blocks, so that nodes need not be asked for them. */
  findOutputs: OutputLookup
  /** A command in the operator's words, for what only the operator can decide. */
  commandLine(words: string): string
  logger: Logger
  settings: FollowSettings
}

/** One chain that is being followed: what comes goes into the log, proven. */
export interface Follower {
  status(): FollowStatus
  /** Returns soon after the signal was aborted, or at the end of a recording's last block. */
  done: Promise<void>
}

/** What goes on beside each other, each with its own trouble. */
type Part = 'tip' | 'history'

/** Heights below the tip that are filled in before a look at the head. */
const NEAR_BLOCKS = 25
const LONGEST_PAUSE_MS = 30_000
/** How often it is looked for gaps, and how seldom at last where blocks come and are refused. */
const GAP_LOOK_MS = 60_000
const LONGEST_GAP_LOOK_MS = 3_600_000

/**
 * Follows a chain. The tip comes first: from a few blocks below the node's head upward, as blocks come, with reorgs. What
 * can still be replaced goes through one partition of the log in order; history, deeper than any reorg, goes through
 * another behind it. After a pause it goes on where the tables stand.
 */
export function startFollow<Raw>(deps: FollowDeps<Raw>, signal: AbortSignal): Follower {
  const { chain, nodes, log, stored, findOutputs, logger, settings } = deps
  const { slug, finality, maxReorgDepth } = chain.definition
  const depths = finality.kind === 'confirmations' ? finality : finality.fallback
  const tipLog = createAppender(log, slug, TIP_PARTITION, settings.maxUnreadBytes, signal)
  const historyLog = createAppender(log, slug, HISTORY_PARTITION, settings.maxUnreadBytes, signal)
  const window = createWindow(maxReorgDepth)
  const pace = createPace()
  const { crawl, pump } = createCrawler(
    { chain, nodes, findOutputs, lookAhead: settings.lookAhead, pace },
    signal,
  )
  const forks = createForkChoice({
    definition: chain.definition,
    formatHash: chain.formatHash,
    nodes,
    stored,
    window,
    commandLine: deps.commandLine,
    crawl: place => crawl(place, true),
    final: () => (finality.kind === 'tags' ? status.final : null),
    pollMs: settings.pollMs,
  })
  const status = {
    state: 'starting' as FollowState,
    problem: { tip: null, history: null } as Record<Part, string | null>,
    /** What the nodes have to do first. */
    waitingFor: null as string | null,
    /** Blocks that came and were refused: they are tried again, more and more seldom. */
    gaps: { tip: null, history: null } as Record<Part, string | null>,
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
      const [startedAt, before] = [Date.now(), pace.total()]
      try {
        const value = await step()
        status.problem[part] = null
        return value
      } catch (error) {
        if (signal.aborted) return undefined
        // What goes on well between two troubles need not wait long for the next try.
        if (Date.now() - startedAt > LONGEST_PAUSE_MS || pace.total() > before) wait = settings.pollMs
        tell(part, error)
        await pause(wait, signal)
      }
    }
    return undefined
  }

  const isStopped = () => status.state === 'stopped'

  function tell(part: Part, error: unknown): void {
    const told = describeError(error)
    if (error instanceof DeepReorgError) {
      status.state = 'stopped'
      // Whether the nodes are back on the stored chain is looked at again, quietly.
      if (status.problem[part] === told) return
      logger.error({ chain: slug, err: error }, 'stopped: the operator has to decide')
    } else {
      // Why it is stopped is to be read until it goes on.
      if (part === 'tip' && isStopped()) return
      logger.warn({ chain: slug, err: error }, 'following goes on soon')
    }
    status.problem[part] = told
  }

  // Recordings: what is listed, and nothing more.

  async function followRecording(recorded: readonly number[]): Promise<void> {
    isRecording = true
    await log.claim(blockEvents(slug, HISTORY_PARTITION))
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
    // After any trouble anew: it may have been that another took himself for the writer.
    await log.claim(blockEvents(slug, TIP_PARTITION))
    await tipLog.drained()
    // What the last process handed on as history may still become the highest that is stored.
    if (!planned) await historyLog.drained()
    await loadTip()
    await loadFinality()
    await checkSameChain({ chain, stored }, async height => (await crawl({ height }, false)).verified)
    while (!signal.aborted) {
      const head = await nodes.head()
      status.head = head
      if (!planned) {
        await plan(head)
        planned = true
      }
      const progressed = await advance(head)
      await tellFinality()
      status.problem.tip = null
      status.waitingFor = progressed ? null : (unconfirmed ?? forks.waitingFor())
      status.state = missing() > 0 ? 'catching-up' : 'following'
      if (progressed && (await nodes.head()) > (window.tip()?.height ?? -1)) continue
      await findGaps()
      if (near.length > 0) await fillNear()
      else await nextLook()
    }
  }

  /** The tip as it is stored; while its first block is not, the highest that is stored may be of history, which goes its own way. */
  async function loadTip(): Promise<void> {
    await loadWindow(window, stored, chain.definition, signal)
    const tip = window.tip()
    if (tip !== null && includesHeight(deep, tip.height + 1)) window.clear()
  }

  /** One step toward the nodes' chain. @returns whether there was one. */
  async function advance(head: number): Promise<boolean> {
    const tip = window.tip()
    unconfirmed = null
    try {
      return await step(head, tip)
    } catch (error) {
      if (!(error instanceof NotAvailableError)) throw error
      // A node that told of the block before it had it, or one of several behind an address that does not have it yet.
      unconfirmed = `${describeError(error)}: waiting for the nodes, one of which is at height ${head}`
      return false
    }
  }

  async function step(head: number, tip: BlockRef | null): Promise<boolean> {
    if (tip === null) return head >= planStart && extend(planStart, head)
    if (head > tip.height) {
      return (await forks.isDeclined(head)) ? takeFollower() : extend(tip.height + 1, head)
    }
    const branch = await forks.look(head)
    return branch !== null && takeBranch(branch)
  }

  /** Once and for all: no height may come through both partitions. */
  let planned = false
  /** Where the tip begins when nothing is stored yet. */
  let planStart = 0
  /** From here on the tip's partition sees to it that nothing is missing. */
  let tipFrom = 0

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
      await extend(tip.height + 1, tip.height + 1, head)
      // History begins where the tables stand then, not in the middle of a reorg.
      await tipLog.drained()
      window.clear()
      tip = null
    }
    const beginning = from !== null && deepest <= from ? from : Math.max(0, head - depths.safe)
    planStart = tip ? tip.height + 1 : beginning
    if (from === null) {
      tipFrom = tip ? Math.max((await stored.ranges()).at(-1)?.[0] ?? planStart, deepest) : planStart
      return
    }
    const last = planStart - 1
    deep = last < from || deepest <= from ? [] : [[from, Math.min(last, deepest - 1)]]
    tipFrom = Math.max(from, deepest)
    near = last < Math.max(from, deepest) ? [] : [[Math.max(from, deepest), last]]
    near = subtractRanges(near, await stored.ranges())
    if (near.length > 0) {
      // Some of them may still be on their way from the last time, when they were history.
      await historyLog.drained()
      near = subtractRanges(near, await stored.ranges())
    }
    wakeHistory()
  }

  /** What was final stays so after a restart, unless the operator went back below it. */
  async function loadFinality(): Promise<void> {
    const told = await stored.finality()
    const tip = window.tip()
    const stands = told !== null && tip !== null && told.final <= tip.height
    status.safe = stands ? Math.min(told.safe, tip.height) : null
    status.final = stands ? told.final : null
  }

  /** Takes up blocks from `next` to `last`, a group at a time. @returns whether anything was handed on. */
  async function extend(next: number, last: number, head = last): Promise<boolean> {
    const heights = Array.from({ length: last - next + 1 }, (_, at) => next + at)
    const source = { blockAt: (height: number) => crawl({ height }, true) }
    let progressed = false
    let group: Crawled[] = []
    let bytes = 0
    let failure: { error: unknown } | null = null
    for await (const fetched of fetchBlocks(source, heights, settings.lookAhead)) {
      signal.throwIfAborted()
      if ('error' in fetched) {
        failure = fetched
        break
      }
      group.push(fetched.raw)
      bytes += fetched.raw.event.payload.length
      if (group.length < APPEND_BLOCKS && bytes < APPEND_BYTES) continue
      // What was fetched ahead may be of a branch that was left.
      if (!(await takeGroup(group, head))) return progressed
      progressed = true
      group = []
      bytes = 0
    }
    if (group.length > 0) {
      if (!(await takeGroup(group, head))) return progressed
      progressed = true
    }
    if (failure) throw failure.error
    return progressed
  }

  /** @returns whether the blocks, or others in their place, follow on the tip now. */
  async function takeGroup(fetched: readonly Crawled[], head: number): Promise<boolean> {
    const group = await linked(fetched)
    const { height, parentHash } = group[0]!.verified
    if (window.tip() === null || window.has({ height: height - 1, hash: parentHash })) return handOn(group)
    const branch = await forks.above(group, head)
    return branch === null ? takeFollower() : takeBranch(branch)
  }

  /**
   * The last block and those below it that it names: where nodes answer from different views, one height may come from
   * a branch that the next one does not follow on.
   */
  async function linked(fetched: readonly Crawled[]): Promise<Crawled[]> {
    const group = [...fetched]
    for (let at = group.length - 1; at > 0; at--) {
      const { height, parentHash } = group[at]!.verified
      if (equalBytes(group[at - 1]!.verified.hash, parentHash)) continue
      const block = await crawl({ hash: chain.formatHash(parentHash) }, true)
      if (block.verified.height !== height - 1) {
        throw new ProofError('height', `${slug}: parent of block ${height} is at ${block.verified.height}`)
      }
      group[at - 1] = block
    }
    return group
  }

  /** Of blocks that follow on the tip, those that enough nodes have. @returns whether that was any. */
  async function handOn(blocks: readonly Crawled[]): Promise<boolean> {
    const confirmed = await confirmedOf(blocks)
    if (confirmed.length === 0) return false
    await tipLog.append(confirmed.map(block => block.event))
    for (const block of confirmed) window.push(block.verified)
    forks.settled()
    pace.advance(confirmed.length)
    return confirmed.length === blocks.length
  }

  async function takeFollower(): Promise<boolean> {
    const block = await forks.follower()
    return block !== null && handOn([block])
  }

  /** What several nodes are asked for and did not say yet. */
  let unconfirmed: string | null = null

  /** The blocks up to the last that enough nodes have. */
  async function confirmedOf(blocks: readonly Crawled[]): Promise<readonly Crawled[]> {
    const wanted = settings.confirmWith
    if (wanted <= 1) return blocks
    for (let count = blocks.length; count > 0; count--) {
      const { height, hash } = blocks[count - 1]!.verified
      const sights = await nodes.sights([height])
      const agreeing = sights.filter(({ hashes }) => hashes?.[0] && equalBytes(hashes[0], hash)).length
      if (agreeing >= wanted) return blocks.slice(0, count)
      unconfirmed = `${slug}: block ${height} ${chain.formatHash(hash)} is known to ${agreeing} of ${sights.length} nodes, ${wanted} have to give it`
    }
    return []
  }

  /** Hands on the whole branch at once. @returns false when it is not confirmed. */
  async function takeBranch({ ancestor, blocks }: Branch): Promise<boolean> {
    if ((await confirmedOf(blocks.slice(-1))).length === 0) return false
    const depth = window.tip()!.height - ancestor.height
    logger.info({ chain: slug, commonAncestor: ancestor.height, depth, blocks: blocks.length }, 'reorg')
    await tipLog.append([{ kind: 'revert', to: ancestor }, ...blocks.map(block => block.event)])
    window.cut(ancestor.height)
    for (const block of blocks) window.push(block.verified)
    forks.settled()
    pace.advance(blocks.length)
    return true
  }

  const gapLookMs = settings.gapLookMs ?? GAP_LOOK_MS
  let gapsAt = performance.now() + gapLookMs
  let gapWaitMs = gapLookMs

  /** What was handed on and was not stored is missing again: now and then it is looked for that. */
  async function findGaps(): Promise<void> {
    const tip = window.tip()
    if (near.length > 0 || tip === null || performance.now() < gapsAt || !(await tipLog.isDrained())) return
    gapsAt = performance.now() + gapLookMs
    near = subtractRanges([[tipFrom, tip.height]], await stored.ranges())
    if (near.length === 0) {
      status.gaps.tip = null
      gapWaitMs = gapLookMs
    }
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
    await loadTip()
    const left = subtractRanges(near, await stored.ranges())
    const refusedHeights = countHeights(near) - countHeights(left) === 0 && failed.length < heights.length
    near = left
    if (failed[0]) throw failed[0].error
    if (!refusedHeights) return
    status.gaps.tip = refusedText(near)
    near = []
    gapsAt = performance.now() + gapWaitMs
    gapWaitMs = Math.min(LONGEST_GAP_LOOK_MS, 2 * gapWaitMs)
  }

  function refusedText(left: Ranges): string {
    const [from] = left[0]!
    return (
      `${slug}: ${countHeights(left)} blocks, the first of them ${from}, were fetched and not stored: see the dead letters ` +
      `(wanlian doctor)`
    )
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
    await log.claim(blockEvents(slug, HISTORY_PARTITION))
    let refusedWaitMs = gapLookMs
    while (!signal.aborted) {
      // Of another chain nothing is wanted.
      while (isStopped() && !signal.aborted) await pause(settings.pollMs, signal)
      await historyLog.drained()
      const missingNow = subtractRanges(deep, await stored.ranges())
      status.history = countHeights(missingNow)
      if (status.history === 0) {
        status.problem.history = null
        status.gaps.history = null
        refusedWaitMs = gapLookMs
        await nextHistoryLook(gapLookMs)
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
        if (failed[0] || isStopped()) break
      }
      if (failed[0]) throw failed[0].error
      if (isStopped()) continue
      await historyLog.drained()
      const left = subtractRanges(deep, await stored.ranges())
      if (left.length === 0) continue
      status.history = countHeights(left)
      status.gaps.history = refusedText(left)
      await nextHistoryLook(refusedWaitMs)
      refusedWaitMs = Math.min(LONGEST_GAP_LOOK_MS, 2 * refusedWaitMs)
    }
  }

  async function nextHistoryLook(ms: number): Promise<void> {
    const look = pausable(ms, signal)
    wakeHistory = look.end
    await look.done
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
        problem:
          status.problem.tip ?? status.problem.history ?? status.gaps.tip ?? status.gaps.history ?? refused,
        waitingFor: status.problem.tip === null ? status.waitingFor : null,
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
