import { Hono } from 'hono'
import { createWeb } from '../web/web.tsx'
import { type ApiWorld, openApiWorld } from './api-world.ts'

/** Blocks that the pages are tried on: the first payment, uncles, withdrawals, a batch of tokens, every local one. */
export const WELL_KNOWN = {
  bitcoin: [9, 168, 169, 170, 171, 181],
  ethereum: [4_370_006, 11_098_450, 18_000_000],
  'bitcoin-regtest': 'all',
  'evm-local': 'all',
} as const

export const FIRST_PAYMENT = 'f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16'
export const FAILED_CALL = '0xd50e93a9d9523db48fd5e0d34ac0778ae69f2d6aa91d100cdf29524bf0a5ee86'
export const TOKEN_BATCH = '0xa8a617e76f898edf1c9256b7925ae90f93f3651682fb1a7efaf4ccb10ae46675'
/** Mints 2^256 − 1 of a token. */
export const LARGEST_MINT = '0xbc10957d657756ec65b170861d8cb6c6e6d9f3237cafd75c306acef3b384c96c'
export const LARGEST = (2n ** 256n - 1n).toString()

export interface WebWorld extends ApiWorld {
  /** API and pages together, as they are served. */
  site: Hono
}

/** A store with well-known blocks, the API and the site in front of it. */
export async function openWebWorld(
  chains: Readonly<Record<string, readonly number[] | 'all'>> = {},
): Promise<WebWorld> {
  return withSite(await openApiWorld({ ...WELL_KNOWN, ...chains }))
}

/** The site in front of what there is. */
export function withSite(world: ApiWorld): WebWorld {
  const site = new Hono()
  site.route('/', world.api.app)
  site.route('/', createWeb({ gql: world.api.gql, logger: { error: facts => world.logged.push(facts) } }))
  return { ...world, site }
}
