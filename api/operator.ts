import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether this is the operator's token. */
export type OperatorCheck = (token: string | null | undefined) => boolean

/** @param adminToken null when nobody is the operator here. */
export function createOperatorCheck(adminToken: string | null): OperatorCheck {
  // Digests are of one length: how long the comparison takes tells nothing of the token.
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const expected = adminToken === null ? null : digest(adminToken)
  return token =>
    expected !== null &&
    token !== null &&
    token !== undefined &&
    token !== '' &&
    timingSafeEqual(digest(token), expected)
}

/** The token of an `Authorization: Bearer` header (RFC 6750 §2.1); null where it is something else. */
export function bearerToken(header: string | null | undefined): string | null {
  return /^Bearer +([\x21-\x7e]{1,4096}) *$/i.exec(header ?? '')?.[1] ?? null
}
