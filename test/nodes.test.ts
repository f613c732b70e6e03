import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openRpc, type Rpc } from '../crawlers/rpc.ts'
import type { IndexSummary } from '../deploy/commands/index.ts'
import { createRegtestChain, type RegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { type Anvil, runEvmScenario, startAnvil } from '../deploy/dev/evm-local.ts'
import type { EvmFacts } from '../deploy/dev/evm-stage.ts'
import { REGTEST_FIXTURE_SEED } from '../deploy/dev/record-regtest.ts'
import { type RegtestNode, startRegtestNode } from '../deploy/dev/regtest-node.ts'
import type { CheckReport } from '../splitter/check.ts'
import type { BalanceReport } from '../splitter/check-balances.ts'
import { startBareNode } from './bare-node.ts'
import { type Finished, runCli, summaryOf } from './cli.ts'
import regtestFacts from './fixtures/recordings/bitcoin-regtest/FACTS.json' with { type: 'json' }
import { dumpViews, openTestStore, type TestStore } from './harness.ts'

/**
 * Real nodes on loopback, through the command line into real stores. The stores are held open here, so that commands
 * join them, and what a command wrote is asked for without a command of its own.
 */
const MAX_UINT256 = (2n ** 256n - 1n).toString()
const PRIVATE_CHAIN_ID = 4242

let chain: RegtestChain
let regtest: RegtestNode
let regtestUrl: string
let bare: Server
let bareUrl: string
let anvil: Anvil
let facts: EvmFacts
let privateAnvil: Anvil
let rpc: Rpc
let main: TestStore
let backwards: TestStore
let replayed: TestStore
let directory: string
const opened: { close(): Promise<void> }[] = []

async function open<T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> {
  const one = await opening
  opened.push(one)
  return one
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-nodes-'))
  chain = createRegtestChain({ seed: REGTEST_FIXTURE_SEED })
  for (let n = 0; n < 101; n++) chain.mine()
  for (let n = 0; n < 8; n++) chain.mineVaried()
  chain.mine()
  regtest = await open(startRegtestNode(chain, { credentials: 'user:pw' }))
  regtestUrl = regtest.url.replace('//', '//user:pw@')
  bare = await startBareNode(regtest.url)
  bareUrl = `http://user:pw@127.0.0.1:${(bare.address() as AddressInfo).port}/`
  anvil = await open(startAnvil())
  privateAnvil = await open(startAnvil({ chainId: PRIVATE_CHAIN_ID }))
  facts = await runEvmScenario(anvil.url)
  rpc = await open(openRpc([{ url: anvil.url }]))
  main = await open(openTestStore())
  backwards = await open(openTestStore())
  replayed = await open(openTestStore())
})

afterAll(async () => {
  bare?.close()
  for (const one of opened.reverse()) await one.close()
  await rm(directory, { recursive: true, force: true })
})

function index(store: TestStore, slug: string, ...options: string[]): Promise<Finished> {
  return runCli(['index', slug, '--data', store.directory, ...options])
}

/** The summary of a run in which all went well and nothing but the summary was said on stdout. */
function summaryOfGood<T>(finished: Finished): T {
  expect([finished.code, finished.code === 0 ? '' : finished.stderr]).toEqual([0, ''])
  expect(finished.stdout).toMatch(/^\{.*\}\n$/)
  return summaryOf<T>(finished)
}

async function expectNoDifferences(store: TestStore, slug: string, blocks: number): Promise<void> {
  const report = summaryOfGood<CheckReport>(await runCli(['check', slug, '--data', store.directory]))
  expect(report).toMatchObject({ blocks, proven: blocks, differences: [] })
}

/** One row of numbers and texts. */
async function one(store: TestStore, statement: string): Promise<Record<string, unknown>> {
  const rows = await store.sql.rows(statement)
  expect(rows.length).toBe(1)
  return rows[0]!
}

/** Nonzero amounts by holder and asset, without the synthetic account. */
async function balances(store: TestStore, slug: string): Promise<Map<string, string>> {
  const rows = await store.sql.rows<{ address: string; asset: string; amount: string }>(
    `SELECT address, asset, amount FROM balances WHERE chain = {chain:String} AND address != ''`,
    { chain: slug },
  )
  return new Map(rows.map(row => [`${row.asset} ${row.address}`, row.amount]))
}

const INPUTS = `SELECT countIf(amount IS NULL AND NOT is_coinbase) AS open, countIf(source = 'unknown') AS unknown,
  countIf(NOT is_coinbase) AS spent,
  (SELECT countIf(effects_complete = 0) FROM transactions WHERE chain = 'bitcoin-regtest') AS incomplete,
  (SELECT countIf(fee IS NULL) FROM transactions WHERE chain = 'bitcoin-regtest') AS unpaid
  FROM utxo_inputs WHERE chain = 'bitcoin-regtest'`

describe('a bitcoin node', () => {
  const head = regtestFacts.head.height

  test('every block is stored and proven, every spent output resolved', async () => {
    const asked = ['--node', regtestUrl, '--from', '0', '--to', String(head)]
    const summary = summaryOfGood<IndexSummary>(await index(main, 'bitcoin-regtest', ...asked))
    expect(summary).toMatchObject({
      chain: 'bitcoin-regtest',
      blocks: regtestFacts.blocks,
      transactions: regtestFacts.transactions,
      verified: regtestFacts.blocks,
      fetched: regtestFacts.blocks,
      failed: [],
    })
    const inputs = Array.from({ length: head + 1 }, (_, height) => chain.blockAt(height)!.spent.flat().length)
    expect(await one(main, INPUTS)).toEqual({
      open: '0',
      unknown: '0',
      spent: String(inputs.reduce((sum, count) => sum + count, 0)),
      incomplete: '0',
      unpaid: '0',
    })
    await expectNoDifferences(main, 'bitcoin-regtest', regtestFacts.blocks)
  })

  test('balances and fees are what the maker of the transactions knows', async () => {
    const got = await balances(main, 'bitcoin-regtest')
    const expected = regtestFacts.balances.filter(entry => entry.amount !== '0')
    expect(expected.length).toBeGreaterThan(20)
    expect([...got].sort()).toEqual(expected.map(entry => [`native ${entry.address}`, entry.amount]).sort())
    expect(
      await one(
        main,
        `SELECT sum(fee) AS fees, (SELECT max(complete) FROM balances WHERE chain = 'bitcoin-regtest') AS complete,
          (SELECT partial_effects FROM chains WHERE chain = 'bitcoin-regtest') AS reason
        FROM transactions WHERE chain = 'bitcoin-regtest'`,
      ),
    ).toEqual({ fees: regtestFacts.fees, complete: 1, reason: '' })
  })

  test('balances are the sums of what the node has as unspent; a wrong one is found', async () => {
    const compare = (...more: string[]) =>
      runCli([
        'check',
        'bitcoin-regtest',
        '--balances',
        '--node',
        regtestUrl,
        '--data',
        main.directory,
        ...more,
      ])
    const report = summaryOfGood<BalanceReport>(await compare())
    const held = regtestFacts.balances.filter(entry => entry.amount !== '0').length
    expect(report).toMatchObject({ height: head, compared: report.addresses, differences: [] })
    expect([report.compared > held, report.outputs! >= held]).toEqual([true, true])
    expect(summaryOfGood<BalanceReport>(await compare('--sample', '7'))).toMatchObject({ compared: 7 })
    const { address, amount } = regtestFacts.balances.find(entry => entry.amount !== '0')!
    const change = (by: number) =>
      main.sql.command(
        `INSERT INTO wanlian.balance_sums VALUES ('bitcoin-regtest', {address:String}, 'native', {by:Int64}, 0)`,
        { address, by },
      )
    await change(5)
    const finished = await compare()
    await change(-5)
    expect(finished.code).toBe(2)
    expect(summaryOf<BalanceReport>(finished).differences).toEqual([
      {
        height: head,
        table: 'balances',
        difference: `${address}: the node says ${amount}, got ${BigInt(amount) + 5n}`,
      },
    ])
  })

  test('balances are compared at the same block only', async () => {
    const other = createRegtestChain({ seed: 'another chain' })
    for (let n = 0; n < head; n++) other.mine()
    const node = await open(startRegtestNode(other))
    const asked = ['check', 'bitcoin-regtest', '--balances', '--data', main.directory, '--node', node.url]
    const onAnotherBranch = await runCli(asked)
    expect([onAnotherBranch.code, onAnotherBranch.stderr]).toEqual([
      75,
      expect.stringContaining(' in the store, '),
    ])
    other.mine()
    const further = await runCli(asked)
    expect(further.code).toBe(75)
    expect(further.stderr).toContain(`the store is at block ${head}, the node at ${head + 1}`)
  })

  test('what is stored is not fetched again', async () => {
    const asked = ['--node', regtestUrl, '--heights', '3,110,3']
    expect(summaryOfGood<IndexSummary>(await index(main, 'bitcoin-regtest', ...asked))).toMatchObject({
      blocks: 2,
      verified: 2,
      fetched: 0,
      resolved: 0,
    })
  })

  test('the high half first, from a node that tells no spent outputs: the low half resolves them', async () => {
    const high = ['--node', bareUrl, '--from', '100', '--to', String(head)]
    const first = summaryOfGood<IndexSummary>(await index(backwards, 'bitcoin-regtest', ...high))
    expect(first).toMatchObject({ blocks: head - 99, verified: head - 99, resolved: 0 })
    const before = await one(backwards, INPUTS)
    for (const column of ['open', 'unknown', 'incomplete', 'unpaid']) {
      expect([column, Number(before[column]) > 0]).toEqual([column, true])
    }
    const low = ['--node', bareUrl, '--from', '0', '--to', '99']
    const second = summaryOfGood<IndexSummary>(await index(backwards, 'bitcoin-regtest', ...low))
    expect(second).toMatchObject({ blocks: 100, fetched: 100, failed: [] })
    expect(second.resolved).toBeGreaterThan(0)
    expect(await one(backwards, INPUTS)).toEqual(await one(main, INPUTS))
    await expectNoDifferences(backwards, 'bitcoin-regtest', regtestFacts.blocks)
    const [straight, turned] = await Promise.all(
      [main, backwards].map(store => dumpViews(store.sql, 'bitcoin-regtest')),
    )
    // Block 100 was proven without its parent and had no input to resolve: its link is known by its child only.
    const unlinked = `SELECT arraySort(groupArray(height)) AS heights FROM blocks WHERE NOT has(proofs, 'parent')`
    expect(await one(backwards, unlinked)).toEqual({ heights: ['0', '100'] })
    expect({ ...turned, blocks: '' }).toEqual({ ...straight, blocks: '' })
  })
})

describe('an ethereum node', () => {
  let summary: IndexSummary

  test('every block is stored and proven, the senders too', async () => {
    const asked = ['--node', anvil.url, '--from', '0', '--to', String(facts.blocks - 1), '--senders']
    summary = summaryOfGood<IndexSummary>(await index(main, 'evm-local', ...asked))
    expect(summary).toMatchObject({
      blocks: facts.blocks,
      transactions: facts.transactions,
      verified: facts.blocks,
      failed: [],
    })
    expect(summary.rows).toMatchObject({
      evm_logs: facts.logs,
      token_transfers: Object.values(facts.tokenTransfers).reduce((sum, count) => sum + count),
    })
    expect(
      await one(
        main,
        `SELECT countIf(has(proofs, 'senders')) AS blocks,
          (SELECT countIf(sender_proven = 0) FROM evm_transactions WHERE chain = 'evm-local') AS told,
          (SELECT countIf(status = 0) FROM transactions WHERE chain = 'evm-local') AS failed,
          (SELECT countIf(effects_complete = 0) FROM transactions WHERE chain = 'evm-local') AS incomplete
        FROM blocks WHERE chain = 'evm-local'`,
      ),
    ).toEqual({
      blocks: expect.stringMatching(/^[1-9]/),
      told: '0',
      failed: String(facts.failedTransactions.length),
      incomplete: '0',
    })
    await expectNoDifferences(main, 'evm-local', facts.blocks)
  })

  test('token transfers and balances are what the maker of the transactions knows', async () => {
    const transfers = await main.sql.rows<{ standard: string; transfers: string }>(
      `SELECT standard, count() AS transfers FROM token_transfers WHERE chain = 'evm-local' GROUP BY standard`,
    )
    expect(Object.fromEntries(transfers.map(row => [row.standard, Number(row.transfers)]))).toEqual(
      facts.tokenTransfers,
    )
    const got = [...(await balances(main, 'evm-local'))].filter(([key]) => !key.startsWith('native '))
    const expected = facts.tokenBalances
      .filter(holding => holding.amount !== '0')
      .map(({ token, tokenId, address, amount }) => {
        const asset = tokenId === null ? token : `${token}/${tokenId}`
        return [`${asset} ${address}`.toLowerCase(), amount]
      })
    expect(expected.length).toBeGreaterThan(5)
    // `balances.amount` is an Int256: 2^255 and more come round as negative, see the test below.
    const asStored = expected.map(([key, amount]) => [key, String(BigInt.asIntN(256, BigInt(amount!)))])
    expect(got.sort()).toEqual(asStored.sort())
  })

  test.fails('a balance of 2^255 or more is told as it is', async () => {
    const most = facts.tokenBalances.find(holding => BigInt(holding.amount) >= 2n ** 255n)!
    const got = await balances(main, 'evm-local')
    expect(got.get(`${most.token} ${most.address}`.toLowerCase())).toBe(most.amount)
  })

  test('balances of ether are what the node says, and are complete', async () => {
    const got = await balances(main, 'evm-local')
    const allocated = new Map(
      facts.genesisAllocation.map(entry => [entry.address.toLowerCase(), entry.amount]),
    )
    expect(
      await one(
        main,
        `SELECT complete, incomplete_because, (SELECT min(complete) FROM balances WHERE chain = 'evm-local') AS all_complete
        FROM chains WHERE chain = 'evm-local'`,
      ),
    ).toEqual({ complete: 1, incomplete_because: '', all_complete: 1 })
    const addresses = new Set([
      ...facts.ether.map(entry => entry.address.toLowerCase()),
      ...facts.etherUnknown.map(address => address.toLowerCase()),
      ...allocated.keys(),
      ...[...got.keys()].filter(key => key.startsWith('native ')).map(key => key.slice('native '.length)),
    ])
    expect(addresses.size).toBeGreaterThan(20)
    for (const address of addresses) {
      const now = BigInt(String(await rpc.call('eth_getBalance', [address, 'latest'])))
      expect([address, got.get(`native ${address}`) ?? '0']).toEqual([address, String(now)])
    }
    for (const { address, amount } of facts.ether) {
      expect(got.get(`native ${address.toLowerCase()}`) ?? '0').toBe(amount)
    }
  })

  test('balances are compared with the node by command; one that the node changed by itself is found', async () => {
    const compare = () =>
      runCli(['check', 'evm-local', '--balances', '--node', anvil.url, '--data', main.directory])
    const report = summaryOfGood<BalanceReport>(await compare())
    expect(report).toMatchObject({ height: facts.blocks - 1, outputs: null, differences: [] })
    expect([report.compared > 20, report.compared]).toEqual([true, report.addresses])
    const address = facts.genesisAllocation[9]!.address.toLowerCase()
    const before = await rpc.call('eth_getBalance', [address, 'latest'])
    await rpc.call('anvil_setBalance', [address, '0x7'])
    const finished = await compare()
    await rpc.call('anvil_setBalance', [address, before])
    expect(finished.code).toBe(2)
    expect(summaryOf<BalanceReport>(finished).differences).toEqual([
      {
        height: facts.blocks - 1,
        table: 'balances',
        difference: `${address}: the node says 7, got ${BigInt(String(before))}`,
      },
    ])
  })
})

describe('2^256 − 1 is told digit for digit', () => {
  const statement = `WITH toUInt256('${MAX_UINT256}') AS most SELECT amount, token_id FROM token_transfers
    WHERE chain = 'evm-local' AND (amount = most OR token_id = most) ORDER BY height, log_index`
  const rows = [
    { amount: MAX_UINT256, token_id: null },
    { amount: '1', token_id: MAX_UINT256 },
  ]

  test.each<[string, (text: string) => unknown, unknown]>([
    ['TabSeparated', text => text, `${MAX_UINT256}\t\\N\n1\t${MAX_UINT256}\n`],
    ['CSV', text => text, `${MAX_UINT256},\\N\n1,${MAX_UINT256}\n`],
    ['JSON', text => JSON.parse(text).data, rows],
    [
      'JSONEachRow',
      text =>
        text
          .trim()
          .split('\n')
          .map(line => JSON.parse(line)),
      rows,
    ],
    ['JSONCompact', text => JSON.parse(text).data, rows.map(row => Object.values(row))],
    ['Values', text => text, `(${MAX_UINT256},NULL),(1,${MAX_UINT256})`],
    ['Pretty', digitsOf, [MAX_UINT256, '1', MAX_UINT256]],
    [
      'XML',
      text => digitsOf(text.slice(text.indexOf('<data>'), text.indexOf('</data>'))),
      [MAX_UINT256, '1', MAX_UINT256],
    ],
  ])('as %s', async (format, read, expected) => {
    const parts: Buffer[] = []
    for await (const part of await main.sql.stream(statement, format)) parts.push(part as Buffer)
    expect(read(Buffer.concat(parts).toString())).toEqual(expected)
  })

  test('by the command, in any format that is named and without one', async () => {
    const [plain, json] = await Promise.all([
      runCli(['sql', statement, '--data', main.directory]),
      runCli(['sql', statement, '--format', 'JSONEachRow', '--data', main.directory]),
    ])
    expect([plain?.code, plain?.stdout]).toEqual([0, `${MAX_UINT256}\t\\N\n1\t${MAX_UINT256}\n`])
    expect(
      json?.stdout
        .trim()
        .split('\n')
        .map(line => JSON.parse(line)),
    ).toEqual(rows)
  })
})

/** Numbers in cells: not those of escape sequences, of rows, or that a comment rounds for the reader. */
function digitsOf(text: string): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: Pretty colours its frames
  const plain = text.replace(/\x1b\[[0-9;]*m/g, '').replace(/^\s*\d+\. | -- .*$/gm, '')
  return plain.match(/\d+/g) ?? []
}

describe('a recording that was made of a node', () => {
  test.each<[string, () => string, () => number]>([
    ['bitcoin-regtest', () => regtestUrl, () => regtestFacts.head.height],
    ['evm-local', () => anvil.url, () => facts.blocks - 1],
  ])('%s: gives what the node gave', async (slug, node, last) => {
    const out = join(directory, slug)
    const asked = ['--node', node(), '--from', '0', '--to', String(last()), '--out', out]
    const recorded = summaryOfGood<{ blocks: number; files: number }>(
      await runCli(['record', slug, ...asked]),
    )
    expect(recorded.blocks).toBe(last() + 1)
    expect(recorded.files).toBeGreaterThan(2 * last())
    const options = ['--node', `file:${out}`, '--recorded', '--senders']
    const summary = summaryOfGood<IndexSummary>(await index(replayed, slug, ...options))
    expect(summary).toMatchObject({ blocks: last() + 1, fetched: last() + 1, failed: [] })
    expect(await dumpViews(replayed.sql, slug)).toEqual(await dumpViews(main.sql, slug))
  })
})

describe('a private chain by configuration only', () => {
  let file: string
  beforeAll(async () => {
    const open = await openRpc([{ url: privateAnvil.url }])
    const [from, to] = (await open.call('eth_accounts', [])) as [string, string]
    for (const value of ['0x5', '0x0', '0x7']) await open.call('eth_sendTransaction', [{ from, to, value }])
    await open.close()
    file = join(directory, 'wanlian.yaml')
    await writeFile(
      file,
      `data: ${main.directory}
chains:
  house-chain:
    family: evm
    chainId: ${PRIVATE_CHAIN_ID}
    name: House Chain
    native: { symbol: HSE, name: House, decimals: 6 }
    endpoints:
      - http://127.0.0.1:\${HOUSE_PORT}
`,
    )
  })
  const environment = () => ({ HOUSE_PORT: new URL(privateAnvil.url).port })

  test('is indexed, checked and read like any other', async () => {
    const asked = ['index', 'house-chain', '--config', file, '--from', '0', '--to', '3']
    const summary = summaryOfGood<IndexSummary>(await runCli(asked, environment()))
    expect(summary).toMatchObject({
      chain: 'house-chain',
      blocks: 4,
      transactions: 3,
      verified: 4,
      failed: [],
    })
    const check = ['check', 'house-chain', '--config', file]
    expect(summaryOfGood<CheckReport>(await runCli(check, environment()))).toMatchObject({ differences: [] })
    expect(
      await one(
        main,
        `SELECT caip2, name, native_symbol, native_decimals,
          (SELECT sum(value) FROM evm_transactions WHERE chain = 'house-chain') AS value,
          (SELECT countIf(has(proofs, 'senders')) FROM blocks WHERE chain = 'house-chain') AS senders
        FROM chains WHERE chain = 'house-chain'`,
      ),
    ).toEqual({
      caip2: `eip155:${PRIVATE_CHAIN_ID}`,
      name: 'House Chain',
      native_symbol: 'HSE',
      native_decimals: 6,
      value: '12',
      senders: '0',
    })
  })
})

describe('one block', () => {
  test('of an ethereum node by its height, amounts digit for digit', async () => {
    const height = Number(
      (
        await one(
          main,
          `SELECT height FROM token_transfers WHERE chain = 'evm-local' AND amount = toUInt256('${MAX_UINT256}')`,
        )
      ).height,
    )
    const finished = await runCli(['block', 'evm-local', String(height), '--node', anvil.url, '--senders'])
    expect(finished.code).toBe(0)
    const printed = JSON.parse(finished.stdout)
    expect(printed).toMatchObject({
      chain: 'evm-local',
      height,
      hash: expect.stringMatching(/^0x[0-9a-f]{64}$/),
    })
    expect(printed.proofs).toEqual(expect.arrayContaining(['hash', 'txRoot', 'receiptsRoot', 'senders']))
    const amounts = printed.rows.token_transfers.map((row: { amount: string }) => row.amount)
    expect(amounts).toEqual(['1000000000000000000000000', MAX_UINT256])
    expect(printed.rows.raw_blocks).toBeUndefined()
    expect(printed.rows.effects.length).toBeGreaterThan(0)
  })

  test('of a bitcoin node by its hash, with what it spends', async () => {
    const { hash, height, spent } = chain.blockAt(109)!
    const finished = await runCli(['block', 'bitcoin-regtest', hash.toUpperCase(), '--node', regtestUrl])
    expect(finished.code).toBe(0)
    const printed = JSON.parse(finished.stdout)
    expect(printed).toMatchObject({ chain: 'bitcoin-regtest', height, hash })
    expect(printed.proofs).toEqual(expect.arrayContaining(['hash', 'txRoot', 'pow', 'inputs']))
    const inputs: { is_coinbase: boolean; amount: string }[] = printed.rows.utxo_inputs
    expect(inputs.filter(row => !row.is_coinbase).map(row => row.amount)).toEqual(
      spent.flat().map(coin => String(coin.value)),
    )
  })
})

describe('what can not be done is said', () => {
  const range = ['--from', '0', '--to', '1']

  /** Exit code, nothing on stdout, and a message on stderr. */
  async function expectRefusal(args: string[], code: number, messages: readonly (string | RegExp)[]) {
    const finished = await runCli([...args, '--data', join(directory, 'never')])
    expect([finished.code, finished.stdout], args.join(' ')).toEqual([code, ''])
    for (const message of messages) expect(finished.stderr).toMatch(message)
    expect(finished.stderr).not.toMatch(/unexpected error|\n\s+at /)
    expect(finished.stderr).not.toContain('user:pw')
  }

  test('a node of another chain, with what was expected and what it is', async () => {
    await Promise.all([
      expectRefusal(['index', 'evm-local', '--node', privateAnvil.url, ...range], 1, [/31337/, /4242/]),
      expectRefusal(['index', 'bitcoin', '--node', regtestUrl, ...range], 1, [
        /000000000019d668/,
        /0f9188f13cb7b2c7/,
      ]),
    ])
    await Promise.all([
      expectRefusal(['block', 'ethereum', '1', '--node', anvil.url], 1, [/chain id 1, got 31337/]),
      expectRefusal(
        ['record', 'litecoin', '--node', regtestUrl, '--out', join(directory, 'never'), ...range],
        1,
        [/12a765e31ffd4059/, /0f9188f13cb7b2c7/],
      ),
    ])
  })

  test('one of several nodes is of another chain', async () => {
    const nodes = ['--node', anvil.url, '--node', privateAnvil.url]
    await expectRefusal(['index', 'evm-local', ...nodes, ...range], 1, [/31337/, /4242/])
  })

  test('a wrong option, a wrong range, a wrong configuration: exit code 1', async () => {
    const file = join(directory, 'wrong.yaml')
    await writeFile(file, 'chains: { bitcoin: { endpoint: http://x } }')
    const node = ['--node', anvil.url]
    const cases: [string[], RegExp][] = [
      [['index', 'evm-local', ...node, '--form', '1'], /unknown option '--form'/],
      [['index', 'evm-local', ...node, '--from', '3', '--to', '1'], /--from 3 is above --to 1/],
      [['index', 'evm-local', ...node, '--from', '3'], /--from and --to belong together/],
      [['index', 'evm-local', ...node, ...range, '--heights', '1'], /expected one of/],
      [['index', 'nothing', ...node, ...range], /no chain .*nothing.*: expected one of .*evm-local/],
      [
        ['index', 'bitcoin', '--config', file, ...range],
        /chains\.bitcoin\.endpoint: unknown key, expected one of/,
      ],
      [['block', 'evm-local', '0x12', ...node], /expected a height or a block hash/],
      [['frobnicate'], /unknown command/],
    ]
    // Two at a time: each is a process.
    for (let at = 0; at < cases.length; at += 2) {
      await Promise.all(cases.slice(at, at + 2).map(([args, message]) => expectRefusal(args, 1, [message])))
    }
  })

  test('a block that is not there, a node that does not answer, a secret that is wrong', async () => {
    const wrong = regtest.url.replace('//', '//user:wrong@')
    await Promise.all([
      expectRefusal(['block', 'evm-local', '9999', '--node', anvil.url], 1, [/9999/]),
      expectRefusal(['index', 'evm-local', '--node', 'http://127.0.0.1:1', ...range], 75, [/ECONNREFUSED/]),
    ])
    await expectRefusal(['index', 'bitcoin-regtest', '--node', wrong, ...range], 1, [
      /refused the credentials/,
    ])
  })

  test('blocks beyond the head fail one by one, the others are stored: not exit code 0', async () => {
    const finished = await index(replayed, 'evm-local', '--node', anvil.url, '--heights', '0,1,21,500,501')
    expect(finished.code).toBe(2)
    expect(finished.stdout.split('\n').length).toBe(2)
    const summary = summaryOf<IndexSummary>(finished)
    expect([summary.blocks, summary.failed.map(block => block.height)]).toEqual([3, [500, 501]])
    for (const { reason } of summary.failed) expect(reason).toMatch(/no endpoint has block 50[01]/)
    for (const line of finished.stderr.trim().split('\n')) expect(() => JSON.parse(line), line).not.toThrow()
  })
})
