import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { IndexSummary } from '../deploy/commands/index.ts'
import type { SqlClient } from '../deploy/sql.ts'
import { BASE_DATABASE } from '../schema/ddl.ts'
import { views } from '../schema/views.ts'
import type { CheckReport } from '../splitter/check.ts'
import { type Finished, runCli, summaryOf } from './cli.ts'
import { dumpViews, withDirectory } from './harness.ts'
import { describeRecorded, recordings } from './recordings.ts'

/** All five chains, from their recordings through the command into one store; then what SQL says about them. */
const CHAINS = ['bitcoin', 'ethereum', 'litecoin', 'dogecoin', 'ethereum-classic'] as const

let directory: string
const summaries = new Map<string, { finished: Finished; summary: IndexSummary }>()

async function index(
  chain: string,
  extra: readonly string[] = ['--recorded'],
  node = `${recordings}/${chain}`,
) {
  return runCli(['index', chain, '--node', `file:${node}`, '--data', directory, ...extra])
}

/** The store for SQL; closed again before a command is run, as an operator would not have it open. */
function withSql<T>(run: (client: SqlClient) => Promise<T>): Promise<T> {
  return withDirectory(directory, run)
}

async function one(client: SqlClient, statement: string): Promise<Record<string, unknown>> {
  const rows = await client.rows(statement)
  expect(rows.length).toBe(1)
  return rows[0]!
}

describeRecorded('recorded chains', () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wanlian-recorded-'))
    for (const chain of CHAINS) {
      const finished = await index(chain)
      summaries.set(chain, { finished, summary: summaryOf<IndexSummary>(finished) })
    }
  }, 300_000)
  afterAll(() => rm(directory, { recursive: true, force: true }))

  test('every recorded block is stored and verified', () => {
    for (const [chain, blocks] of [
      ['bitcoin', 307],
      ['ethereum', 32],
      ['litecoin', 172],
      ['dogecoin', 3],
      ['ethereum-classic', 4],
    ] as const) {
      const { finished, summary } = summaries.get(chain)!
      expect([chain, finished.code, summary.blocks, summary.verified, summary.failed]).toEqual([
        chain,
        0,
        blocks,
        blocks,
        [],
      ])
      expect(finished.stdout.trim().split('\n').length).toBe(1)
    }
  })

  test('what is stored is not fetched again', async () => {
    const summary = summaryOf<IndexSummary>(await index('litecoin'))
    expect(summary).toMatchObject({ fetched: 0, blocks: 172, verified: 172, failed: [] })
    expect(summary.rows).toEqual(summaries.get('litecoin')?.summary.rows)
  })

  test('bitcoin: block 200000, the first payment, the first 300 blocks linked', async () => {
    await withSql(async client => {
      expect(
        await one(
          client,
          `SELECT (SELECT transaction_count FROM blocks WHERE chain = 'bitcoin' AND height = 200000) AS transactions,
            (SELECT count() FROM utxo_inputs WHERE chain = 'bitcoin' AND height = 200000) AS inputs,
            (SELECT count() FROM utxo_outputs WHERE chain = 'bitcoin' AND height = 200000) AS outputs,
            (SELECT sum(amount) FROM utxo_outputs WHERE chain = 'bitcoin' AND height = 200000 AND is_coinbase) AS coinbase,
            (SELECT sum(fee) FROM transactions WHERE chain = 'bitcoin' AND height = 200000) AS fees,
            coinbase - fees AS subsidy`,
        ),
      ).toEqual({
        transactions: 388,
        inputs: '1232',
        outputs: '822',
        coinbase: '5063517500',
        fees: '63517500',
        subsidy: '5000000000',
      })
      expect(
        await client.rows(
          `SELECT index, amount, script_type FROM utxo_outputs
          WHERE chain = 'bitcoin' AND height = 170 AND NOT is_coinbase ORDER BY index`,
        ),
      ).toEqual([
        { index: 0, amount: '1000000000', script_type: 'pubkey' },
        { index: 1, amount: '4000000000', script_type: 'pubkey' },
      ])
      expect(
        await one(
          client,
          `SELECT count() AS linked FROM blocks AS child INNER JOIN blocks AS parent
            ON child.parent_hash = parent.hash AND child.height = parent.height + 1 AND child.chain = parent.chain
          WHERE child.chain = 'bitcoin' AND child.height < 300 AND has(child.proofs, 'parent')`,
        ),
      ).toEqual({ linked: '299' })
    })
  })

  test('what nobody can prove is not called proven, what nobody knows is null', async () => {
    await withSql(async client => {
      expect(
        await client.rows(
          `SELECT source, count() AS inputs, countIf(amount IS NULL) AS unknown FROM utxo_inputs
          WHERE chain = 'bitcoin' AND height = 200000 GROUP BY source ORDER BY source`,
        ),
      ).toEqual([
        { source: 'coinbase', inputs: '1', unknown: '1' },
        { source: 'block', inputs: '286', unknown: '0' },
        { source: 'node', inputs: '945', unknown: '0' },
      ])
      expect(
        await one(
          client,
          `SELECT has(proofs, 'inputs') AS proven FROM blocks WHERE chain = 'bitcoin' AND height = 200000`,
        ),
      ).toEqual({ proven: 0 })
      expect(
        await one(
          client,
          `SELECT count() AS wrong FROM utxo_inputs WHERE (source = 'unknown') != (amount IS NULL AND NOT is_coinbase)`,
        ),
      ).toEqual({ wrong: '0' })
    })
  })

  test('ethereum: transactions, logs, token transfers, call frames, gas of the known blocks', async () => {
    await withSql(async client => {
      const known = async (height: number) =>
        one(
          client,
          `WITH ${height} AS h SELECT
            (SELECT transaction_count FROM blocks WHERE chain = 'ethereum' AND height = h) AS transactions,
            (SELECT count() FROM evm_logs WHERE chain = 'ethereum' AND height = h) AS logs,
            (SELECT countIf(standard = 'erc20') FROM token_transfers WHERE chain = 'ethereum' AND height = h) AS erc20,
            (SELECT countIf(standard = 'erc721') FROM token_transfers WHERE chain = 'ethereum' AND height = h) AS erc721,
            (SELECT countIf(standard = 'erc1155') FROM token_transfers WHERE chain = 'ethereum' AND height = h) AS erc1155,
            (SELECT count() FROM evm_traces WHERE chain = 'ethereum' AND height = h) AS frames,
            (SELECT gas_used FROM evm_blocks WHERE chain = 'ethereum' AND height = h) AS gas,
            (SELECT count() FROM evm_uncles WHERE chain = 'ethereum' AND height = h) AS uncles`,
        )
      expect(await known(15_753_009)).toMatchObject({
        transactions: 210,
        logs: '400',
        erc20: '138',
        erc721: '47',
        frames: '892',
        gas: '21155381',
      })
      expect(await known(11_098_450)).toMatchObject({
        transactions: 185,
        logs: '263',
        erc20: '131',
        erc721: '2',
        erc1155: '5',
        frames: '617',
      })
      expect(await known(4_370_006)).toMatchObject({ uncles: '1', frames: '448' })
      expect(
        await one(
          client,
          `SELECT countIf(kind IN ('reward', 'uncle_reward')) AS rewards FROM effects WHERE chain = 'ethereum' AND height = 15537394`,
        ),
      ).toEqual({ rewards: '0' })
      expect(
        await one(
          client,
          `SELECT countIf(effects_complete = 1) AS complete, count() AS all FROM transactions WHERE chain = 'ethereum' AND height = 15537394`,
        ),
      ).toEqual({ complete: '0', all: '80' })
      expect(
        await client.rows(
          `SELECT DISTINCT b.height AS height FROM blocks AS b INNER JOIN evm_transactions AS t ON t.chain = b.chain AND t.height = b.height
          WHERE b.chain = 'ethereum' AND (t.gas_used IS NOT NULL) != has(b.proofs, 'receiptsRoot')`,
        ),
      ).toEqual([])
    })
  })

  test('every complete transaction, and every block, sums to zero in every asset', async () => {
    await withSql(async client => {
      expect(
        await client.rows(
          `SELECT chain, height, block_hash, transaction_hash, asset, sum(amount) AS total FROM effects
          WHERE transaction_hash = '' OR (chain, height, transaction_hash) IN
            (SELECT chain, height, hash FROM transactions WHERE effects_complete = 1)
          GROUP BY chain, height, block_hash, transaction_hash, asset HAVING total != 0`,
        ),
      ).toEqual([])
      const [counted] = await client.rows<{ checked: string }>(
        `SELECT count() AS checked FROM transactions WHERE effects_complete = 1`,
      )
      expect(Number(counted?.checked)).toBeGreaterThan(1_000)
    })
  })

  test('outsiders may look up by the literal a chain prints, and it is an index look-up', async () => {
    await withSql(async client => {
      for (const [table, column, literal] of [
        ['transactions', 'hash', 'f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16'],
        ['utxo_inputs', 'previous_hash', '0437cd7f8525ceed2324359c2d0ba26006d92d856a9c20fa0241106ee5a597c9'],
        ['evm_transactions', 'from_address', '0x242510fe96a4fa2d4ac7de68cd41944cd71d4099'],
        ['evm_logs', 'topic0', '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'],
        ['effects', 'address', '0x829bd824b016326a401d083b33d092293333a830'],
      ] as const) {
        const statement = `FROM ${table} WHERE ${column} = '${literal}'`
        const [found] = await client.rows<{ rows: string }>(`SELECT count() AS rows ${statement}`)
        expect([table, Number(found?.rows) > 0]).toEqual([table, true])
        const plan = await client.rows<{ explain: string }>(`EXPLAIN indexes = 1 SELECT * ${statement}`)
        expect(plan.map(row => row.explain).join('\n'), table).toMatch(new RegExp(`Name: by_${column}\\b`))
      }
      const plan = await client.rows<{ explain: string }>(
        `EXPLAIN indexes = 1 SELECT * FROM address_effects WHERE chain = 'ethereum' AND address = '0x829bd824b016326a401d083b33d092293333a830'`,
      )
      expect(plan.map(row => row.explain).join('\n')).toMatch(/PrimaryKey\s+Keys:\s+chain\s+address/)
    })
  })

  test('every view names its chain, height and time', async () => {
    await withSql(async client => {
      const columns = await client.rows<{ table: string; names: string[] }>(
        `SELECT table, groupArray(name) AS names FROM system.columns WHERE database = 'default' GROUP BY table`,
      )
      const byTable = new Map(columns.map(row => [row.table, row.names]))
      for (const { name } of views.filter(view => !view.name.includes('.'))) {
        expect([name, byTable.get(name)]).toEqual([name, expect.arrayContaining(['chain', 'height', 'time'])])
      }
    })
  })

  test('`check` proves every block again from what the store holds', async () => {
    for (const chain of CHAINS) {
      const finished = await runCli(['check', chain, '--data', directory])
      const report = summaryOf<CheckReport>(finished)
      expect([chain, finished.code, report.proven, report.differences]).toEqual([
        chain,
        0,
        summaries.get(chain)?.summary.blocks,
        [],
      ])
    }
  }, 400_000)

  test('one value changed by SQL in any table: `check` names the block and the difference', async () => {
    // Every base table with its kind of damage; each is done on a block of its own, and found at once.
    const damages: [table: string, change: string, chain: string, height: number | null][] = [
      ['blocks', 'transaction_count = 7', 'litecoin', 3],
      ['transactions', 'fee = 1', 'litecoin', 4],
      ['effects', 'amount = amount + 1', 'litecoin', 5],
      ['effects_by_address', "kind = 'gift'", 'litecoin', 6],
      ['block_assets', "standard = 'other'", 'litecoin', 7],
      ['utxo_blocks', 'nonce = nonce + 1', 'litecoin', 8],
      ['utxo_transactions', 'lock_time = 1', 'litecoin', 9],
      ['utxo_inputs', 'sequence = 1', 'litecoin', 10],
      ['utxo_outputs', 'amount = amount - 1', 'litecoin', 11],
      ['hashes', 'time = time + 1', 'litecoin', 12],
      ['raw_blocks', "payload = concat(payload, 'x')", 'litecoin', 13],
      ['balance_sums', 'amount = amount + 1', 'litecoin', null],
      ['chain_sums', 'transactions = transactions + 1', 'litecoin', null],
      ['checkpoints', 'ranges = arrayConcat(ranges, [(900001, 900001)])', 'litecoin', 900_001],
      ['chains', "native_symbol = 'XXX'", 'litecoin', null],
      ['journal', "`blocks.hash` = arrayMap(hash -> 'x', `blocks.hash`)", 'litecoin', 1],
      ['token_transfers', 'amount = amount + 1', 'ethereum', 15_753_009],
      ['evm_blocks', 'gas_limit = 1', 'ethereum', 46_147],
      ['evm_transactions', 'value = value + 1', 'ethereum', 47_218],
      ['evm_logs', "data = 'x'", 'ethereum', 1_000_000],
      ['evm_traces', 'value = value + 1', 'ethereum', 4_370_006],
      ['evm_withdrawals', 'amount = amount + 1', 'ethereum', 18_000_000],
      ['evm_uncles', 'uncle_time = 1', 'ethereum', 7_280_016],
    ]
    const copy = await mkdtemp(join(tmpdir(), 'wanlian-damaged-'))
    await cp(directory, copy, { recursive: true })
    await withDirectory(copy, async client => {
      for (const [table, change, chain, height] of damages) {
        const where =
          height === null || table === 'checkpoints' || table === 'journal' ? '1' : `height = ${height}`
        await client.command(
          `ALTER TABLE ${BASE_DATABASE}.${table} UPDATE ${change} WHERE chain = '${chain}' AND ${where}`,
        )
      }
    })
    for (const chain of ['litecoin', 'ethereum']) {
      const finished = await runCli(['check', chain, '--data', copy])
      expect(finished.code).toBe(2)
      const { differences } = summaryOf<CheckReport>(finished)
      for (const [table, , , height] of damages.filter(damage => damage[2] === chain)) {
        const found = differences.filter(
          difference => difference.table === table && difference.height === height,
        )
        expect([table, height, found.length > 0]).toEqual([table, height, true])
      }
    }
    await rm(copy, { recursive: true, force: true })
  }, 400_000)

  test('a recording with one byte changed: that block is refused by the proof that failed, the others are stored', async () => {
    const copies = await mkdtemp(join(tmpdir(), 'wanlian-changed-'))
    const heights = [1_755_634, 1_755_635, 4_370_006, 18_000_000]
    const files = [
      'eth_getBlockByNumber',
      'eth_getBlockReceipts',
      'debug_traceBlockByNumber',
      'eth_getUncleByBlockNumberAndIndex',
    ]
    const original = join(copies, 'original')
    for (const folder of files) {
      await mkdir(join(original, folder), { recursive: true })
      for (const name of await readdir(join(recordings, 'ethereum', folder))) {
        if (heights.some(height => name.startsWith(`0x${height.toString(16)}`))) {
          await cp(join(recordings, 'ethereum', folder, name), join(original, folder, name))
        }
      }
    }
    const block = (height: number) => join('eth_getBlockByNumber', `0x${height.toString(16)}_true.json`)
    const receipts = (height: number) => join('eth_getBlockReceipts', `0x${height.toString(16)}.json`)
    for (const [what, path, pattern, height, proof] of [
      ['transaction', block(4_370_006), /"value":\s*"0x[1-9a-f]/, 4_370_006, 'txRoot'],
      ['receipt', receipts(18_000_000), /"data":\s*"0x0/, 18_000_000, 'receiptsRoot'],
      ['header', block(1_755_635), /"stateRoot":\s*"0x[0-9a-f]/, 1_755_635, 'hash'],
    ] as const) {
      const copy = join(copies, what)
      await cp(original, copy, { recursive: true })
      await changeDigit(join(copy, path), pattern)
      const data = join(copies, `data-${what}`)
      const finished = await runCli([
        'index',
        'ethereum',
        '--node',
        `file:${copy}`,
        '--recorded',
        '--data',
        data,
      ])
      const summary = summaryOf<IndexSummary>(finished)
      expect(finished.code, what).not.toBe(0)
      const reason = expect.stringMatching(new RegExp(`^${proof}: `))
      expect(summary.failed).toEqual([{ height, reason, code: 'PROOF' }])
      expect([what, summary.blocks, summary.verified]).toEqual([what, 3, 3])
      await expectNothingAt(data, 'ethereum', height)
    }
    await rm(copies, { recursive: true, force: true })
  }, 400_000)

  test('the same for bitcoin: a changed transaction, a changed header, a block cut short', async () => {
    const copies = await mkdtemp(join(tmpdir(), 'wanlian-changed-'))
    const hashOf = async (height: number) =>
      JSON.parse(
        await readFile(join(recordings, 'bitcoin', 'getblockhash', `${height}.json`), 'utf8'),
      ) as string
    for (const [what, change, proof] of [
      ['transaction', (hex: string) => flip(hex, hex.length - 40), 'txRoot'],
      ['header', (hex: string) => flip(hex, 140), 'hash'],
      ['end', (hex: string) => hex.slice(0, -8), ''],
    ] as const) {
      const copy = join(copies, what)
      for (const height of [168, 169, 170, 171]) {
        const hash = await hashOf(height)
        for (const path of [join('getblockhash', `${height}.json`), join('getrawblock', `${hash}.hex`)]) {
          await mkdir(join(copy, path, '..'), { recursive: true })
          await cp(join(recordings, 'bitcoin', path), join(copy, path))
        }
      }
      const path = join(copy, 'getrawblock', `${await hashOf(170)}.hex`)
      await writeFile(path, change((await readFile(path, 'utf8')).trim()))
      const data = join(copies, `data-${what}`)
      const finished = await runCli([
        'index',
        'bitcoin',
        '--node',
        `file:${copy}`,
        '--recorded',
        '--data',
        data,
      ])
      const summary = summaryOf<IndexSummary>(finished)
      expect(finished.code, what).not.toBe(0)
      expect([what, summary.failed.map(block => block.height), summary.blocks]).toEqual([what, [170], 3])
      expect(summary.failed[0]?.reason).toContain(proof)
      await expectNothingAt(data, 'bitcoin', 170)
    }
    await rm(copies, { recursive: true, force: true })
  }, 400_000)

  test('views read the same from a copy that was merged in the background', async () => {
    await withSql(async client => {
      const before = await dumpViews(client, 'bitcoin')
      for (const table of ['effects', 'utxo_inputs', 'utxo_outputs', 'balance_sums', 'hashes']) {
        await client.command(`OPTIMIZE TABLE ${BASE_DATABASE}.${table} FINAL`)
      }
      expect(await dumpViews(client, 'bitcoin')).toEqual(before)
    })
  })
})

function flip(hex: string, at: number): string {
  return hex.slice(0, at) + (hex[at] === '0' ? '1' : '0') + hex.slice(at + 1)
}

/** Changes the last character of the first match, a hex digit, to another. */
async function changeDigit(path: string, pattern: RegExp): Promise<void> {
  const text = await readFile(path, 'utf8')
  const match = pattern.exec(text)
  if (!match) throw new Error(`${path} has no ${pattern}`)
  await writeFile(path, flip(text, match.index + match[0].length - 1))
}

async function expectNothingAt(data: string, chain: string, height: number): Promise<void> {
  await withDirectory(data, async client => {
    const tables = await client.rows<{ table: string }>(
      `SELECT DISTINCT table FROM system.columns WHERE database = '${BASE_DATABASE}' AND name = 'row_sign'`,
    )
    for (const { table } of tables) {
      const [row] = await client.rows<{ rows: string }>(
        `SELECT count() AS rows FROM ${BASE_DATABASE}.${table} WHERE chain = {chain:String} AND height = {height:UInt64}`,
        { chain, height },
      )
      expect([table, row?.rows]).toEqual([table, '0'])
    }
  })
}
