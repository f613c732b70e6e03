import { createServer } from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { InputError } from '../../schema/errors.ts'
import { createTargetGuard } from './guard.ts'
import { createSender } from './sender.ts'

const guard = createTargetGuard({ allow: [] })

function ruleOf(url: string, allowPrivate = false, by = guard): unknown {
  try {
    by.check(url, { allowPrivate })
    return null
  } catch (error) {
    return (error as InputError).details.rule
  }
}

describe('targets', () => {
  test.each([
    ['scheme', 'ftp://example.com/'],
    ['scheme', 'file:///etc/passwd'],
    ['scheme', 'gopher://example.com:70/1'],
    ['scheme', 'javascript:alert(1)'],
    ['scheme', 'ws://example.com/'],
    ['url', 'example.com/hook'],
    ['url', 'https://'],
    ['url', 'http://[::1'],
    ['url', 'http://[fe80::1%25eth0]/'],
    ['url', 'http://exa mple.com/'],
    ['url', 'http://256.256.256.256/'],
    ['credentials', 'https://user:secret@example.com/'],
    ['credentials', 'https://169.254.169.254@example.com/'],
    ['port', 'http://example.com:22/'],
    ['port', 'https://example.com:25/'],
    ['port', 'http://example.com:6379/'],
    ['port', 'http://example.com:2375/'],
    ['local-name', 'http://localhost/'],
    ['local-name', 'http://LOCALHOST:8080/'],
    ['local-name', 'http://localhost./'],
    ['local-name', 'http://a.localhost/'],
    ['local-name', 'http://clickhouse:8123/'],
    ['local-name', 'http://metadata.google.internal/computeMetadata/v1/'],
    ['local-name', 'http://printer.local/'],
    ['loopback', 'http://127.0.0.1/'],
    ['loopback', 'http://127.1/'],
    ['loopback', 'http://127.255.255.254:8080/'],
    ['loopback', 'http://2130706433/'],
    ['loopback', 'http://0x7f000001/'],
    ['loopback', 'http://0177.0.0.1/'],
    ['loopback', 'http://127.0.0.1./'],
    ['loopback', 'http://①②⑦.0.0.1/'],
    ['loopback', 'http://[::1]/'],
    ['loopback', 'http://[0:0:0:0:0:0:0:1]:9000/'],
    ['loopback', 'http://[::ffff:127.0.0.1]/'],
    ['loopback', 'http://[::ffff:7f00:1]/'],
    ['unspecified', 'http://0.0.0.0/'],
    ['unspecified', 'http://0/'],
    ['unspecified', 'http://[::]/'],
    ['private', 'http://10.0.0.1/'],
    ['private', 'http://172.16.0.1/'],
    ['private', 'http://172.31.255.255/'],
    ['private', 'http://192.168.1.1/'],
    ['private', 'http://[::ffff:192.168.1.1]/'],
    ['private', 'http://[fc00::1]/'],
    ['private', 'http://[fd12:3456::1]/'],
    ['private', 'http://[fec0::1]/'],
    ['shared', 'http://100.64.0.1/'],
    ['link-local', 'http://169.254.1.1/'],
    ['link-local', 'http://[fe80::1]/'],
    ['metadata', 'http://169.254.169.254/latest/meta-data/'],
    ['metadata', 'http://[::ffff:169.254.169.254]/'],
    ['metadata', 'http://0xa9fea9fe/'],
    ['metadata', 'http://100.100.100.200/'],
    ['metadata', 'http://168.63.129.16/'],
    ['metadata', 'http://[fd00:ec2::254]/'],
    ['multicast', 'http://224.0.0.1/'],
    ['multicast', 'http://[ff02::1]/'],
    ['documentation', 'http://192.0.2.1/'],
    ['documentation', 'http://203.0.113.7/'],
    ['documentation', 'http://[2001:db8::1]/'],
    ['reserved', 'http://240.0.0.1/'],
    ['reserved', 'http://255.255.255.255/'],
    ['reserved', 'http://198.18.0.1/'],
    ['translated', 'http://[64:ff9b::7f00:1]/'],
    ['translated', 'http://[64:ff9b:1::1]/'],
    ['translated', 'http://[2002:7f00:1::]/'],
    ['translated', 'http://[2001::1]/'],
    ['translated', 'http://[::127.0.0.1]/'],
  ])('%s: %s', (rule, url) => {
    expect(ruleOf(url)).toBe(rule)
  })

  test('of the public are taken', () => {
    for (const url of [
      'https://example.com/hook',
      'http://example.com:8080/',
      'https://1.1.1.1/',
      'https://[2606:4700::1111]/',
    ])
      expect([url, ruleOf(url)]).toEqual([url, null])
  })

  test('what the operator opens is this machine and its network, never the metadata of a cloud', () => {
    expect(ruleOf('http://127.0.0.1:3000/', true)).toBeNull()
    expect(ruleOf('http://[::1]:3000/', true)).toBeNull()
    expect(ruleOf('http://10.1.2.3/', true)).toBeNull()
    expect(ruleOf('http://receiver:8080/', true)).toBeNull()
    expect(ruleOf('http://169.254.169.254/', true)).toBe('metadata')
    expect(ruleOf('http://[fd00:ec2::254]/', true)).toBe('metadata')
    expect(ruleOf('http://224.0.0.1/', true)).toBe('multicast')
    const some = createTargetGuard({ allow: ['10.1.0.0/16', 'receiver', 'fd00::/8', '169.254.0.0/16'] })
    expect(ruleOf('http://10.1.2.3/', false, some)).toBeNull()
    expect(ruleOf('http://10.2.2.3/', false, some)).toBe('private')
    expect(ruleOf('http://receiver:8080/', false, some)).toBeNull()
    expect(ruleOf('http://[fd00::1]/', false, some)).toBeNull()
    expect(ruleOf('http://169.254.169.254/', false, some)).toBe('metadata')
  })
})

describe('names', () => {
  let port: number
  let asked = 0
  const server = createServer((_, response) => {
    asked++
    response.end()
  })
  beforeAll(async () => {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => void server.close())

  /** A resolver that gives these answers, one after the other, and then the last again. */
  function resolving(...answers: string[][]) {
    let calls = 0
    const lookup = ((_name: string, _options: object, callback: (error: null, found: object[]) => void) => {
      const answer = answers[Math.min(calls++, answers.length - 1)]!
      callback(
        null,
        answer.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
      )
    }) as unknown as typeof import('node:dns').lookup
    return { lookup, calls: () => calls }
  }

  async function send(lookup: typeof import('node:dns').lookup, allowPrivate: boolean) {
    const sender = createSender({
      guard: createTargetGuard({ allow: [], lookup }),
      version: 'test',
      connectMs: 1_000,
      answerMs: 2_000,
    })
    try {
      return await sender.send({
        url: `http://rebinding.example:${port}/`,
        allowPrivate,
        headers: {},
        body: Buffer.from('{}'),
        signal: new AbortController().signal,
      })
    } finally {
      await sender.close()
    }
  }

  test.each([
    ['loopback', ['127.0.0.1']],
    ['metadata', ['169.254.169.254']],
    ['private', ['93.184.216.34', '10.0.0.1']],
    ['loopback', ['::1']],
    ['loopback', ['::ffff:127.0.0.1']],
  ])('that lead to %s (%s) are not connected to', async (rule, addresses) => {
    const before = asked
    const outcome = await send(resolving(addresses).lookup, false)
    expect([outcome.ok, outcome.error]).toEqual([false, expect.stringContaining(`(${rule})`)])
    expect(asked).toBe(before)
  })

  test('are resolved once for a connection: what was checked is what is connected to', async () => {
    const before = asked
    // Seen as this machine first, as another afterwards: only the first answer counts, and the other way round.
    const open = resolving(['127.0.0.1'], ['192.0.2.1'])
    expect(await send(open.lookup, true)).toMatchObject({ ok: true, status: 200 })
    expect([open.calls(), asked]).toEqual([1, before + 1])
    const rebound = resolving(['192.0.2.1'], ['127.0.0.1'])
    expect((await send(rebound.lookup, false)).ok).toBe(false)
    expect([rebound.calls(), asked]).toEqual([1, before + 1])
  })

  test('give Node one address, or all, as it asks', () => {
    const lookup: LookupFunction = createTargetGuard({
      allow: [],
      lookup: resolving(['1.1.1.1']).lookup,
    }).lookup({
      allowPrivate: false,
    })
    lookup('one.example', {}, (error, address, family) =>
      expect([error, address, family]).toEqual([null, '1.1.1.1', 4]),
    )
    lookup('one.example', { all: true }, (error, found) =>
      expect([error, found]).toEqual([null, [{ address: '1.1.1.1', family: 4 }]]),
    )
  })
})
