import { createRandomness } from '../../deploy/dev/randomness.ts'
import { StoreError } from '../../schema/errors.ts'
import { ANNOUNCEMENTS, type Announcement, type BlockEvent, decodeEvent } from '../../schema/events.ts'
import type { BlockLog, InsertOptions, RowsToInsert, Sql, SqlParams } from '../../schema/ports.ts'
import type { StoreFaults } from './script.ts'

/** What the log was given, by all lives together. */
export interface Record {
  events: { partition: number; event: BlockEvent }[]
  announcements: Announcement[]
}

/**
 * A program's way to the store and to the log. Once it is dead nothing comes through any more, as if its process had
 * been killed between two calls, or while one was under way.
 */
export interface Life {
  sql: Sql
  log: BlockLog
  isDead(): boolean
  died: Promise<void>
  /** It dies at the n-th call from now on, before or after the call has its effect. */
  dieAfter(calls: number, effect: 'before' | 'after'): void
  die(): void
}

export interface LifeDeps {
  seed: number
  faults: StoreFaults
  sql: Sql
  log: BlockLog
  record: Record
  /** Whether faults are over. */
  settled: () => boolean
  /** Times that a call was made, over all lives. */
  counts: Map<string, number>
}

export function startLife({ seed, faults, sql, log, record, settled, counts }: LifeDeps): Life {
  let dead = false
  let left = Number.POSITIVE_INFINITY
  let effect: 'before' | 'after' = 'before'
  let tell = () => {}
  const died = new Promise<void>(resolve => {
    tell = resolve
  })

  function die(): never {
    dead = true
    tell()
    throw new StoreError('the program is gone')
  }

  async function through<Value>(run: () => Promise<Value>): Promise<Value> {
    if (dead) die()
    const isLast = --left === 0
    if (isLast && effect === 'before') die()
    const value = await run()
    // Faults may have ended while it was under way.
    if (dead || (isLast && !settled())) die()
    return value
  }

  /** The same call meets the same fate the same time, whatever other calls came between. */
  function draw(call: string) {
    const times = (counts.get(call) ?? 0) + 1
    counts.set(call, times)
    return createRandomness(`${seed}/store/${call}/${times}`)
  }

  async function slowly(random: ReturnType<typeof draw>): Promise<void> {
    if (settled() || random.integer(10_000) >= faults.slow) return
    await new Promise(resolve => setTimeout(resolve, random.integer(faults.slowMs)))
  }

  async function read<Value>(statement: string, run: () => Promise<Value>): Promise<Value> {
    const random = draw(`read/${statement.length}`)
    await slowly(random)
    if (!settled() && random.integer(10_000) < faults.lost / 4) throw new StoreError('simulated: read lost')
    return run()
  }

  async function insert(rows: RowsToInsert, options: InsertOptions): Promise<{ repeated: boolean }> {
    const random = draw(`insert/${rows.table}/${options.token}`)
    await slowly(random)
    if (settled()) return sql.insert(rows, options)
    const chance = random.integer(10_000)
    const isCarriedOut = random.integer(2) === 0
    if (chance < faults.lost + faults.repeated && isCarriedOut) await sql.insert(rows, options)
    if (chance < faults.lost) throw new StoreError(`simulated: insert lost, carried out: ${isCarriedOut}`)
    const outcome = await sql.insert(rows, options)
    await slowly(random)
    return chance < faults.lost + faults.repeated ? { repeated: true } : outcome
  }

  return {
    isDead: () => dead,
    died,
    dieAfter(calls, when) {
      left = calls
      effect = when
    },
    die() {
      dead = true
      tell()
    },
    sql: {
      rows: <T>(statement: string, params?: SqlParams) =>
        through(() => read(statement, () => sql.rows<T>(statement, params))),
      bytes: (statement, params) => through(() => read(statement, () => sql.bytes(statement, params))),
      insert: (rows, options) => through(() => insert(rows, options)),
      command: (statement, params) => through(() => sql.command(statement, params)),
    },
    log: {
      claim: place => through(() => log.claim(place)),
      append: (place, values) =>
        through(async () => {
          const offset = await log.append(place, values)
          if (place.topic === ANNOUNCEMENTS.topic) {
            record.announcements.push(
              ...values.map(value => JSON.parse(Buffer.from(value).toString()) as Announcement),
            )
          } else {
            record.events.push(
              ...values.map(value => ({ partition: place.partition, event: decodeEvent(value) })),
            )
          }
          return offset
        }),
      read: (place, from, limits) => through(() => log.read(place, from, limits)),
      wait: (place, from, signal) => log.wait(place, from, signal),
      end: place => through(() => log.end(place)),
      committed: (place, group) => through(() => log.committed(place, group)),
      commit: (place, group, next) => through(() => log.commit(place, group, next)),
      close: async () => {},
    },
  }
}
