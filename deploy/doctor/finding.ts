import { AppError, describeError } from '../../schema/errors.ts'

/** `fix`: somebody has to do something. `wait`: it may pass. `note`: as it is, with what that means. */
export type Level = 'ok' | 'note' | 'wait' | 'fix'

export interface Finding {
  /** `machine`, `store`, or the slug of a chain. */
  area: string
  level: Level
  /** What was looked at and how it is, in a sentence. */
  text: string
  /** What to do. */
  hint?: string
}

/** What failed, by whether the same may work later. */
export function failure(area: string, error: unknown): Finding {
  if (!(error instanceof AppError)) return { area, level: 'fix', text: describeError(error) }
  const { message, hint, retryable } = error
  return { area, level: retryable ? 'wait' : 'fix', text: message, ...(hint !== undefined && { hint }) }
}

/** The findings of a look that must not take longer than it may. */
export async function within(
  ms: number,
  area: string,
  what: string,
  look: Promise<Finding[]>,
): Promise<Finding[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Finding[]>(resolve => {
    const text = `${what} did not come to an end within ${ms / 1000} s`
    timer = setTimeout(() => resolve([{ area, level: 'wait', text }]), ms)
  })
  try {
    return await Promise.race([look.catch(error => [failure(area, error)]), late])
  } finally {
    clearTimeout(timer)
  }
}
