import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { ConfigError, InputError } from '../../schema/errors.ts'

/** Keeps secrets at rest: AES-256-GCM, bound to what they belong to. */
export interface Vault {
  /** @param context whose secret it is: opened for another it does not open. */
  seal(secret: string, context: string): string
  /** @throws ConfigError with another key, or for other contents. */
  open(sealed: string, context: string): string
}

const FORMAT = 'v1'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** @param key of 32 bytes. @throws InputError */
export function createVault(key: Uint8Array): Vault {
  if (key.length !== KEY_BYTES) throw new InputError(`key: expected ${KEY_BYTES} bytes, got ${key.length}`)
  return {
    seal(secret, context) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context))
      const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
      return `${FORMAT}.${Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64url')}`
    },
    open(sealed, context) {
      const [format, text = ''] = sealed.split('.', 2)
      const bytes = Buffer.from(text, 'base64url')
      try {
        if (format !== FORMAT || bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('unknown format')
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
        decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-TAG_BYTES))
        const secret = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
        return Buffer.concat([secret, decipher.final()]).toString('utf8')
      } catch {
        throw new ConfigError(`the secret of ${context} cannot be opened with this key`, {
          hint: 'give WANLIAN_SECRET_KEY, or the file webhooks.key, that it was stored with; or rotate the secret',
        })
      }
    },
  }
}
