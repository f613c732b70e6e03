/** Relay connections as pages ask for them: each list of a page has a key, which names its parameters in the address. */

export interface Connection<T> {
  nodes: T[]
  pageInfo: {
    hasNextPage: boolean
    hasPreviousPage: boolean
    startCursor: string | null
    endCursor: string | null
  }
  totalCount: number
}

/** Names of the parameters that turn a list's pages. */
export function cursorNames(key: string): { after: string; before: string } {
  return { after: `${key}-after`, before: `${key}-before` }
}

/** Declares a list's variables in a document. */
export function declarePage(key: string): string {
  return `$${key}First: Int, $${key}After: String, $${key}Last: Int, $${key}Before: String`
}

/** Passes them to the list's field. */
export function passPage(key: string): string {
  return `first: $${key}First, after: $${key}After, last: $${key}Last, before: $${key}Before`
}

/** What a connection is asked for besides its nodes. */
export const PAGE_FIELDS = 'pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount'

const LONGEST_CURSOR = 500

/** Values of a list's variables, as the address of the page says. */
export function pageVariables(query: URLSearchParams, key: string, size: number): Record<string, unknown> {
  const names = cursorNames(key)
  const after = query.get(names.after)?.slice(0, LONGEST_CURSOR)
  const before = query.get(names.before)?.slice(0, LONGEST_CURSOR)
  if (before) return { [`${key}Last`]: size, [`${key}Before`]: before }
  return { [`${key}First`]: size, ...(after ? { [`${key}After`]: after } : {}) }
}
