import type { Logger } from 'pino'
import { ConfigError } from '../schema/errors.ts'
import type { Config } from './config.ts'

/** What every command gets. Data goes to `stdout`, everything else to the logger and the terminal on stderr. */
export interface CommandContext {
  config: Config
  logger: Logger
  stdout: NodeJS.WritableStream & { isTTY?: boolean }
  terminal: NodeJS.WriteStream
}

/** Exit codes: 0 done, 1 fix the input, 2 some of what was asked is not right, 75 try again. */
export const EXIT = { done: 0, input: 1, incomplete: 2, again: 75 } as const

/** @throws ConfigError unless the two are a range. */
export function heightRange(from: number, to: number): number[] {
  if (from > to) throw new ConfigError(`--from ${from} is above --to ${to}`)
  return Array.from({ length: to - from + 1 }, (_, at) => from + at)
}
