import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { ConfigError, StoreError } from '../../schema/errors.ts'
import { blockEvents, HISTORY_PARTITION, SPLITTER_GROUP, TIP_PARTITION } from '../../schema/events.ts'
import { pause } from '../../schema/pause.ts'
import type { BlockLog, Sql } from '../../schema/ports.ts'
import { readRegistered } from '../../splitter/chain-row.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { type Config, findChain } from '../config.ts'
import { openKafkaFacts } from '../kafka/open.ts'
import { startSplitting } from '../line.ts'
import { openEmbeddedLog } from '../log-embedded.ts'
import { expectNothingOf, moveTables } from '../move.ts'
import { readPaused } from '../paused.ts'
import { createPausedChains } from '../roles/facts.ts'
import { withLockedStore, withStore } from '../sql-session.ts'

const FILE = 'move.json'
const LOOK_MS = 100

/**
 * Copies the data set of a directory into the ClickHouse of the configuration. What waits in the log is stored first, so
 * that nothing has to be taken along of it: whoever follows the chains then goes on where the tables stand. Given again
 * after it broke off, it goes on. Ends with one JSON line.
 */
export async function runMove(context: CommandContext): Promise<number> {
  const { config, logger, stdout } = context
  const { clickhouse, dataDirectory } = config
  if (clickhouse === null) {
    throw new ConfigError('move: expected the ClickHouse to move to, got none', {
      hint: 'give WANLIAN_CLICKHOUSE_URL, or clickhouse in wanlian.yaml',
    })
  }
  return withLockedStore({ ...config, clickhouse: null, logger }, async here => {
    const chains = await readRegistered(here.sql)
    for (const chain of chains) findChain(config, chain)
    await storeWhatWaits(config, chains, here.sql, logger)
    const report = await withStore({ ...config, logger }, async there => {
      const id = await openMove(dataDirectory, () => expectNothingOf(here.sql, there.sql))
      return moveTables({ from: here.sql, to: there.sql, id, logger })
    })
    const paused = await movePaused(config, logger)
    await rm(join(dataDirectory, FILE), { force: true })
    stdout.write(`${JSON.stringify({ chains, paused, ...report })}\n`)
    return EXIT.done
  })
}

/** One name until it is through: then nothing is copied twice however often it is begun. */
async function openMove(dataDirectory: string, expectNothing: () => Promise<void>): Promise<string> {
  const path = join(dataDirectory, FILE)
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text !== null) return (JSON.parse(text) as { id: string }).id
  await expectNothing()
  const id = randomUUID()
  await writeFile(`${path}.new`, `${JSON.stringify({ id })}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return id
}

async function storeWhatWaits(
  config: Config,
  chains: readonly string[],
  sql: Sql,
  logger: Logger,
): Promise<void> {
  const log = await openEmbeddedLog({ directory: join(config.dataDirectory, 'log') })
  const running = chains.flatMap(slug =>
    [TIP_PARTITION, HISTORY_PARTITION].map(partition => ({
      slug,
      partition,
      ...startSplitting({ chain: findChain(config, slug).chain, partition, log, sql, logger }),
    })),
  )
  try {
    for (const { slug, partition, splitter } of running) {
      while (!(await isDrained(log, slug, partition))) {
        const problem = splitter.problem()
        if (problem !== null)
          throw new StoreError(`${slug}: what waits in the log cannot be stored: ${problem}`)
        await pause(LOOK_MS, new AbortController().signal)
      }
    }
  } finally {
    await Promise.all(running.map(one => one.stop()))
    await log.close()
  }
}

async function isDrained(log: BlockLog, slug: string, partition: number): Promise<boolean> {
  const place = blockEvents(slug, partition)
  return (await log.committed(place, SPLITTER_GROUP)) >= (await log.end(place))
}

/** Chains that rest go on resting. With an embedded log they do so by themselves, in the same directory. */
async function movePaused({ dataDirectory, kafka }: Config, logger: Logger): Promise<string[]> {
  const paused = [...(await readPaused(dataDirectory))]
  if (kafka === null || paused.length === 0) return paused
  const { state, close } = await openKafkaFacts(kafka, logger)
  try {
    for (const chain of paused) await createPausedChains(state).set(chain, true)
  } finally {
    await close()
  }
  return paused
}
