import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type ExecutionResult, GraphQLError } from 'graphql'
import { createSchema, createYoga, isAsyncIterable, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import { AppError } from '../schema/errors.ts'
import type { Gql, GqlAnswer } from '../schema/ports.ts'
import { assetResolvers } from './assets.ts'
import { type ApiContext, createLoaders } from './context.ts'
import type { Family } from './family.ts'
import { createEvmFamily } from './family-evm.ts'
import { utxo } from './family-utxo.ts'
import { type Limits, limitPlugins } from './limits.ts'
import { bearerToken, type OperatorCheck } from './operator.ts'
import { addressResolvers } from './resolvers-address.ts'
import { blockResolvers } from './resolvers-block.ts'
import { chainResolvers } from './resolvers-chain.ts'
import { queryResolvers } from './resolvers-query.ts'
import { transactionResolvers } from './resolvers-transaction.ts'
import { webhookResolvers } from './resolvers-webhook.ts'
import { scalars } from './scalars.ts'

/** The part of a logger that is needed here. */
export interface ErrorLog {
  error(facts: object, message: string): void
}

export interface GraphqlDeps
  extends Pick<ApiContext, 'read' | 'status' | 'feed' | 'version' | 'startedAt' | 'desk'> {
  isOperator: OperatorCheck
  logger: ErrorLog
  limits: Limits
  /** Told of every answer: how long it took, and whether it has errors. */
  onAnswer?: (seconds: number, failed: boolean) => void
}

/** Path of the endpoint on the site. */
export const GRAPHQL_PATH = '/graphql'

function knownFamilies(): ReadonlyMap<string, Family> {
  return new Map([
    ['utxo', utxo],
    ['evm', createEvmFamily()],
  ])
}

function readSdl(): string {
  return readFileSync(new URL('../schema/api.graphql', import.meta.url), 'utf8')
}

/** What was thrown: on its way up an error may be wrapped more than once. Undefined where GraphQL itself speaks. */
function firstCause(error: GraphQLError): Error | undefined {
  const cause = error.originalError
  return cause instanceof GraphQLError ? firstCause(cause) : (cause ?? undefined)
}

/** What may be told of an error: ours in words, everything else only under a number that the log has too. */
function maskError(logger: ErrorLog): (error: unknown) => Error {
  return error => {
    const original = error instanceof GraphQLError ? firstCause(error) : error
    if (original instanceof AppError && isForOutsiders(original)) {
      const { path, nodes } = error instanceof GraphQLError ? error : { path: undefined, nodes: undefined }
      return new GraphQLError(original.message, {
        ...(nodes && { nodes }),
        ...(path && { path }),
        extensions: { code: original.code, ...(original.hint !== undefined && { hint: original.hint }) },
      })
    }
    // What GraphQL itself says of a document: nothing of ours is in it.
    if (error instanceof GraphQLError && (original === undefined || original === null)) return error
    const id = randomUUID()
    logger.error({ id, err: original }, 'a question failed')
    return new GraphQLError(`internal error ${id}`, {
      ...(error instanceof GraphQLError && error.path && { path: error.path }),
      extensions: { code: 'INTERNAL', id },
    })
  }
}

const OUTSIDE_CODES = new Set(['BAD_REQUEST', 'TOO_LARGE', 'TIME_LIMIT', 'UNAUTHORIZED'])

/** Words of other parts name statements, hosts and heights: they are for the operator. */
function isForOutsiders(error: AppError): boolean {
  return OUTSIDE_CODES.has(error.code)
}

export interface Graphql {
  yoga: YogaServerInstance<object, ApiContext>
  gql: Gql
}

/** Who asks: over HTTP by his request, a page of this process by the token that its visitor gave. */
interface Asker {
  request?: Request
  token?: string
}

/** The endpoint over HTTP, and the same for pages in this process. */
export function createGraphql(deps: GraphqlDeps): Graphql {
  const families = knownFamilies()
  const schema = createSchema<ApiContext>({
    typeDefs: readSdl(),
    resolvers: [
      scalars,
      queryResolvers,
      chainResolvers,
      blockResolvers,
      transactionResolvers,
      addressResolvers,
      assetResolvers,
      webhookResolvers,
      ...[...families.values()].map(family => family.resolvers),
    ],
  })

  function createContext({ request, token }: Asker): ApiContext {
    const { read, status, feed, version, startedAt, desk } = deps
    const operator = deps.isOperator(token ?? bearerToken(request?.headers.get('authorization')))
    const createLoad = () => createLoaders(read, families, status)
    return {
      read,
      status,
      feed,
      version,
      startedAt,
      desk,
      operator,
      families,
      load: createLoad(),
      createLoad,
    }
  }

  const yoga = createYoga<object, ApiContext>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    context: createContext,
    maskedErrors: { maskError: maskError(deps.logger) },
    logging: false,
    landingPage: false,
    graphiql: { title: 'Wanlian GraphQL', defaultQuery: PLAYGROUND },
    renderGraphiQL: async options => (await import('@graphql-yoga/render-graphiql')).renderGraphiQL(options),
    // Anybody may ask from any page: there are no cookies, and the operator's token is not sent by itself.
    cors: { origin: '*', credentials: false, methods: ['GET', 'POST', 'OPTIONS'] },
    plugins: [...limitPlugins(deps.limits), timing(deps.onAnswer)],
  })

  return { yoga, gql: createGql(yoga, maskError(deps.logger)) }
}

/** What the playground shows first. */
const PLAYGROUND = `# Everything here is read from the chains' own blocks. Try:
{
  chains {
    name
    tip {
      height
      time
      transactionCount
      proofs
    }
  }
}
`

function timing(onAnswer: GraphqlDeps['onAnswer']): Plugin {
  return {
    onExecute() {
      const startedAt = performance.now()
      return {
        onExecuteDone({ result }) {
          const failed = !isAsyncIterable(result) && (result.errors?.length ?? 0) > 0
          onAnswer?.((performance.now() - startedAt) / 1000, failed)
        },
      }
    },
  }
}

/** Asks the same schema within the same limits, without HTTP. */
function createGql(yoga: Graphql['yoga'], mask: (error: unknown) => Error): Gql {
  async function answer(
    document: string,
    variables: Readonly<Record<string, unknown>>,
    token: string | undefined,
  ): Promise<ExecutionResult> {
    const params = { query: document, variables: { ...variables } }
    const { schema, parse, validate, execute, contextFactory } = yoga.getEnveloped({ params, token })
    const parsed = parse(document)
    const errors = validate(schema, parsed)
    if (errors.length > 0) return { errors }
    return execute({
      schema,
      document: parsed,
      contextValue: await contextFactory(),
      variableValues: params.variables,
    }) as Promise<ExecutionResult>
  }

  return {
    async run<Data>(
      document: string,
      variables: Readonly<Record<string, unknown>> = {},
      token?: string,
    ): Promise<GqlAnswer<Data>> {
      let result: ExecutionResult
      try {
        result = await answer(document, variables, token)
      } catch (error) {
        const masked = mask(error)
        result = { errors: [masked instanceof GraphQLError ? masked : new GraphQLError(masked.message)] }
      }
      return {
        data: (result.data ?? null) as Data | null,
        errors: (result.errors ?? []).map(({ message, extensions, path }) => ({
          message,
          code: typeof extensions?.code === 'string' ? extensions.code : null,
          path: path ?? null,
        })),
      }
    },
  }
}
