import type { LanguageCode } from './format.ts'
import { en, type Texts } from './language/en.ts'
import { zh } from './language/zh.ts'

/** Every string of the site, by language. */
export const languages: Readonly<Record<LanguageCode, Texts>> = { en, zh }

export function isLanguage(code: string | undefined): code is LanguageCode {
  return code !== undefined && Object.hasOwn(languages, code)
}

/** The first language of an Accept-Language header (RFC 9110 §12.5.4) that the site speaks, by preference. */
export function preferredLanguage(header: string | undefined): LanguageCode {
  const wanted = (header ?? '')
    .slice(0, 500)
    .split(',')
    .map((entry, place) => {
      const [range = '', ...parameters] = entry
        .trim()
        .toLowerCase()
        .split(/\s*;\s*/)
      const quality = parameters.find(parameter => parameter.startsWith('q='))?.slice(2)
      return { code: range.split('-')[0], quality: quality === undefined ? 1 : Number(quality) || 0, place }
    })
    .filter(entry => entry.quality > 0)
    .sort((a, b) => b.quality - a.quality || a.place - b.place)
  return wanted.map(entry => entry.code).find(isLanguage) ?? 'en'
}
