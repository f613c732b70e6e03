import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ConfigError, MalformedAnswerError, NotAvailableError } from '../schema/errors.ts'

/** Turns the text of an answer's `result` into a value. `JSON.parse` unless amounts would pass through floats. */
export type ParseJson = (text: string) => unknown

/**
 * Node answers in files, one for each call: `<method>/<params joined with _>.json` holds the `result`. Objects in the
 * parameters are shortened to their text values. Raw blocks are `getrawblock/<hash>.hex`.
 */
export interface Recording {
  directory: string
  /** @throws NotAvailableError when the call is not recorded. */
  call(method: string, params: readonly unknown[], parse?: ParseJson): Promise<unknown>
  /** File names under a method, without their endings; empty when the method is not recorded. */
  list(method: string): Promise<string[]>
  /** A file that answers no call of its own (`_prevouts/…`), parsed. @throws NotAvailableError */
  file(path: string, parse?: ParseJson): Promise<unknown>
}

/** Where the answer to a call is kept, relative to the recording. */
export function recordedPath(method: string, params: readonly unknown[]): string {
  if (method === 'getblock' && params[1] === 0) return join('getrawblock', `${partName(params[0])}.hex`)
  return join(safeName(method), `${params.map(partName).join('_') || '_'}.json`)
}

function partName(param: unknown): string {
  if (typeof param === 'object' && param !== null) return Object.values(param).map(partName).join('_')
  return safeName(String(param))
}

/** A parameter may come from a command line: it must not lead out of the recording. */
function safeName(text: string): string {
  if (!/^[A-Za-z0-9_.:-]+$/.test(text) || text.startsWith('.')) {
    throw new NotAvailableError(`no recording can hold a call with ${JSON.stringify(text.slice(0, 80))}`)
  }
  return text
}

/** Boolean verbosity is the old spelling of verbosity 1. */
function spellings(method: string, params: readonly unknown[]): (readonly unknown[])[] {
  const [first, verbosity, ...rest] = params
  if ((method === 'getblock' || method === 'getrawtransaction') && verbosity === 1) {
    return [params, [first, true, ...rest]]
  }
  return [params]
}

/** @throws ConfigError when the directory does not exist. */
export async function openRecording(path: string): Promise<Recording> {
  const directory = resolve(path)
  const isDirectory = await stat(directory).then(
    found => found.isDirectory(),
    () => false,
  )
  if (!isDirectory) {
    throw new ConfigError(
      `endpoint: expected a directory with recorded answers, got ${JSON.stringify(path)}`,
      {
        hint: 'name the folder of one chain, for example file:recordings/bitcoin',
      },
    )
  }

  async function read(relative: string): Promise<string | null> {
    try {
      return await readFile(join(directory, relative), 'utf8')
    } catch (error) {
      if (['ENOENT', 'ENAMETOOLONG'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
      throw error
    }
  }

  function parseFile(relative: string, text: string, parse: ParseJson): unknown {
    try {
      return parse(text)
    } catch (cause) {
      throw new MalformedAnswerError(`${join(directory, relative)}: expected JSON: ${String(cause)}`, {
        cause,
      })
    }
  }

  return {
    directory,
    async call(method, params, parse = JSON.parse) {
      for (const spelling of spellings(method, params)) {
        const relative = recordedPath(method, spelling)
        const text = await read(relative)
        if (text === null) continue
        return relative.endsWith('.hex') ? text.trim() : parseFile(relative, text, parse)
      }
      throw new NotAvailableError(
        `${directory} has no answer to ${method}(${JSON.stringify(params).slice(1, -1)})`,
      )
    },
    async list(method) {
      try {
        const names = (await readdir(join(directory, method))).filter(name => !name.endsWith('.part'))
        return names.map(name => name.replace(/\.[a-z]+$/, '')).sort()
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
        throw error
      }
    },
    async file(path, parse = JSON.parse) {
      const text = await read(path)
      if (text === null) throw new NotAvailableError(`${directory} has no file ${path}`)
      return parseFile(path, text, parse)
    },
  }
}

/** Writes an answer where `openRecording` finds it; whole or not at all. */
export async function writeRecorded(
  directory: string,
  method: string,
  params: readonly unknown[],
  result: unknown,
  stringify: (value: unknown) => string = JSON.stringify,
): Promise<void> {
  const path = join(directory, recordedPath(method, params))
  await mkdir(dirname(path), { recursive: true })
  const text = path.endsWith('.hex') ? String(result) : stringify(result)
  // A name of its own: the same call may be answered twice at the same time.
  const part = `${path}.${randomUUID()}.part`
  await writeFile(part, `${text}\n`)
  await rename(part, path)
}
