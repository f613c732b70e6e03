import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { z } from 'zod'
import type { Sql } from '../../schema/ports.ts'
import { BadRequestError } from '../errors.ts'
import { canonicalAddress, canonicalAsset } from '../names.ts'
import { createReader } from '../reader.ts'
import { type ChainView, createChainView } from './chain-view.ts'
import {
  type ReplayRequest,
  type Webhook,
  type WebhookDefinition,
  type WebhookDesk,
  type WebhookStatus,
  webhookShape,
} from './contract.ts'
import { deliveryOf, outsideOf, type Post } from './courier.ts'
import { createNotes, readDeliveries, readSkipped } from './notes.ts'
import { createOutbox } from './outbox.ts'
import {
  type ChainStart,
  createRegistry,
  firstState,
  type Registered,
  type WebhookState,
} from './registry.ts'
import { createSecret } from './signature.ts'
import type { Vault } from './vault.ts'

export interface DeskDeps {
  /** Days for which attempts are kept. */
  keepDays: number
  sql: Sql
  /** Slugs that may be named. */
  chains: ReadonlySet<string>
  /** @throws InputError naming the rule that refuses it. */
  checkUrl(url: string, options: { allowPrivate: boolean }): unknown
  vault: Vault
  post: Post
  sign(webhook: Registered, event: { id: string; body: Uint8Array }, at: Date): Record<string, string>
}

const STATEMENT_SECONDS = 30
const MAX_DELIVERIES = 1_000
const MAX_EVENTS = 1_000
const MAX_KEEP_HOURS = 24 * 365

/** Manages webhooks in the tables of the store: any process may, the worker notices. */
export function createWebhookDesk(deps: DeskDeps): WebhookDesk {
  const { sql, vault } = deps
  const registry = createRegistry(sql)
  const outbox = createOutbox(sql)
  const view = createChainView(createReader(sql, { maxSeconds: STATEMENT_SECONDS }))

  async function add(request: unknown): Promise<{ webhook: Webhook; secret: string }> {
    const definition = parse(request)
    const unknown = definition.chains.filter(chain => !deps.chains.has(chain))
    if (unknown.length > 0) {
      throw new BadRequestError(`webhook: expected chains that are configured, got ${unknown.join(', ')}`, {
        hint: `known are ${[...deps.chains].sort().join(', ')}`,
      })
    }
    if (definition.url !== null) checkUrl(definition.url, definition.allowPrivate)
    const id = `wh_${randomBytes(12).toString('hex')}`
    const secret = createSecret()
    const { addresses, ...filters } = definition.filters
    const registered: Registered = {
      id,
      version: 1,
      createdAt: Date.now(),
      definition: { ...definition, filters: { ...filters, addresses: addresses.length } },
      starts: await startsOf(view, definition),
      secrets: [{ sealed: vault.seal(secret, id), until: null }],
      paused: false,
    }
    // Whom it watches stands before it begins to work.
    await registry.watch(id, addresses)
    await registry.put(registered)
    return { webhook: webhookOf(registered, firstState(registered), Date.now()), secret }
  }

  function checkUrl(url: string, allowPrivate: boolean): void {
    try {
      deps.checkUrl(url, { allowPrivate })
    } catch (cause) {
      const { message, hint } = cause as { message: string; hint?: string }
      throw new BadRequestError(message, { cause, ...(hint !== undefined && { hint }) })
    }
  }

  async function known(id: string): Promise<Registered> {
    const found = await registry.get(id)
    if (!found) throw new BadRequestError(`no webhook ${JSON.stringify(id)}`)
    return found
  }

  async function change(id: string, changes: Partial<Registered>): Promise<Webhook> {
    const before = await known(id)
    const after = { ...before, ...changes, version: before.version + 1 }
    await registry.put(after)
    return (await described([after]))[0]!
  }

  async function described(all: readonly Registered[]): Promise<Webhook[]> {
    const states = await registry.states(all.map(({ id }) => id))
    return all.map(one => webhookOf(one, states.get(one.id) ?? firstState(one), Date.now()))
  }

  async function firstOf(id: string, { from }: ReplayRequest): Promise<number> {
    if ('sequence' in from) return Math.max(1, from.sequence)
    const place = 'time' in from ? { time: Math.ceil(timeOf(from.time) / 1000) } : from
    const found = await outbox.firstFrom(id, place)
    if (found === null) throw new BadRequestError(`webhook ${id}: no event from ${JSON.stringify(from)} on`)
    return found
  }

  return {
    add,
    async list() {
      return described(await registry.all())
    },
    async get(id) {
      const found = await registry.get(id)
      return found ? (await described([found]))[0]! : null
    },
    pause: id => change(id, { paused: true }),
    resume: id => change(id, { paused: false }),
    async remove(id) {
      const before = await known(id)
      await registry.put({ ...before, version: before.version + 1 }, { removed: true })
    },
    async test(id) {
      const webhook = await known(id)
      const { url, allowPrivate } = webhook.definition
      if (url === null)
        throw new BadRequestError(`webhook ${id} is a stream without a URL: nothing can be sent`)
      const at = Date.now()
      const event = outsideOf('test', id, `${id}_test_${randomBytes(6).toString('hex')}`, at)
      const body = Buffer.from(event.body)
      const headers = deps.sign(webhook, { id: event.id, body }, new Date(at))
      const outcome = await deps.post.send({
        url,
        allowPrivate,
        headers,
        body,
        signal: new AbortController().signal,
      })
      const delivery = deliveryOf(id, event, { at, number: 1, origin: 'test', headers, outcome })
      const notes = createNotes(sql, deps.keepDays)
      notes.delivery(delivery)
      await notes.write(null)
      return delivery
    },
    async rotate(id, keepHours) {
      if (!(keepHours >= 0 && keepHours <= MAX_KEEP_HOURS))
        throw new BadRequestError(`expected 0 to ${MAX_KEEP_HOURS} hours, got ${keepHours}`)
      const { secrets } = await known(id)
      const secret = createSecret()
      const until = Date.now() + keepHours * 3_600_000
      const [newest, ...older] = secrets
      await change(id, {
        secrets: [
          { sealed: vault.seal(secret, id), until: null },
          ...(newest && keepHours > 0 ? [{ ...newest, until }] : []),
          ...(keepHours > 0 ? older.filter(one => (one.until ?? 0) > Date.now()) : []),
        ],
      })
      return { secret }
    },
    async replay(id, request) {
      await known(id)
      const { perSecond = null } = request
      if (perSecond !== null && !(perSecond > 0 && perSecond <= 10_000))
        throw new BadRequestError(`replay: expected 0 to 10,000 events a second, got ${perSecond}`)
      const from = await firstOf(id, request)
      const newest = (await outbox.newest(new Map([[id, 0]]))).get(id)?.sequence ?? 0
      const to = Math.min(request.to ?? newest, newest)
      if (to < from)
        throw new BadRequestError(
          `replay: expected events up to ${newest}, got ${from} to ${request.to ?? newest}`,
        )
      const replay = `rp_${randomBytes(8).toString('hex')}`
      await registry.putReplay({ id: replay, webhook: id, version: 1, next: from, last: to, perSecond })
      return { from, to }
    },
    async deliveries(id, options) {
      await known(id)
      return readDeliveries(sql, id, { ...options, limit: within(options.limit, MAX_DELIVERIES) })
    },
    async skipped(id) {
      await known(id)
      return readSkipped(sql, id)
    },
    events: (id, after, limit) => outbox.after(id, after, within(limit, MAX_EVENTS)),
    async isSecret(id, secret) {
      const found = await registry.get(id)
      const given = Buffer.from(secret)
      return validSecrets(vault, found, Date.now()).some(one => {
        const expected = Buffer.from(one)
        return expected.length === given.length && timingSafeEqual(expected, given)
      })
    },
  }
}

/** Secrets that are valid at a time, the newest first: each of them signs. */
export function validSecrets(vault: Pick<Vault, 'open'>, webhook: Registered | null, at: number): string[] {
  if (webhook === null) return []
  return webhook.secrets
    .filter(({ until }) => until === null || until > at)
    .map(({ sealed }) => vault.open(sealed, webhook.id))
}

const within = (wanted: number, most: number) => Math.min(Math.max(1, Math.floor(wanted) || 1), most)

function parse(request: unknown): WebhookDefinition {
  const result = webhookShape.safeParse(request)
  if (!result.success) throw new BadRequestError(`webhook: ${describeIssues(result.error)}`)
  const { filters, ...rest } = result.data
  const definition = {
    ...rest,
    chains: [...new Set(rest.chains)],
    events: [...new Set(rest.events)],
    filters: {
      ...filters,
      addresses: [...new Set(filters.addresses.map(canonicalAddress))],
      assets: [...new Set(filters.assets.map(canonicalAsset))],
    },
  }
  if (definition.events.includes('address.activity') && definition.filters.addresses.length === 0) {
    throw new BadRequestError('webhook: address.activity expects the addresses that are watched, got none')
  }
  return definition
}

function describeIssues(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.') || '(request)'}: ${message}`).join('; ')
}

function timeOf(text: string): number {
  const at = Date.parse(text)
  if (Number.isNaN(at))
    throw new BadRequestError(`expected a time like 2026-01-31T12:00:00Z, got ${JSON.stringify(text)}`)
  return at
}

/** Where it begins on each of its chains, as they stand now. */
async function startsOf(view: ChainView, { chains, start, when }: WebhookDefinition): Promise<ChainStart[]> {
  if (typeof start === 'object' && 'time' in start && timeOf(start.time) > Date.now())
    throw new BadRequestError(`webhook: expected a time that has been, got ${start.time}`)
  const books = await view.books(chains)

  async function afterTip(chain: string): Promise<ChainStart> {
    const book = books.get(chain)
    const tip = book?.ranges.at(-1)?.[1]
    if (book === undefined || tip === undefined) return { chain, position: null }
    const told = when === 'tip' ? tip : when === 'final' ? (book.final ?? -1) : tip - when.confirmations + 1
    const [block] = told < 0 ? [] : await view.blocks(chain, told, told)
    return { chain, position: { next: Math.max(0, told + 1), hash: block?.hash ?? '' } }
  }

  return Promise.all(
    chains.map(async (chain): Promise<ChainStart> => {
      if (start === 'now') return afterTip(chain)
      if ('height' in start) return { chain, position: { next: start.height, hash: '' } }
      const height = await view.heightAt(chain, Math.ceil(timeOf(start.time) / 1000))
      return height === null ? afterTip(chain) : { chain, position: { next: height, hash: '' } }
    }),
  )
}

function statusOf({ paused, version }: Registered, state: WebhookState): WebhookStatus {
  if (paused) return 'paused'
  if (state.disabled === version) return 'disabled'
  if (!state.verified) return 'unverified'
  return state.failingSince === null ? 'active' : 'failing'
}

const timeText = (at: number | null) => (at === null ? null : new Date(at).toISOString())

function webhookOf(registered: Registered, state: WebhookState, now: number): Webhook {
  const { id, definition, createdAt } = registered
  const blocks = state.lanes.filter(({ lane }) => lane === 'blocks')
  return {
    ...definition,
    id,
    status: statusOf(registered, state),
    createdAt: new Date(createdAt).toISOString(),
    failingSince: timeText(state.failingSince),
    nextAttemptAt: state.nextAttempt !== null && state.nextAttempt > now ? timeText(state.nextAttempt) : null,
    lastError: state.lastError,
    sequence: state.sequence,
    delivered: state.delivered,
    positions: (blocks.length > 0 ? blocks : state.lanes).flatMap(({ chain, position }) =>
      position === null || position.next === 0
        ? []
        : [{ chain, height: position.next - 1, hash: position.hash }],
    ),
  }
}
