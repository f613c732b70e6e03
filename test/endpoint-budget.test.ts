import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { bitcoinRegtest } from '../crawlers/chains/bitcoin-regtest.ts'
import { openNodes } from '../crawlers/nodes.ts'
import { openRpc, type RpcSettings } from '../crawlers/rpc.ts'
import { createRegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { startRegtestNode } from '../deploy/dev/regtest-node.ts'
import { openLearned } from '../deploy/learned.ts'
import { startFront, type Trouble } from './front.ts'
import { silent } from './harness.ts'

const QUICK: RpcSettings = { attempts: 3, backoffMs: 20, timeoutMs: 1_000 }

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

function keep<T extends { close(): unknown }>(one: T): T {
  opened.push(one)
  return one
}

describe('what an endpoint allows', () => {
  const QUOTA = 40

  /** Refuses what is more than its quota in any second. */
  function quota(): { trouble: Trouble; refused: () => number } {
    let times: number[] = []
    let refused = 0
    return {
      refused: () => refused,
      trouble: async (response, _asked, good) => {
        const now = performance.now()
        times = times.filter(time => time > now - 1_000)
        if (times.length < QUOTA) {
          times.push(now)
          return void response.end(await good())
        }
        refused++
        response.writeHead(429).end('slow down')
      },
    }
  }

  test('is learned from its refusals, shown, and known after a restart', async () => {
    const chain = createRegtestChain({ seed: 'quota' })
    const node = keep(await startRegtestNode(chain))
    const { trouble, refused } = quota()
    const front = keep(await startFront(node.url, trouble))
    const directory = await mkdtemp(join(tmpdir(), 'wanlian-learned-'))
    opened.push({ close: () => rm(directory, { recursive: true, force: true }) })

    /** Many calls, all of them answered. */
    async function run(calls: number) {
      const learned = await openLearned(directory, silent)
      const pool = await openRpc([{ url: front.url }], { ...QUICK, attempts: 30, learned })
      const began = pool.status()[0]!.callsPerSecond
      try {
        await Promise.all(Array.from({ length: calls }, () => pool.call('getblockcount', [])))
        return { began, ended: pool.status()[0]!.callsPerSecond }
      } finally {
        await pool.close()
        await learned.close()
      }
    }

    const first = await run(QUOTA + 20)
    expect(first.began).toBeNull()
    expect(refused()).toBeGreaterThan(0)
    expect(first.ended).toBeGreaterThanOrEqual(1)
    expect(first.ended).toBeLessThan(QUOTA)
    const before = refused()
    const second = await run(10)
    expect(second.began).toBe(first.ended)
    expect(refused()).toBe(before)
    expect(JSON.parse(await readFile(join(directory, 'endpoints.json'), 'utf8'))).toEqual({
      [front.url]: second.ended,
    })

    await writeFile(join(directory, 'endpoints.json'), '{"a": "b"')
    const third = await openLearned(directory, silent)
    expect(third.get(front.url)).toBeNull()
  })

  test('may be configured', async () => {
    const node = keep(await startRegtestNode(createRegtestChain({ seed: 'quota' })))
    const { trouble, refused } = quota()
    const front = keep(await startFront(node.url, trouble))
    const pool = keep(await openRpc([{ url: front.url, callsPerSecond: QUOTA / 2 }], QUICK))
    await Promise.all(Array.from({ length: QUOTA + 5 }, () => pool.call('getblockcount', [])))
    expect(refused()).toBe(0)
    expect(pool.status()[0]!.callsPerSecond).toBe(QUOTA / 2)
  })

  test('of two endpoints that have the same, both are asked when there is much to do', async () => {
    const chain = createRegtestChain({ seed: 'both' })
    for (let at = 0; at < 20; at++) chain.mine()
    const node = keep(await startRegtestNode(chain))
    const slow: Trouble = async (response, _asked, good) => {
      const answer = await good()
      await pause(20)
      response.end(answer)
    }
    const fronts = [keep(await startFront(node.url, slow)), keep(await startFront(node.url, slow))]
    // All but the last block are beyond reorgs.
    const definition = { ...bitcoinRegtest.definition, maxReorgDepth: 1 }
    const nodes = keep(await openNodes({ ...bitcoinRegtest, definition }, fronts, { rpc: QUICK }))
    await nodes.identify()
    await nodes.head()
    await Promise.all(Array.from({ length: 20 }, (_, height) => nodes.blockAt(height)))
    const asked = fronts.map(({ asked }) => asked.filter(({ method }) => method === 'getblock').length)
    expect(Math.min(...asked)).toBeGreaterThan(3)
  })
})
