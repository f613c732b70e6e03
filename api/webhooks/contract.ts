import { z } from 'zod'

/**
 * What a webhook is told, in the words of its owner. A subscription is one ordered, gapless sequence of events, from 1 on,
 * to one URL (or to readers of its stream).
 */

/** Kinds of events that may be chosen. */
export const eventKinds = [
  'block.added',
  'block.removed',
  'block.finalized',
  'address.activity',
  'transfer',
  'contract.event',
  'reorg',
  'record.changed',
] as const
export type EventKind = (typeof eventKinds)[number]

/** `ping` proves the endpoint once before anything else is sent; `test` is sent on demand. Both have sequence 0. */
export const eventTypes = [...eventKinds, 'ping', 'test'] as const
export type EventType = (typeof eventTypes)[number]

export const MAX_ADDRESSES = 100_000
const MAX_ASSETS = 1_000
const MAX_TOPICS = 100

const digits = z.string().regex(/^(?:0|[1-9]\d{0,77})$/, 'expected a whole number of base units in digits')
const topic = z.string().regex(/^0x[0-9a-f]{64}$/, 'expected 0x and 64 lower-case hex digits')
const height = z.int().min(0)

/** When a block's events are sent: at once, with so many confirmations (the block itself is the first), or once final. */
export const whenShape = z.union([
  z.literal('tip'),
  z.literal('final'),
  z.strictObject({ confirmations: z.int().min(1).max(100_000) }),
])
export type When = z.infer<typeof whenShape>

/**
 * Where it begins: after the newest block at creation, with the block of a height (of every chain named), or with the
 * first block of a time or later. `sequence` is the number that its first event gets.
 */
export const startShape = z.union([
  z.literal('now'),
  z.strictObject({ height, sequence: z.int().min(1).optional() }),
  z.strictObject({ time: z.iso.datetime({ offset: true }), sequence: z.int().min(1).optional() }),
])
export type Start = z.infer<typeof startShape>

export const webhookShape = z.strictObject({
  /** Null for one that is only read as a stream. */
  url: z.string().max(2_048).nullable(),
  description: z.string().max(200).default(''),
  /** Slugs; at least one. */
  chains: z.array(z.string().min(1)).min(1).max(1_000),
  events: z.array(z.enum(eventKinds)).min(1),
  filters: z
    .strictObject({
      /** Who takes part (`address.activity`, `transfer`), or which contract speaks (`contract.event`). */
      addresses: z.array(z.string().min(1).max(200)).max(MAX_ADDRESSES).default([]),
      /** `native`, a contract, `contract/id`. */
      assets: z.array(z.string().min(1).max(200)).max(MAX_ASSETS).default([]),
      /** By position: any of these topics; an empty list for any. Of `contract.event`. */
      topics: z.array(z.array(topic).max(MAX_TOPICS)).max(4).default([]),
      /** Least amount that moves, in base units: of `transfer` and `address.activity`. */
      minimumAmount: digits.nullable().default(null),
    })
    .prefault({}),
  when: whenShape.default('tip'),
  payload: z.enum(['reference', 'summary', 'full']).default('summary'),
  start: startShape.default('now'),
  /** Set by the operator only: the URL may be of this machine or of a private network. */
  allowPrivate: z.boolean().default(false),
  /** What happens when the retries of an event are used up: stop there, or set it aside and go on. */
  giveUp: z.enum(['stop', 'skip']).default('stop'),
})
/** What is asked for. */
export type WebhookRequest = z.input<typeof webhookShape>
export type WebhookDefinition = z.infer<typeof webhookShape>

/**
 * `unverified` until the endpoint has answered its ping, `active`, `failing` while an event is being tried again, `paused`
 * by its owner, `disabled` when retries were used up: `resume` goes on with the event that failed.
 */
export type WebhookStatus = 'unverified' | 'active' | 'failing' | 'paused' | 'disabled'

export interface Webhook extends Omit<WebhookDefinition, 'filters'> {
  id: string
  /** Addresses are only counted. */
  filters: Omit<WebhookDefinition['filters'], 'addresses'> & { addresses: number }
  status: WebhookStatus
  /** RFC 3339. */
  createdAt: string
  failingSince: string | null
  /** When the next attempt is made, while it fails. */
  nextAttemptAt: string | null
  /** Of the newest attempt that failed; null after one that did not. */
  lastError: string | null
  /** Newest event there is, and newest that the endpoint took; 0 before the first. */
  sequence: number
  delivered: number
  /** How far its chains were read for it. */
  positions: { chain: string; height: number; hash: string }[]
}

/** One attempt. */
export interface Delivery {
  webhook: string
  sequence: number
  eventId: string
  type: EventType
  /** RFC 3339. */
  time: string
  /** From 1. */
  attempt: number
  origin: 'live' | 'replay' | 'test'
  ok: boolean
  status: number | null
  error: string | null
  durationMs: number
  /** As sent and as answered, cut to a few KiB; the signature is not kept. */
  requestHeaders: Record<string, string>
  requestBody: string
  responseHeaders: Record<string, string>
  responseBody: string
}

/** An event that was set aside because its retries were used up. */
export interface SkippedEvent {
  sequence: number
  eventId: string
  type: EventType
  time: string
  reason: string
}

/** Replay of events that were made before, by their sequence, the height of their block, or its time. */
export interface ReplayRequest {
  from: { sequence: number } | { height: number; chain?: string } | { time: string }
  /** Last sequence; what is newest at the time of asking without it. */
  to?: number
  /** Events a second, at most; null for as fast as the endpoint takes them. */
  perSecond?: number | null
}

/** Events of a subscription as stored: exactly the bytes that are sent. */
export interface StoredEvent {
  sequence: number
  id: string
  type: EventType
  body: string
}

/** How subscriptions are managed, whoever asks. Every method: @throws BadRequestError for what cannot be. */
export interface WebhookDesk {
  /** @returns the secret too, once and never again. */
  add(request: WebhookRequest): Promise<{ webhook: Webhook; secret: string }>
  list(): Promise<Webhook[]>
  get(id: string): Promise<Webhook | null>
  pause(id: string): Promise<Webhook>
  /** Goes on with the event after the last that was taken; also after `disabled`. */
  resume(id: string): Promise<Webhook>
  remove(id: string): Promise<void>
  /** Sends a `test` event now. @returns what the endpoint answered. */
  test(id: string): Promise<Delivery>
  /** A new secret; the one before stays valid, and signs too, for so many hours. */
  rotate(id: string, keepHours: number): Promise<{ secret: string }>
  /** Sends old events again, with their ids and bodies, beside the live flow. @returns first and last sequence. */
  replay(id: string, request: ReplayRequest): Promise<{ from: number; to: number }>
  /** Attempts, newest first. */
  deliveries(id: string, options: { limit: number; before?: string; failed?: boolean }): Promise<Delivery[]>
  /** Events that were set aside, newest first. */
  skipped(id: string): Promise<SkippedEvent[]>
  /** Stored events after a sequence, ascending: of a stream. */
  events(id: string, after: number, limit: number): Promise<StoredEvent[]>
  /** Whether this is one of the secrets that are valid now: who reads the stream proves himself so. */
  isSecret(id: string, secret: string): Promise<boolean>
}

const bodyOf = <Type extends string, Data extends z.ZodType>(type: Type, data: Data) =>
  z.strictObject({
    id: z.string(),
    type: z.literal(type),
    chain: z.string(),
    height,
    hash: z.string(),
    sequence: z.int().min(1),
    /** Of the block. */
    time: z.iso.datetime(),
    data,
  })

const amount = z.string().regex(/^-?\d+$/)
const effect = z.strictObject({
  address: z.string(),
  asset: z.string(),
  amount,
  kind: z.string(),
})
const transactionSummary = z.strictObject({
  hash: z.string(),
  index: z.int(),
  /** Null where the chain does not tell. */
  status: z.enum(['success', 'failed']).nullable(),
  fee: amount.nullable(),
  effects: z.array(effect),
})
const party = z.strictObject({ address: z.string(), amount })
/** An event of a block that left its chain, told again the other way round. */
const removal = {
  removed: z.literal(true),
  /** Sequence of the event that this one takes back. */
  undoes: z.int().min(1),
  oldHash: z.string(),
  /** The block that is at this height now; null where there is none. */
  newHash: z.string().nullable(),
}
const removable = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.union([z.strictObject(shape), z.strictObject({ ...shape, ...removal })])
const blockFacts = {
  parentHash: z.string(),
  transactionCount: z.int().optional(),
  size: z.int().nullable().optional(),
  proofs: z.array(z.string()).optional(),
  /** Payload `full`; left out, with `truncated`, where the body would grow too long. */
  transactions: z.array(transactionSummary).optional(),
  /** Of the block itself: rewards, withdrawals. */
  effects: z.array(effect).optional(),
  truncated: z.literal(true).optional(),
}
const ancestor = z.strictObject({ height, hash: z.string() })

/** Body of every event; published as JSON Schema. Amounts are base units in digits. */
export const eventBodyShape = z.discriminatedUnion('type', [
  bodyOf('block.added', z.strictObject(blockFacts)),
  bodyOf(
    'block.removed',
    z.strictObject({
      parentHash: z.string(),
      /** Sequence of its `block.added`; null where the subscription was not told of it. */
      undoes: z.int().min(1).nullable(),
      oldHash: z.string(),
      newHash: z.string().nullable(),
      commonAncestor: ancestor,
    }),
  ),
  bodyOf('block.finalized', z.strictObject({ parentHash: z.string() })),
  bodyOf(
    'reorg',
    z.strictObject({
      depth: z.int().min(1),
      oldHash: z.string(),
      newHash: z.string().nullable(),
      commonAncestor: ancestor,
    }),
  ),
  bodyOf(
    'address.activity',
    removable({
      /** Null for effects of the block itself. */
      transactionHash: z.string().nullable(),
      addresses: z.array(z.string()),
      effects: z.array(effect).optional(),
      status: z.enum(['success', 'failed']).nullable().optional(),
      truncated: z.literal(true).optional(),
    }),
  ),
  bodyOf(
    'transfer',
    removable({
      transactionHash: z.string(),
      asset: z.string(),
      standard: z.string(),
      tokenId: z.string().nullable(),
      /** Place of the log that tells of it; null for native coins. */
      logIndex: z.int().nullable(),
      amount,
      from: z.array(party).optional(),
      to: z.array(party).optional(),
      truncated: z.literal(true).optional(),
    }),
  ),
  bodyOf(
    'contract.event',
    removable({
      transactionHash: z.string(),
      logIndex: z.int(),
      address: z.string(),
      topics: z.array(z.string()).optional(),
      data: z.string().optional(),
      truncated: z.literal(true).optional(),
    }),
  ),
  bodyOf(
    'record.changed',
    removable({
      transactionHash: z.string(),
      namespace: z.string(),
      key: z.string(),
      version: z.string(),
      value: z.string().optional(),
      truncated: z.literal(true).optional(),
    }),
  ),
  z.strictObject({
    id: z.string(),
    type: z.enum(['ping', 'test']),
    chain: z.null(),
    height: z.null(),
    hash: z.null(),
    sequence: z.literal(0),
    time: z.iso.datetime(),
    data: z.strictObject({ webhook: z.string() }),
  }),
])
export type EventBody = z.infer<typeof eventBodyShape>

/** JSON Schema (2020-12) of the bodies. */
export function eventJsonSchema(): object {
  return z.toJSONSchema(eventBodyShape, { target: 'draft-2020-12' })
}
