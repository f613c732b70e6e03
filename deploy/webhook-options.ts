import { readFile } from 'node:fs/promises'
import {
  type EventKind,
  eventKinds,
  type ReplayRequest,
  type Start,
  type WebhookRequest,
  type When,
} from '../api/webhooks/contract.ts'
import { ConfigError } from '../schema/errors.ts'
import { type Config, findChain } from './config.ts'

/** Of `webhook add`, as the command line gives them. Lists: once for each, or separated by commas. */
export interface AddOptions {
  url?: string
  stream?: boolean
  chain?: readonly string[]
  event?: readonly string[]
  from?: number
  fromTime?: string
  fromSequence?: number
  address?: readonly string[]
  addresses?: string
  asset?: readonly string[]
  /** Each of one position: topics separated by commas, or `any`. */
  topic?: readonly string[]
  minimumAmount?: string
  when?: string
  payload?: string
  description?: string
  giveUp?: string
  allowPrivate?: boolean
}

/** Of `webhook replay`. */
export interface ReplayOptions {
  from?: number
  fromHeight?: number
  chain?: string
  fromTime?: string
  to?: number
  perSecond?: number
}

/** What is asked of the desk. @throws ConfigError that names the option, what it expects and what it got. */
export async function webhookRequest(config: Config, options: AddOptions): Promise<WebhookRequest> {
  const chains = listed(options.chain)
  if (chains.length === 0) {
    throw new ConfigError(`--chain: expected one or more of ${[...config.chains.keys()].join(', ')}`)
  }
  for (const slug of chains) findChain(config, slug)
  return {
    url: urlOf(options),
    description: options.description ?? '',
    chains,
    events: eventsOf(listed(options.event)),
    filters: {
      addresses: await addressesOf(options),
      assets: listed(options.asset),
      topics: (options.topic ?? []).map(topicsOf),
      minimumAmount: minimumOf(options.minimumAmount),
    },
    when: whenOf(options.when),
    payload: oneOf('--payload', ['reference', 'summary', 'full'], options.payload ?? 'summary'),
    start: startOf(options),
    giveUp: oneOf('--give-up', ['stop', 'skip'], options.giveUp ?? 'stop'),
    allowPrivate: options.allowPrivate ?? false,
  }
}

/** @throws ConfigError */
export function replayRequest(config: Config, options: ReplayOptions): ReplayRequest {
  const { from, fromHeight, fromTime, chain, to, perSecond } = options
  const given = [from, fromHeight, fromTime].filter(one => one !== undefined)
  if (given.length !== 1) {
    throw new ConfigError('expected --from SEQUENCE, --from-height HEIGHT or --from-time TIME, one of them')
  }
  if (chain !== undefined) {
    if (fromHeight === undefined)
      throw new ConfigError('--chain says whose --from-height is meant: give both')
    findChain(config, chain)
  }
  return {
    from:
      from !== undefined
        ? { sequence: from }
        : fromHeight !== undefined
          ? { height: fromHeight, ...(chain !== undefined && { chain }) }
          : { time: timeOf(fromTime!) },
    ...(to !== undefined && { to }),
    perSecond: perSecond ?? null,
  }
}

function urlOf({ url, stream }: AddOptions): string | null {
  if ((url === undefined) !== (stream === true)) {
    throw new ConfigError('expected --url URL to send to, or --stream for one that is only read: one of them')
  }
  return url ?? null
}

function eventsOf(names: readonly string[]): EventKind[] {
  const wrong = names.find(name => !(eventKinds as readonly string[]).includes(name))
  if (names.length > 0 && wrong === undefined) return names as EventKind[]
  const got = wrong === undefined ? '' : `, got ${JSON.stringify(wrong)}`
  throw new ConfigError(`--event: expected one or more of ${eventKinds.join(', ')}${got}`)
}

async function addressesOf({ address, addresses }: AddOptions): Promise<string[]> {
  const given = listed(address)
  if (addresses === undefined) return given
  const text = await readFile(addresses, 'utf8').catch((cause: unknown) => {
    throw new ConfigError(`--addresses: expected a file of addresses, ${addresses} cannot be read`, { cause })
  })
  const inFile = text.split('\n').flatMap(line => listed([line.replace(/#.*/, '').replace(/\s+/g, ',')]))
  if (inFile.length === 0) throw new ConfigError(`--addresses: there is no address in ${addresses}`)
  return [...new Set([...given, ...inFile])]
}

const TOPIC = /^0x[0-9a-f]{64}$/

function topicsOf(text: string): string[] {
  if (text === 'any') return []
  const topics = listed([text.toLowerCase()])
  if (topics.length > 0 && topics.every(topic => TOPIC.test(topic))) return topics
  throw new ConfigError(
    `--topic: expected 0x and 64 hex digits, several separated by commas, or any, got ${JSON.stringify(text)}`,
    { hint: 'the first --topic is of the first position, the next of the next' },
  )
}

function minimumOf(text: string | undefined): string | null {
  if (text === undefined || /^(?:0|[1-9]\d{0,77})$/.test(text)) return text ?? null
  throw new ConfigError(
    `--minimum-amount: expected a whole number of base units, got ${JSON.stringify(text)}`,
    {
      hint: 'one bitcoin has 100000000 base units, one ether 1000000000000000000',
    },
  )
}

function whenOf(text = 'tip'): When {
  if (text === 'tip' || text === 'final') return text
  if (/^[1-9]\d{0,5}$/.test(text)) return { confirmations: Number(text) }
  throw new ConfigError(
    `--when: expected tip, final or a number of confirmations, got ${JSON.stringify(text)}`,
  )
}

function startOf({ from, fromTime, fromSequence }: AddOptions): Start {
  const sequence = fromSequence === undefined ? {} : { sequence: fromSequence }
  if (from !== undefined && fromTime !== undefined) {
    throw new ConfigError('expected --from HEIGHT or --from-time TIME, not both')
  }
  if (from !== undefined) return { height: from, ...sequence }
  if (fromTime !== undefined) return { time: timeOf(fromTime), ...sequence }
  if (fromSequence === undefined) return 'now'
  throw new ConfigError(
    '--from-sequence is the number of the first event: expected --from or --from-time with it',
  )
}

/** A day stands for its begin, and times without an offset are in UTC. */
function timeOf(text: string): string {
  const whole = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text
  const withZone = /(Z|[+-]\d\d:\d\d)$/i.test(whole) ? whole : `${whole}Z`
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(whole) && !Number.isNaN(Date.parse(withZone))) {
    return new Date(withZone).toISOString()
  }
  throw new ConfigError(
    `--from-time: expected a time like 2026-01-31 or 2026-01-31T12:00:00Z, got ${JSON.stringify(text)}`,
  )
}

function oneOf<const Choice extends string>(
  option: string,
  choices: readonly Choice[],
  text: string,
): Choice {
  const found = choices.find(choice => choice === text)
  if (found !== undefined) return found
  throw new ConfigError(`${option}: expected ${choices.join(', ')}, got ${JSON.stringify(text)}`)
}

function listed(given: readonly string[] | undefined): string[] {
  const parts = (given ?? []).flatMap(text => text.split(',')).map(part => part.trim())
  return [...new Set(parts.filter(part => part !== ''))]
}
