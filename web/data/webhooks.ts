/** Documents of the pages for webhooks, and the shapes of their answers. */

export type WebhookStatus = 'UNVERIFIED' | 'ACTIVE' | 'FAILING' | 'PAUSED' | 'DISABLED'

/** Names of events, as webhooks get them, by their names in the graph. */
export const EVENT_NAMES = {
  BLOCK_ADDED: 'block.added',
  BLOCK_REMOVED: 'block.removed',
  BLOCK_FINALIZED: 'block.finalized',
  ADDRESS_ACTIVITY: 'address.activity',
  TRANSFER: 'transfer',
  CONTRACT_EVENT: 'contract.event',
  REORG: 'reorg',
  RECORD_CHANGED: 'record.changed',
} as const
export type EventKind = keyof typeof EVENT_NAMES

/** Of anything that was sent. */
export const TYPE_NAMES: Readonly<Record<string, string>> = { ...EVENT_NAMES, PING: 'ping', TEST: 'test' }

export interface WebhookSummary {
  id: string
  url: string | null
  description: string
  chains: string[]
  events: EventKind[]
  status: WebhookStatus
  failingSince: string | null
  nextAttemptAt: string | null
  lastError: string | null
  sequence: number
  delivered: number
}
const SUMMARY = /* GraphQL */ `
  fragment Summary on Webhook {
    id url description chains events status failingSince nextAttemptAt lastError sequence delivered
  }
`

export interface HttpHeader {
  name: string
  value: string
}

export interface Delivery {
  sequence: number
  eventId: string
  type: string
  time: string
  attempt: number
  origin: 'LIVE' | 'REPLAY' | 'TEST'
  ok: boolean
  status: number | null
  error: string | null
  durationMs: number
  requestHeaders: HttpHeader[]
  requestBody: string
  responseHeaders: HttpHeader[]
  responseBody: string
}

export interface SkippedEvent {
  sequence: number
  eventId: string
  type: string
  time: string
  reason: string
}

export interface WebhookWhole extends WebhookSummary {
  filters: { addresses: number; assets: string[]; topics: string[][]; minimumAmount: string | null }
  when: 'TIP' | 'CONFIRMATIONS' | 'FINAL'
  confirmations: number | null
  payload: 'REFERENCE' | 'SUMMARY' | 'FULL'
  giveUp: 'STOP' | 'SKIP'
  allowPrivate: boolean
  createdAt: string
  start: { height: number | null; time: string | null } | null
  positions: { chain: string; height: number }[]
  deliveries: Delivery[]
  skipped: SkippedEvent[]
}

export interface WebhooksData {
  webhooks: WebhookSummary[]
  chains: { slug: string; name: string }[]
}
export const webhooksDocument = /* GraphQL */ `
  query Webhooks { webhooks { ...Summary } chains { slug name } }
  ${SUMMARY}
`

export interface WebhookData {
  webhook: WebhookWhole | null
}
export const webhookDocument = /* GraphQL */ `
  query Webhook($id: ID!, $failed: Boolean!, $before: DateTime) {
    webhook(id: $id) {
      ...Summary
      filters { addresses assets topics minimumAmount }
      when confirmations payload giveUp allowPrivate createdAt start { height time } positions { chain height }
      deliveries(first: 25, failed: $failed, before: $before) {
        sequence eventId type time attempt origin ok status error durationMs
        requestHeaders { name value } requestBody responseHeaders { name value } responseBody
      }
      skipped { sequence eventId type time reason }
    }
  }
  ${SUMMARY}
`

/** Asks for nothing but whether who asks is the operator. */
export const operatorDocument = /* GraphQL */ `
  query Operator { webhook(id: "") { id } }
`

export interface AddedData {
  addWebhook: { secret: string; webhook: { id: string } }
}
export const addDocument = /* GraphQL */ `
  mutation Add($input: WebhookInput!) { addWebhook(input: $input) { secret webhook { id } } }
`
export const pauseDocument = /* GraphQL */ `
  mutation Pause($id: ID!) { pauseWebhook(id: $id) { id } }
`
export const resumeDocument = /* GraphQL */ `
  mutation Resume($id: ID!) { resumeWebhook(id: $id) { id } }
`
export const removeDocument = /* GraphQL */ `
  mutation Remove($id: ID!) { removeWebhook(id: $id) }
`
export const testDocument = /* GraphQL */ `
  mutation Test($id: ID!) { testWebhook(id: $id) { ok } }
`
export const rotateDocument = /* GraphQL */ `
  mutation Rotate($id: ID!, $keepHours: Int!) { rotateWebhookSecret(id: $id, keepHours: $keepHours) }
`
export const replayDocument = /* GraphQL */ `
  mutation Replay($id: ID!, $input: WebhookReplayInput!) { replayWebhook(id: $id, input: $input) { from to } }
`

/** What the page for strangers shows of how it is used. */
export const commandExample = (origin: string) => `wanlian webhook add --url https://shop.example/hook \\
  --chain ethereum --event transfer --address 0x… --when 12
curl -N ${origin}/webhooks/wh_…/events -H 'Authorization: Bearer whsec_…'
curl ${origin}/graphql -H 'content-type: application/json' \\
  -H "Authorization: Bearer $(cat data/admin.token)" \\
  -d '{"query": "{ webhooks { id url status sequence delivered } }"}'`
