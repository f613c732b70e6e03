import {
  type Columns,
  count,
  flag,
  milliseconds,
  name,
  nullable,
  seconds,
  text,
  uint16,
  uint32,
} from '../../schema/columns.ts'
import { BASE_DATABASE } from '../../schema/ddl.ts'
import { insertRows } from '../../schema/insert.ts'
import type { Sql } from '../../schema/ports.ts'
import type { Delivery, EventType, SkippedEvent } from './contract.ts'
import type { Lease } from './lease.ts'
import { createRegistry, type Replay } from './registry.ts'

/** What is written down about deliveries: gathered, and written many at once. */
export interface Notes {
  delivery(delivery: Delivery): void
  skipped(webhook: string, event: SkippedEvent): void
  replay(replay: Replay): void
  /** Everything gathered; kept for the next time when it fails. */
  write(lease: Pick<Lease, 'fence'> | null): Promise<void>
}

const deliveryColumns: Columns = {
  chain: name,
  height: count,
  time: milliseconds,
  webhook: text,
  sequence: count,
  event_id: text,
  type: name,
  attempt: uint32,
  origin: name,
  ok: flag,
  status: nullable(uint16),
  error: nullable(text),
  duration_ms: uint32,
  request_headers: text,
  request_body: text,
  response_headers: text,
  response_body: text,
  expires: seconds,
}
const skippedColumns: Columns = {
  chain: name,
  height: count,
  time: milliseconds,
  webhook: text,
  sequence: count,
  event_id: text,
  type: name,
  reason: text,
}
/** Beyond this the oldest attempts are not written: the store has been away for long. */
const MAX_GATHERED = 20_000

/** @param keepDays how long attempts are kept. */
export function createNotes(sql: Sql, keepDays: number): Notes {
  const registry = createRegistry(sql)
  let deliveries: Delivery[] = []
  let skipped: { webhook: string; event: SkippedEvent }[] = []
  const replays = new Map<string, Replay>()

  return {
    delivery(delivery) {
      deliveries.push(delivery)
      if (deliveries.length > MAX_GATHERED) deliveries.shift()
    },
    skipped(webhook, event) {
      skipped.push({ webhook, event })
    },
    replay(replay) {
      replays.set(replay.id, replay)
    },
    async write(lease) {
      const options = { token: null, ...(lease && { fence: lease.fence }) }
      const gathered = deliveries
      deliveries = []
      try {
        await insertRows(
          sql,
          'webhook_deliveries',
          deliveryColumns,
          gathered.map(one => deliveryRow(one, keepDays)),
          options,
        )
      } catch (error) {
        deliveries = [...gathered, ...deliveries].slice(-MAX_GATHERED)
        throw error
      }
      const aside = skipped
      const rows = aside.map(({ webhook, event }) => ({
        chain: '',
        height: 0,
        time: Date.parse(event.time),
        webhook,
        sequence: event.sequence,
        event_id: event.eventId,
        type: event.type,
        reason: event.reason,
      }))
      await insertRows(sql, 'webhook_skipped', skippedColumns, rows, options)
      skipped = skipped.slice(aside.length)
      for (const [id, replay] of replays) {
        await registry.putReplay(replay)
        if (replays.get(id) === replay) replays.delete(id)
      }
    },
  }
}

const DAY_SECONDS = 86_400

function deliveryRow(delivery: Delivery, keepDays: number): Record<string, unknown> {
  return {
    chain: '',
    height: 0,
    time: Date.parse(delivery.time),
    webhook: delivery.webhook,
    sequence: delivery.sequence,
    event_id: delivery.eventId,
    type: delivery.type,
    attempt: delivery.attempt,
    origin: delivery.origin,
    ok: delivery.ok,
    status: delivery.status,
    error: delivery.error,
    duration_ms: Math.round(delivery.durationMs),
    request_headers: JSON.stringify(delivery.requestHeaders),
    request_body: delivery.requestBody,
    response_headers: JSON.stringify(delivery.responseHeaders),
    response_body: delivery.responseBody,
    expires: Math.floor(Date.parse(delivery.time) / 1000) + keepDays * DAY_SECONDS,
  }
}

/** Attempts at a webhook's events, newest first. */
export async function readDeliveries(
  sql: Sql,
  webhook: string,
  { limit, before, failed }: { limit: number; before?: string; failed?: boolean },
): Promise<Delivery[]> {
  const rows = await sql.rows<{
    sequence: string
    event_id: string
    type: EventType
    at: string
    attempt: number
    origin: Delivery['origin']
    ok: number
    status: number | null
    error: string | null
    duration_ms: number
    request_headers: string
    request_body: string
    response_headers: string
    response_body: string
  }>(
    `SELECT sequence, event_id, type, toUnixTimestamp64Milli(time) AS at, attempt, origin, ok, status, error, duration_ms,
      request_headers, request_body, response_headers, response_body
    FROM ${BASE_DATABASE}.webhook_deliveries
    WHERE webhook = {webhook:String} ${failed ? 'AND ok = 0' : ''}
      ${before === undefined ? '' : 'AND time < fromUnixTimestamp64Milli({before:Int64})'}
    ORDER BY time DESC, sequence DESC LIMIT {limit:UInt32}`,
    { webhook, limit, ...(before !== undefined && { before: Date.parse(before) }) },
  )
  return rows.map(row => ({
    webhook,
    sequence: Number(row.sequence),
    eventId: row.event_id,
    type: row.type,
    time: new Date(Number(row.at)).toISOString(),
    attempt: row.attempt,
    origin: row.origin,
    ok: row.ok === 1,
    status: row.status,
    error: row.error,
    durationMs: row.duration_ms,
    requestHeaders: JSON.parse(row.request_headers) as Record<string, string>,
    requestBody: row.request_body,
    responseHeaders: JSON.parse(row.response_headers) as Record<string, string>,
    responseBody: row.response_body,
  }))
}

/** Events that were set aside, newest first. */
export async function readSkipped(sql: Sql, webhook: string): Promise<SkippedEvent[]> {
  const rows = await sql.rows<{
    sequence: string
    event_id: string
    type: EventType
    at: string
    reason: string
  }>(
    `SELECT sequence, event_id, type, toUnixTimestamp64Milli(time) AS at, reason FROM ${BASE_DATABASE}.webhook_skipped FINAL
    WHERE webhook = {webhook:String} ORDER BY sequence DESC LIMIT 1000`,
    { webhook },
  )
  return rows.map(row => ({
    sequence: Number(row.sequence),
    eventId: row.event_id,
    type: row.type,
    time: new Date(Number(row.at)).toISOString(),
    reason: row.reason,
  }))
}
