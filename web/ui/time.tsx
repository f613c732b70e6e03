import { formatAge, formatDay, formatTime } from '../format.ts'
import type { View } from '../view.ts'

/** To the second, in UTC; the script turns it into the reader's own time, which is as wide. */
export function Time({ at }: { at: string }) {
  return (
    <time datetime={at} data-local>
      {formatTime(at)}
    </time>
  )
}

/** The same with its zone and how long ago it was: for facts. */
export function TimeFact({ view, at }: { view: View; at: string }) {
  return (
    <>
      <Time at={at} /> <Zone view={view} />{' '}
      <span class="muted">
        · <Age view={view} at={at} />
      </span>
    </>
  )
}

/** The zone that times beside it are in. */
export function Zone({ view }: { view: View }) {
  return (
    <span class="zone" data-zone>
      {view.text.units.utc}
    </span>
  )
}

export function Age({ view, at }: { view: View; at: string }) {
  return (
    <time datetime={at} data-age title={`${formatTime(at)} ${view.text.units.utc}`}>
      {formatAge(at, view.now, view.language)}
    </time>
  )
}

/** A date in a sentence. */
export function Day({ view, at }: { view: View; at: string }) {
  return <time datetime={at}>{formatDay(at, view.language)}</time>
}
