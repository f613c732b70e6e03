import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { type RegtestNode, startRegtestNode } from '../deploy/dev/regtest-node.ts'
import { runCli, summaryOf } from './cli.ts'
import { dumpViews, withDirectory } from './harness.ts'

const CHAIN = 'bitcoin-regtest'
/** More than leave with one batch. */
const BLOCKS = 300

let node: RegtestNode
let data: string
beforeAll(async () => {
  const chain = createRegtestChain({ seed: 'rewind' })
  for (let height = 1; height <= BLOCKS; height++) chain.mine()
  node = await startRegtestNode(chain)
  data = await mkdtemp(join(tmpdir(), 'wanlian-rewind-'))
})
afterAll(async () => {
  await node?.close()
  await rm(data, { recursive: true, force: true })
})

const index = () =>
  runCli(['index', CHAIN, '--node', node.url, '--from', '0', '--to', String(BLOCKS), '--data', data])
const rewind = (height: string) => runCli(['rewind', CHAIN, height, '--data', data])

test('a chain is taken back to a stored block, and goes on from there as if nothing had been', async () => {
  expect((await index()).code).toBe(0)
  const whole = await withDirectory(data, sql => dumpViews(sql, CHAIN))

  const unknown = await rewind('301')
  expect([unknown.code, unknown.stdout]).toEqual([1, ''])
  expect(unknown.stderr).toContain('expected the height of a stored block, got 301')

  const rewound = await rewind('20')
  expect(summaryOf(rewound)).toEqual({ chain: CHAIN, height: 20, blocks: 280 })
  expect(rewound.code).toBe(0)
  const [left] = await withDirectory(data, sql =>
    sql.rows(
      `SELECT (SELECT (count(), max(height)) FROM blocks WHERE chain = '${CHAIN}') AS stored,
        (SELECT (count(), min(height), max(height)) FROM orphaned_blocks WHERE chain = '${CHAIN}') AS orphaned,
        (SELECT sum(depth) FROM reorgs WHERE chain = '${CHAIN}') AS depth`,
    ),
  )
  expect(left).toEqual({ stored: ['21', '20'], orphaned: ['280', '21', '300'], depth: '280' })
  expect((await runCli(['check', CHAIN, '--data', data])).code).toBe(0)

  expect(summaryOf(await rewind('20'))).toMatchObject({ blocks: 0 })
  expect((await index()).code).toBe(0)
  expect(await withDirectory(data, sql => dumpViews(sql, CHAIN))).toEqual(whole)
})
