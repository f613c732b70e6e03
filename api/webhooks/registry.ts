import { type Columns, count, flag, milliseconds, name, text, uint32 } from '../../schema/columns.ts'
import { BASE_DATABASE } from '../../schema/ddl.ts'
import { insertRows } from '../../schema/insert.ts'
import type { InsertOptions, Sql } from '../../schema/ports.ts'
import type { WebhookDefinition } from './contract.ts'
import type { LaneKind, Position } from './outbox.ts'

/** Where a webhook begins on a chain: null for the first block that will be stored. */
export interface ChainStart {
  chain: string
  position: Position | null
}

export interface SealedSecret {
  /** As the vault sealed it. */
  sealed: string
  /** Unix milliseconds; null while it is the newest. */
  until: number | null
}

/** A webhook as its owner set it up. */
export interface Registered {
  id: string
  version: number
  /** Unix milliseconds. */
  createdAt: number
  definition: Omit<WebhookDefinition, 'filters'> & {
    filters: Omit<WebhookDefinition['filters'], 'addresses'> & { addresses: number }
  }
  starts: ChainStart[]
  /** Newest first. */
  secrets: SealedSecret[]
  paused: boolean
}

export interface Lane {
  chain: string
  lane: LaneKind
  /** Null until the chain has its first block. */
  position: Position | null
  /** First height that was told; null before it. */
  since: number | null
}

/** How far a webhook is, as its worker knows. */
export interface WebhookState {
  /** Its endpoint has answered the ping. */
  verified: boolean
  delivered: number
  /** Failed attempts at the event after the last delivered. */
  attempts: number
  /** Unix milliseconds. */
  failingSince: number | null
  nextAttempt: number | null
  lastError: string | null
  /** Version of the registration whose retries were used up: a later one is tried again. */
  disabled: number | null
  lanes: Lane[]
  /** Newest event when this was noted. */
  sequence: number
  /** Newest event that is in the topic, where there is one. */
  published: number
}

export interface Replay {
  id: string
  webhook: string
  version: number
  next: number
  last: number
  perSecond: number | null
}

/** Webhooks, what they watch and how far they are. */
export interface Registry {
  all(): Promise<Registered[]>
  get(id: string): Promise<Registered | null>
  /** Replaces the version before. */
  put(webhook: Registered, options?: { removed: boolean }): Promise<void>
  watch(id: string, addresses: readonly string[]): Promise<void>
  /** Who watches which of these addresses. */
  watchersOf(addresses: readonly string[]): Promise<Map<string, string[]>>
  states(ids: readonly string[]): Promise<Map<string, WebhookState>>
  saveStates(
    states: ReadonlyMap<string, WebhookState>,
    version: number,
    fence: InsertOptions['fence'] | null,
  ): Promise<void>
  /** Those that are not done. */
  replays(): Promise<Replay[]>
  putReplay(replay: Replay): Promise<void>
}

const registeredColumns: Columns = {
  chain: name,
  height: count,
  time: milliseconds,
  id: text,
  version: count,
  created_at: milliseconds,
  definition: text,
  addresses: uint32,
  starts: text,
  secrets: text,
  paused: flag,
  removed: flag,
}
const addressColumns: Columns = {
  chain: name,
  height: count,
  time: milliseconds,
  address: text,
  webhook: text,
}
const stateColumns: Columns = {
  chain: name,
  height: count,
  time: milliseconds,
  webhook: text,
  version: count,
  state: text,
}

interface RegisteredRow {
  id: string
  version: string
  created: string
  definition: string
  addresses: number
  starts: string
  secrets: string
  paused: number
}

const SELECT = `SELECT id, version, toUnixTimestamp64Milli(created_at) AS created, definition, addresses, starts, secrets, paused
  FROM ${BASE_DATABASE}.webhooks FINAL`
/** Addresses in one look-up, and in one insert. */
const LOOK_UP = 5_000
const INSERT_ROWS = 50_000

export function createRegistry(sql: Sql): Registry {
  return {
    async all() {
      const rows = await sql.rows<RegisteredRow>(`${SELECT} WHERE removed = 0 ORDER BY created_at, id`)
      return rows.map(registeredOf)
    },

    async get(id) {
      const [row] = await sql.rows<RegisteredRow>(`${SELECT} WHERE removed = 0 AND id = {id:String}`, { id })
      return row ? registeredOf(row) : null
    },

    async put({ id, version, createdAt, definition, starts, secrets, paused }, options) {
      const row = {
        chain: '',
        height: 0,
        time: Date.now(),
        id,
        version,
        created_at: createdAt,
        definition: JSON.stringify(definition),
        addresses: definition.filters.addresses,
        starts: JSON.stringify(starts),
        secrets: JSON.stringify(secrets),
        paused,
        removed: options?.removed ?? false,
      }
      await insertRows(sql, 'webhooks', registeredColumns, [row], { token: null })
      if (options?.removed) {
        const table = `${BASE_DATABASE}.webhook_addresses`
        if (definition.filters.addresses > 0)
          await sql.command(`ALTER TABLE ${table} DELETE WHERE webhook = {id:String}`, { id })
      }
    },

    async watch(id, addresses) {
      for (let at = 0; at < addresses.length; at += INSERT_ROWS) {
        const rows = addresses
          .slice(at, at + INSERT_ROWS)
          .map(address => ({ chain: '', height: 0, time: Date.now(), address, webhook: id }))
        await insertRows(sql, 'webhook_addresses', addressColumns, rows, { token: null })
      }
    },

    async watchersOf(addresses) {
      const found = new Map<string, string[]>()
      for (let at = 0; at < addresses.length; at += LOOK_UP) {
        const rows = await sql.rows<{ address: string; webhooks: string[] }>(
          `SELECT address, groupUniqArray(webhook) AS webhooks FROM ${BASE_DATABASE}.webhook_addresses
          WHERE address IN {addresses:Array(String)} GROUP BY address`,
          { addresses: addresses.slice(at, at + LOOK_UP) },
        )
        for (const { address, webhooks } of rows) found.set(address, webhooks.sort())
      }
      return found
    },

    async states(ids) {
      const rows = await sql.rows<{ webhook: string; state: string }>(
        `SELECT webhook, state FROM ${BASE_DATABASE}.webhook_states FINAL WHERE webhook IN {ids:Array(String)}`,
        { ids: [...ids] },
      )
      return new Map(rows.map(row => [row.webhook, JSON.parse(row.state) as WebhookState]))
    },

    async saveStates(states, version, fence) {
      const rows = [...states].map(([webhook, state]) => ({
        chain: '',
        height: 0,
        time: Date.now(),
        webhook,
        version,
        state: JSON.stringify(state),
      }))
      await insertRows(sql, 'webhook_states', stateColumns, rows, { token: null, ...(fence && { fence }) })
    },

    async replays() {
      const rows = await sql.rows<{
        id: string
        webhook: string
        version: string
        next: string
        last: string
        per_second: number | null
      }>(
        `SELECT id, webhook, version, next, last, per_second FROM ${BASE_DATABASE}.webhook_replays FINAL
        WHERE next <= last ORDER BY time, id`,
      )
      return rows.map(row => ({
        id: row.id,
        webhook: row.webhook,
        version: Number(row.version),
        next: Number(row.next),
        last: Number(row.last),
        perSecond: row.per_second,
      }))
    },

    async putReplay({ id, webhook, version, next, last, perSecond }) {
      await sql.command(
        `INSERT INTO ${BASE_DATABASE}.webhook_replays (chain, height, time, webhook, id, version, next, last, per_second)
        SELECT '', 0, now64(3), {webhook:String}, {id:String}, {version:UInt64}, {next:UInt64}, {last:UInt64}, {perSecond:Nullable(Float64)}`,
        { webhook, id, version, next, last, perSecond },
      )
    },
  }
}

function registeredOf(row: RegisteredRow): Registered {
  const definition = JSON.parse(row.definition) as Registered['definition']
  return {
    id: row.id,
    version: Number(row.version),
    createdAt: Number(row.created),
    definition: { ...definition, filters: { ...definition.filters, addresses: row.addresses } },
    starts: JSON.parse(row.starts) as ChainStart[],
    secrets: JSON.parse(row.secrets) as SealedSecret[],
    paused: row.paused === 1,
  }
}

/** Where every webhook stands before its first event. */
export function firstState({ definition, starts }: Registered): WebhookState {
  const wantsBlocks = definition.events.some(kind => kind !== 'block.finalized')
  const lanes = starts.flatMap(({ chain, position }): Lane[] => [
    ...(wantsBlocks ? [{ chain, lane: 'blocks' as const, position, since: position?.next ?? null }] : []),
    ...(definition.events.includes('block.finalized')
      ? [{ chain, lane: 'final' as const, position, since: position?.next ?? null }]
      : []),
  ])
  const first = definition.start === 'now' ? 1 : (definition.start.sequence ?? 1)
  return {
    verified: definition.url === null,
    delivered: first - 1,
    attempts: 0,
    failingSince: null,
    nextAttempt: null,
    lastError: null,
    disabled: null,
    lanes,
    sequence: first - 1,
    published: first - 1,
  }
}
