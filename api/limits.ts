import { maxAliasesPlugin } from '@escape.tech/graphql-armor-max-aliases'
import { maxDepthPlugin } from '@escape.tech/graphql-armor-max-depth'
import { maxTokensPlugin } from '@escape.tech/graphql-armor-max-tokens'
import { type ComplexityEstimator, getComplexity } from 'graphql-query-complexity'
import type { Plugin } from 'graphql-yoga'
import { DEFAULT_PAGE, MAX_PAGE, type PageArgs } from './connection.ts'
import { TimeLimitError, TooLargeError } from './errors.ts'

/** What one question may ask for. */
export interface Limits {
  /** Fields inside fields. */
  depth: number
  aliases: number
  tokens: number
  /** Nodes that an answer may hold, counted before it is made: pages in pages multiply. */
  nodes: number
  /** Milliseconds for the whole answer. */
  timeMs: number
  /** Bytes of a request's body. */
  bodyBytes: number
  /** The same for the operator, who may send 100,000 addresses. */
  operatorBodyBytes: number
}

export const defaultLimits: Limits = {
  depth: 14,
  aliases: 30,
  tokens: 2_000,
  nodes: 25_000,
  timeMs: 20_000,
  bodyBytes: 100_000,
  operatorBodyBytes: 32_000_000,
}

function pageOf({ first, last }: PageArgs): number {
  return Math.min(MAX_PAGE, Math.max(0, first ?? last ?? DEFAULT_PAGE))
}

/** A list in memory, or a field that stands for one. */
const LISTS = new Set([
  'chains',
  'ranges',
  'nodes',
  'hits',
  'alsoOn',
  'orphanedBlocks',
  'uncles',
  'webhooks',
  'skipped',
])

/**
 * What a field costs: an object 1, a scalar nothing; a connection as often as its page has nodes. `nodes` and `edges` of
 * a connection are the same rows twice and count once each.
 */
const cost: ComplexityEstimator = ({ field, args, childComplexity, type }) => {
  const isConnection = field.args.some(arg => arg.name === 'first')
  if (isConnection) return 1 + pageOf(args as PageArgs) * Math.max(1, childComplexity)
  const own = childComplexity > 0 ? 1 : 0
  return own + childComplexity * (LISTS.has(field.name) && !type.name.endsWith('Connection') ? 5 : 1)
}

/** Refuses questions that are too deep, too long, or would be answered with too much, before anything is read. */
export function limitPlugins(limits: Limits): Plugin[] {
  return [
    maxDepthPlugin({ n: limits.depth, ignoreIntrospection: true, flattenFragments: true }),
    maxAliasesPlugin({ n: limits.aliases }),
    maxTokensPlugin({ n: limits.tokens }),
    {
      onExecute({ args, executeFn, setExecuteFn }) {
        checkCost(args, limits)
        setExecuteFn(async given => withinTime(Promise.resolve(executeFn(given)), limits.timeMs))
      },
      onSubscribe({ args }) {
        checkCost(args, limits)
      },
    },
  ]
}

type ExecutionArgs = Parameters<NonNullable<Plugin['onExecute']>>[0]['args']

function checkCost({ schema, document, variableValues, operationName }: ExecutionArgs, limits: Limits): void {
  let nodes: number
  try {
    nodes = getComplexity({
      schema,
      query: document,
      ...(variableValues && { variables: variableValues }),
      ...(operationName && { operationName }),
      estimators: [cost],
    })
  } catch {
    // Variables that do not fit: execution says so, better.
    return
  }
  if (nodes > limits.nodes) {
    throw new TooLargeError(
      `expected a question of at most ${limits.nodes} nodes, this one may have ${nodes}`,
      {
        hint: 'ask for smaller pages inside pages',
      },
    )
  }
}

async function withinTime<T>(answer: Promise<T>, timeMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new TimeLimitError(`expected an answer within ${timeMs / 1000} seconds`, { hint: 'ask for less' }),
        ),
      timeMs,
    )
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
