import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import { ConfigError } from '../schema/errors.ts'
import { openSecretFile } from './secret-file.ts'

const FILE = 'admin.token'
/** Fewer could be guessed. */
const SHORTEST_TOKEN = 16

/** Characters that a header can carry. */
const tokenForm = new RegExp(`^[\\x21-\\x7e]{${SHORTEST_TOKEN},4096}$`)

/** @param source what is named to the operator. @throws ConfigError, without the token. */
export function checkAdminToken(token: string, source: string): string {
  if (tokenForm.test(token)) return token
  throw new ConfigError(
    `${source}: expected ${SHORTEST_TOKEN} or more visible ASCII characters, got ${token.length}${/[^\x21-\x7e]/.test(token) ? ', others among them' : ''}`,
    { hint: 'make one with `openssl rand -hex 32`' },
  )
}

/**
 * What the operator proves himself with: of the environment, or of `admin.token` in the data directory (mode 0600), made
 * when it is not there.
 * @returns where it comes from too. @throws ConfigError for one that could be guessed.
 */
export async function openAdminToken(config: {
  adminToken: string | null
  dataDirectory: string
}): Promise<{ token: string; source: string }> {
  if (config.adminToken !== null) return { token: config.adminToken, source: 'WANLIAN_ADMIN_TOKEN' }
  const path = join(resolve(config.dataDirectory), FILE)
  const token = await openSecretFile(path, () => randomBytes(32).toString('hex'))
  return { token: checkAdminToken(token, path), source: path }
}
