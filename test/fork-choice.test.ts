import { setTimeout as pause } from 'node:timers/promises'
import { Block } from 'bitcoinjs-lib'
import { afterEach, describe, expect, test } from 'vitest'
import type { Chain } from '../crawlers/chain.ts'
import { bitcoinRegtest } from '../crawlers/chains/bitcoin-regtest.ts'
import { evmLocal } from '../crawlers/chains/evm-local.ts'
import { createRegtestChain, type RegtestBlock, type RegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { type Anvil, startAnvil } from '../deploy/dev/evm-local.ts'
import { createRandomness } from '../deploy/dev/randomness.ts'
import { startRegtestNode } from '../deploy/dev/regtest-node.ts'
import { type Followed, openFollowed } from './followed.ts'
import { blocksOf, startBalancer, viewOf } from './views.ts'

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

function keep<T extends { close(): unknown }>(one: T): T {
  opened.push(one)
  return one
}

async function until(what: string, done: () => boolean | Promise<boolean>, rounds = 12_000): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    if (await done()) return
    await pause(5)
  }
  const seen = opened.flatMap(one => ('follower' in one ? [(one as Followed).follower.status()] : []))
  throw new Error(`waited in vain for: ${what}; ${JSON.stringify(seen)}`)
}

const BLOCKS_OF_AN_HOUR = 300

/** Long enough for several looks at a poll of 5 ms. */
const SOME_LOOKS_MS = 400

async function startNode(chain: RegtestChain): Promise<string> {
  return keep(await startRegtestNode(chain)).url
}

function mined(seed: string, blocks: number): RegtestChain {
  const chain = createRegtestChain({ seed })
  for (let count = 0; count < blocks; count++) chain.mine()
  return chain
}

async function follow(chain: Chain, urls: readonly string[], settings = {}): Promise<Followed> {
  return keep(await openFollowed(chain, urls, settings))
}

const hashesOf = (chain: RegtestChain) => blocksOf(chain).map(block => block.hash)

describe('a node that is behind', () => {
  test('an hour of blocks, answers of a node 5 to 200 blocks behind at every other call: nothing is taken back', async () => {
    const chain = mined('behind', 220)
    const random = createRandomness('behind')
    let lag = 5
    const behind = viewOf(chain, () => blocksOf(chain).slice(0, chain.head.height + 1 - lag))
    const [front, late] = [await startNode(chain), await startNode(behind)]
    const balanced = keep(await startBalancer([front, late]))
    const followed = await follow(bitcoinRegtest, [balanced.url, late])
    const tips = new Set<number>()
    // At twelve seconds a block.
    for (let block = 0; block < BLOCKS_OF_AN_HOUR; block++) {
      chain.mine()
      lag = 5 + random.integer(196)
      await pause(10)
      tips.add(followed.tip()?.height ?? 0)
    }
    lag = 5
    await until('the head, nothing missing', () => followed.hashes().length === chain.head.height + 1)
    expect(followed.hashes()).toEqual(hashesOf(chain))
    expect(followed.reverts).toEqual([])
    // Both were asked, and followed, all the time.
    expect(tips.size).toBeGreaterThan(2)
    expect(balanced.calls).toBeGreaterThan(1_000)
  })

  test('where two have to agree, a block is taken when both have it', async () => {
    const chain = mined('agree', 40)
    let lag = 3
    const late = viewOf(chain, () => blocksOf(chain).slice(0, chain.head.height + 1 - lag))
    const urls = [await startNode(chain), await startNode(late)]
    const followed = await follow(bitcoinRegtest, urls, { confirmWith: 2 })
    await until('what both have', () => followed.tip()?.height === 37)
    await until('a word', () =>
      /known to 1 of 2 nodes, 2 have to give it/.test(followed.follower.status().waitingFor ?? ''),
    )
    await pause(SOME_LOOKS_MS)
    expect(followed.tip()?.height).toBe(37)
    lag = 0
    await until('the head', () => followed.tip()?.hash === chain.head.hash)
    expect([followed.hashes(), followed.reverts]).toEqual([hashesOf(chain), []])
  })

  test('the only one there is: waited for, and said', async () => {
    const chain = mined('waits', 40)
    let lag = 0
    const view = viewOf(chain, () => blocksOf(chain).slice(0, chain.head.height + 1 - lag))
    const followed = await follow(bitcoinRegtest, [await startNode(view)])
    await until('the head', () => followed.hashes().length === 41)
    lag = 7
    await until('a word', () => followed.follower.status().waitingFor !== null)
    expect(followed.follower.status()).toMatchObject({
      problem: null,
      waitingFor: expect.stringMatching(
        /are at height 33, 7 blocks below the stored tip.*wanlian rewind bitcoin-regtest 33/,
      ),
    })
    await pause(SOME_LOOKS_MS)
    lag = 0
    chain.mine()
    await until('the head', () => followed.tip()?.hash === chain.head.hash)
    expect(followed.reverts).toEqual([])
    await until('nothing to wait for', () => followed.follower.status().waitingFor === null)
  })

  test('on a branch that the others have left: reorgs are followed once, its answers never', async () => {
    const chain = mined('left', 120)
    let stale = blocksOf(chain)
    const [front, late] = [await startNode(chain), await startNode(viewOf(chain, () => stale))]
    let toldHead = 0
    const balanced = keep(
      await startBalancer([front, late], (call, body) => {
        if (body.includes('"getblockcount"')) toldHead = call % 2
        return call % 2
      }),
    )
    const followed = await follow(bitcoinRegtest, [balanced.url])
    await until('the head', () => followed.hashes().length === 121)
    for (let round = 0; round < 30; round++) {
      chain.mine()
      await until('the head', () => followed.tip()?.hash === chain.head.hash)
      // From now on one of the two stays where it is, on the branch that goes.
      if (round % 6 === 0) {
        stale = blocksOf(chain)
        // The turn: heads are told by the one, or by the other.
        await pause(20)
        if (toldHead !== (round / 6) % 2) balanced.calls++
        chain.reorg(2, () => [])
        await until('the branch', () => followed.tip()?.hash === chain.head.hash)
      }
      await pause(20)
    }
    await until('the head', () => followed.tip()?.hash === chain.head.hash)
    expect(followed.hashes()).toEqual(hashesOf(chain))
    expect(followed.reverts.map(({ removed }) => removed)).toEqual([2, 2, 2, 2, 2])
  })
})

describe('tip and history', () => {
  test('history that is stored before the first block of the tip is not taken for the tip: no height comes twice', async () => {
    const chain = mined('two ways', 300)
    const [node, nobody] = [await startNode(chain), 'http://127.0.0.1:1/']
    const hidden = new Set(blocksOf(chain).flatMap(({ hash, height }) => (height > 60 ? [hash] : [])))
    const asked = (body: string) =>
      body.includes('"getblock"') && [...hidden].some(hash => body.includes(hash))
    const balanced = keep(await startBalancer([node, nobody], (_, body) => (asked(body) ? 1 : 0)))
    const followed = await follow(bitcoinRegtest, [balanced.url])
    await until('history as far as it can be had', () => followed.hashes().length >= 50)
    // The tip is tried anew in the meantime.
    await pause(4 * SOME_LOOKS_MS)
    hidden.clear()
    await until('the whole chain', () => followed.hashes().length === 301)
    expect([followed.hashes(), followed.reverts]).toEqual([hashesOf(chain), []])
    expect([...followed.came.values()].every(times => times === 1)).toBe(true)
  })
})

/** A block in place of another with more work in it: 256 times the usual one of regtest. */
function heavier(block: RegtestBlock): RegtestBlock {
  const heavy = Block.fromBuffer(block.bytes)
  heavy.bits = 0x1f7fffff
  while (!heavy.checkProofOfWork()) heavy.nonce++
  return { ...block, block: heavy, bytes: heavy.toBuffer(), hash: heavy.getId() }
}

describe('branches with work', () => {
  test('of the same work, the first seen stays; the node is told of, and its next block decides', async () => {
    const chain = mined('equal', 30)
    const ours = blocksOf(chain)
    chain.reorg(1, () => [])
    const other = blocksOf(chain)
    let active: readonly RegtestBlock[] = ours
    const followed = await follow(bitcoinRegtest, [await startNode(viewOf(chain, () => active))])
    await until('the head', () => followed.hashes().length === 31)
    // The same height, another block.
    active = other.slice(0, 31)
    await until('a word', () => followed.follower.status().waitingFor !== null)
    expect(followed.follower.status().waitingFor).toMatch(
      /another branch, from height 30 to block 30 .* the same work/,
    )
    await pause(SOME_LOOKS_MS)
    expect([followed.tip()?.hash, followed.reverts]).toEqual([ours[30]!.hash, []])
    active = other
    await until('the longer branch', () => followed.tip()?.hash === other[31]!.hash)
    expect(followed.reverts).toEqual([{ to: 29, removed: 1 }])
  })

  test('a shorter one with more work is taken, a longer one with less is not', async () => {
    const chain = mined('heavy', 40)
    const light = blocksOf(chain)
    // One heavy block in place of the last five.
    const heavy = [...light.slice(0, 36), heavier(light[36]!)]
    let active: readonly RegtestBlock[] = light
    const url = await startNode(viewOf(chain, () => active))
    const followed = await follow(bitcoinRegtest, [url])
    await until('the head', () => followed.hashes().length === 41)
    active = heavy
    await until('the heavy branch', () => followed.tip()?.hash === heavy[36]!.hash)
    expect(followed.reverts).toEqual([{ to: 35, removed: 5 }])
    active = light
    await until('a word', () => followed.follower.status().waitingFor !== null)
    expect(followed.follower.status().waitingFor).toMatch(/from height 36 to block 40 .* less work than ours/)
    // Another node goes on above the heavy block, while the light branch grows.
    for (let count = 0; count < 3; count++) chain.mine()
    active = blocksOf(chain)
    await pause(SOME_LOOKS_MS)
    expect([followed.tip()?.hash, followed.reverts.length]).toEqual([heavy[36]!.hash, 1])
  })
})

describe('without work', () => {
  let anvil: Anvil

  async function call<Result = unknown>(method: string, params: unknown[] = []): Promise<Result> {
    const answer = await fetch(anvil.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const { result, error } = (await answer.json()) as { result: Result; error?: unknown }
    expect(error).toBeUndefined()
    return result
  }

  async function anvilHashes(): Promise<string[]> {
    const head = Number(await call('eth_blockNumber'))
    const heights = Array.from({ length: head + 1 }, (_, height) => height)
    const blocks = await Promise.all(
      heights.map(height =>
        call<{ hash: string }>('eth_getBlockByNumber', [`0x${height.toString(16)}`, false]),
      ),
    )
    return blocks.map(({ hash }) => hash.slice(2))
  }

  const isAtNode = async (followed: Followed) =>
    JSON.stringify(followed.hashes()) === JSON.stringify(await anvilHashes())

  test('a branch as long as ours, and a shorter one, are taken when the node insists', async () => {
    anvil = keep(await startAnvil())
    await call('anvil_mine', ['0x14'])
    const followed = await follow(evmLocal, [anvil.url])
    await until('the head', () => isAtNode(followed))
    const [from, to] = (await call('eth_accounts')) as [string, string]
    // As long as ours.
    await call('anvil_reorg', [3, [[{ from, to, value: '0x77' }, 0]]])
    await until('the other branch', () => isAtNode(followed))
    expect(followed.reverts).toEqual([{ to: 17, removed: 3 }])
    // Taken back and nothing new yet: it may as well be behind.
    await call('anvil_rollback', [5])
    await until('a word', () => /15, 5 blocks below/.test(followed.follower.status().waitingFor ?? ''))
    await pause(SOME_LOOKS_MS)
    expect(followed.reverts.length).toBe(1)
    // Two new blocks: a branch that is shorter than ours.
    await call('evm_increaseTime', [1000])
    await call('anvil_mine', ['0x2'])
    await until('the shorter branch', () => isAtNode(followed))
    expect(followed.reverts.slice(1)).toEqual([{ to: 15, removed: 5 }])
    await call('anvil_mine', ['0x3'])
    await until('what follows', () => isAtNode(followed))
    expect(followed.reverts.length).toBe(2)
    expect(followed.follower.status()).toMatchObject({ problem: null, waitingFor: null })
  })

  test('as long as one of two nodes has our tip, a branch that is not longer is not taken', async () => {
    anvil = keep(await startAnvil())
    await call('anvil_mine', ['0x14'])
    const other = keep(await startAnvil())
    const copy = async (method: string, params: unknown[]) => {
      const answer = await fetch(other.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      })
      return ((await answer.json()) as { result: unknown }).result
    }
    await copy('anvil_loadState', [await call('anvil_dumpState', [true])])
    const followed = await follow(evmLocal, [anvil.url, other.url])
    await until('the head', () => isAtNode(followed))
    const [from, to] = (await call('eth_accounts')) as [string, string]
    await call('anvil_reorg', [3, [[{ from, to, value: '0x77' }, 0]]])
    await until('a word', () => /has our tip/.test(followed.follower.status().waitingFor ?? ''))
    await pause(SOME_LOOKS_MS)
    expect(followed.reverts).toEqual([])
    await call('anvil_mine', ['0x1'])
    await until('the longer branch', () => isAtNode(followed))
    expect(followed.reverts).toEqual([{ to: 17, removed: 3 }])
  })
})
