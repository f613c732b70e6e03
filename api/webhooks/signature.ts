import { createHmac, randomBytes } from 'node:crypto'
import { InputError } from '../../schema/errors.ts'

/**
 * Signatures of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, specification 1.0): HMAC-SHA256
 * over `id.timestamp.body`, in base64 behind `v1,`. While two secrets are valid both sign, separated by a space.
 */

const PREFIX = 'whsec_'
/** The specification asks for 24 to 64. */
const SECRET_BYTES = { made: 32, least: 24, most: 64 }

export function createSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES.made).toString('base64')}`
}

/** The key behind a secret. @throws InputError; the secret itself is not told. */
export function parseSecret(secret: string): Buffer {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : ''
  const key = Buffer.from(text, 'base64')
  const isBase64 = key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '')
  if (!isBase64 || key.length < SECRET_BYTES.least || key.length > SECRET_BYTES.most) {
    throw new InputError(
      `secret: expected ${PREFIX} and ${SECRET_BYTES.least} to ${SECRET_BYTES.most} bytes in base64, got ${secret.length} characters of another form`,
    )
  }
  return key
}

/** Headers of one attempt. @param secrets that are valid, the newest first. */
export function signatureHeaders({
  id,
  body,
  at,
  secrets,
}: {
  id: string
  body: Uint8Array
  at: Date
  secrets: readonly string[]
}): Record<string, string> {
  const timestamp = Math.floor(at.getTime() / 1000).toString()
  const signatures = secrets.map(secret => {
    const hmac = createHmac('sha256', parseSecret(secret)).update(`${id}.${timestamp}.`).update(body)
    return `v1,${hmac.digest('base64')}`
  })
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  }
}
