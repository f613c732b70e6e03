import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type CommandContext, EXIT } from '../command.ts'
import { commandLine, findChain } from '../config.ts'
import { askControl } from '../control.ts'
import { openKafkaFacts } from '../kafka/open.ts'
import { lockDirectory } from '../lock.ts'
import { openPaused } from '../paused.ts'
import { createPausedChains } from '../roles/facts.ts'
import type { KafkaSettings } from '../servers.ts'

/** Stops to follow a chain until it is resumed, also over a restart of `up`. Ends with one JSON line. */
export async function runPause(context: CommandContext, slug: string): Promise<number> {
  return put(context, slug, true)
}

/** Goes on to follow a chain that was paused. Ends with one JSON line. */
export async function runResume(context: CommandContext, slug: string): Promise<number> {
  return put(context, slug, false)
}

async function put(context: CommandContext, chain: string, isPaused: boolean) {
  const { config, logger, stdout } = context
  if (config.kafka !== null) return putInState(context, config.kafka, chain, isPaused)
  const command = isPaused ? 'pause' : 'resume'
  const answer = await askControl(config.dataDirectory, { command, chain })
  const changed = answer === null ? await putAside(config, chain, isPaused) : answer.changed
  if (!changed) logger.warn({ chain }, isPaused ? 'was paused already' : 'was not paused')
  else if (answer === null) logger.info({ chain }, 'no `up` runs here: the next one will find it so')
  if (isPaused) logger.info({ chain }, `to go on: ${commandLine(config, `resume ${chain}`)}`)
  stdout.write(`${JSON.stringify({ chain, paused: isPaused, changed })}\n`)
  return EXIT.done
}

/** While no `up` runs. */
async function putAside(config: CommandContext['config'], slug: string, isPaused: boolean): Promise<boolean> {
  findChain(config, slug)
  await mkdir(resolve(config.dataDirectory), { recursive: true, mode: 0o700 })
  const lock = await lockDirectory(config.dataDirectory)
  try {
    const paused = await openPaused(config.dataDirectory)
    if (paused.has(slug) === isPaused) return false
    await paused.set(slug, isPaused)
    return true
  } finally {
    await lock.release()
  }
}

/** Where several processes share a Kafka: whoever follows the chain is told. */
async function putInState(
  { config, logger, stdout }: CommandContext,
  kafka: KafkaSettings,
  slug: string,
  isPaused: boolean,
): Promise<number> {
  findChain(config, slug)
  const { state, close } = await openKafkaFacts(kafka, logger)
  try {
    const paused = createPausedChains(state)
    const changed = paused.has(slug) !== isPaused
    if (changed) await paused.set(slug, isPaused)
    stdout.write(`${JSON.stringify({ chain: slug, paused: isPaused, changed })}\n`)
    return EXIT.done
  } finally {
    await close()
  }
}
