import { type Config, commandLine } from '../config.ts'
import { askControl } from '../control.ts'
import { readPaused } from '../paused.ts'
import type { Finding } from './finding.ts'

const PATIENCE_MS = 5_000

/** What the `up` of the data directory says of its chains; without one, which of them it would not follow. */
export async function lookAtFollowing(config: Config): Promise<Finding[]> {
  const follows = await askControl(config.dataDirectory, { command: 'status' }, PATIENCE_MS)
  const paused = (chain: string): Finding => ({
    area: chain,
    level: 'note',
    text: 'paused by the operator: it is not followed',
    hint: commandLine(config, `resume ${chain}`),
  })
  if (follows === null) return [...(await readPaused(config.dataDirectory))].map(paused)
  return follows.flatMap(({ chain, state, problem }): Finding[] => {
    if (state === 'paused') return [paused(chain)]
    if (state === 'stopped') return [{ area: chain, level: 'fix', text: `stopped: ${problem}` }]
    return []
  })
}
