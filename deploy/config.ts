import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Chain } from '../crawlers/chain.ts'
import { knownChains } from '../crawlers/chains.ts'
import { defineEvmChain } from '../crawlers/evm/family.ts'
import type { EndpointSettings } from '../crawlers/rpc.ts'
import { ConfigError } from '../schema/errors.ts'

const slug = z
  .string()
  .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'expected lower-case letters, digits and single dashes')

const endpoint = z.union([
  z.string().min(1),
  z.strictObject({ url: z.string().min(1), headers: z.record(z.string(), z.string()).optional() }),
])

const knownChainSettings = z.strictObject({
  endpoints: z.array(endpoint).min(1).optional(),
  recoverSenders: z.boolean().optional(),
  traces: z.boolean().optional(),
})

const evmChainSettings = knownChainSettings.extend({
  family: z.literal('evm'),
  chainId: z.int().positive(),
  name: z.string().min(1),
  native: z.strictObject({
    symbol: z.string().min(1).max(16),
    name: z.string().min(1),
    decimals: z.int().min(0).max(77),
  }),
  genesisHash: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/, 'expected 0x and 64 lower-case hex digits')
    .optional(),
  confirmations: z.int().positive().optional(),
})

const fileSchema = z.strictObject({
  data: z.string().min(1).optional(),
  chains: z.record(slug, z.union([evmChainSettings, knownChainSettings])).optional(),
})

export interface ChainSettings {
  chain: Chain
  endpoints: readonly EndpointSettings[]
  recoverSenders: boolean
  traces: boolean
}

export interface Config {
  dataDirectory: string
  chains: ReadonlyMap<string, ChainSettings>
}

export interface ConfigSources {
  /** Named on the command line or in `WANLIAN_CONFIG`; without it `wanlian.yaml` is read where there is one. */
  file?: string | undefined
  dataDirectory?: string | undefined
  environment: Readonly<Record<string, string | undefined>>
}

/** The configuration: command line before environment before file before defaults. @throws ConfigError */
export async function readConfig(sources: ConfigSources): Promise<Config> {
  const named = sources.file ?? sources.environment.WANLIAN_CONFIG
  const file = parseConfig(await readFileOrNothing(named), named ?? 'wanlian.yaml', sources.environment)
  return {
    dataDirectory: sources.dataDirectory ?? sources.environment.WANLIAN_DATA ?? file.data ?? './data',
    chains: chainSettings(file),
  }
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
export function parseConfig(
  text: string,
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
): FileConfig {
  let document: unknown
  try {
    document = parse(text) ?? {}
  } catch (cause) {
    throw new ConfigError(`${name}: not YAML: ${(cause as Error).message}`, { cause })
  }
  const result = fileSchema.safeParse(fillIn(document, name, environment), { reportInput: true })
  if (result.success) return result.data
  throw new ConfigError(`${name}: ${result.error.issues.flatMap(issue => describeIssue(issue)).join('; ')}`)
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

/** Key, what was expected, what came. Of a choice between shapes, the one that came closest is told. */
function describeIssue(issue: z.core.$ZodIssue, parents: readonly PropertyKey[] = []): string[] {
  const path = [...parents, ...issue.path]
  if (issue.code === 'invalid_union') {
    const closest = [...issue.errors].sort((a, b) => weight(a) - weight(b))[0]
    if (closest && closest.length > 0) return closest.flatMap(inner => describeIssue(inner, path))
  }
  const key = path.join('.') || '(top level)'
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(unknown => `${[...path, unknown].join('.')}: unknown key`)
  }
  const got = issue.input === undefined ? 'nothing' : JSON.stringify(issue.input)
  return [`${key}: ${issue.message.replace(/^Invalid input: /, '')}, got ${got}`]
}

function weight(issues: readonly z.core.$ZodIssue[]): number {
  const foreign = issues.some(issue => issue.path.at(-1) === 'family' || issue.code === 'invalid_type')
  return issues.length + (foreign ? 100 : 0)
}

function chainSettings(file: FileConfig): Map<string, ChainSettings> {
  const settings = new Map(
    knownChains.map(chain => [chain.definition.slug, withDefaults(chain, {})] as const),
  )
  for (const [name, given] of Object.entries(file.chains ?? {})) {
    const known = settings.get(name)
    if ('family' in given) {
      if (known)
        throw new ConfigError(`chains.${name}: this name is taken by a built-in chain, choose another`)
      settings.set(name, withDefaults(privateChain(name, given), given))
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

function privateChain(slug: string, given: z.infer<typeof evmChainSettings>): Chain {
  const confirmations = given.confirmations ?? 12
  return defineEvmChain({
    slug,
    name: given.name,
    chainId: given.chainId,
    genesisHash: given.genesisHash ?? null,
    native: given.native,
    finality: { kind: 'tags', fallback: { safe: Math.ceil(confirmations / 2), final: confirmations } },
    maxReorgDepth: Math.max(confirmations, 64),
    endpoints: [],
    partialEffects: 'genesis allocations are not known',
    rewards: { kind: 'none' },
    wrappedNative: [],
  })
}

function withDefaults(chain: Chain, given: z.infer<typeof knownChainSettings>): ChainSettings {
  const endpoints = given.endpoints ?? chain.definition.endpoints
  return {
    chain,
    endpoints: endpoints.map(item => (typeof item === 'string' ? { url: item } : toEndpoint(item))),
    recoverSenders: given.recoverSenders ?? false,
    traces: given.traces ?? true,
  }
}

function toEndpoint(item: { url: string; headers?: Record<string, string> | undefined }): EndpointSettings {
  return item.headers ? { url: item.url, headers: item.headers } : { url: item.url }
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
