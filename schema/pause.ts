/** Waits, but not beyond the end of `signal`; leaves nothing behind on it. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return pausable(ms, signal).done
}

/** A wait that can be ended early. */
export function pausable(ms: number, signal: AbortSignal): { done: Promise<void>; end(): void } {
  let end = () => {}
  const done = new Promise<void>(resolve => {
    const timer = setTimeout(() => end(), ms)
    end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    if (signal.aborted) end()
    else signal.addEventListener('abort', end)
  })
  return { done, end }
}
