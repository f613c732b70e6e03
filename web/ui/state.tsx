import type { Finality, FollowState, TransactionStatus } from '../data/graph.ts'
import { formatCount } from '../format.ts'
import type { View } from '../view.ts'
import { Icon } from './icon.tsx'

const FINALITY_SHAPES = { PENDING: 'pending', SAFE: 'safe', FINAL: 'final', ORPHANED: 'cross' } as const

/** How sure it is that a block stays: shape, word, and how many blocks stand on it. */
export function FinalityState(props: { view: View; finality: Finality; confirmations?: number | undefined }) {
  const { view, finality, confirmations } = props
  const { text } = view
  return (
    <span class={`state ${finality.toLowerCase()}`} title={text.finality[finality].meaning}>
      <Icon shape={FINALITY_SHAPES[finality]} />
      {text.finality[finality].word}
      {confirmations === undefined || finality === 'ORPHANED' ? null : (
        <span class="muted"> · {text.finality.confirmations(formatCount(confirmations, view.language))}</span>
      )}
    </span>
  )
}

const STATUS_SHAPES = { SUCCESS: 'check', FAILED: 'cross', UNKNOWN: 'minus' } as const

export function StatusState({ view, status }: { view: View; status: TransactionStatus }) {
  return (
    <span class={`state ${status.toLowerCase()}`}>
      <Icon shape={STATUS_SHAPES[status]} />
      {view.text.outcome[status]}
    </span>
  )
}

const FOLLOW_SHAPES = {
  STARTING: 'pending',
  CATCHING_UP: 'safe',
  FOLLOWING: 'final',
  ENDED: 'check',
  STOPPED: 'warning',
  PAUSED: 'pending',
} as const

export function FollowingState({ view, state }: { view: View; state: FollowState | null }) {
  if (state === null) return <span class="state muted">{view.text.follow.none}</span>
  return (
    <span class={`state ${state.toLowerCase().replace('_', '-')}`}>
      <Icon shape={FOLLOW_SHAPES[state]} />
      {view.text.follow[state]}
    </span>
  )
}
