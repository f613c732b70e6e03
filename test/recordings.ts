import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'

/** Real node answers that live beside the checkout; `WANLIAN_RECORDINGS` names another place. */
export const recordings =
  process.env.WANLIAN_RECORDINGS ?? fileURLToPath(new URL('../../shared/recordings', import.meta.url))

/** Whether they are there. */
export const hasRecordings = existsSync(recordings)
if (!hasRecordings && process.env.CI) {
  throw new Error(`no recordings at ${recordings}: recorded tests must not be skipped in CI`)
}

/** Tests on real recorded blocks; skipped, and said so, where the recordings are missing. */
export function describeRecorded(name: string, tests: () => void): void {
  if (hasRecordings) describe(name, tests)
  else describe.skip(`${name} (SKIPPED: no recordings at ${recordings})`, tests)
}
