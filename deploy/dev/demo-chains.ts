import { mkdirSync } from 'node:fs'
import type { Logger } from 'pino'
import { bitcoinRegtest } from '../../crawlers/chains/bitcoin-regtest.ts'
import { evmLocal } from '../../crawlers/chains/evm-local.ts'
import { lockDirectory } from '../lock.ts'
import type { DemoChain } from './demo-chain.ts'
import { startDemoEvm } from './demo-evm.ts'
import { startDemoRegtest } from './demo-regtest.ts'
import { createRandomness } from './randomness.ts'

export interface DemoChainsDeps {
  /** Where the chains' histories are kept: a start with the same directory goes on with the same chains. */
  directory: string
  logger: Logger
  /** What happens on new chains; any text. */
  seed?: string
  /** Between two blocks of a chain, give or take a half. */
  intervalMs?: number
  /** Between two reorgs of a chain, in blocks, give or take a half. */
  reorgEvery?: number
}

export interface DemoChains {
  /** By slug, in the order in which they are to be asked. */
  endpoints: ReadonlyMap<string, string[]>
  close(): Promise<void>
}

const INTERVAL_MS = 4_000
const REORG_EVERY = 30
const DEEPEST_REORG = 3

/**
 * Two chains on this machine that need no network, each with a history and then a block with varied transactions every
 * few seconds and a small reorg now and then. Everything about them is valid. They end with this process, however it
 * ends; what they served is in their histories before it is served, so that a restart never knows less.
 * @throws ConfigError when the directory holds histories that cannot be gone on with, or another process is in it.
 */
export async function startDemoChains(deps: DemoChainsDeps): Promise<DemoChains> {
  const { directory, logger, seed = 'demo' } = deps
  mkdirSync(directory, { recursive: true })
  const lock = await lockDirectory(directory)
  const opened = await Promise.allSettled([
    startDemoEvm({ directory, logger, seed }),
    startDemoRegtest({ directory, seed }),
  ])
  const chains = opened.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const failure = opened.find(outcome => outcome.status === 'rejected')
  if (failure) {
    await Promise.all(chains.map(chain => chain.close()))
    await lock.release()
    throw failure.reason
  }
  const slugs = [evmLocal, bitcoinRegtest].map(chain => chain.definition.slug)
  const stopping = new AbortController()
  const running = chains.map((chain, at) =>
    keepGoing(chain, { ...deps, chain: slugs[at]!, signal: stopping.signal }),
  )
  return {
    endpoints: new Map(slugs.map((slug, at) => [slug, chains[at]!.urls])),
    async close() {
      stopping.abort()
      await Promise.all(running)
      await Promise.all(chains.map(chain => chain.close()))
      await lock.release()
    },
  }
}

interface Going extends DemoChainsDeps {
  chain: string
  signal: AbortSignal
}

async function keepGoing(chain: DemoChain, going: Going): Promise<void> {
  const { logger, signal, intervalMs = INTERVAL_MS, reorgEvery = REORG_EVERY } = going
  const random = createRandomness(`${going.seed}/${going.chain}/pace`)
  const about = (much: number) => Math.ceil(much / 2 + (much * random.integer(1001)) / 1000)
  let untilReorg = about(reorgEvery)
  while (!signal.aborted) {
    await sleep(about(intervalMs), signal)
    if (signal.aborted) return
    try {
      if (untilReorg-- > 0) {
        await chain.advance()
        continue
      }
      untilReorg = about(reorgEvery)
      const depth = await chain.reorg(1 + random.integer(DEEPEST_REORG))
      logger.info({ chain: going.chain, depth }, 'demo chain made a reorg')
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error, chain: going.chain }, 'demo chain could not go on')
    }
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}
