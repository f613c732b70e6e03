import type { View } from '../view.ts'

/** Shown by the script when blocks came while the reader was further down; its words are the server's. */
export function LiveMore({ view }: { view: View }) {
  const { one, many } = view.text.live
  return (
    <p class="more" aria-live="polite">
      <button type="button" hidden data-more data-one={one} data-many={many} />
    </p>
  )
}
