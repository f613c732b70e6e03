import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ConfigError } from '../schema/errors.ts'
import { isAlive } from './pid.ts'

/** One pipeline at a time works in a data directory. */
export interface DirectoryLock {
  release(): Promise<void>
}

const lockFile = (dataDirectory: string) => join(resolve(dataDirectory), 'up.pid')

/** The process whose pipeline works in the directory; null when there is none. */
export async function readHolder(dataDirectory: string): Promise<number | null> {
  const holder = Number(await readFile(lockFile(dataDirectory), 'utf8').catch(() => ''))
  return holder > 0 && isAlive(holder) ? holder : null
}

/** @throws ConfigError when another process holds it; what a killed one left behind is taken over. */
export async function lockDirectory(dataDirectory: string): Promise<DirectoryLock> {
  const path = lockFile(dataDirectory)
  const own = `${path}.${process.pid}`
  await writeFile(own, `${process.pid}\n`, { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        // With its content from the first moment on.
        await link(own, path)
        return { release: () => rm(path, { force: true }) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        const holder = await readHolder(dataDirectory)
        if (holder !== null && holder !== process.pid) {
          throw new ConfigError(`${dataDirectory} is in use by process ${holder}`, {
            hint: 'stop it, or choose another directory with --data',
          })
        }
        await rm(path, { force: true })
      }
    }
    throw new ConfigError(`${path} cannot be taken`, {
      hint: 'are many processes starting in this directory?',
    })
  } finally {
    await rm(own, { force: true })
  }
}
