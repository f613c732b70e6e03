import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { urls } from './urls.ts'
import type { AssetUrls } from './view.ts'

export interface Asset {
  bytes: string
  type: string
}

/** The stylesheet and the script under names that hold the hash of their content, so that they may be kept for ever. */
export function readAssets(): { urls: AssetUrls; files: ReadonlyMap<string, Asset> } {
  const files = new Map<string, Asset>()
  const add = (name: string, extension: string, type: string): string => {
    const bytes = readFileSync(new URL(`assets/${name}.${extension}`, import.meta.url), 'utf8')
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12)
    const file = `${name}.${hash}.${extension}`
    files.set(file, { bytes, type })
    return urls.asset(file)
  }
  return {
    urls: {
      style: add('style', 'css', 'text/css; charset=utf-8'),
      script: add('live', 'js', 'text/javascript; charset=utf-8'),
    },
    files,
  }
}

/** Two stacked sheets with a tie: many ledgers, one book. */
export const FAVICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#2f5fb3"/><path fill="none" stroke="#fff" stroke-width="2.5" stroke-linecap="round" d="M8 9h16M8 16h16M8 23h16M16 9v14"/></svg>`

/** Files of lists and searches are for people, not for crawlers. */
export const ROBOTS = `User-agent: *\nDisallow: /search\nDisallow: /graphql\nDisallow: /*.csv$\nDisallow: /*.json$\n`
