import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { generateApiTypes } from './generate-api-types.ts'

test('the types of the GraphQL schema are those of its text: else run `npm run generate`', async () => {
  const stored = readFileSync(new URL('../../schema/api.gen.ts', import.meta.url), 'utf8')
  expect(stored).toBe(await generateApiTypes())
})
