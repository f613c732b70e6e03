import { readFile } from 'node:fs/promises'
import { codegen } from '@graphql-codegen/core'
import * as typescript from '@graphql-codegen/typescript'
import { parse } from 'graphql'

const SDL = new URL('../../schema/api.graphql', import.meta.url)

/** Types of the GraphQL schema, as `schema/api.gen.ts` must hold them. */
export async function generateApiTypes(): Promise<string> {
  const text = await codegen({
    filename: 'api.gen.ts',
    schema: parse(await readFile(SDL, 'utf8')),
    documents: [],
    config: {},
    plugins: [
      {
        typescript: {
          scalars: { Amount: 'string', Height: 'number', DateTime: 'string' },
          enumsAsTypes: true,
          avoidOptionals: { field: true, inputValue: false },
        },
      },
    ],
    pluginMap: { typescript },
  })
  return `// Made from schema/api.graphql by \`npm run generate\`: change that file, not this one.\n\n${text.trim()}\n`
}
