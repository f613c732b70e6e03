import { readdirSync, readFileSync } from 'node:fs'
import { buildSchema, parse, validate } from 'graphql'
import { describe, expect, test } from 'vitest'
import { listFiles } from './export.ts'

const here = new URL('.', import.meta.url)
const schema = buildSchema(readFileSync(new URL('../schema/api.graphql', import.meta.url), 'utf8'))

/** Everything that is exported as a whole operation by the files that hold the pages' documents. */
async function pageDocuments(): Promise<[string, string][]> {
  const files = readdirSync(new URL('data', here)).filter(name => name.endsWith('.ts'))
  const modules = await Promise.all(files.map(file => import(new URL(`data/${file}`, here).href)))
  return modules.flatMap(module =>
    Object.entries(module as Record<string, unknown>).filter(
      (entry): entry is [string, string] =>
        typeof entry[1] === 'string' && /^\s*(query|subscription|mutation)\b/.test(entry[1]),
    ),
  )
}

const problems = (document: string) => validate(schema, parse(document)).map(error => error.message)

describe('documents', () => {
  test('of pages fit the schema', async () => {
    const documents = await pageDocuments()
    expect(documents.map(([name]) => name).sort()).toEqual([
      'addDocument',
      'addressDocument',
      'blockDocument',
      'chainDocument',
      'extentsDocument',
      'homeDocument',
      'liveDocument',
      'operatorDocument',
      'pauseDocument',
      'removeDocument',
      'reorgDocument',
      'reorgsDocument',
      'replayDocument',
      'resumeDocument',
      'rotateDocument',
      'searchDocument',
      'statusDocument',
      'testDocument',
      'transactionDocument',
      'webhookDocument',
      'webhooksDocument',
    ])
    for (const [name, document] of documents) expect([name, problems(document)]).toEqual([name, []])
  })

  test('of files fit the schema', () => {
    const all = Object.entries(listFiles).flatMap(([page, lists]) =>
      Object.entries(lists).map(([key, list]) => [`${page}/${key}`, problems(list.document)]),
    )
    expect(all.length).toBeGreaterThan(15)
    expect(all.filter(([, found]) => found!.length > 0)).toEqual([])
  })
})
