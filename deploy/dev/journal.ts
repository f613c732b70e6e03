import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'
import { ConfigError } from '../../schema/errors.ts'

/**
 * What was done to a development chain, one JSON line each, in order. An entry is in the file before its effect can be
 * seen by anybody, so that a chain that is made again from the file has everything that it ever served.
 */
export interface Journal<Entry> {
  /** Durable against the end of the process, not of the machine, once it returns. */
  append(entries: readonly Entry[]): void
}

/**
 * @returns the journal and what stands in it. An entry that was cut off by the end of the process is taken away.
 * @throws ConfigError when it is not a file of ours.
 */
export function openJournal<Entry>(
  path: string,
  isEntry: (value: unknown) => value is Entry,
): { journal: Journal<Entry>; entries: Entry[] } {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole.length < text.length) truncateSync(path, Buffer.byteLength(whole))
  const entries = whole
    .split('\n')
    .slice(0, -1)
    .map((line, at) => readLine(path, line, at, isEntry))
  return {
    entries,
    journal: {
      append: added => appendFileSync(path, added.map(entry => `${JSON.stringify(entry)}\n`).join('')),
    },
  }
}

function readLine<Entry>(
  path: string,
  line: string,
  at: number,
  isEntry: (value: unknown) => value is Entry,
): Entry {
  try {
    const value: unknown = JSON.parse(line)
    if (isEntry(value)) return value
  } catch {
    // Told below.
  }
  throw foreignJournal(path, `line ${at + 1} is ${JSON.stringify(line.slice(0, 60))}`)
}

/** The chain can not be made again from the file. */
export function foreignJournal(path: string, got: string): ConfigError {
  return new ConfigError(
    `${path}: expected the history of a development chain of this version, got: ${got}`,
    {
      hint: 'remove the data directory: chains and store begin anew together',
    },
  )
}
