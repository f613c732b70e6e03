import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { ConfigError } from '../schema/errors.ts'

/** Chains that the operator paused, by slug: kept in the data directory until they are resumed. */
export interface PausedChains {
  has(chain: string): boolean
  /** On disk when it returns. */
  set(chain: string, isPaused: boolean): Promise<void>
}

const FILE = 'paused.json'

const content = z.strictObject({ paused: z.array(z.string()) })

/** @throws ConfigError when the file is there and is not one of ours. */
export async function readPaused(dataDirectory: string): Promise<Set<string>> {
  const path = join(dataDirectory, FILE)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Set()
    throw refusal(path, String(error), error)
  }
  try {
    return new Set(content.parse(JSON.parse(text)).paused)
  } catch (error) {
    throw refusal(path, JSON.stringify(text.slice(0, 100)), error)
  }
}

function refusal(path: string, got: string, cause: unknown): ConfigError {
  return new ConfigError(`${path}: expected {"paused":["<chain>", …]}, got ${got}`, {
    hint: 'correct the file; without it every chain is followed',
    cause,
  })
}

/** For the process that holds the lock of the directory. @throws ConfigError as `readPaused`. */
export async function openPaused(dataDirectory: string): Promise<PausedChains> {
  const directory = resolve(dataDirectory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  let chains: ReadonlySet<string> = await readPaused(directory)
  let writing: Promise<unknown> = Promise.resolve()

  async function write(next: ReadonlySet<string>): Promise<void> {
    const path = join(directory, FILE)
    const file = await open(`${path}.new`, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify({ paused: [...next].sort() })}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.new`, path)
  }

  async function put(chain: string, isPaused: boolean): Promise<void> {
    const next = new Set(chains)
    if (isPaused) next.add(chain)
    else next.delete(chain)
    await write(next)
    chains = next
  }

  return {
    has: chain => chains.has(chain),
    async set(chain, isPaused) {
      // One after the other: several chains may be paused at the same time.
      const written = writing.then(() => put(chain, isPaused))
      writing = written.catch(() => {})
      await written
    },
  }
}
