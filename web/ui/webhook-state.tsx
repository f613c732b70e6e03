import type { WebhookStatus } from '../data/webhooks.ts'
import type { View } from '../view.ts'
import { Icon } from './icon.tsx'

const SHAPES = {
  UNVERIFIED: 'pending',
  ACTIVE: 'final',
  FAILING: 'warning',
  PAUSED: 'pending',
  DISABLED: 'cross',
} as const

/** How a webhook is: shape and word. */
export function WebhookState({ view, status }: { view: View; status: WebhookStatus }) {
  const { webhooks } = view.text
  return (
    <span class={`state hook-${status.toLowerCase()}`} title={webhooks.meaning[status]}>
      <Icon shape={SHAPES[status]} />
      {webhooks.status[status]}
    </span>
  )
}

/** One button that changes something. */
export function Act({ to, label }: { to: string; label: string }) {
  return (
    <form class="act" action={to} method="post">
      <button type="submit">{label}</button>
    </form>
  )
}
