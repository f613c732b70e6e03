import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { bitcoinCash } from '../crawlers/chains/bitcoin-cash.ts'
import { checkChain } from '../splitter/check.ts'
import { announcedUntil, openWorld, until, type World } from './follow-world.ts'
import { describeRecorded, recordings } from './recordings.ts'

/** The block that Bitcoin Cash left at height 663,750, and the one that took its place. */
const LEFT = '00000000000000000007f9c9e6f9564cf56cb3e55232459968b3b3721d34a289'
const STAYED = '0000000000000000011c8a9b1a8dd1338337e3b6d4bcbe2b19892e7ba41eaca5'
const FIRST = 663_749

/** A node whose chain is these blocks, by their hashes. */
async function startNode() {
  const active = new Map<number, string>()
  const methods: Record<string, (param: never) => unknown> = {
    getblockchaininfo: () => ({ chain: 'main', blocks: Math.max(...active.keys()) }),
    getblockcount: () => Math.max(...active.keys()),
    getblockhash: (height: number) =>
      height === 0 ? bitcoinCash.definition.genesisHash : active.get(height),
    getblockheader: (hash: string) => {
      const found = [...active].find(([, other]) => other === hash)
      return found ? { hash, height: found[0] } : undefined
    },
    getblock: (hash: string) =>
      readFile(join(recordings, 'bitcoin-cash', 'getrawblock', `${hash}.hex`), 'utf8').then(text =>
        text.trim(),
      ),
  }
  const server = createServer(async (question, answer) => {
    let body = ''
    for await (const part of question) body += part
    const reply = async ({ id, method, params }: { id: number; method: string; params: never[] }) => {
      const isRaw = method !== 'getblock' || params[1] === 0
      const result = isRaw ? await methods[method]?.(params[0]!) : undefined
      if (result !== undefined) return { id, result, error: null }
      return { id, result: null, error: { code: -8, message: 'not of this node' } }
    }
    const asked = JSON.parse(body)
    answer.end(
      JSON.stringify(Array.isArray(asked) ? await Promise.all(asked.map(reply)) : await reply(asked)),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, active, server }
}

/** Nothing is recorded below: following begins one block below the head. */
const finality = { kind: 'confirmations', safe: 1, final: 2 } as const
const chain = { ...bitcoinCash, definition: { ...bitcoinCash.definition, finality } }

describeRecorded('a fork that was', () => {
  let world: World
  let node: Awaited<ReturnType<typeof startNode>>
  afterAll(async () => {
    await world?.close()
    node?.server.close()
    node?.server.closeAllConnections()
  })

  test('one branch of Bitcoin Cash at height 663,750, then the other: it ends on the one with more work', async () => {
    world = await openWorld()
    node = await startNode()
    const { sql } = world.store
    const recorded = async (height: number) =>
      JSON.parse(await readFile(join(recordings, 'bitcoin-cash', 'getblockhash', `${height}.json`), 'utf8'))
    const stored = async () => {
      const rows = await sql.rows<{ hash: string }>(
        `SELECT hash FROM blocks WHERE chain = 'bitcoin-cash' ORDER BY height`,
      )
      return rows.map(({ hash }) => hash)
    }
    const first = await recorded(FIRST)
    node.active.set(FIRST, first).set(FIRST + 1, LEFT)
    await world.start({ chain, urls: [node.url], historyFrom: null })
    await until('the branch that was to go', async () => (await stored()).join() === [first, LEFT].join())

    // The other has the same work: first seen stays.
    node.active.set(FIRST + 1, STAYED)
    await until('a word', async () => world.pipeline!.follows()[0]!.waitingFor !== null)
    expect(world.pipeline!.follows()[0]!.waitingFor).toContain('the same work')
    expect(await stored()).toEqual([first, LEFT])

    for (const height of [FIRST + 2, FIRST + 3]) node.active.set(height, await recorded(height))
    const right = [...node.active.keys()].sort().map(height => node.active.get(height))
    await until('the branch that stayed', async () => (await stored()).join() === right.join())

    expect(await sql.rows(`SELECT * FROM reorgs WHERE chain = 'bitcoin-cash'`)).toMatchObject([
      {
        height: String(FIRST + 1),
        depth: 1,
        old_hash: LEFT,
        common_ancestor: first,
        transactions: 25,
      },
    ])
    expect(
      await sql.rows(
        `SELECT height, hash, (SELECT count() FROM orphaned_transactions WHERE chain = 'bitcoin-cash') AS transactions
        FROM orphaned_blocks WHERE chain = 'bitcoin-cash'`,
      ),
    ).toEqual([{ height: String(FIRST + 1), hash: LEFT, transactions: '25' }])
    const counts = await sql.rows(
      `SELECT transaction_count AS transactions FROM blocks WHERE chain = 'bitcoin-cash' ORDER BY height`,
    )
    expect(counts.map(row => row.transactions)).toEqual([11, 53, 2, 45])
    const told = await announcedUntil(world.log, await stored())
    expect(told.slice(2).map(({ type, hash }) => [type, hash])).toEqual([
      ['block.removed', LEFT],
      ...right.slice(1).map(hash => ['block.added', hash]),
    ])
    await world.stop()
    const checked = await checkChain({ sql, chain })
    expect(checked).toEqual({ blocks: 4, proven: 4, differences: [] })
  })
})
