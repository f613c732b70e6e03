import { createHash } from 'node:crypto'
import { FencedError } from '../../schema/errors.ts'
import type { AnnouncementFeed } from '../../schema/events.ts'
import { pausable } from '../../schema/pause.ts'
import type { Logger, Sql } from '../../schema/ports.ts'
import { createReader } from '../reader.ts'
import { createChainView } from './chain-view.ts'
import type { Delivery } from './contract.ts'
import { type Courier, type CourierDeps, createCourier } from './courier.ts'
import { createWatcher } from './events.ts'
import { takeLease } from './lease.ts'
import { createNotes } from './notes.ts'
import { createOutbox, type Event } from './outbox.ts'
import { createPlanner, type Planned } from './planner.ts'
import { createPublisher, type EventTopic } from './publisher.ts'
import { createRegistry, firstState, type Registered, type WebhookState } from './registry.ts'

export interface WorkerDeps extends Pick<CourierDeps, 'post' | 'sign' | 'retry'> {
  sql: Sql
  /** Wakes it; it also looks by itself. */
  feed: AnnouncementFeed
  logger: Logger
  /** How long attempts are kept. */
  keepDays: number
  /** Which of how many shares of the webhooks this worker has. */
  share: { index: number; of: number }
  /** Where the events are published too. */
  topic?: EventTopic
  onAttempt?(delivery: Delivery): void
}

/** How the webhooks of a share are doing. */
export interface WorkerFigures {
  webhooks: number
  failing: number
  /** Those that stand still until they are resumed. */
  disabled: number
  /** Events that were made and not taken yet. */
  waiting: number
  /** Events that were made and are not in the topic yet, where there is one. */
  unpublished: number
}

/** Makes and delivers the events of a share of the webhooks. */
export interface WebhookWorker {
  figures(): WorkerFigures
  stop(): Promise<void>
}

/** How often it is looked for changed webhooks, for blocks of history, and how often progress is noted. */
const LOOK_MS = 1_000
const SAVE_MS = 300
const AGAIN_MS = 2_000
const STATEMENT_SECONDS = 60
/** Versions of states under one lease. */
const VERSIONS = 2 ** 30

/** In which share a webhook is. */
export function shareOf(webhook: string, of: number): number {
  return createHash('sha256').update(webhook).digest().readUInt32BE(0) % of
}

interface Served {
  registered: Registered
  planned: Planned
  courier: Courier
}

/** Works until it is stopped; when another takes the share over, it lets go and tries to have it again. */
export function startWebhookWorker(deps: WorkerDeps): WebhookWorker {
  const stopping = new AbortController()
  let serving: ReadonlyMap<string, Served> = new Map()

  async function work(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await serve(deps, stopping.signal, served => {
          serving = served
        })
      } catch (error) {
        const facts = { share: deps.share.index, err: error }
        if (error instanceof FencedError) deps.logger.info(facts, 'another worker has these webhooks')
        else deps.logger.error(facts, 'webhooks cannot be served, it is tried again')
      }
      serving = new Map()
      await pausable(AGAIN_MS, stopping.signal).done
    }
  }
  const working = work()

  return {
    figures() {
      const all = [...serving.values()]
      return {
        webhooks: all.length,
        failing: all.filter(({ courier }) => courier.state.failingSince !== null).length,
        disabled: all.filter(({ courier, registered }) => courier.state.disabled === registered.version)
          .length,
        waiting: all.reduce(
          (sum, { planned, courier, registered }) =>
            sum + (registered.definition.url === null ? 0 : planned.sequence - courier.state.delivered),
          0,
        ),
        unpublished: deps.topic
          ? all.reduce((sum, { planned, courier }) => sum + (planned.sequence - courier.state.published), 0)
          : 0,
      }
    },
    async stop() {
      stopping.abort()
      await working
    },
  }
}

/** Serves a share under one lease. @throws FencedError when it is lost. */
async function serve(
  deps: WorkerDeps,
  stopped: AbortSignal,
  onServing: (served: ReadonlyMap<string, Served>) => void,
): Promise<void> {
  const { sql, feed, logger, share } = deps
  const lease = await takeLease(sql, `${share.index}/${share.of}`)
  const registry = createRegistry(sql)
  const outbox = createOutbox(sql)
  const notes = createNotes(sql, deps.keepDays)
  const served = new Map<string, Served>()
  onServing(served)
  const ending = new AbortController()
  const { signal } = ending
  const dirty = new Set<string>()
  let failure: unknown = null
  const end = (error?: unknown) => {
    failure ??= error ?? null
    ending.abort()
  }
  stopped.addEventListener('abort', () => end(), { once: true })
  if (stopped.aborted) end()

  const onPublished = (webhook: string) => void dirty.add(webhook)
  const publisher = deps.topic && createPublisher({ topic: deps.topic, outbox, logger, signal, onPublished })
  const planner = createPlanner({
    view: createChainView(createReader(sql, { maxSeconds: STATEMENT_SECONDS })),
    outbox,
    watchersOf: addresses => registry.watchersOf(addresses),
    now: Date.now,
    async store(events) {
      await outbox.store(events, lease.fence)
      const byWebhook = new Map<string, Event[]>()
      for (const event of events) {
        const own = byWebhook.get(event.webhook)
        if (own) own.push(event)
        else byWebhook.set(event.webhook, [event])
      }
      for (const [id, own] of byWebhook) {
        served.get(id)?.courier.offer(own, own.at(-1)!.sequence)
        publisher?.offer(id, own)
      }
    },
  })

  async function load(): Promise<void> {
    const all = (await registry.all()).filter(({ id }) => shareOf(id, share.of) === share.index)
    const present = new Map(all.map(one => [one.id, one]))
    for (const [id, { courier }] of served) {
      if (present.has(id)) continue
      await courier.stop()
      publisher?.remove(id)
      served.delete(id)
    }
    for (const one of served.values()) {
      const changed = present.get(one.registered.id)!
      if (changed.version === one.registered.version) continue
      one.registered = changed
      one.courier.become(changed)
    }
    await begin(all.filter(({ id }) => !served.has(id)))
    for (const replay of await registry.replays()) served.get(replay.webhook)?.courier.replay(replay)
  }

  async function begin(added: readonly Registered[]): Promise<void> {
    if (added.length === 0) return
    const ids = added.map(({ id }) => id)
    const stored = await registry.states(ids)
    const states = new Map(added.map(one => [one.id, stored.get(one.id) ?? firstState(one)]))
    const newest = await outbox.newest(new Map([...states].map(([id, { sequence }]) => [id, sequence])))
    for (const registered of added) {
      const state = states.get(registered.id)!
      const told = newest.get(registered.id)
      if (told) catchUp(state, told)
      served.set(registered.id, { registered, ...open(registered, state) })
      publisher?.add(registered.id, state, state.sequence)
      dirty.add(registered.id)
    }
  }

  function open(registered: Registered, state: WebhookState): Pick<Served, 'planned' | 'courier'> {
    const { id, definition } = registered
    const planned: Planned = {
      watcher: createWatcher(id, definition),
      when: definition.when,
      lanes: state.lanes,
      sequence: state.sequence,
    }
    const courier = createCourier(
      {
        ...deps,
        outbox,
        isMine: () => lease.isMine(),
        now: Date.now,
        onAttempt(delivery) {
          notes.delivery(delivery)
          deps.onAttempt?.(delivery)
        },
        onSkipped: (webhook, event) => notes.skipped(webhook, event),
        onChange: webhook => void dirty.add(webhook),
        onReplayed: replay => notes.replay(replay),
      },
      registered,
      state,
    )
    return { planned, courier }
  }

  let wakeUp = pausable(0, signal)
  async function plan(): Promise<void> {
    while (!signal.aborted) {
      wakeUp = pausable(LOOK_MS, signal)
      const wanting = [...served.values()].filter(({ courier }) => courier.wantsMore())
      const isMore = wanting.length > 0 && (await planner.step(wanting.map(({ planned }) => planned)))
      for (const { registered, planned, courier } of wanting) {
        // Where it stands on its chains is noted too, though nothing was told of them.
        if (isMore || courier.state.sequence !== planned.sequence) dirty.add(registered.id)
      }
      if (!isMore) await wakeUp.done
    }
  }

  async function listen(): Promise<void> {
    for await (const _ of feed.subscribe(signal)) wakeUp.end()
  }

  async function look(): Promise<void> {
    while (!signal.aborted) {
      await load()
      if (!(await lease.isMine())) throw new FencedError('another worker took the webhooks over')
      await pausable(LOOK_MS, signal).done
    }
  }

  let version = lease.epoch * VERSIONS
  async function save(): Promise<void> {
    const ids = [...dirty].filter(id => served.has(id))
    dirty.clear()
    const states = new Map(
      ids.map(id => {
        const { planned, courier } = served.get(id)!
        courier.state.sequence = planned.sequence
        return [id, courier.state] as const
      }),
    )
    await registry.saveStates(states, ++version, lease.fence)
    await notes.write(lease)
  }

  async function keepSaving(): Promise<void> {
    while (!signal.aborted) {
      await save()
      await pausable(SAVE_MS, signal).done
    }
  }

  /** What the store cannot do now it is asked again; what cannot be done at all ends the lease. */
  async function keep(name: string, run: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      try {
        await run()
      } catch (error) {
        if (error instanceof FencedError) end(error)
        else {
          logger.error({ share: share.index, part: name, err: error }, 'webhooks: it is tried again')
          await pausable(LOOK_MS, signal).done
        }
      }
    }
  }

  await Promise.all([
    keep('look', look),
    keep('plan', plan),
    keep('listen', listen),
    keep('save', keepSaving),
    ...(publisher ? [keep('publish', () => publisher.work())] : []),
  ])
  await Promise.all([...served.values()].map(({ courier }) => courier.stop()))
  try {
    await save()
  } catch (error) {
    logger.warn({ share: share.index, err: error }, 'how far webhooks are was not noted: some are sent twice')
  }
  if (failure !== null) throw failure
}

/** Events that were stored after the state was noted are part of it. */
function catchUp(
  state: WebhookState,
  told: {
    sequence: number
    lanes: { chain: string; lane: string; position: { next: number; hash: string }; lowest: number }[]
  },
): void {
  state.sequence = Math.max(state.sequence, told.sequence)
  for (const { chain, lane, position, lowest } of told.lanes) {
    const own = state.lanes.find(one => one.chain === chain && one.lane === lane)
    if (!own) continue
    own.position = position
    own.since ??= lowest
  }
}
