import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ConfigError } from '../schema/errors.ts'
import { isAlive } from './pid.ts'

/** One pipeline at a time works in a data directory. */
export interface DirectoryLock {
  release(): Promise<void>
}

/** @throws ConfigError when another process holds it; what a killed one left behind is taken over. */
export async function lockDirectory(dataDirectory: string): Promise<DirectoryLock> {
  const path = join(resolve(dataDirectory), 'up.pid')
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
        const holder = Number(await readFile(path, 'utf8').catch(() => ''))
        if (holder > 0 && holder !== process.pid && isAlive(holder)) {
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
