import type { ActivityPoint } from '../data/graph.ts'

const HEIGHT = 24
const STEP = 5

/** Transactions by period as small bars, oldest at the left; told in words by `label`. */
export function Bars({ points, label }: { points: readonly ActivityPoint[]; label: string }) {
  if (points.length === 0) return <span class="muted">–</span>
  const most = Math.max(1, ...points.map(point => point.transactions))
  const width = points.length * STEP - 1
  return (
    <svg
      class="bars"
      viewBox={`0 0 ${width} ${HEIGHT}`}
      width={width}
      height={HEIGHT}
      role="img"
      aria-label={label}
    >
      {points.map((point, place) => {
        const height =
          point.transactions === 0 ? 1 : Math.max(2, Math.round((point.transactions / most) * HEIGHT))
        return <rect x={place * STEP} y={HEIGHT - height} width={STEP - 1} height={height} />
      })}
    </svg>
  )
}
