import type { LanguageCode } from './format.ts'
import type { Texts } from './language/en.ts'

/** What every piece of a page may know about the request it is made for. */
export interface View {
  language: LanguageCode
  text: Texts
  /** Milliseconds since 1970: ages count from here. */
  now: number
  /** `https://explorer.example`, without a slash at the end. */
  origin: string
  path: string
  query: URLSearchParams
  assets: AssetUrls
}

export interface AssetUrls {
  style: string
  script: string
}
