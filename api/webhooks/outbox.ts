import { createHash } from 'node:crypto'
import { type Columns, count, enumeration, milliseconds, name, seconds, text } from '../../schema/columns.ts'
import { BASE_DATABASE } from '../../schema/ddl.ts'
import { insertRows } from '../../schema/insert.ts'
import type { InsertOptions, Sql } from '../../schema/ports.ts'
import type { EventType, StoredEvent } from './contract.ts'
import type { Draft } from './events.ts'

/** What a webhook follows of a chain: its blocks as they come and go, or how they become final. */
export type LaneKind = 'blocks' | 'final'
const LANES = ['blocks', 'final'] as const

/** Where a webhook stands on a chain. */
export interface Position {
  /** Next height to be told. */
  next: number
  /** Hash of the block below; '' where nothing below was told. */
  hash: string
}

/** An event with its number and its bytes. */
export interface Event extends StoredEvent {
  webhook: string
  chain: string
  height: number
  hash: string
  time: number
  undoes: number
  /** Where the webhook stands once all events of the same step are told. */
  lane: LaneKind
  position: Position
}

/** Where the events of a webhook say that it stands on a chain. */
export interface ToldLane {
  chain: string
  lane: LaneKind
  position: Position
  /** Lowest height among those events. */
  lowest: number
}

/** An earlier event of a block, as a removal needs it. */
export interface Told {
  webhook: string
  sequence: number
  type: EventType
  hash: string
  data: Record<string, unknown>
}

const columns: Columns = {
  chain: name,
  height: count,
  time: seconds,
  hash: text,
  webhook: text,
  sequence: count,
  type: name,
  undoes: count,
  lane: enumeration(LANES),
  next_height: count,
  last_hash: text,
  made_at: milliseconds,
  body: text,
}

/** Longer ones are told in fewer words: a message of a stock Kafka broker holds 1 MB. */
const MAX_BODY_BYTES = 768 * 1024

/** Ids never change: they are the webhook's and the number of the event. */
export const eventId = (webhook: string, sequence: number) => `${webhook}_${sequence}`

export const rfc3339 = (unixSeconds: number) =>
  new Date(unixSeconds * 1000).toISOString().replace('.000Z', 'Z')

/** Gives a draft its number: from now on its body is these bytes. */
export function makeEvent(
  chain: string,
  { webhook, type, height, hash, time, data, short, undoes }: Draft,
  sequence: number,
  place: Pick<Event, 'lane' | 'position'>,
): Event {
  const id = eventId(webhook, sequence)
  const bodyOf = (words: object) =>
    JSON.stringify({ id, type, chain, height, hash, sequence, time: rfc3339(time), data: words })
  let body = bodyOf(data)
  if (short !== undefined && Buffer.byteLength(body) > MAX_BODY_BYTES) body = bodyOf(short)
  return { webhook, chain, type, height, hash, time, undoes, sequence, id, body, ...place }
}

/** Events of all webhooks, stored before any is sent. */
export interface Outbox {
  /** All or none. @throws FencedError when another worker has taken over. */
  store(events: readonly Event[], fence: InsertOptions['fence'] | null): Promise<void>
  /** Events after a sequence, ascending, up to about 1 MiB. */
  after(webhook: string, sequence: number, limit: number, last?: number): Promise<StoredEvent[]>
  /** What was told of blocks and not taken back since, newest first. */
  toldOf(
    chain: string,
    webhooks: readonly string[],
    lowest: number,
    hashes: readonly string[],
  ): Promise<Told[]>
  /** Newest sequence of each webhook, and what its events above a known sequence say about where it stands. */
  newest(known: ReadonlyMap<string, number>): Promise<Map<string, { sequence: number; lanes: ToldLane[] }>>
  /** First event of a height or time, or of a later one; null when there is none. */
  firstFrom(
    webhook: string,
    from: { chain?: string; height: number } | { time: number },
  ): Promise<number | null>
}

const TABLE = `${BASE_DATABASE}.webhook_events`
const PAGE_BYTES = 1 << 20

export function createOutbox(sql: Sql): Outbox {
  return {
    async store(events, fence) {
      const madeAt = Date.now()
      const rows = events.map(event => ({
        chain: event.chain,
        height: event.height,
        time: event.time,
        hash: event.hash,
        webhook: event.webhook,
        sequence: event.sequence,
        type: event.type,
        undoes: event.undoes,
        lane: event.lane,
        next_height: event.position.next,
        last_hash: event.position.hash,
        made_at: madeAt,
        body: event.body,
      }))
      const digest = createHash('sha256')
      for (const { body } of events) digest.update(body)
      await insertRows(sql, 'webhook_events', columns, rows, {
        // Bodies hold webhook and sequence: no two inserts are the same but for repetitions.
        token: `webhooks:${digest.digest('hex')}`,
        ...(fence && { fence }),
      })
    },

    async after(webhook, sequence, limit, last) {
      const rows = await sql.rows<{ sequence: string; type: EventType; body: string }>(
        `SELECT sequence, type, body FROM (
          SELECT sequence, type, body, sum(length(body)) OVER (ORDER BY sequence ROWS UNBOUNDED PRECEDING) - length(body) AS before
          FROM (
            SELECT sequence, type, body FROM ${TABLE}
            WHERE webhook = {webhook:String} AND sequence > {after:UInt64} AND sequence <= {last:UInt64}
            ORDER BY sequence LIMIT 1 BY sequence LIMIT {limit:UInt32}
          )
        ) WHERE before < ${PAGE_BYTES} ORDER BY sequence`,
        { webhook, after: sequence, limit, last: last ?? Number.MAX_SAFE_INTEGER },
      )
      return rows.map(row => ({
        sequence: Number(row.sequence),
        id: eventId(webhook, Number(row.sequence)),
        type: row.type,
        body: row.body,
      }))
    },

    async toldOf(chain, webhooks, lowest, hashes) {
      const rows = await sql.rows<{
        webhook: string
        sequence: string
        type: EventType
        hash: string
        body: string
      }>(
        `SELECT webhook, sequence, type, hash, body FROM ${TABLE}
        WHERE webhook IN {webhooks:Array(String)} AND chain = {chain:String} AND height >= {lowest:UInt64}
          AND hash IN {hashes:Array(String)} AND lane = 'blocks' AND undoes = 0 AND type NOT IN ('block.removed', 'reorg')
          AND (webhook, sequence) NOT IN (
            SELECT webhook, undoes FROM ${TABLE}
            WHERE webhook IN {webhooks:Array(String)} AND chain = {chain:String} AND height >= {lowest:UInt64} AND undoes > 0)
        ORDER BY webhook, sequence DESC LIMIT 1 BY webhook, sequence`,
        { chain, webhooks: [...webhooks], lowest, hashes: [...hashes] },
      )
      return rows.map(row => ({
        webhook: row.webhook,
        sequence: Number(row.sequence),
        type: row.type,
        hash: row.hash,
        data: (JSON.parse(row.body) as { data: Record<string, unknown> }).data,
      }))
    },

    async newest(known) {
      const webhooks = [...known.keys()]
      const rows = await sql.rows<{
        webhook: string
        chain: string
        lane: LaneKind
        sequence: string
        next: string
        hash: string
        lowest: string
      }>(
        `SELECT webhook, toString(chain) AS chain, lane, min(height) AS lowest, max(webhook_events.sequence) AS sequence,
          argMax(next_height, webhook_events.sequence) AS next, argMax(last_hash, webhook_events.sequence) AS hash
        FROM ${TABLE} AS webhook_events
        WHERE webhook IN {webhooks:Array(String)}
          AND webhook_events.sequence > transform(webhook, {webhooks:Array(String)}, {known:Array(UInt64)}, toUInt64(0))
        GROUP BY webhook, chain, lane`,
        { webhooks, known: [...known.values()] },
      )
      const found = new Map<string, { sequence: number; lanes: ToldLane[] }>()
      for (const row of rows) {
        const one = found.get(row.webhook) ?? { sequence: 0, lanes: [] }
        one.sequence = Math.max(one.sequence, Number(row.sequence))
        one.lanes.push({
          chain: row.chain,
          lane: row.lane,
          position: { next: Number(row.next), hash: row.hash },
          lowest: Number(row.lowest),
        })
        found.set(row.webhook, one)
      }
      return found
    },

    async firstFrom(webhook, from) {
      const where =
        'time' in from
          ? "time >= toDateTime({time:UInt32}, 'UTC')"
          : `height >= {height:UInt64} ${from.chain === undefined ? '' : 'AND chain = {chain:String}'}`
      const [row] = await sql.rows<{ found: number; sequence: string }>(
        `SELECT count() > 0 AS found, min(sequence) AS sequence FROM ${TABLE} WHERE webhook = {webhook:String} AND ${where}`,
        { webhook, ...from },
      )
      return row?.found === 1 ? Number(row.sequence) : null
    },
  }
}
