import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export type Family = 'evm' | 'btc'

/** Recorded blocks that are repeated: the ones that the peers' figures were measured with, as far as they are recorded. */
const POOLS: Record<Family, string> = { evm: '15753009,18000000', btc: '413567,702861' }

/** A contiguous chain of repeated blocks, as the tool that made it counts it. */
export interface TiledChain {
  directory: string
  family: Family
  first: number
  blocks: number
  transactions: number
}

/** Makes the chain, or takes the one that an earlier run left. One block more than asked: the first one is not indexed. */
export async function makeChain(
  tools: string,
  recordings: string,
  cache: string,
  family: Family,
  blocks: number,
): Promise<TiledChain> {
  const directory = join(cache, `${family}-${blocks}`)
  if (!existsSync(join(directory, 'chain.json'))) {
    const part = `${directory}.part`
    await rm(part, { recursive: true, force: true })
    await mkdir(part, { recursive: true })
    await run(join(tools, 'make-chain.mjs'), [
      ...['--family', family, '--from', recordings, '--pool', POOLS[family]],
      ...['--out', part, '--blocks', String(blocks + 1)],
    ])
    await rename(part, directory)
  }
  const made = JSON.parse(await readFile(join(directory, 'chain.json'), 'utf8')) as TiledChain
  return { ...made, directory, family }
}

async function run(script: string, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`${script} ended with ${code}`)
}

/** A node that answers from such a chain, on loopback. */
export interface ReplayNode {
  url: string
  /** User and system seconds that it took so far. */
  cpu(): Promise<number>
  stop(): Promise<void>
}

export async function startReplayNode(tools: string, chain: TiledChain): Promise<ReplayNode> {
  const child = spawn(
    process.execPath,
    [join(tools, 'replay-node.mjs'), ...['--data', chain.directory, '--family', chain.family, '--port', '0']],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const url = await readUrl(child)
  return {
    url,
    async cpu() {
      const { cpu } = (await (await fetch(url)).json()) as { cpu: { user: number; system: number } }
      return (cpu.user + cpu.system) / 1e6
    },
    async stop() {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    },
  }
}

async function readUrl(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const url = /http:\/\/[\d.:]+/.exec(line)?.[0]
    if (url) return url
  }
  throw new Error('the replay node ended before it was ready')
}
