/** How numbers, amounts and times read. Everything here is exact: amounts are digits, never floats. */

export type LanguageCode = 'en' | 'zh'

const LOCALES: Record<LanguageCode, string> = { en: 'en-GB', zh: 'zh-CN' }

/** A decimal number cut into groups of three digits, as it is set. Put together again it is the number, digit for digit. */
export interface AmountParts {
  negative: boolean
  whole: string[]
  fraction: string[]
}

/** @param amount whole base units; @param decimals of the asset, null where base units are all there is. */
export function amountParts(amount: string, decimals: number | null): AmountParts {
  const negative = amount.startsWith('-')
  const digits = negative ? amount.slice(1) : amount
  const places = Math.max(0, decimals ?? 0)
  const padded = digits.padStart(places + 1, '0')
  const whole = padded.slice(0, padded.length - places)
  const fraction = padded.slice(padded.length - places).replace(/0+$/, '')
  return { negative, whole: groupFromEnd(whole), fraction: fraction.match(/.{1,3}/g) ?? [] }
}

function groupFromEnd(digits: string): string[] {
  const first = digits.length % 3
  const rest = digits.slice(first).match(/.{3}/g) ?? []
  return first > 0 ? [digits.slice(0, first), ...rest] : rest
}

/** The same as text: `-1234.5`. For tables of other programs. */
export function plainAmount(amount: string, decimals: number | null): string {
  const { negative, whole, fraction } = amountParts(amount, decimals)
  const point = fraction.length > 0 ? '.' : ''
  return `${negative ? '-' : ''}${whole.join('')}${point}${fraction.join('')}`
}

/** How many digits after the point an amount needs. */
export function fractionDigits(amount: string, decimals: number | null): number {
  return amountParts(amount, decimals).fraction.join('').length
}

/** A count, a height: `200,000`. */
export function formatCount(count: number, language: LanguageCode): string {
  return count.toLocaleString(LOCALES[language])
}

/** A measured number of which few digits matter: `12.3`. */
export function formatRate(rate: number, language: LanguageCode): string {
  return rate.toLocaleString(LOCALES[language], { maximumFractionDigits: rate < 10 ? 2 : rate < 100 ? 1 : 0 })
}

/** `1.33 MB`: decimal units, as chains count block sizes. */
export function formatBytes(bytes: number, language: LanguageCode): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${formatRate(bytes / 1000 ** power, language)} ${units[power]}`
}

/** Of two counts: `99.4 %`; never 100 % unless it is all. */
export function formatShare(part: number, all: number, language: LanguageCode): string {
  if (all === 0) return '–'
  const share = part === all ? 100 : Math.min(99.9, (part / all) * 100)
  return `${share.toLocaleString(LOCALES[language], { maximumFractionDigits: 1 })} %`
}

/** UTC, to the second, of one width: `2009-01-12 03:30:25`. */
export function formatTime(iso: string): string {
  return new Date(iso).toISOString().replace('T', ' ').slice(0, 19)
}

/** UTC, to be read in a sentence: `12 January 2009`. */
export function formatDay(iso: string, language: LanguageCode): string {
  return new Date(iso).toLocaleDateString(LOCALES[language], {
    timeZone: 'UTC',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
  })
}

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_556_952],
  ['month', 2_629_746],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]

/** `3 minutes ago`; `assets/live.js` counts on in the same words. */
export function formatAge(iso: string, now: number, language: LanguageCode): string {
  const seconds = Math.round((new Date(iso).getTime() - now) / 1000)
  const [unit, length] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? STEPS.at(-1)!
  // Minus zero: what is just now is ago, not to come.
  return new Intl.RelativeTimeFormat(LOCALES[language]).format(Math.trunc(seconds / length) || -0, unit)
}

/** `2 h 5 min`, of seconds. */
export function formatDuration(seconds: number, language: LanguageCode): string {
  const units = language === 'zh' ? [' 天', ' 小时', ' 分', ' 秒'] : [' d', ' h', ' min', ' s']
  const lengths = [86_400, 3_600, 60, 1]
  let rest = Math.max(0, Math.round(seconds))
  const parts = lengths.map((length, place) => {
    const count = Math.floor(rest / length)
    rest -= count * length
    return count > 0 ? `${count}${units[place]}` : ''
  })
  return parts.filter(Boolean).slice(0, 2).join(' ') || `0${units[3]}`
}

/** 32 bits as the chain's own documents write them: `0x20000000`. */
export function formatBits(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`
}

/** Two letters that stand for a chain: of its name's parts, or its first two. */
export function chainMark(slug: string): string {
  const [first = '', second = ''] = slug.split('-')
  return (second === '' ? first.slice(0, 2) : first.slice(0, 1) + second.slice(0, 1)).toUpperCase()
}

/** One of 24 hues of the stylesheet, always the same for the same text (FNV-1a). */
export function hueOf(text: string): number {
  return hashText(text) % 24
}

/** 32 bits of FNV-1a. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let place = 0; place < text.length; place++) {
    hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193) >>> 0
  }
  return hash
}
