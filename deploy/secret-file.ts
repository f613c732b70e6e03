import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The text of a file that only its owner may read (mode 0600); made when it is not there. Of two that make it, one is taken. */
export async function openSecretFile(path: string, make: () => string): Promise<string> {
  const found = await readSecret(path)
  if (found !== null) return found
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const making = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await writeFile(making, `${make()}\n`, { mode: 0o600, flag: 'wx' })
    // Another process may have been first: then what it made holds.
    await link(making, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(making, { force: true })
  }
  return (await readSecret(path)) ?? ''
}

async function readSecret(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
