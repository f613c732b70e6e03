import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { defaultSchedule, type RetrySchedule } from '../api/webhooks/retry.ts'
import type { Chain } from '../crawlers/chain.ts'
import { knownChains } from '../crawlers/chains.ts'
import { type EndpointSettings, hideCredentials } from '../crawlers/endpoint.ts'
import { defineEvmChain } from '../crawlers/evm/family.ts'
import { readAllocations } from '../crawlers/evm/genesis.ts'
import { ConfigError } from '../schema/errors.ts'
import { checkAdminToken } from './admin-token.ts'
import {
  type ClickHouseSettings,
  clickhouseSettings,
  clickhouseShape,
  type KafkaSettings,
  kafkaSettings,
  kafkaShape,
} from './servers.ts'

const slug = z
  .string()
  .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'expected lower-case letters, digits and single dashes')

/** An object without other keys; a wrong one is told with those that there are. */
function object<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const keys = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: issue => (issue.code === 'unrecognized_keys' ? `expected one of ${keys}` : undefined),
  })
}

const endpoint = z.union([
  z.string().min(1),
  object({
    url: z.string().min(1),
    headers: z.record(z.string(), z.string()).optional(),
    callsPerSecond: z.number().min(0.01).max(100_000).optional(),
  }),
])

type GivenEndpoint = z.infer<typeof endpoint>

const chainSettingsShape = {
  endpoints: z.array(endpoint).min(1).optional(),
  recoverSenders: z.boolean().optional(),
  traces: z.boolean().optional(),
  history: z.union([z.enum(['all', 'none']), z.int().min(0)]).optional(),
  pollSeconds: z.number().min(0.1).max(3600).optional(),
  maxReorgDepth: z.int().positive().max(100_000).optional(),
  confirmWith: z.int().positive().max(100).optional(),
}

const knownChainSettings = object(chainSettingsShape)

const evmChainSettings = object({
  ...chainSettingsShape,
  family: z.literal('evm'),
  chainId: z.int().positive(),
  name: z.string().min(1),
  native: object({
    symbol: z.string().min(1).max(16),
    name: z.string().min(1),
    decimals: z.int().min(0).max(77),
  }),
  genesisHash: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/, 'expected 0x and 64 lower-case hex digits')
    .optional(),
  genesis: z.string().min(1).optional(),
  confirmations: z.int().positive().optional(),
  blobSidecarsInRoot: z.boolean().optional(),
})

type KnownSettings = z.infer<typeof knownChainSettings>
type EvmSettings = z.infer<typeof evmChainSettings>

/** A definition names its family, settings of a built-in chain do not: no problem of the other shape is told. */
const chainEntry = z.unknown().transform((given, context): KnownSettings | EvmSettings => {
  const isDefinition = typeof given === 'object' && given !== null && 'family' in given
  const result = (isDefinition ? evmChainSettings : knownChainSettings).safeParse(given)
  if (result.success) return result.data
  for (const issue of result.error.issues)
    context.issues.push({ ...issue, input: given } as z.core.$ZodRawIssue)
  return z.NEVER
})

const portNumber = z.int().min(0).max(65_535)

/** An address, a network or a host name that webhooks may reach though it is private. */
const allowed = z
  .string()
  .refine(isAllowable, 'expected an IP address, a network like 10.0.0.0/8, or a host name')

function isAllowable(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0) return prefix === undefined && /^(?=.{1,253}$)[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(text)
  if (prefix === undefined) return true
  return more.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128)
}

const hours = z.number().positive().max(8_760)
const webhooksShape = object({
  allow: z.array(allowed).optional(),
  retry: object({
    firstSeconds: z.number().min(0.001).max(86_400).optional(),
    factor: z.number().min(1).max(100).optional(),
    longestHours: hours.optional(),
    giveUpHours: hours.optional(),
  }).optional(),
  keepDays: z.int().min(1).max(3_650).optional(),
})
const KEEP_DAYS = 30

const fileSchema = object({
  data: z.string().min(1).optional(),
  host: z.string().min(1).optional(),
  port: portNumber.optional(),
  clickhousePort: portNumber.optional(),
  kafka: kafkaShape.optional(),
  clickhouse: clickhouseShape.optional(),
  webhooks: webhooksShape.optional(),
  chains: z.record(slug, chainEntry).optional(),
})

export interface ChainSettings {
  chain: Chain
  endpoints: readonly EndpointSettings[]
  recoverSenders: boolean
  traces: boolean
  /** First height that is filled in behind the tip; null for none. */
  historyFrom: number | null
  pollMs: number
  /** Nodes that have to give the same block before it is taken; 1 when one is enough. */
  confirmWith: number
}

export interface Config {
  /** The file that was named; null without one. */
  file: string | null
  dataDirectory: string
  /** Address on which the site and the interfaces listen. */
  host: string
  /** Of API and site. */
  port: number
  /** Of the ClickHouse HTTP interface for outsiders. */
  clickhousePort: number
  /** The log's brokers; null for the embedded log. */
  kafka: KafkaSettings | null
  /** The store's servers; null for the embedded store. */
  clickhouse: ClickHouseSettings | null
  webhooks: {
    /** Addresses, networks (CIDR) and host names that any webhook may reach though they are private. */
    allow: readonly string[]
    /** What keeps their secrets, where the environment has it: 32 bytes; else `webhooks.key` of the data directory. */
    key: Uint8Array | null
    /** When what was not taken is sent again. */
    schedule: RetrySchedule
    /** Days for which attempts are kept. */
    keepDays: number
  }
  /** What the operator proves himself with, where the environment says so; else `admin.token` of the data directory. */
  adminToken: string | null
  chains: ReadonlyMap<string, ChainSettings>
}

const DATA_DIRECTORY = './data'

export interface ConfigSources {
  /** Named on the command line or in `WANLIAN_CONFIG`; without it `wanlian.yaml` is read where there is one. */
  file?: string | undefined
  dataDirectory?: string | undefined
  environment: Readonly<Record<string, string | undefined>>
}

/** The configuration: command line before environment before file before defaults. @throws ConfigError */
export async function readConfig(sources: ConfigSources): Promise<Config> {
  // An empty variable is one that is not set.
  const named = sources.file ?? (sources.environment.WANLIAN_CONFIG || undefined)
  const file = parseConfig(await readFileOrNothing(named), named ?? 'wanlian.yaml', sources.environment)
  return {
    file: named ?? null,
    dataDirectory:
      sources.dataDirectory ?? (sources.environment.WANLIAN_DATA || (file.data ?? DATA_DIRECTORY)),
    host: file.host ?? '127.0.0.1',
    port: file.port ?? 8080,
    clickhousePort: file.clickhousePort ?? 8123,
    kafka: kafkaSettings(file.kafka, sources.environment),
    clickhouse: clickhouseSettings(file.clickhouse, sources.environment),
    webhooks: {
      allow: file.webhooks?.allow ?? [],
      key: secretKeyOf(sources.environment.WANLIAN_SECRET_KEY),
      schedule: scheduleOf(file.webhooks?.retry, sources.environment.WANLIAN_WEBHOOK_RETRY_MS),
      keepDays: file.webhooks?.keepDays ?? KEEP_DAYS,
    },
    adminToken: adminTokenOf(sources.environment.WANLIAN_ADMIN_TOKEN),
    chains: chainSettings(file, dirname(resolve(named ?? 'wanlian.yaml'))),
  }
}

const KEY_BYTES = 32

function secretKeyOf(text: string | undefined): Uint8Array | null {
  if (!text) return null
  const key = Buffer.from(text, 'base64')
  if (key.length !== KEY_BYTES) {
    throw new ConfigError(
      `WANLIAN_SECRET_KEY: expected ${KEY_BYTES} bytes in base64, got ${key.length} bytes`,
      { hint: 'make one with `openssl rand -base64 32`' },
    )
  }
  return key
}

const LONGEST_RETRY_MS = 86_400_000
const HOUR_MS = 3_600_000

function scheduleOf(
  retry: NonNullable<z.output<typeof webhooksShape>['retry']> | undefined,
  first: string | undefined,
): RetrySchedule {
  const { firstMs, factor, mostMs, giveUpMs } = defaultSchedule
  const {
    firstSeconds = firstMs / 1_000,
    longestHours = mostMs / HOUR_MS,
    giveUpHours = giveUpMs / HOUR_MS,
  } = retry ?? {}
  return {
    firstMs: retryMsOf(first) ?? firstSeconds * 1_000,
    factor: retry?.factor ?? factor,
    mostMs: longestHours * HOUR_MS,
    giveUpMs: giveUpHours * HOUR_MS,
  }
}

function retryMsOf(text: string | undefined): number | null {
  if (!text) return null
  const ms = Number(text)
  if (Number.isInteger(ms) && ms >= 1 && ms <= LONGEST_RETRY_MS) return ms
  throw new ConfigError(
    `WANLIAN_WEBHOOK_RETRY_MS: expected milliseconds from 1 to ${LONGEST_RETRY_MS}, got ${JSON.stringify(text)}`,
  )
}

function adminTokenOf(token: string | undefined): string | null {
  return token ? checkAdminToken(token, 'WANLIAN_ADMIN_TOKEN') : null
}

/** A command as the operator has to give it, to reach the same data. */
export function commandLine({ dataDirectory, file }: Config, words: string): string {
  const data = dataDirectory === DATA_DIRECTORY ? [] : ['--data', quoted(dataDirectory)]
  const config = file === null ? [] : ['--config', quoted(file)]
  return ['wanlian', words, ...data, ...config].join(' ')
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

async function readFileOrNothing(named: string | undefined): Promise<string> {
  try {
    return await readFile(named ?? 'wanlian.yaml', 'utf8')
  } catch (cause) {
    if (named === undefined && (cause as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw new ConfigError(`configuration ${named ?? 'wanlian.yaml'} cannot be read: ${String(cause)}`, {
      cause,
    })
  }
}

type FileConfig = z.infer<typeof fileSchema>

/** Text of a configuration file → checked values; `${NAME}` stands for a variable of the environment. */
function parseConfig(
  text: string,
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
): FileConfig {
  let document: unknown
  try {
    document = parse(text) ?? {}
  } catch (cause) {
    // The rest of the message, and the cause, quote the file: secrets and all.
    const [problem = ''] = (cause as Error).message.split('\n')
    throw new ConfigError(`${name}: not YAML: ${problem.replace(/:$/, '')}`)
  }
  const result = fileSchema.safeParse(fillIn(document, name, environment))
  if (result.success) return result.data
  const problems = result.error.issues.flatMap(issue => describeIssue(issue, document))
  throw new ConfigError(`${name}: ${problems.join('; ')}`)
}

/** Secrets stay in the environment: `${NAME}` in any text of the file. */
function fillIn(
  value: unknown,
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{(\w+)\}/g, (_, variable: string) => {
      const found = environment[variable]
      if (found === undefined)
        throw new ConfigError(`${name}: the environment has no ${variable}, which the file names`)
      return found
    })
  }
  if (Array.isArray(value)) return value.map(item => fillIn(item, name, environment))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, fillIn(item, name, environment)]),
    )
  }
  return value
}

/**
 * Key, what was expected, what came: as the file has it, so that no secret of the environment is told. Of a choice
 * between shapes, the one that was meant is told.
 */
function describeIssue(
  issue: z.core.$ZodIssue,
  document: unknown,
  parents: readonly PropertyKey[] = [],
): string[] {
  const path = [...parents, ...issue.path]
  const key = path.join('.') || '(top level)'
  const given = path.reduce<unknown>(
    (value, step) => (value as Record<PropertyKey, unknown>)?.[step],
    document,
  )
  let expected = issue.message
  switch (issue.code) {
    case 'invalid_union': {
      const meant = issue.errors.find(choice => choice.every(inner => inner.path.length > 0))
      if (meant) return meant.flatMap(inner => describeIssue(inner, document, path))
      expected = [...new Set(issue.errors.map(choice => withoutGot(choice[0]?.message ?? '')))].join(' or ')
      break
    }
    case 'unrecognized_keys':
      return issue.keys.map(unknown => `${[...path, unknown].join('.')}: unknown key, ${issue.message}`)
    case 'invalid_key':
      return [`${key}: ${issue.issues[0]?.message}, got ${JSON.stringify(path.at(-1))}`]
  }
  const got = given === undefined ? 'nothing' : hideCredentials(JSON.stringify(given))
  return [`${key}: ${withoutGot(expected)}, got ${got}`]
}

function withoutGot(message: string): string {
  return message.replace(/^Invalid input: /, '').replace(/, received .*$/, '')
}

/** @param folder of the configuration file: names of other files in it start there. */
function chainSettings(file: FileConfig, folder: string): Map<string, ChainSettings> {
  const settings = new Map(
    knownChains.map(chain => [chain.definition.slug, withDefaults(chain, {})] as const),
  )
  for (const [name, given] of Object.entries(file.chains ?? {})) {
    const known = settings.get(name)
    if ('family' in given) {
      if (known)
        throw new ConfigError(`chains.${name}: this name is taken by a built-in chain, choose another`)
      settings.set(name, withDefaults(privateChain(name, given, folder), given))
    } else if (known) {
      settings.set(name, withDefaults(known.chain, given))
    } else {
      throw new ConfigError(
        `chains.${name}: expected a built-in chain (${[...settings.keys()].join(', ')}) or a definition with \`family: evm\``,
      )
    }
  }
  return settings
}

function privateChain(slug: string, given: EvmSettings, folder: string): Chain {
  const confirmations = given.confirmations ?? 12
  const genesis = given.genesis === undefined ? null : pathToFileURL(resolve(folder, given.genesis))
  try {
    if (genesis) readAllocations(genesis)
  } catch (cause) {
    throw new ConfigError(`chains.${slug}.genesis: expected a genesis file: ${(cause as Error).message}`, {
      cause,
    })
  }
  return defineEvmChain({
    slug,
    name: given.name,
    chainId: given.chainId,
    genesisHash: given.genesisHash ?? null,
    native: given.native,
    finality: { kind: 'tags', fallback: { safe: Math.ceil(confirmations / 2), final: confirmations } },
    maxReorgDepth: Math.max(confirmations, 64),
    endpoints: [],
    partialEffects: genesis ? '' : 'genesis allocations are not known',
    ...(genesis && { genesis: { kind: 'file' as const, file: genesis } }),
    rewards: { kind: 'none' },
    blobSidecarsInRoot: given.blobSidecarsInRoot ?? false,
    wrappedNative: [],
  })
}

function withDefaults(known: Chain, given: KnownSettings): ChainSettings {
  const { maxReorgDepth, history = 'all' } = given
  const chain = maxReorgDepth ? { ...known, definition: { ...known.definition, maxReorgDepth } } : known
  const endpoints = given.endpoints ?? chain.definition.endpoints
  return {
    chain,
    historyFrom: history === 'all' ? 0 : history === 'none' ? null : history,
    pollMs: (given.pollSeconds ?? 2) * 1000,
    confirmWith: given.confirmWith ?? 1,
    endpoints: endpoints.map(item => (typeof item === 'string' ? { url: item } : toEndpoint(item))),
    recoverSenders: given.recoverSenders ?? false,
    traces: given.traces ?? true,
  }
}

function toEndpoint({ url, headers, callsPerSecond }: Exclude<GivenEndpoint, string>): EndpointSettings {
  return { url, ...(headers && { headers }), ...(callsPerSecond !== undefined && { callsPerSecond }) }
}

/** @throws ConfigError listing the chains there are. */
export function findChain(config: Config, slug: string): ChainSettings {
  const found = config.chains.get(slug)
  if (found) return found
  throw new ConfigError(
    `no chain ${JSON.stringify(slug)}: expected one of ${[...config.chains.keys()].join(', ')}`,
    {
      hint: 'a private EVM chain is added under `chains` in wanlian.yaml',
    },
  )
}
