import { writeFile } from 'node:fs/promises'
import { generateApiTypes } from './generate-api-types.ts'

await writeFile(new URL('../../schema/api.gen.ts', import.meta.url), await generateApiTypes())
