import { parse, stringify } from 'lossless-json'
import { writeRecorded } from '../../crawlers/recording.ts'
import { callEach, openRpc, type Rpc } from '../../crawlers/rpc.ts'
import type { ChainSource } from '../../schema/chain.ts'
import { ConfigError } from '../../schema/errors.ts'
import { type CommandContext, EXIT, heightRange } from '../command.ts'
import { findChain } from '../config.ts'
import { identifyEach } from '../node.ts'

export interface RecordOptions {
  node?: string[]
  from: number
  to: number
  out: string
}

/** Asks a node for everything that indexing the heights would ask for, and keeps each answer in a file. */
export async function runRecord(
  context: CommandContext,
  slug: string,
  options: RecordOptions,
): Promise<number> {
  const { chain, endpoints, traces } = findChain(context.config, slug)
  const heights = heightRange(options.from, options.to)
  const asked = options.node ? options.node.map(url => ({ url })) : endpoints
  const rpc = await openRpc(asked, { identify: endpoint => chain.open(endpoint).identify() })
  if (rpc.recordings.length > 0) throw new ConfigError('record: expected a node, got a recording')
  try {
    await identifyEach(context.logger, rpc)
    const recorder = recordingRpc(rpc, options.out)
    const source: ChainSource<unknown> = chain.open(recorder, { traces })
    await source.identify()
    let calls = 0
    for (const height of heights) {
      const raw = await source.blockAt(height)
      // A block that does not prove itself is not worth keeping.
      chain.verify(source.attachPrevious ? await source.attachPrevious(raw) : raw)
      calls++
    }
    context.stdout.write(
      `${JSON.stringify({ chain: slug, blocks: calls, files: recorder.written(), out: options.out })}\n`,
    )
    return EXIT.done
  } finally {
    await rpc.close()
  }
}

/** Keeps every answer digit for digit as the node wrote it, then hands it on. */
function recordingRpc(rpc: Rpc, directory: string): Rpc & { written(): number } {
  const paths = new Set<string>()
  const call: Rpc['call'] = async (method, params, options) => {
    const exact = await rpc.call(method, params, { parse })
    paths.add(`${method} ${JSON.stringify(params)}`)
    await writeRecorded(directory, method, params, exact, stringify as (value: unknown) => string)
    return (options?.parse ?? JSON.parse)(stringify(exact) ?? 'null')
  }
  return {
    ...rpc,
    call,
    callMany: callEach(call),
    written: () => paths.size,
  }
}
