import type {
  MutationAddWebhookArgs,
  MutationReplayWebhookArgs,
  MutationRotateWebhookSecretArgs,
  WebhookDeliveriesArgs,
  WebhookInput,
  WebhookReplayInput,
  WebhookStartInput,
} from '../schema/api.gen.ts'
import { MAX_PAGE } from './connection.ts'
import type { ApiContext } from './context.ts'
import { BadRequestError, UnauthorizedError } from './errors.ts'
import type {
  Delivery,
  EventKind,
  ReplayRequest,
  Start,
  Webhook,
  WebhookDesk,
  WebhookRequest,
  When,
} from './webhooks/contract.ts'

/** @throws UnauthorizedError before anything is told: that there are webhooks, their URLs and addresses are private. */
function operatorsDesk({ operator, desk }: ApiContext): WebhookDesk {
  if (!operator) {
    throw new UnauthorizedError("this is the operator's: expected `Authorization: Bearer` with his token", {
      hint: 'the token is WANLIAN_ADMIN_TOKEN, or stands in admin.token of the data directory',
    })
  }
  if (desk === null) throw new BadRequestError('webhooks are not served here')
  return desk
}

/** How the values of the contract are written in GraphQL, whose names have no dots and are upper case. */
const KINDS = {
  BLOCK_ADDED: 'block.added',
  BLOCK_REMOVED: 'block.removed',
  BLOCK_FINALIZED: 'block.finalized',
  ADDRESS_ACTIVITY: 'address.activity',
  TRANSFER: 'transfer',
  CONTRACT_EVENT: 'contract.event',
  REORG: 'reorg',
  RECORD_CHANGED: 'record.changed',
} as const satisfies Record<string, EventKind>

const MOST_HOURS = 720

function whenOf({ when, confirmations }: WebhookInput): When {
  // Enums arrive as the values that are mapped below.
  const given = when as unknown as 'tip' | 'final' | 'confirmations'
  const hasCount = confirmations !== null && confirmations !== undefined
  if (hasCount !== (given === 'confirmations')) {
    throw new BadRequestError('expected `confirmations` with `when: CONFIRMATIONS`, and only there')
  }
  return given === 'confirmations' ? { confirmations: confirmations! } : given
}

function startOf(start: WebhookStartInput | null | undefined): Start {
  if (start === null || start === undefined) return 'now'
  const { height, time, sequence } = start
  const first = sequence === null || sequence === undefined ? {} : { sequence }
  if (isGiven(height) === isGiven(time)) {
    throw new BadRequestError('expected a start by `height` or by `time`, one of the two')
  }
  return isGiven(height) ? { height, ...first } : { time: time!, ...first }
}

function isGiven<Value>(value: Value | null | undefined): value is Value {
  return value !== null && value !== undefined
}

function requestOf(input: WebhookInput): WebhookRequest {
  const { url, description, chains, events, filters, payload, giveUp } = input
  return {
    url: url ?? null,
    description: description ?? '',
    chains: [...chains],
    events: [...events] as unknown as EventKind[],
    filters: {
      addresses: filters?.addresses ?? [],
      assets: filters?.assets ?? [],
      topics: filters?.topics ?? [],
      minimumAmount: filters?.minimumAmount ?? null,
    },
    when: whenOf(input),
    payload: payload as unknown as NonNullable<WebhookRequest['payload']>,
    start: startOf(input.start),
    giveUp: giveUp as unknown as NonNullable<WebhookRequest['giveUp']>,
  }
}

function replayOf(input: WebhookReplayInput): ReplayRequest {
  const { fromSequence, fromHeight, chain, fromTime, toSequence, perSecond } = input
  if ([fromSequence, fromHeight, fromTime].filter(isGiven).length !== 1) {
    throw new BadRequestError('expected `fromSequence`, `fromHeight` or `fromTime`, one of the three')
  }
  if (isGiven(chain) && !isGiven(fromHeight)) {
    throw new BadRequestError('expected `chain` beside `fromHeight` only')
  }
  return {
    from: isGiven(fromSequence)
      ? { sequence: fromSequence }
      : isGiven(fromHeight)
        ? { height: fromHeight, ...(isGiven(chain) && { chain }) }
        : { time: fromTime! },
    ...(isGiven(toSequence) && { to: toSequence }),
    perSecond: perSecond ?? null,
  }
}

function headers(given: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(given).map(([name, value]) => ({ name, value }))
}

type WithId = { id: string }

export const webhookResolvers = {
  WebhookEventKind: KINDS,
  WebhookEventType: { ...KINDS, PING: 'ping', TEST: 'test' },
  WebhookWhen: { TIP: 'tip', CONFIRMATIONS: 'confirmations', FINAL: 'final' },
  WebhookPayload: { REFERENCE: 'reference', SUMMARY: 'summary', FULL: 'full' },
  WebhookGiveUp: { STOP: 'stop', SKIP: 'skip' },
  WebhookOrigin: { LIVE: 'live', REPLAY: 'replay', TEST: 'test' },
  WebhookStatus: {
    UNVERIFIED: 'unverified',
    ACTIVE: 'active',
    FAILING: 'failing',
    PAUSED: 'paused',
    DISABLED: 'disabled',
  },

  Query: {
    webhooks: async (_: unknown, __: unknown, context: ApiContext) => operatorsDesk(context).list(),
    webhook: async (_: unknown, { id }: WithId, context: ApiContext) => operatorsDesk(context).get(id),
  },

  Mutation: {
    addWebhook: async (_: unknown, { input }: MutationAddWebhookArgs, context: ApiContext) =>
      operatorsDesk(context).add(requestOf(input)),
    pauseWebhook: async (_: unknown, { id }: WithId, context: ApiContext) => operatorsDesk(context).pause(id),
    resumeWebhook: async (_: unknown, { id }: WithId, context: ApiContext) =>
      operatorsDesk(context).resume(id),
    removeWebhook: async (_: unknown, { id }: WithId, context: ApiContext) => {
      await operatorsDesk(context).remove(id)
      return id
    },
    testWebhook: async (_: unknown, { id }: WithId, context: ApiContext) => operatorsDesk(context).test(id),
    rotateWebhookSecret: async (
      _: unknown,
      { id, keepHours }: Required<MutationRotateWebhookSecretArgs>,
      context: ApiContext,
    ) => {
      const desk = operatorsDesk(context)
      if (keepHours < 0 || keepHours > MOST_HOURS) {
        throw new BadRequestError(`keepHours: expected 0 to ${MOST_HOURS}, got ${keepHours}`)
      }
      return (await desk.rotate(id, keepHours)).secret
    },
    replayWebhook: async (_: unknown, { id, input }: MutationReplayWebhookArgs, context: ApiContext) => {
      const desk = operatorsDesk(context)
      return desk.replay(id, replayOf(input))
    },
  },

  Webhook: {
    when: ({ when }: Webhook) => (typeof when === 'string' ? when : 'confirmations'),
    confirmations: ({ when }: Webhook) => (typeof when === 'string' ? null : when.confirmations),
    start: ({ start }: Webhook) => (start === 'now' ? null : start),
    deliveries: async ({ id }: Webhook, args: Required<WebhookDeliveriesArgs>, context: ApiContext) => {
      const { first, before, failed } = args
      if (first < 1 || first > MAX_PAGE) {
        throw new BadRequestError(`deliveries: expected first from 1 to ${MAX_PAGE}, got ${first}`)
      }
      return operatorsDesk(context).deliveries(id, {
        limit: first,
        ...(isGiven(before) && { before }),
        ...(failed && { failed }),
      })
    },
    skipped: async ({ id }: Webhook, _: unknown, context: ApiContext) => operatorsDesk(context).skipped(id),
  },

  WebhookDelivery: {
    requestHeaders: (delivery: Delivery) => headers(delivery.requestHeaders),
    responseHeaders: (delivery: Delivery) => headers(delivery.responseHeaders),
  },
}
