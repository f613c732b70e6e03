import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type AnnouncementHub, createAnnouncementHub } from '../api/announcement-hub.ts'
import type { Limits } from '../api/limits.ts'
import { type Api, createApi } from '../api/server.ts'
import type { Chain } from '../crawlers/chain.ts'
import { knownChains } from '../crawlers/chains.ts'
import { fetchBlocks } from '../crawlers/fetch.ts'
import { openRpc } from '../crawlers/rpc.ts'
import type { Sql } from '../schema/ports.ts'
import type { FollowStatus } from '../schema/status.ts'
import { registerChain } from '../splitter/chain-row.ts'
import { createIngest } from '../splitter/ingest.ts'
import { openWriter } from '../splitter/writer.ts'
import { openTestStore, type TestStore } from './harness.ts'
import { recordings } from './recordings.ts'
import { openTestDesk, type TestDesk } from './webhook-desk.ts'

const fixtures = fileURLToPath(new URL('./fixtures/recordings', import.meta.url))

/** Blocks of a recording through the whole path into the store. */
export async function fillFromRecording(
  sql: Sql,
  slug: string,
  directory: string,
  heights?: readonly number[],
): Promise<void> {
  const chain = knownChains.find(one => one.definition.slug === slug) as Chain
  await registerChain(sql, chain.definition)
  const rpc = await openRpc([{ url: `file:${directory}` }])
  try {
    const source = chain.open(rpc, { traces: true })
    const writer = await openWriter({ sql, chain, owner: `world:${randomBytes(8).toString('hex')}` })
    const ingest = createIngest({ sql, chain, writer, source })
    const failed = []
    for await (const block of fetchBlocks(source, heights ?? (await source.recordedHeights()) ?? [])) {
      if ('error' in block) throw block.error
      failed.push(...(await ingest.add(block)))
    }
    failed.push(...(await ingest.flush()))
    if (failed.length > 0) throw new Error(`${slug}: ${JSON.stringify(failed)}`)
    await ingest.resolveInputs()
  } finally {
    await rpc.close()
  }
}

/** Where the blocks of a chain come from: our own fixtures for development chains, the recordings beside the checkout. */
export function recordingOf(slug: string): string {
  const own = join(fixtures, slug)
  return existsSync(own) ? own : join(recordings, slug)
}

// biome-ignore lint/suspicious/noExplicitAny: each document has its own shape, compared whole
export type Data = any

export interface ApiWorld extends TestStore {
  /** The answer to a document that has no errors. */
  ask(document: string, variables?: Record<string, unknown>): Promise<Data>
  api: Api
  hub: AnnouncementHub
  /** Null where the world has no operator. */
  managed: TestDesk | null
  /** What the status board says; tests change it. */
  follows: FollowStatus[]
  /** Statements that were sent to the store, in order. */
  statements: string[]
  /** Facts that were logged as errors. */
  logged: object[]
}

/** A store filled from recordings, with the API in front of it. */
export async function openApiWorld(
  chains: Readonly<Record<string, readonly number[] | 'all'>>,
  limits: Partial<Limits> = {},
  operator: { chains: readonly string[]; adminToken: string } | null = null,
): Promise<ApiWorld> {
  const store = await openTestStore()
  const statements: string[] = []
  const logged: object[] = []
  const follows: FollowStatus[] = []
  const hub = createAnnouncementHub()
  const managed = operator === null ? null : openTestDesk(store.sql, operator.chains)
  const counted: Sql = {
    ...store.sql,
    rows: (sql, params) => {
      statements.push(sql)
      return store.sql.rows(sql, params)
    },
  }
  const api = createApi({
    sql: counted,
    status: { follows: () => follows },
    feed: hub,
    logger: { error: facts => logged.push(facts) },
    version: '0.0.0-test',
    desk: managed?.desk ?? null,
    adminToken: operator?.adminToken ?? null,
    limits,
  })
  try {
    for (const [slug, heights] of Object.entries(chains)) {
      await fillFromRecording(store.sql, slug, recordingOf(slug), heights === 'all' ? undefined : heights)
    }
  } catch (error) {
    await store.close()
    throw error
  }
  return {
    ...store,
    async ask(document, variables) {
      const { data, errors } = await api.gql.run(document, variables)
      if (errors.length > 0) throw new Error(`${document}: ${JSON.stringify(errors)}`)
      return data
    },
    api,
    hub,
    managed,
    follows,
    statements,
    logged,
    async close() {
      await api.close()
      await managed?.close()
      await store.close()
    },
  }
}
