import { formatCount } from '../format.ts'
import type { View } from '../view.ts'

const SHOWN = 3

/** Stored heights: `0–170, 200,000`; only the newest of many. */
export function Ranges({ view, ranges }: { view: View; ranges: readonly { from: number; to: number }[] }) {
  if (ranges.length === 0) return <span class="muted">{view.text.words.none}</span>
  const count = (value: number) => formatCount(value, view.language)
  const shown = ranges.slice(-SHOWN)
  return (
    <span class="ranges">
      {ranges.length > SHOWN ? `${view.text.words.earlierRanges(count(ranges.length - SHOWN))} ` : ''}
      {shown.map(({ from, to }) => (from === to ? count(from) : `${count(from)}–${count(to)}`)).join(' · ')}
    </span>
  )
}
