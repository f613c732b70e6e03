import type { Child } from 'hono/jsx'
import { Icon } from './icon.tsx'

/** Something the reader should know before the rest. */
export function Notice({ children, tone = 'info' }: { children: Child; tone?: 'info' | 'warning' }) {
  return (
    <div class={`notice ${tone}`} role="note">
      <Icon shape={tone === 'warning' ? 'warning' : 'minus'} />
      <div>{children}</div>
    </div>
  )
}
