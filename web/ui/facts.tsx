import type { Child } from 'hono/jsx'

/** A label, what it stands for, and a wider place where the value is long. Null is left out. */
export type Fact = { label: string; value: Child; wide?: boolean } | null

/** Label over or beside value, in two columns where there is room. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts.map(fact =>
        fact === null ? null : (
          <div class={fact.wide ? 'wide' : ''}>
            <dt>{fact.label}</dt>
            <dd>{fact.value}</dd>
          </div>
        ),
      )}
    </dl>
  )
}
