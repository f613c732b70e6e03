import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultSchedule } from '../api/webhooks/retry.ts'
import { knownChains } from '../crawlers/chains.ts'
import { ConfigError } from '../schema/errors.ts'
import { openAdminToken } from './admin-token.ts'
import { type Config, type ConfigSources, findChain, readConfig } from './config.ts'

const EXAMPLE = fileURLToPath(new URL('../wanlian.example.yaml', import.meta.url))

/** A private chain in a file (JSON is YAML), with values changed or added. */
function privateChain(slug: string, changes: Record<string, unknown> = {}): string {
  const native = { symbol: 'PRV', name: 'Private Coin', decimals: 6 }
  const definition = { family: 'evm', chainId: 4242, name: 'Private', native, ...changes }
  return JSON.stringify({ chains: { [slug]: definition } })
}

const mine = (changes?: Record<string, unknown>) => privateChain('mine', changes)

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-config-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

let files = 0

async function putFile(text: string): Promise<string> {
  const file = join(directory, `${++files}.yaml`)
  await writeFile(file, text)
  return file
}

async function read(text: string, environment: ConfigSources['environment'] = {}): Promise<Config> {
  return readConfig({ file: await putFile(text), environment })
}

/** The message of the refusal, without the name of the file. */
async function refusal(text: string, environment: ConfigSources['environment'] = {}): Promise<string> {
  const error = await read(text, environment).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ConfigError)
  return (error as Error).message.replace(/^.*\.yaml: /, '')
}

describe('a mistake names the key, what was expected and what came', () => {
  test.each<[string, string, string]>([
    [
      'wrong key',
      'dat: x',
      'dat: unknown key, expected one of data, host, port, clickhousePort, kafka, clickhouse, webhooks, chains',
    ],
    [
      'wrong key of a chain',
      'chains: { bitcoin: { endpoint: [x] } }',
      'chains.bitcoin.endpoint: unknown key, expected one of endpoints, recoverSenders, traces',
    ],
    [
      'wrong key of an endpoint',
      'chains: { bitcoin: { endpoints: [x, { url: y, header: {} }] } }',
      'chains.bitcoin.endpoints.1.header: unknown key, expected one of url, headers',
    ],
    [
      'wrong key of a private chain',
      mine({ chain_id: 7 }),
      'chains.mine.chain_id: unknown key, expected one of',
    ],
    ['wrong type', 'data: 5', 'data: expected string, got 5'],
    ['wrong type at the top', '- data', '(top level): expected object, got ["data"]'],
    ['no value', 'chains: { bitcoin: }', 'chains.bitcoin: expected object, got null'],
    ['text for a list', 'chains: { bitcoin: { endpoints: http://x } }', 'expected array, got "http://x"'],
    [
      'number for an endpoint',
      'chains: { bitcoin: { endpoints: [5] } }',
      'chains.bitcoin.endpoints.0: expected string or expected object, got 5',
    ],
    [
      'number for a header',
      'chains: { bitcoin: { endpoints: [{ url: x, headers: { y: 5 } }] } }',
      'chains.bitcoin.endpoints.0.headers.y: expected string, got 5',
    ],
    [
      'text for a yes',
      'chains: { bitcoin: { traces: "yes" } }',
      'chains.bitcoin.traces: expected boolean, got "yes"',
    ],
    ['empty text', "data: ''", 'data: Too small: expected string to have >=1 characters, got ""'],
    ['empty list', 'chains: { bitcoin: { endpoints: [] } }', 'expected array to have >=1 items, got []'],
    [
      'wrong name of a chain',
      'chains: { My_Chain: {} }',
      'chains.My_Chain: expected lower-case letters, digits and single dashes, got "My_Chain"',
    ],
    ['wrong family', mine({ family: 'solana' }), 'chains.mine.family: expected "evm", got "solana"'],
    [
      'wrong chain id',
      mine({ chainId: 0 }),
      'chains.mine.chainId: Too small: expected number to be >0, got 0',
    ],
    ['text for a chain id', mine({ chainId: '1' }), 'chains.mine.chainId: expected number, got "1"'],
    ['fraction for a chain id', mine({ chainId: 1.5 }), 'chains.mine.chainId: expected int, got 1.5'],
    [
      'too many decimals',
      mine({ native: { symbol: 'X', name: 'X', decimals: 78 } }),
      'chains.mine.native.decimals: Too big: expected number to be <=77, got 78',
    ],
    [
      'missing part',
      mine({ native: { symbol: 'X', decimals: 18 } }),
      'chains.mine.native.name: expected string, got nothing',
    ],
    [
      'wrong hash',
      mine({ genesisHash: '0x12' }),
      'chains.mine.genesisHash: expected 0x and 64 lower-case hex digits, got "0x12"',
    ],
    [
      'a definition of nothing',
      'chains: { mine: { family: evm } }',
      'chains.mine.chainId: expected number, got nothing',
    ],
  ])('%s', async (_, text, expected) => {
    expect(await refusal(text)).toContain(expected)
  })

  test('all mistakes are told at once', async () => {
    const told = await refusal('data: 5\ndat: 6\nchains: { bitcoin: { traces: 1 }, litecoin: { traces: 2 } }')
    for (const part of ['data: expected', 'dat: unknown', 'bitcoin.traces', 'litecoin.traces']) {
      expect(told).toContain(part)
    }
  })

  test.each<[string, string, RegExp]>([
    ['an open bracket', 'data: [', /not YAML: .* at line 1, column \d+$/],
    ['the same key twice', 'data: a\ndata: b', /not YAML: Map keys must be unique at line 2, column 1$/],
  ])('%s is not YAML, told in one line', async (_, text, expected) => {
    expect(await refusal(text)).toMatch(expected)
  })
})

describe('the environment', () => {
  const endpoints = (line: string) => `chains:\n  bitcoin:\n    endpoints:\n      - ${line}`

  test('fills in names in any text and as often as it stands there', async () => {
    const text = `data: '\${HOME_OF_IT}/\${NAME_OF_IT}'\n${endpoints(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration's own notation
      '{ url: "http://u:${PW}@h", headers: { x-key: "Bearer ${PW}" } }',
    )}`
    const config = await read(text, { HOME_OF_IT: '/x', NAME_OF_IT: 'y', PW: 'p$&w' })
    expect(config.dataDirectory).toBe('/x/y')
    expect(findChain(config, 'bitcoin').endpoints).toEqual([
      { url: 'http://u:p$&w@h', headers: { 'x-key': 'Bearer p$&w' } },
    ])
  })

  test('is not read for what the file does not name', async () => {
    const config = await read('data: $HOME/{x}/$', { HOME: '/wrong', x: 'wrong' })
    expect(config.dataDirectory).toBe('$HOME/{x}/$')
  })

  test('without the variable is refused', async () => {
    expect(await refusal(`data: '\${NOT_THERE}'`)).toBe(
      'the environment has no NOT_THERE, which the file names',
    )
  })

  test('its secrets are in no message', async () => {
    for (const text of [
      `data: ['\${PW}']`,
      `chains: { bitcoin: { endpoints: 'http://u:\${PW}@h' } }`,
      `chains: { bitcoin: { endpoints: 'http://u:hush@h' } }`,
      mine({ genesisHash: `\${PW}` }),
      'chains: { bitcoin: { endpoints: [http://u:hush@h ] }',
    ]) {
      const error = await read(text, { PW: 'hush' }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(ConfigError)
      expect(inspect(error), text).not.toContain('hush')
    }
  })
})

describe('chains', () => {
  test('all built-in ones are there without any file, with the endpoints of their definitions', async () => {
    const { chains } = await readConfigHere({})
    expect([...chains.keys()]).toEqual(knownChains.map(chain => chain.definition.slug))
    for (const { chain, endpoints, recoverSenders, traces } of chains.values()) {
      expect(endpoints).toEqual(chain.definition.endpoints.map(url => ({ url })))
      expect([recoverSenders, traces]).toEqual([false, true])
    }
  })

  test('settings of one leave the others alone', async () => {
    const config = await read(
      'chains: { ethereum: { endpoints: [http://a, { url: http://b }], recoverSenders: true, traces: false } }',
    )
    expect(findChain(config, 'ethereum')).toMatchObject({
      endpoints: [{ url: 'http://a' }, { url: 'http://b' }],
      recoverSenders: true,
      traces: false,
    })
    const { chains } = await readConfigHere({})
    expect(findChain(config, 'bitcoin')).toEqual(chains.get('bitcoin'))
    expect(config.chains.size).toBe(chains.size)
  })

  test('a private EVM chain from configuration only', async () => {
    const config = await read(mine({ endpoints: ['http://127.0.0.1:1'], confirmations: 5 }))
    const { chain, endpoints } = findChain(config, 'mine')
    expect(endpoints).toEqual([{ url: 'http://127.0.0.1:1' }])
    expect(chain.definition).toMatchObject({
      slug: 'mine',
      name: 'Private',
      caip2: 'eip155:4242',
      family: 'evm',
      ledger: 'account',
      hashForm: '0x',
      genesisHash: null,
      native: { symbol: 'PRV', name: 'Private Coin', decimals: 6 },
      finality: { kind: 'tags', fallback: { safe: 3, final: 5 } },
    })
    expect(findChain(await read(mine()), 'mine').endpoints).toEqual([])
    const hash = `0x${'ab'.repeat(32)}`
    const pinned = findChain(await read(mine({ genesisHash: hash })), 'mine')
    expect(pinned.chain.definition.genesisHash).toBe(hash)
  })

  test('how many nodes have to agree on a new block', async () => {
    const of = async (text: string) => findChain(await read(text), 'bitcoin').confirmWith
    expect(await of('chains: { bitcoin: { endpoints: [http://a, http://b], confirmWith: 2 } }')).toBe(2)
    expect(await of('chains: { bitcoin: {} }')).toBe(1)
    expect(await refusal('chains: { bitcoin: { confirmWith: 0 } }')).toMatch(
      /^chains\.bitcoin\.confirmWith: /,
    )
  })

  test('a private chain may not take the name of a built-in one', async () => {
    expect(await refusal(privateChain('ethereum'))).toMatch(/^chains\.ethereum: .*taken by a built-in chain/)
  })

  test('settings of a chain that nobody knows list the known ones', async () => {
    const told = await refusal('chains: { bitcoyn: { traces: true } }')
    expect(told).toMatch(/^chains\.bitcoyn: expected a built-in chain \(.*bitcoin.*\) or .*family: evm/)
  })

  test('a genesis file lies beside the configuration, and must be one', async () => {
    await writeFile(
      join(directory, 'genesis.json'),
      JSON.stringify({ alloc: { ['0a'.repeat(20)]: { balance: '5' } } }),
    )
    const config = await read(mine({ genesis: './genesis.json' }))
    expect(findChain(config, 'mine').chain.definition.partialEffects).toBe('')
    expect(findChain(await read(mine()), 'mine').chain.definition.partialEffects).toContain('not known')
    expect(await refusal(mine({ genesis: './none.json' }))).toMatch(
      /chains\.mine\.genesis: expected a genesis file: ENOENT/,
    )
    await writeFile(join(directory, 'empty.json'), '{}')
    expect(await refusal(mine({ genesis: 'empty.json' }))).toContain('expected accounts under `alloc`')
  })

  test('asking for a chain that nobody knows lists the known ones, private ones too', async () => {
    const config = await read(mine())
    expect(() => findChain(config, 'bitcoyn')).toThrow(ConfigError)
    const names = [...knownChains.map(chain => chain.definition.slug), 'mine'].join(', ')
    expect(() => findChain(config, 'bitcoyn')).toThrow(`no chain "bitcoyn": expected one of ${names}`)
    for (const slug of ['', '__proto__', 'constructor', 'Bitcoin']) {
      expect(() => findChain(config, slug), slug).toThrow(ConfigError)
    }
  })
})

/** As a user in a folder without a `wanlian.yaml` would read it. */
async function readConfigHere(sources: Partial<ConfigSources>, folder = directory): Promise<Config> {
  const before = process.cwd()
  process.chdir(folder)
  try {
    return await readConfig({ environment: {}, ...sources })
  } finally {
    process.chdir(before)
  }
}

describe('where things come from', () => {
  test('data directory: command line, environment, file, default', async () => {
    const file = await putFile('data: from-file')
    const environment = { WANLIAN_DATA: 'from-environment' }
    for (const [sources, expected] of [
      [{ file, environment, dataDirectory: 'from-command-line' }, 'from-command-line'],
      [{ file, environment }, 'from-environment'],
      [{ file, environment: { WANLIAN_DATA: '' } }, 'from-file'],
      [{ environment: { WANLIAN_CONFIG: file } }, 'from-file'],
      [{ environment: {} }, './data'],
      [{ environment: { WANLIAN_CONFIG: '', WANLIAN_DATA: '' } }, './data'],
    ] as const) {
      expect((await readConfigHere(sources)).dataDirectory).toBe(expected)
    }
  })

  test('file: command line, environment, wanlian.yaml of the folder', async () => {
    const folder = await mkdtemp(join(directory, 'folder-'))
    await writeFile(join(folder, 'wanlian.yaml'), 'data: from-the-folder')
    const [one, two] = [await putFile('data: one'), await putFile('data: two')]
    const environment = { WANLIAN_CONFIG: two }
    expect((await readConfigHere({ file: one, environment }, folder)).dataDirectory).toBe('one')
    expect((await readConfigHere({ environment }, folder)).dataDirectory).toBe('two')
    expect((await readConfigHere({}, folder)).dataDirectory).toBe('from-the-folder')
  })

  test('a file that was named must be there', async () => {
    const file = join(directory, 'nothing.yaml')
    for (const sources of [{ file }, { environment: { WANLIAN_CONFIG: file } }]) {
      await expect(readConfigHere(sources)).rejects.toThrow(`configuration ${file} cannot be read`)
    }
    await expect(readConfigHere({ file: directory })).rejects.toBeInstanceOf(ConfigError)
  })

  test('empty files are good files', async () => {
    for (const text of ['', '# nothing\n', '{}', '---\n'])
      expect((await read(text)).dataDirectory).toBe('./data')
  })
})

describe('webhooks and their operator', () => {
  test('what webhooks may reach: addresses, networks, host names', async () => {
    expect((await read('')).webhooks.allow).toEqual([])
    const allow = ['10.1.2.3', '192.168.0.0/16', 'fd00::/8', '::1', 'receiver', 'hooks.example.lan']
    expect((await read(JSON.stringify({ webhooks: { allow } }))).webhooks.allow).toEqual(allow)
    for (const wrong of [
      '',
      '10.0.0.0/33',
      '10.0.0/8',
      'http://a.b',
      'a b',
      'name/8',
      '::1/129',
      '1.2.3.4/',
    ]) {
      expect(await refusal(JSON.stringify({ webhooks: { allow: [wrong] } })), wrong).toBe(
        `webhooks.allow.0: expected an IP address, a network like 10.0.0.0/8, or a host name, got ${JSON.stringify(wrong)}`,
      )
    }
  })

  test('when they are tried again, and how long attempts are kept', async () => {
    expect((await read('')).webhooks).toMatchObject({ schedule: defaultSchedule, keepDays: 30 })
    const retry = { firstSeconds: 0.5, factor: 2, longestHours: 1, giveUpHours: 48 }
    const text = JSON.stringify({ webhooks: { retry, keepDays: 7 } })
    const schedule = { firstMs: 500, factor: 2, mostMs: 3_600_000, giveUpMs: 172_800_000 }
    expect((await read(text)).webhooks).toMatchObject({ schedule, keepDays: 7 })
    const environment = { WANLIAN_WEBHOOK_RETRY_MS: '20' }
    expect((await read(text, environment)).webhooks.schedule).toEqual({ ...schedule, firstMs: 20 })
    for (const [name, wrong] of Object.entries({
      firstSeconds: 0,
      factor: 0.5,
      longestHours: -1,
      giveUpHours: 1e9,
    }))
      expect(await refusal(JSON.stringify({ webhooks: { retry: { [name]: wrong } } }))).toContain(
        `webhooks.retry.${name}: `,
      )
    expect(await refusal('webhooks: { keepDays: 0 }')).toContain('webhooks.keepDays: ')
  })

  test("the operator's token is of the environment, or is made once", async () => {
    const token = 'a-token-of-my-own-choice'
    expect((await read('', { WANLIAN_ADMIN_TOKEN: token })).adminToken).toBe(token)
    expect((await read('', { WANLIAN_ADMIN_TOKEN: '' })).adminToken).toBeNull()
    for (const wrong of ['too-short', 'sixteen letters and a space']) {
      const told = await refusal('', { WANLIAN_ADMIN_TOKEN: wrong })
      expect(told).toMatch(/^WANLIAN_ADMIN_TOKEN: expected 16 or more visible ASCII characters, got \d+/)
      expect(told).not.toContain(wrong)
    }

    const dataDirectory = join(directory, 'new', 'data')
    const made = await Promise.all(
      Array.from({ length: 4 }, () => openAdminToken({ adminToken: null, dataDirectory })),
    )
    expect(new Set(made.map(one => one.token)).size).toBe(1)
    expect(made[0]!.token).toMatch(/^[0-9a-f]{64}$/)
    expect((await stat(made[0]!.source)).mode & 0o777).toBe(0o600)
    expect(await readdir(dataDirectory)).toEqual(['admin.token'])
    expect(await openAdminToken({ adminToken: token, dataDirectory })).toEqual({
      token,
      source: 'WANLIAN_ADMIN_TOKEN',
    })
    await writeFile(join(dataDirectory, 'admin.token'), 'short')
    await expect(openAdminToken({ adminToken: null, dataDirectory })).rejects.toThrow(ConfigError)
  })
})

test('the example file is right, and needs the secrets that it names', async () => {
  const environment = { INFURA_KEY: 'k', ETHEREUM_TOKEN: 't', BITCOIN_PASSWORD: 'p' }
  const config = await readConfig({ file: EXAMPLE, environment })
  expect(config.dataDirectory).toBe('./data')
  expect(findChain(config, 'ethereum')).toMatchObject({
    endpoints: [
      { url: 'https://mainnet.infura.io/v3/k' },
      { url: 'https://ethereum.example.org', headers: { Authorization: 'Bearer t' } },
    ],
    recoverSenders: true,
  })
  expect(findChain(config, 'bitcoin').endpoints).toEqual([{ url: 'http://wanlian:p@127.0.0.1:8332' }])
  expect(findChain(config, 'my-network').chain.definition).toMatchObject({
    caip2: 'eip155:1337',
    native: { symbol: 'MINE', decimals: 18 },
  })
  for (const missing of Object.keys(environment)) {
    await expect(
      readConfig({ file: EXAMPLE, environment: { ...environment, [missing]: undefined } }),
    ).rejects.toThrow(missing)
  }
})
