import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Chain } from '../crawlers/chain.ts'
import type { ChainSettings } from '../deploy/config.ts'
import { openEmbeddedLog } from '../deploy/log-embedded.ts'
import { openPaused } from '../deploy/paused.ts'
import { type Pipeline, startPipeline } from '../deploy/pipeline.ts'
import { ANNOUNCEMENTS, type Announcement } from '../schema/events.ts'
import type { BlockLog } from '../schema/ports.ts'
import { openTestStore, silent, type TestStore } from './harness.ts'

/** A pipeline over a store and a log, that can be stopped and started again. */
export interface World {
  store: TestStore
  log: BlockLog
  pipeline: Pipeline | null
  start(settings: Partial<ChainSettings> & { chain: Chain; urls: string[] }): Promise<void>
  stop(): Promise<void>
  close(): Promise<void>
}

export async function openWorld(): Promise<World> {
  const store = await openTestStore()
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-follow-'))
  const log = await openEmbeddedLog({ directory })
  const world: World = {
    store,
    log,
    pipeline: null,
    async start({ urls, ...settings }) {
      const chains: ChainSettings[] = [
        {
          endpoints: urls.map(url => ({ url })),
          recoverSenders: false,
          traces: true,
          historyFrom: 0,
          pollMs: 50,
          confirmWith: 1,
          ...settings,
        },
      ]
      world.pipeline = await startPipeline({
        chains,
        sql: store.sql,
        log,
        logger: silent,
        paused: await openPaused(directory),
        commandLine: words => `wanlian ${words}`,
      })
    },
    async stop() {
      await world.pipeline?.stop()
      world.pipeline = null
    },
    async close() {
      await world.stop()
      await log.close()
      await rm(directory, { recursive: true, force: true })
      await store.close()
    },
  }
  return world
}

export async function until(what: string, done: () => Promise<boolean>, seconds = 60): Promise<void> {
  const deadline = Date.now() + seconds * 1000
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** All that was announced, in order. */
async function announcements(log: BlockLog): Promise<Announcement[]> {
  const all: Announcement[] = []
  for (let from = 0n; ; ) {
    const messages = await log.read(ANNOUNCEMENTS, from)
    if (messages.length === 0) return all
    all.push(...messages.map(message => JSON.parse(Buffer.from(message.value).toString()) as Announcement))
    from = messages.at(-1)!.offset + 1n
  }
}

/**
 * All that was announced, once it says that exactly these blocks are there: a block can be read
 * a moment before it is announced.
 */
export async function announcedUntil(log: BlockLog, hashes: readonly string[]): Promise<Announcement[]> {
  const wanted = [...hashes].sort().join()
  let all: Announcement[] = []
  await until('announcements', async () => {
    all = await announcements(log)
    const present = new Set<string>()
    for (const { type, hash } of all) {
      if (type === 'block.added') present.add(hash)
      else if (type === 'block.removed') present.delete(hash)
    }
    return [...present].sort().join() === wanted
  })
  return all
}
