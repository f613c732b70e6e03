const SHAPES = {
  /** Hollow circle: open. */
  pending: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11zm0 1.6a3.9 3.9 0 1 1 0 7.8a3.9 3.9 0 0 1 0-7.8z',
  /** Half filled. */
  safe: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11zm0 1.6v7.8a3.9 3.9 0 0 1 0-7.8z',
  /** Filled. */
  final: 'M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11z',
  cross: 'M4.2 3.1 8 6.9l3.8-3.8 1.1 1.1L9.1 8l3.8 3.8-1.1 1.1L8 9.1l-3.8 3.8-1.1-1.1L6.9 8 3.1 4.2z',
  check: 'M13.4 4.4 6.6 12.2 2.6 8.4l1.1-1.2 2.8 2.6 5.7-6.5z',
  minus: 'M3.2 7.2h9.6v1.6H3.2z',
  arrow: 'M9.2 3.2 14 8l-4.8 4.8-1.1-1.1 2.9-2.9H2V7.2h9L8.1 4.3z',
  search:
    'M7 1.8a5.2 5.2 0 1 0 3.1 9.4l3.3 3.3 1.1-1.1-3.3-3.3A5.2 5.2 0 0 0 7 1.8zm0 1.6a3.6 3.6 0 1 1 0 7.2a3.6 3.6 0 0 1 0-7.2z',
  warning: 'M8 1.6 15.2 14H.8zM7.2 6v4h1.6V6zm0 5v1.5h1.6V11z',
} as const

/** A small sign beside a word; with `label` it says so to those who do not see it. */
export function Icon({ shape, label }: { shape: keyof typeof SHAPES; label?: string }) {
  return (
    <>
      <svg class={`icon ${shape}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path fill-rule="evenodd" d={SHAPES[shape]} />
      </svg>
      {label === undefined ? null : <span class="unseen">{label}</span>}
    </>
  )
}
