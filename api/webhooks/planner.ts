import { includesHeight, type Ranges } from '../../schema/ranges.ts'
import { groupBy } from '../group-by.ts'
import type { BlockFacts, ChainBooks, ChainView } from './chain-view.ts'
import type { EventKind, When } from './contract.ts'
import { addressesOf, type Draft, eventsOf, type Watcher, wantedBy } from './events.ts'
import { type Event, makeEvent, type Outbox, type Position, type Told } from './outbox.ts'
import type { Lane } from './registry.ts'

/** A webhook whose events are being made. */
export interface Planned {
  watcher: Watcher
  when: When
  lanes: Lane[]
  /** Number of its newest event. */
  sequence: number
}

export interface PlannerDeps {
  view: ChainView
  outbox: Pick<Outbox, 'toldOf'>
  /** Who watches which of these addresses. */
  watchersOf(addresses: readonly string[]): Promise<Map<string, string[]>>
  /** Stores events, all or none, before they count. */
  store(events: readonly Event[]): Promise<void>
  /** Unix milliseconds. */
  now(): number
}

/** Blocks and transactions that one step looks at. */
const STEP = { blocks: 100, transactions: 20_000, events: 50_000 }
/** Bodies that are held in memory until they are stored. */
const MAX_BYTES = 32 * 1024 * 1024
/** So long a removed height may have no block yet before its removal is told without naming one. */
const REPLACEMENT_MS = 10_000

/**
 * Makes the events of many webhooks. Those that stand at the same place of a chain go on together: what is read, is read
 * once. A webhook that was behind joins the others when it has caught up.
 */
export interface Planner {
  /** One step for each place. @returns whether there is more to do at once. */
  step(webhooks: readonly Planned[]): Promise<boolean>
}

interface Member {
  planned: Planned
  lane: Lane
}

export function createPlanner(deps: PlannerDeps): Planner {
  const { view, outbox } = deps

  async function step(webhooks: readonly Planned[]): Promise<boolean> {
    const members = webhooks.flatMap(planned => planned.lanes.map(lane => ({ planned, lane })))
    const byChain = groupBy(members, ({ lane }) => lane.chain)
    const books = await view.books([...byChain.keys()])
    let isMore = false
    for (const [chain, ofChain] of byChain) {
      const book = books.get(chain)
      if (!book || book.ranges.length === 0) continue
      for (const { lane } of ofChain) lane.position ??= { next: book.ranges.at(-1)![0], hash: '' }
      // Blocks first: what has not been told cannot be told to be final.
      for (const lane of ['blocks', 'final'] as const) {
        const places = groupBy(
          ofChain.filter(member => member.lane.lane === lane),
          ({ planned, lane: { position } }) =>
            `${position!.next} ${position!.hash} ${lane === 'final' ? boundOfFinal(planned, chain, book) : JSON.stringify(planned.when)}`,
        )
        for (const group of places.values()) {
          const went = lane === 'blocks' ? await goOn(chain, book, group) : await finalize(chain, book, group)
          isMore ||= went
        }
      }
    }
    return isMore
  }

  /** Tells the next blocks, or takes back those that left the chain. @returns whether anything moved. */
  async function goOn(chain: string, book: ChainBooks, group: readonly Member[]): Promise<boolean> {
    const { next, hash } = group[0]!.lane.position!
    const last = Math.min(
      boundOf(group[0]!.planned.when, book),
      reach(book.ranges, next),
      next + STEP.blocks - 1,
    )
    if (hash === '' && last < next) return false
    const from = hash === '' ? next : next - 1
    const blocks = await view.blocks(chain, from, Math.max(last, from))
    if (hash !== '' && (blocks[0]?.height !== next - 1 || blocks[0].hash !== hash)) {
      return takeBack(chain, book, group)
    }
    const above = linked(hash === '' ? blocks : blocks.slice(1), next, hash).filter(
      ({ height }) => height <= last,
    )
    const fitting = withinStep(above, group.length)
    if (fitting.length === 0) return false
    return tell(chain, book, group, fitting)
  }

  async function tell(
    chain: string,
    book: ChainBooks,
    group: readonly Member[],
    blocks: readonly BlockFacts[],
  ): Promise<boolean> {
    const watchers = group.map(({ planned }) => planned.watcher)
    const [low, high] = [blocks[0]!.height, blocks.at(-1)!.height]
    const details = await view.details(chain, low, high, wantedBy(watchers))
    if (await view.wasTouched(chain, book, low, high)) return false
    const watching = await watchingOf(watchers, addressesOf(details))
    const ofHeight = {
      transactions: groupBy(details.transactions, ({ height }) => height),
      effects: groupBy(details.effects, ({ height }) => height),
      tokenTransfers: groupBy(details.tokenTransfers, ({ height }) => height),
      logs: groupBy(details.logs, ({ height }) => height),
    }
    const batch = createBatch(chain, group)
    for (const block of blocks) {
      const { height } = block
      const drafts = eventsOf(
        block,
        {
          transactions: ofHeight.transactions.get(height) ?? [],
          effects: ofHeight.effects.get(height) ?? [],
          tokenTransfers: ofHeight.tokenTransfers.get(height) ?? [],
          logs: ofHeight.logs.get(height) ?? [],
        },
        watchers,
        watching,
      )
      batch.add(drafts, { next: height + 1, hash: block.hash })
      if (batch.bytes > MAX_BYTES) await batch.store(deps.store)
    }
    await batch.store(deps.store)
    return true
  }

  async function watchingOf(
    watchers: readonly Watcher[],
    addresses: ReadonlySet<string>,
  ): Promise<Map<string, Watcher[]>> {
    if (addresses.size === 0 || !watchers.some(({ hasAddresses }) => hasAddresses)) return new Map()
    const byId = new Map(watchers.map(watcher => [watcher.id, watcher]))
    const found = await deps.watchersOf([...addresses])
    return new Map(
      [...found].map(([address, ids]) => [address, ids.flatMap(id => byId.get(id) ?? [])] as const),
    )
  }

  /**
   * The block below has left the chain, or is hidden for the moment in which it is written anew. Goes back to the common
   * ancestor, tells the reorg and every removal from the highest down.
   */
  async function takeBack(chain: string, book: ChainBooks, group: readonly Member[]): Promise<boolean> {
    const position = group[0]!.lane.position!
    const removed: { height: number; hash: string; parentHash: string; time: number }[] = []
    let newest = 0
    let [height, hash] = [position.next - 1, position.hash]
    while (height >= 0) {
      const [stored] = await view.blocks(chain, height, height)
      if (stored?.hash === hash) break
      const orphan = await view.orphan(chain, height, hash)
      if (orphan === null) return false
      removed.push({ height, hash, parentHash: orphan.parentHash, time: orphan.time })
      newest = Math.max(newest, orphan.orphanedAt)
      height--
      hash = orphan.parentHash
    }
    if (removed.length === 0) return false
    if (await view.wasTouched(chain, book, height, position.next - 1)) return false
    const standing = await view.blocks(chain, height + 1, position.next - 1)
    const isWhole = standing.length === removed.length
    if (!isWhole && deps.now() - newest * 1000 < REPLACEMENT_MS) return false
    const newHashes = new Map(standing.map(block => [block.height, block.hash]))
    const ancestor = { height, hash }

    const ids = group.map(({ planned }) => planned.watcher.id)
    const told = groupBy(
      await outbox.toldOf(
        chain,
        ids,
        height + 1,
        removed.map(block => block.hash),
      ),
      event => `${event.webhook} ${event.hash}`,
    )
    const batch = createBatch(chain, group)
    const drafts: Draft[] = group.flatMap(({ planned: { watcher }, lane }) => {
      const own = removed.filter(block => block.height >= (lane.since ?? Number.POSITIVE_INFINITY))
      if (own.length === 0) return []
      const lowest = own.at(-1)!
      const reorg: Draft = {
        webhook: watcher.id,
        type: 'reorg',
        height: lowest.height,
        hash: newHashes.get(lowest.height) ?? lowest.hash,
        time: lowest.time,
        undoes: 0,
        data: {
          depth: removed.length,
          oldHash: lowest.hash,
          newHash: newHashes.get(lowest.height) ?? null,
          commonAncestor: ancestor,
        },
      }
      return [
        ...(watcher.events.has('reorg') ? [reorg] : []),
        ...own.flatMap(block =>
          removalsOf(watcher, block, told.get(`${watcher.id} ${block.hash}`) ?? [], {
            newHash: newHashes.get(block.height) ?? null,
            ancestor,
          }),
        ),
      ]
    })
    batch.add(drafts, { next: height + 1, hash })
    await batch.store(deps.store)
    return true
  }

  /** Blocks that are final now. They stand: nothing of them is taken back. */
  async function finalize(chain: string, book: ChainBooks, group: readonly Member[]): Promise<boolean> {
    const { next } = group[0]!.lane.position!
    const bound = boundOfFinal(group[0]!.planned, chain, book)
    const last = Math.min(bound, reach(book.ranges, next), next + STEP.blocks - 1)
    if (last < next) return false
    const blocks = withinStep(linked(await view.blocks(chain, next, last), next, ''), group.length)
    if (blocks.length === 0 || (await view.wasTouched(chain, book, next, last))) return false
    const batch = createBatch(chain, group)
    for (const { height, hash, parentHash, time } of blocks) {
      const drafts = group.map(
        ({ planned }): Draft => ({
          webhook: planned.watcher.id,
          type: 'block.finalized',
          height,
          hash,
          time,
          data: { parentHash },
          undoes: 0,
        }),
      )
      batch.add(drafts, { next: height + 1, hash })
    }
    await batch.store(deps.store)
    return true
  }

  return { step }
}

/** Removals of what was told of a block, the newest first, and then of the block itself. */
function removalsOf(
  { id, events }: Watcher,
  block: { height: number; hash: string; parentHash: string; time: number },
  told: readonly Told[],
  { newHash, ancestor }: { newHash: string | null; ancestor: { height: number; hash: string } },
): Draft[] {
  const place = { webhook: id, height: block.height, hash: block.hash, time: block.time }
  const added = told.find(event => event.type === 'block.added')
  return [
    ...told
      .filter(event => event.type !== 'block.added')
      .map((event): Draft => {
        const removal = { removed: true, undoes: event.sequence, oldHash: block.hash, newHash }
        return {
          ...place,
          type: event.type as EventKind,
          data: { ...event.data, ...removal },
          undoes: event.sequence,
        }
      }),
    ...(events.has('block.removed')
      ? [
          {
            ...place,
            type: 'block.removed' as const,
            data: {
              parentHash: block.parentHash,
              undoes: added?.sequence ?? null,
              oldHash: block.hash,
              newHash,
              commonAncestor: ancestor,
            },
            undoes: added?.sequence ?? 0,
          },
        ]
      : []),
  ]
}

/** Events of one step that are not stored yet; storing them moves the webhooks on. */
function createBatch(chain: string, group: readonly Member[]) {
  const members = new Map(group.map(member => [member.planned.watcher.id, member]))
  const sequences = new Map(group.map(({ planned }) => [planned.watcher.id, planned.sequence]))
  let events: Event[] = []
  let reached: Position | null = null
  let lowest: number | null = null
  let bytes = 0
  return {
    get bytes() {
      return bytes
    },
    add(drafts: readonly Draft[], position: Position): void {
      reached = position
      lowest ??= position.next - 1
      for (const draft of drafts) {
        const sequence = sequences.get(draft.webhook)! + 1
        sequences.set(draft.webhook, sequence)
        const { lane } = members.get(draft.webhook)!.lane
        const event = makeEvent(chain, draft, sequence, { lane, position: placeOf(draft.webhook, position) })
        events.push(event)
        bytes += event.body.length
      }
    },
    async store(store: PlannerDeps['store']): Promise<void> {
      if (reached === null) return
      if (events.length > 0) await store(events)
      for (const [id, { planned, lane }] of members) {
        planned.sequence = sequences.get(id)!
        lane.position = placeOf(id, reached)
        lane.since ??= lowest
      }
      events = []
      bytes = 0
    },
  }

  /** A webhook never goes below where it began: what stood there before was not its business. */
  function placeOf(id: string, position: Position): Position {
    const since = members.get(id)!.lane.since
    return since !== null && position.next < since ? { next: since, hash: '' } : position
  }
}

/** Last height that is sent now. */
function boundOf(when: When, { ranges, final }: ChainBooks): number {
  const tip = ranges.at(-1)![1]
  if (when === 'tip') return tip
  if (when === 'final') return final ?? -1
  return tip - when.confirmations + 1
}

/** Not beyond what was told of the blocks. */
function boundOfFinal({ lanes }: Planned, chain: string, { final }: ChainBooks): number {
  const blocks = lanes.find(lane => lane.chain === chain && lane.lane === 'blocks')
  const told = blocks === undefined ? Number.POSITIVE_INFINITY : (blocks.position?.next ?? 0) - 1
  return Math.min(final ?? -1, told)
}

/** Last height up to which blocks stand without a hole. */
function reach(ranges: Ranges, from: number): number {
  if (!includesHeight(ranges, from)) return from - 1
  return ranges.find(([low, high]) => low <= from && from <= high)![1]
}

/** The blocks that follow each other from a height on. */
function linked(blocks: readonly BlockFacts[], from: number, hash: string): BlockFacts[] {
  const found: BlockFacts[] = []
  let [height, parent] = [from, hash]
  for (const block of blocks) {
    if (block.height !== height || (parent !== '' && block.parentHash !== parent)) break
    found.push(block)
    height++
    parent = block.hash
  }
  return found
}

/** As many as one step may look at; at least one. */
function withinStep(blocks: readonly BlockFacts[], webhooks: number): BlockFacts[] {
  let transactions = 0
  return blocks.filter((block, at) => {
    transactions += block.transactionCount
    return at === 0 || (transactions <= STEP.transactions && (at + 1) * webhooks <= STEP.events)
  })
}
