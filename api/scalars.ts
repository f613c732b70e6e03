import { GraphQLError, GraphQLScalarType } from 'graphql'

/** RFC 3339 in UTC of unix seconds. */
export function formatTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}

function unexpected(type: string, value: unknown): TypeError {
  return new TypeError(`${type}: got ${typeof value} ${String(value).slice(0, 40)}`)
}

/** Scalars are made from what the store says; a value of the wrong shape is a bug of ours and never sent. */
export const scalars = {
  Amount: new GraphQLScalarType<string, string>({
    name: 'Amount',
    serialize(value) {
      const text = typeof value === 'bigint' ? value.toString() : value
      if (typeof text === 'string' && /^-?\d+$/.test(text)) return text
      throw unexpected('Amount', value)
    },
    parseValue: amountOf,
    parseLiteral: node => amountOf(node.kind === 'StringValue' ? node.value : undefined),
  }),
  Height: new GraphQLScalarType<number, number>({
    name: 'Height',
    serialize(value) {
      const number = typeof value === 'string' ? Number(value) : value
      // Gas limits of private chains go beyond 2^53: the nearest number that a reader of JSON keeps is sent.
      if (typeof number === 'number' && Number.isInteger(number)) return number
      throw unexpected('Height', value)
    },
    parseValue: heightOf,
    parseLiteral: node => heightOf('value' in node ? Number(node.value) : Number.NaN),
  }),
  DateTime: new GraphQLScalarType<string, string>({
    name: 'DateTime',
    serialize(value) {
      if (typeof value === 'number') return formatTime(value)
      if (typeof value === 'string') return value
      throw unexpected('DateTime', value)
    },
  }),
}

/** Digits in a string: a JSON number would be rounded. */
function amountOf(value: unknown): string {
  if (typeof value === 'string' && /^-?\d{1,78}$/.test(value)) return value
  throw new GraphQLError(`expected an amount in base units, digits in a string, got ${JSON.stringify(value)}`)
}

function heightOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new GraphQLError(`expected a height, a whole number from 0 on, got ${JSON.stringify(value)}`)
}
