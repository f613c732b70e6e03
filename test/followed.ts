import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Chain } from '../crawlers/chain.ts'
import { type Follower, type FollowSettings, startFollow } from '../crawlers/follow.ts'
import { type Nodes, openNodes } from '../crawlers/nodes.ts'
import { openEmbeddedLog } from '../deploy/log-embedded.ts'
import {
  type BlockEvent,
  blockEvents,
  decodeEvent,
  HISTORY_PARTITION,
  SPLITTER_GROUP,
  TIP_PARTITION,
} from '../schema/events.ts'
import { addHeights, type Ranges } from '../schema/ranges.ts'
import { silent } from './harness.ts'

/** A follower with real nodes and a real log, whose events are folded into a chain in memory: no store. */
export interface Followed {
  follower: Follower
  nodes: Nodes<unknown>
  /** Hash in hex by height, of what is held. */
  hashes(): string[]
  tip(): { height: number; hash: string } | null
  reverts: readonly { to: number; removed: number }[]
  /** Heights that are refused from now on, as dead letters are. */
  refuse: Set<number>
  /** Events of blocks, by height, that came. */
  came: Map<number, number>
  /** Forgets a stored block. */
  lose(height: number): void
  close(): Promise<void>
}

interface Held {
  hash: Uint8Array
  parentHash: Uint8Array
  work?: bigint
}

export async function openFollowed(
  chain: Chain,
  urls: readonly string[],
  settings: Partial<FollowSettings> = {},
): Promise<Followed> {
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-followed-'))
  const log = await openEmbeddedLog({ directory })
  const stopping = new AbortController()
  const { signal } = stopping
  const held = new Map<number, Held>()
  const reverts: { to: number; removed: number }[] = []
  const refuse = new Set<number>()
  const came = new Map<number, number>()
  let finality: { safe: number; final: number } | null = null
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

  function fold(event: BlockEvent): void {
    if (event.kind === 'finalize') {
      finality = { safe: event.safe, final: event.final }
    } else if (event.kind === 'revert') {
      const ancestor = held.get(event.to.height)
      if (ancestor && hex(ancestor.hash) !== hex(event.to.hash)) throw new Error('revert to another block')
      const gone = [...held.keys()].filter(height => height > event.to.height)
      for (const height of gone) held.delete(height)
      reverts.push({ to: event.to.height, removed: gone.length })
    } else {
      came.set(event.height, (came.get(event.height) ?? 0) + 1)
      if (refuse.has(event.height)) return
      const below = held.get(event.height - 1)
      if (below && hex(below.hash) !== hex(event.parentHash))
        throw new Error(`${event.height} does not follow`)
      if (held.has(event.height)) throw new Error(`${event.height} came twice`)
      const { work } = chain.verify(chain.decode(event.payload))
      held.set(event.height, {
        hash: event.hash,
        parentHash: event.parentHash,
        ...(work !== undefined && { work }),
      })
    }
  }

  let failure: unknown = null
  async function consume(partition: number): Promise<void> {
    const place = blockEvents(chain.definition.slug, partition)
    for (let next = 0n; !signal.aborted; ) {
      const messages = await log.read(place, next)
      for (const message of messages) fold(decodeEvent(message.value))
      const last = messages.at(-1)
      if (last) {
        next = last.offset + 1n
        await log.commit(place, SPLITTER_GROUP, next)
      } else await log.wait(place, next, signal)
    }
  }

  const ranges = (): Ranges => addHeights([], held.keys())
  const nodes = await openNodes<unknown>(
    chain,
    urls.map(url => ({ url })),
    { rpc: { backoffMs: 20, attempts: 2, patienceMs: 500 } },
  )
  const consumers = [TIP_PARTITION, HISTORY_PARTITION].map(partition =>
    consume(partition).catch(error => {
      failure = error
    }),
  )
  const follower = startFollow(
    {
      chain,
      nodes,
      log,
      logger: silent,
      stored: {
        ranges: async () => ranges(),
        links: async heights =>
          new Map(
            heights.flatMap(height => {
              const link = held.get(height)
              return link ? [[height, link] as const] : []
            }),
          ),
        finality: async () => finality,
      },
      commandLine: words => `wanlian ${words}`,
      findOutputs: async outpoints => outpoints.map(() => null),
      settings: {
        historyFrom: 0,
        pollMs: 5,
        maxUnreadBytes: 1 << 28,
        lookAhead: 8,
        confirmWith: 1,
        ...settings,
      },
    },
    signal,
  )
  return {
    follower,
    nodes,
    reverts,
    refuse,
    came,
    hashes() {
      if (failure !== null) throw failure
      return [...held].sort((a, b) => a[0] - b[0]).map(([, { hash }]) => hex(hash))
    },
    tip() {
      if (failure !== null) throw failure
      if (held.size === 0) return null
      const height = Math.max(...held.keys())
      return { height, hash: hex(held.get(height)!.hash) }
    },
    lose: height => void held.delete(height),
    async close() {
      stopping.abort()
      await nodes.close()
      await follower.done
      await Promise.all(consumers)
      await log.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
