import { readFileSync } from 'node:fs'
import { bitcoinRegtest } from '../../crawlers/chains/bitcoin-regtest.ts'
import { openEmbeddedLog } from '../../deploy/log-embedded.ts'
import { migrate } from '../../deploy/migrate.ts'
import { openPaused } from '../../deploy/paused.ts'
import { startPipeline } from '../../deploy/pipeline.ts'
import { createSql } from '../../deploy/sql.ts'
import { openStore } from '../../deploy/store/supervisor.ts'
import { BASE_DATABASE } from '../../schema/ddl.ts'
import { blockEvents, SPLITTER_GROUP } from '../../schema/events.ts'
import type { BlockLog, Sql, TopicPartition } from '../../schema/ports.ts'
import { readPublished } from '../../splitter/journal.ts'
import { silent } from '../harness.ts'

/** What one look at a program under way tells; sizes in bytes. */
export interface Sample {
  /** Blocks that readers see. */
  stored: number
  /** Events that were handed on and are not in the tables. */
  unread: number
  /** Memory of its own: neither files that are mapped nor the program itself. */
  memory: number
  heap: number
}

export interface SoakOptions {
  directory: string
  url: string
  /** The highest height of the chain in the end. */
  last: number
  maxUnreadBytes: number
  /** How long the store takes for the archive of a batch. */
  slowMs: number
}

/** Follows a chain into a slow store and says every half second how much memory it takes, one JSON line each. */
const options = JSON.parse(process.argv[2]!) as SoakOptions
const { slug } = bitcoinRegtest.definition
const LOOK_MS = 500

const store = await openStore({ dataDirectory: options.directory, logger: silent })
const sql = createSql(store)
await migrate(sql)
const log = countUnread(await openEmbeddedLog({ directory: `${options.directory}/log` }))
const pipeline = await startPipeline({
  chains: [
    {
      chain: bitcoinRegtest,
      endpoints: [{ url: options.url }],
      historyFrom: 0,
      pollMs: 200,
      confirmWith: 1,
      recoverSenders: true,
      traces: true,
    },
  ],
  sql: slowly(sql),
  log,
  logger: silent,
  paused: await openPaused(options.directory),
  commandLine: words => `wanlian ${words}`,
  maxUnreadBytes: options.maxUnreadBytes,
})

for (;;) {
  await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  const stored = (await readPublished(sql, slug)).reduce((sum, [from, to]) => sum + to - from + 1, 0)
  const sample: Sample = {
    stored,
    unread: await log.unread(),
    memory: ownMemory(),
    heap: process.memoryUsage().heapUsed,
  }
  process.stdout.write(`${JSON.stringify(sample)}\n`)
  if (stored > options.last) break
}
await pipeline.stop()
await log.close()
await sql.close()
await store.close()

interface Appended {
  place: TopicPartition
  sizes: { offset: bigint; bytes: number }[]
}

function slowly(real: Sql): Sql {
  return {
    ...real,
    async insert(rows, insertOptions) {
      if (rows.table === `${BASE_DATABASE}.raw_blocks`) {
        await new Promise(resolve => setTimeout(resolve, options.slowMs))
      }
      return real.insert(rows, insertOptions)
    },
  }
}

function countUnread(real: BlockLog): BlockLog & { unread(): Promise<number> } {
  const appended = new Map<string, Appended>()
  return {
    ...real,
    async append(place, values) {
      const offset = await real.append(place, values)
      const key = `${place.topic}/${place.partition}`
      const bytes = values.reduce((sum, value) => sum + value.length, 0)
      const one = appended.get(key) ?? { place, sizes: [] }
      one.sizes.push({ offset, bytes })
      if (place.topic === blockEvents(slug, 0).topic) appended.set(key, one)
      return offset
    },
    async unread() {
      let bytes = 0
      for (const one of appended.values()) {
        const read = await real.committed(one.place, SPLITTER_GROUP)
        one.sizes = one.sizes.filter(({ offset }) => offset >= read)
        bytes += one.sizes.reduce((sum, size) => sum + size.bytes, 0)
      }
      return bytes
    },
  }
}

/** Linux: `RssAnon` of `/proc/self/status`. */
function ownMemory(): number {
  return Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) * 1024
}
