import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { ConfigError } from '../../schema/errors.ts'
import { defaultSchedule, retryDelay } from './retry.ts'
import { createSecret, parseSecret, signatureHeaders } from './signature.ts'
import { createVault } from './vault.ts'

const bodies = [
  '{}',
  '{"name":"万链 🜁 é","amount":"115792089237316195423570985008687907853269984665640564039457584007913129639935"}',
]

/** The specification once more, in another language. Says which of the given secrets a signature of the header is by. */
const PYTHON = `
import base64, hashlib, hmac, json, sys
given = json.load(sys.stdin)
valid = []
for secret in given["secrets"]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f'{given["headers"]["webhook-id"]}.{given["headers"]["webhook-timestamp"]}.'.encode() + given["body"].encode()
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    found = [part.split(",", 1)[1] for part in given["headers"]["webhook-signature"].split(" ") if part.startswith("v1,")]
    valid.append(any(hmac.compare_digest(expected, one) for one in found))
print(json.dumps(valid))
`

async function validInPython(given: object): Promise<boolean[]> {
  const running = promisify(execFile)('python3', ['-c', PYTHON])
  running.child.stdin!.end(JSON.stringify(given))
  return JSON.parse((await running).stdout)
}

function signed(body: string, secrets: string[]) {
  return signatureHeaders({ id: 'wh_1_7', body: Buffer.from(body), at: new Date(), secrets })
}

describe('signatures', () => {
  test.each(bodies)('are what the official package verifies, with either of two secrets: %s', body => {
    const [newer, older] = [createSecret(), createSecret()]
    const headers = signed(body, [newer, older])
    for (const secret of [newer, older])
      expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body))
    expect(() => new Webhook(createSecret()).verify(body, headers)).toThrow()
    expect(() => new Webhook(newer).verify(`${body} `, headers)).toThrow()
    expect(() => new Webhook(newer).verify(body, { ...headers, 'webhook-id': 'wh_1_8' })).toThrow()
    expect(() => new Webhook(newer).verify(body, { ...headers, 'webhook-timestamp': '1' })).toThrow()
  })

  test.each(bodies)('are what another language computes: %s', async body => {
    const secrets = [createSecret(), createSecret()]
    const headers = signed(body, secrets)
    const stranger = createSecret()
    expect(await validInPython({ headers, body, secrets: [...secrets, stranger] })).toEqual([
      true,
      true,
      false,
    ])
    expect(await validInPython({ headers, body: `${body}x`, secrets })).toEqual([false, false])
  })

  test('secrets of another form are refused, and not told', () => {
    for (const secret of [
      '',
      'whsec_',
      'whsec_c2hvcnQ=',
      'whsec_not base64 not base64 not base64',
      createSecret().slice(6),
    ])
      expect(() => parseSecret(secret)).toThrow(
        /expected whsec_ and 24 to 64 bytes in base64, got \d+ characters/,
      )
    expect(parseSecret(createSecret())).toHaveLength(32)
  })
})

describe('secrets at rest', () => {
  const vault = createVault(randomBytes(32))

  test('are read again, with the same key and for the same webhook only', () => {
    const secret = createSecret()
    const sealed = vault.seal(secret, 'wh_1')
    expect(sealed).not.toContain(secret.slice(6, 20))
    expect(vault.seal(secret, 'wh_1')).not.toBe(sealed)
    expect(vault.open(sealed, 'wh_1')).toBe(secret)
    expect(() => vault.open(sealed, 'wh_2')).toThrow(ConfigError)
    expect(() => createVault(randomBytes(32)).open(sealed, 'wh_1')).toThrow(/WANLIAN_SECRET_KEY|this key/)
    expect(() => vault.open(`${sealed.slice(0, -2)}AA`, 'wh_1')).toThrow(ConfigError)
    expect(() => vault.open('v2.abc', 'wh_1')).toThrow(ConfigError)
    expect(() => createVault(randomBytes(16))).toThrow('expected 32 bytes, got 16')
  })
})

describe('retries', () => {
  const delay = (attempt: number, failing = 0, asked: number | null = null, random = 0.5) =>
    retryDelay(attempt, failing, asked, { schedule: defaultSchedule, random: () => random })

  test('come later and later, scattered, for days', () => {
    expect([1, 2, 3, 4].map(attempt => delay(attempt))).toEqual([5_000, 15_000, 45_000, 135_000])
    expect(delay(50)).toBe(6 * 3_600_000)
    expect([delay(1, 0, null, 0), delay(1, 0, null, 0.999)]).toEqual([3_750, 6_248])
    let [waited, attempts] = [0, 0]
    for (let next = delay(1); next !== null; next = delay(++attempts + 1, waited)) waited += next
    expect([Math.round(waited / 86_400_000), attempts > 20]).toEqual([5, true])
  })

  test('wait as long as the endpoint asks, within a day', () => {
    expect(delay(1, 0, 60_000)).toBe(60_000)
    expect(delay(1, 0, 1_000)).toBe(5_000)
    expect(delay(1, 0, 10 * 86_400_000)).toBe(86_400_000)
  })
})
