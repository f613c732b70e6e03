import { join } from 'node:path'
import { HISTORY_PARTITION, TIP_PARTITION } from '../../schema/events.ts'
import { startSplitter } from '../../splitter/start.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { findChain } from '../config.ts'
import { askControl } from '../control.ts'
import { openKafkaFacts } from '../kafka/open.ts'
import { openEmbeddedLog } from '../log-embedded.ts'
import { isGoneHere, ownerName } from '../pid.ts'
import { type Rewound, rewindChain } from '../rewind.ts'
import { askLeader } from '../roles/commands.ts'
import type { KafkaSettings } from '../servers.ts'
import { withLockedStore } from '../sql-session.ts'

/**
 * Takes a chain back to a stored block: what is above it leaves the tables as in a reorg, and stays readable as orphaned.
 * The `up` that runs in the directory does it and follows from there; without one it is done here. Ends with one JSON line.
 */
export async function runRewind(context: CommandContext, chain: string, height: number): Promise<number> {
  const { dataDirectory, kafka } = context.config
  const answer =
    kafka === null
      ? await askControl(dataDirectory, { command: 'rewind', chain, height })
      : await rewindByLeader(context, kafka, chain, height)
  const { blocks, remaining } = answer ?? (await rewindHere(context, chain, height))
  context.stdout.write(`${JSON.stringify({ chain, height, blocks })}\n`)
  return remaining === 0 ? EXIT.done : EXIT.incomplete
}

/** Where several processes share a Kafka: whoever leads the chain does it. */
async function rewindByLeader(
  { config, logger }: CommandContext,
  kafka: KafkaSettings,
  slug: string,
  height: number,
): Promise<Rewound> {
  findChain(config, slug)
  const { state, close } = await openKafkaFacts(kafka, logger)
  try {
    return await askLeader(state, slug, height)
  } finally {
    await close()
  }
}

/** While no `up` runs. */
function rewindHere({ config, logger }: CommandContext, slug: string, height: number): Promise<Rewound> {
  const { chain } = findChain(config, slug)
  const { dataDirectory } = config
  return withLockedStore({ ...config, logger }, async ({ sql }) => {
    const log = await openEmbeddedLog({ directory: join(dataDirectory, 'log') })
    const splitting = new AbortController()
    const splitters = [TIP_PARTITION, HISTORY_PARTITION].map(partition =>
      startSplitter(
        { chain, partition, log, sql, logger, owner: ownerName(), isGone: isGoneHere },
        splitting.signal,
      ),
    )
    try {
      return await rewindChain({ chain, sql, log, splitters }, height, splitting.signal)
    } finally {
      splitting.abort()
      await Promise.all(splitters.map(splitter => splitter.done))
      await log.close()
    }
  })
}
