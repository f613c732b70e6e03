import { setMaxListeners } from 'node:events'
import type { Logger } from 'pino'
import { type Follower, startFollow } from '../crawlers/follow.ts'
import type { StoredBlocks } from '../crawlers/fork.ts'
import { type Nodes, openNodes } from '../crawlers/nodes.ts'
import type { LearnedLimits } from '../crawlers/rpc.ts'
import type { ChainDefinition } from '../schema/chain.ts'
import { AppError, describeError, EndpointError } from '../schema/errors.ts'
import type { BlockLog, Sql } from '../schema/ports.ts'
import type { FollowStatus } from '../schema/status.ts'
import { readHeld } from '../splitter/journal.ts'
import { createOutputLookup } from '../splitter/outputs.ts'
import type { Splitter } from '../splitter/start.ts'
import { readFinality, readLinks, readWork } from '../splitter/stored.ts'
import type { ChainSettings } from './config.ts'
import type { PausedChains } from './paused.ts'
import { type Rewound, readBlock, rewindChain } from './rewind.ts'

export interface FollowingDeps {
  settings: ChainSettings
  sql: Sql
  log: BlockLog
  logger: Logger
  paused: PausedChains
  /** A command in the operator's words. */
  commandLine(words: string): string
  /** What may wait in the log of each partition before the crawler waits too, in bytes. */
  maxUnreadBytes?: number
  /** What endpoints were seen to allow. */
  learned?: LearnedLimits
  /** Those of the chain that run in this process. */
  splitters: readonly Splitter[]
}

/** One chain from its nodes into the log. What is asked of it is done one after the other. */
export interface Following {
  status(): FollowStatus
  /** Nothing more is asked of the nodes; what was handed on is still stored. @returns false when it was paused already. */
  pause(): Promise<boolean>
  /** @returns false when it was not paused. */
  resume(): Promise<boolean>
  /** Takes the chain back to a stored block; it is followed from there unless it is paused. @throws as `rewindChain`. */
  rewind(height: number): Promise<Rewound>
  /** Follows or rests, as the operator says by now. */
  look(): Promise<void>
  /** Ends the following, and what was asked for and is not done. */
  stop(): Promise<void>
}

const MAX_UNREAD_BYTES = 128 * 1024 * 1024
const LOOK_AHEAD = 16

/** Opens the endpoints of a chain; nothing is called yet. @throws ConfigError for one that is not understood. */
export function openLineNodes(
  { chain, endpoints, recoverSenders, traces }: ChainSettings,
  learned: LearnedLimits | undefined,
): Promise<Nodes<unknown>> {
  return openNodes<unknown>(chain, endpoints, {
    source: { recoverSenders, traces },
    rpc: { ...(learned && { learned }) },
  })
}

/** Starts to follow unless the chain is paused. */
export function startFollowing(deps: FollowingDeps, opened: Nodes<unknown>): Following {
  const { settings, sql, log, logger, paused, splitters } = deps
  const { chain } = settings
  const { slug } = chain.definition
  const closing = new AbortController()
  // It is waited on in a few places at once.
  setMaxListeners(0, closing.signal)
  let following: { nodes: Nodes<unknown>; follower: Follower; ending: AbortController } | null = null
  let rewindingTo: number | null = null
  let seen: FollowStatus = {
    chain: slug,
    state: 'starting',
    problem: null,
    waitingFor: null,
    head: null,
    safe: null,
    final: null,
    missing: 0,
    blocksPerSecond: null,
    etaSeconds: null,
    nodes: opened.status(),
  }
  let turn: Promise<unknown> = Promise.resolve()

  function follow(nodes: Nodes<unknown>): void {
    const ending = new AbortController()
    setMaxListeners(0, ending.signal)
    void reportEndpoints(logger, slug, nodes)
    const follower = startFollow(
      {
        chain,
        nodes,
        log,
        logger,
        stored: storedBlocks(sql, chain.definition),
        findOutputs: createOutputLookup(sql, slug),
        commandLine: deps.commandLine,
        settings: {
          historyFrom: settings.historyFrom,
          pollMs: settings.pollMs,
          confirmWith: settings.confirmWith,
          maxUnreadBytes: deps.maxUnreadBytes ?? MAX_UNREAD_BYTES,
          lookAhead: LOOK_AHEAD,
        },
      },
      ending.signal,
    )
    following = { nodes, follower, ending }
  }

  /** The connections are closed: no answer is waited for, and nothing is asked while the chain rests. */
  async function halt(): Promise<void> {
    if (following === null) return
    const { nodes, follower, ending } = following
    ending.abort()
    await nodes.close()
    await follower.done
    seen = { ...follower.status(), problem: null, waitingFor: null, blocksPerSecond: null, etaSeconds: null }
    following = null
  }

  async function goOn(): Promise<void> {
    if (following === null && !paused.has(slug) && !closing.signal.aborted)
      follow(await openLineNodes(settings, deps.learned))
  }

  function inTurn<Value>(step: () => Promise<Value>): Promise<Value> {
    const done = turn.then(async () => {
      try {
        closing.signal.throwIfAborted()
        return await step()
      } catch (error) {
        if (!closing.signal.aborted) throw error
        throw new AppError('STOPPING', `${slug}: it is being stopped`, {
          retryable: true,
          hint: 'once it runs again, give the command again',
        })
      }
    })
    turn = done.catch(() => {})
    return done
  }

  async function rewind(height: number): Promise<Rewound> {
    // Before anything is interrupted.
    await readBlock(sql, chain, height, closing.signal)
    rewindingTo = height
    try {
      await halt()
      const rewound = await rewindChain({ chain, sql, log, splitters }, height, closing.signal)
      logger.info({ chain: slug, height, ...rewound }, 'taken back by the operator')
      return rewound
    } finally {
      rewindingTo = null
      await goOn()
    }
  }

  function status(): FollowStatus {
    const stuck = splitters.map(splitter => splitter.problem()).find(problem => problem !== null) ?? null
    const told = following === null ? resting() : following.follower.status()
    return { ...told, problem: told.problem ?? stuck }
  }

  function resting(): FollowStatus {
    const waitingFor = rewindingTo === null ? null : `${slug} is being taken back to block ${rewindingTo}`
    return { ...seen, state: paused.has(slug) ? 'paused' : 'starting', waitingFor }
  }

  if (paused.has(slug)) {
    logger.warn({ chain: slug }, `paused by the operator: ${deps.commandLine(`resume ${slug}`)} goes on`)
    void opened.close()
  } else {
    follow(opened)
  }

  return {
    status,
    pause: () =>
      inTurn(async () => {
        if (paused.has(slug)) return false
        await paused.set(slug, true)
        await halt()
        logger.info({ chain: slug }, 'paused by the operator')
        return true
      }),
    resume: () =>
      inTurn(async () => {
        if (!paused.has(slug)) return false
        await paused.set(slug, false)
        await goOn()
        logger.info({ chain: slug }, 'resumed by the operator')
        return true
      }),
    rewind: height => inTurn(() => rewind(height)),
    look: () => inTurn(() => (paused.has(slug) ? halt() : goOn())),
    async stop() {
      closing.abort()
      following?.ending.abort()
      await turn
      await halt()
    },
  }
}

/** An endpoint that is away is identified when it comes back: nobody waits for it. */
async function reportEndpoints(logger: Logger, chain: string, nodes: Nodes<unknown>): Promise<void> {
  const names = nodes.status().map(status => status.name)
  for (const [at, outcome] of (await nodes.identifyEach()).entries()) {
    const endpoint = names[at]
    if (outcome instanceof EndpointError) {
      logger.warn({ chain, endpoint }, describeError(outcome))
    } else if (outcome instanceof Error) {
      logger.error({ chain, endpoint }, describeError(outcome))
    } else {
      logger.info({ chain, endpoint, ...outcome }, 'endpoint is of this chain')
    }
  }
}

/** What a chain's follower must know of the tables. */
export function storedBlocks(sql: Sql, { slug, ledger }: ChainDefinition): StoredBlocks {
  return {
    ranges: () => readHeld(sql, slug),
    finality: () => readFinality(sql, slug),
    async links(heights) {
      const [links, works] = await Promise.all([
        readLinks(sql, slug, heights),
        ledger === 'utxo' ? readWork(sql, slug, heights) : new Map<number, bigint>(),
      ])
      if (ledger !== 'utxo') return links
      // A block whose work is not there at this moment is not there.
      return new Map(
        [...links].flatMap(([height, link]) => {
          const work = works.get(height)
          return work === undefined ? [] : [[height, { ...link, work }] as const]
        }),
      )
    },
  }
}
