import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { LearnedLimits } from '../crawlers/rpc.ts'
import { describeError } from '../schema/errors.ts'

/** What was seen of endpoints and is worth knowing after a restart. */
export interface Learned extends LearnedLimits {
  /** Writes what is not written yet. */
  close(): Promise<void>
}

const FILE = 'endpoints.json'
const WRITE_AFTER_MS = 1_000

/** Calls a second by name of the endpoint. */
const fileSchema = z.record(z.string(), z.number().positive())

/** Opens `endpoints.json` of a data directory. Nothing there is needed: what cannot be read is learned again. */
export async function openLearned(directory: string, logger: Logger): Promise<Learned> {
  const path = join(directory, FILE)
  const limits = new Map(Object.entries(await readLimits(path, logger)))
  let timer: NodeJS.Timeout | null = null
  let writing = Promise.resolve()

  function write(): Promise<void> {
    timer = null
    const text = `${JSON.stringify(Object.fromEntries(limits), null, 2)}\n`
    writing = writing
      .then(() => writeFile(`${path}.new`, text, { mode: 0o600 }))
      .then(() => rename(`${path}.new`, path))
      .catch(error => logger.warn({ path, err: error }, 'what endpoints allow could not be kept'))
    return writing
  }

  return {
    get: endpoint => limits.get(endpoint) ?? null,
    put(endpoint, perSecond) {
      if (perSecond === null) limits.delete(endpoint)
      else limits.set(endpoint, perSecond)
      timer ??= setTimeout(write, WRITE_AFTER_MS).unref()
    },
    async close() {
      if (timer) {
        clearTimeout(timer)
        void write()
      }
      await writing
    },
  }
}

async function readLimits(path: string, logger: Logger): Promise<z.infer<typeof fileSchema>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') logger.warn({ path }, describeError(error))
    return {}
  }
  try {
    return fileSchema.parse(JSON.parse(text))
  } catch (error) {
    logger.warn({ path }, `expected calls a second by endpoint, it is learned again: ${describeError(error)}`)
    return {}
  }
}
