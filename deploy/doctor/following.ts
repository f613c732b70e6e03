import type { Logger } from 'pino'
import type { FollowStatus } from '../../schema/status.ts'
import { type Config, commandLine } from '../config.ts'
import { askControl } from '../control.ts'
import { openKafkaFacts } from '../kafka/open.ts'
import { readPaused } from '../paused.ts'
import { createStatusBoard, pausedChains } from '../roles/facts.ts'
import type { KafkaSettings } from '../servers.ts'
import type { Finding } from './finding.ts'

const PATIENCE_MS = 5_000

/**
 * What the `up` of the data directory says of its chains; without one, which of them it would not follow. Where several
 * processes share a Kafka, what they told each other last.
 */
export async function lookAtFollowing(config: Config, logger: Logger): Promise<Finding[]> {
  const { follows, resting } = await (config.kafka === null
    ? askUp(config.dataDirectory)
    : askKafka(config.kafka, logger))
  const paused = (chain: string): Finding => ({
    area: chain,
    level: 'note',
    text: 'paused by the operator: it is not followed',
    hint: commandLine(config, `resume ${chain}`),
  })
  return [
    ...resting.map(paused),
    ...follows.flatMap(({ chain, state, problem }): Finding[] => {
      if (state === 'paused') return resting.includes(chain) ? [] : [paused(chain)]
      if (state === 'stopped') return [{ area: chain, level: 'fix', text: `stopped: ${problem}` }]
      // What an `up` cannot get over now is told by what it asks: nodes and store.
      if (config.kafka !== null && problem !== null) return [{ area: chain, level: 'wait', text: problem }]
      return []
    }),
  ]
}

interface Told {
  follows: readonly FollowStatus[]
  /** Chains that nobody follows because the operator paused them. */
  resting: string[]
}

async function askUp(dataDirectory: string): Promise<Told> {
  const follows = await askControl(dataDirectory, { command: 'status' }, PATIENCE_MS)
  return follows === null
    ? { follows: [], resting: [...(await readPaused(dataDirectory))] }
    : { follows, resting: [] }
}

async function askKafka(settings: KafkaSettings, logger: Logger): Promise<Told> {
  const { state, close } = await openKafkaFacts(settings, logger)
  try {
    return { follows: createStatusBoard(state).follows(), resting: pausedChains(state) }
  } finally {
    await close()
  }
}
