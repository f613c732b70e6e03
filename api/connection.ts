import { BadRequestError, TooLargeError } from './errors.ts'

/** Most that one page may hold. */
export const MAX_PAGE = 100
/** What a page holds when nobody says how much. */
export const DEFAULT_PAGE = 25

export interface PageArgs {
  first?: number | null
  after?: string | null
  last?: number | null
  before?: string | null
}

/** A place in a list: the values of its sorting key. */
export type Key = readonly (number | string)[]

/** What part of a list is asked for: `limit` nodes after or before a key, in the order of the list. */
export interface Page {
  limit: number
  /** Counted from the end of the list. */
  backwards: boolean
  after: Key | null
  before: Key | null
}

export interface PageInfo {
  hasNextPage: boolean
  hasPreviousPage: boolean
  startCursor: string | null
  endCursor: string | null
}

export interface Connection<Node> {
  edges: { cursor: string; node: Node }[]
  nodes: Node[]
  pageInfo: PageInfo
  /** Asked only where a document asks. */
  totalCount: () => number | Promise<number>
}

/** The kinds of values that a cursor of a list holds. */
export type KeyShape = readonly ('number' | 'string')[]

/** @throws BadRequestError, TooLargeError */
export function parsePage(args: PageArgs, shape: KeyShape): Page {
  const first = args.first ?? null
  const last = args.last ?? null
  if (first !== null && last !== null) {
    throw new BadRequestError('expected `first` or `last`, got both', {
      hint: 'ask forwards with first/after, backwards with last/before',
    })
  }
  const limit = first ?? last ?? DEFAULT_PAGE
  if (limit < 0) throw new BadRequestError(`expected a page of 0 to ${MAX_PAGE} nodes, got ${limit}`)
  if (limit > MAX_PAGE) {
    throw new TooLargeError(`expected a page of at most ${MAX_PAGE} nodes, got ${limit}`, {
      hint: 'ask for more pages with `after: pageInfo.endCursor`',
    })
  }
  return {
    limit,
    backwards: last !== null,
    after: args.after ? parseCursor(args.after, shape) : null,
    before: args.before ? parseCursor(args.before, shape) : null,
  }
}

export function formatCursor(key: Key): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

function parseCursor(cursor: string, shape: KeyShape): Key {
  let key: unknown
  try {
    key = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    key = null
  }
  const fits =
    Array.isArray(key) &&
    key.length === shape.length &&
    shape.every((kind, at) => {
      const value: unknown = (key as unknown[])[at]
      return kind === 'number'
        ? Number.isSafeInteger(value) && (value as number) >= 0
        : typeof value === 'string'
    })
  if (!fits) {
    throw new BadRequestError(`expected a cursor of this list, got ${JSON.stringify(cursor.slice(0, 80))}`, {
      hint: 'use startCursor or endCursor of a page of the same list',
    })
  }
  return key as Key
}

/**
 * A page out of nodes that were read in the order in which they were asked for, one more than the page holds where there
 * is one more.
 */
export function connectionOf<Node>(
  page: Page,
  read: readonly Node[],
  keyOf: (node: Node) => Key,
  totalCount: Connection<Node>['totalCount'],
): Connection<Node> {
  const more = read.length > page.limit
  const nodes = read.slice(0, page.limit)
  if (page.backwards) nodes.reverse()
  const edges = nodes.map(node => ({ cursor: formatCursor(keyOf(node)), node }))
  return {
    edges,
    nodes,
    pageInfo: {
      hasNextPage: page.backwards ? page.before !== null : more,
      hasPreviousPage: page.backwards ? more : page.after !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    totalCount,
  }
}

/** A page of a list that is whole in memory. `nodes` are in the order of the list, keys ascend in that order. */
export function connectionOfAll<Node>(args: PageArgs, nodes: readonly Node[]): Connection<Node> {
  const page = parsePage(args, ['number'])
  const places = nodes.map((node, place) => ({ node, place }))
  const from = page.after === null ? 0 : Number(page.after[0]) + 1
  const to = page.before === null ? nodes.length : Number(page.before[0])
  const asked = places.slice(from, Math.max(from, to))
  if (page.backwards) asked.reverse()
  const placed = connectionOf(
    page,
    asked.slice(0, page.limit + 1),
    one => [one.place],
    () => nodes.length,
  )
  return {
    ...placed,
    edges: placed.edges.map(({ cursor, node }) => ({ cursor, node: node.node })),
    nodes: placed.nodes.map(one => one.node),
    totalCount: () => nodes.length,
  }
}
