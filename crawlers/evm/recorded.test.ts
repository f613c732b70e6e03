import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import type { SplitBlock } from '../../schema/block.ts'
import { formatHex0x } from '../../schema/bytes.ts'
import { RowReader, RowWriter } from '../../schema/columns.ts'
import { blockTables, equalValues, type Table } from '../../schema/tables.ts'
import { describeRecorded, recordings } from '../../test/recordings.ts'
import type { Chain } from '../chain.ts'
import { ethereum } from '../chains/ethereum.ts'
import { ethereumClassic } from '../chains/ethereum-classic.ts'
import { openRpc } from '../rpc.ts'
import type { EvmRaw } from './raw.ts'

interface Block {
  raw: EvmRaw
  proofs: readonly string[]
  split: SplitBlock
}

async function readAll(chain: Chain<EvmRaw>): Promise<Map<number, Block>> {
  const rpc = await openRpc([{ url: `file:${join(recordings, chain.definition.slug)}` }])
  const source = chain.open(rpc)
  const blocks = new Map<number, Block>()
  for (const height of (await source.recordedHeights()) ?? []) {
    const raw = await source.blockAt(height)
    const verified = chain.verify(raw)
    blocks.set(height, { raw, proofs: verified.proofs, split: chain.split(raw, verified) })
  }
  return blocks
}

/** Sums of effects by transaction and asset that are not zero. */
function imbalances({ rows }: SplitBlock): string[] {
  const sums = new Map<string, bigint>()
  for (const { transaction_hash, asset, amount } of rows.effects!) {
    const key = `${formatHex0x(transaction_hash)} ${asset}`
    sums.set(key, (sums.get(key) ?? 0n) + amount)
  }
  return [...sums].filter(([, sum]) => sum !== 0n).map(([key]) => key)
}

function written(split: SplitBlock): Map<string, Buffer> {
  return new Map(
    Object.entries(split.rows).map(([name, rows]) => {
      const out = new RowWriter()
      const columns = Object.entries((blockTables as Record<string, Table>)[name]!.columns)
      for (const row of rows as Record<string, unknown>[]) {
        for (const [column, { write }] of columns) write(out, row[column])
      }
      return [name, Buffer.from(out.view())]
    }),
  )
}

function readJson(path: string): Record<string, unknown>[] {
  const text = readFileSync(join(recordings, 'ethereum/expected/ethereum-etl', path), 'utf8')
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
}

describeRecorded('recorded Ethereum blocks', () => {
  let blocks: Map<number, Block>
  const at = (height: number) => blocks.get(height)!
  beforeAll(async () => {
    blocks = await readAll(ethereum)
  }, 60_000)

  it('are 32, and all verify', () => {
    expect(blocks.size).toBe(32)
    for (const [height, { raw, proofs }] of blocks) {
      expect(raw.header.height).toBe(height)
      expect(proofs.slice(0, 2)).toEqual(['hash', 'txRoot'])
      expect(proofs.includes('receiptsRoot')).toBe(raw.receipts !== null)
      expect(proofs.includes('withdrawalsRoot')).toBe(raw.header.withdrawalsRoot !== null)
      expect(proofs).toContain('uncles')
      expect(proofs.includes('senders')).toBe(raw.fromRlp)
    }
    expect(at(0).proofs).toContain('checkpoint')
    expect(at(18_000_000).proofs).toEqual([
      'hash',
      'txRoot',
      'receiptsRoot',
      'logsBloom',
      'withdrawalsRoot',
      'uncles',
    ])
    expect([...blocks.values()].filter(block => block.raw.fromRlp)).toHaveLength(2)
    expect([...blocks.values()].filter(block => (block.raw.receipts?.length ?? 0) > 0)).toHaveLength(11)
  })

  it('go through the archive unchanged, to equal rows', () => {
    for (const [height, { raw, split }] of blocks) {
      const decoded = ethereum.decode(ethereum.encode(raw))
      expect(equalValues(decoded, raw), `block ${height}`).toBe(true)
      const again = ethereum.split(decoded, ethereum.verify(decoded))
      expect(equalValues(again.rows, split.rows), `rows of ${height}`).toBe(true)
    }
  })

  it('give rows that fit their columns, in dense order', () => {
    for (const { split } of blocks.values()) {
      for (const [name, bytes] of written(split)) {
        const { columns } = (blockTables as Record<string, Table>)[name]!
        const reader = new RowReader(bytes)
        const rows = split.rows[name as keyof SplitBlock['rows']] as Record<string, unknown>[]
        for (const row of rows) {
          expect(Object.keys(row).sort()).toEqual(Object.keys(columns).sort())
          for (const column of Object.values(columns)) column.read(reader)
        }
        expect(reader.done).toBe(true)
      }
      expect(split.rows.effects!.map(row => row.index)).toEqual(split.rows.effects!.map((_, place) => place))
      expect(split.rows.evm_logs!.map(row => row.log_index)).toEqual(
        split.rows.evm_logs!.map((_, place) => place),
      )
      const assets = split.rows.block_assets!.map(row => row.asset)
      expect(assets).toEqual([...new Set(assets)].sort())
      expect(new Set(assets)).toEqual(
        new Set([
          ...split.rows.effects!.map(row => row.asset),
          ...split.rows.token_transfers!.map(row =>
            row.token_id === null ? row.token : `${row.token}/${row.token_id}`,
          ),
        ]),
      )
    }
  })

  it('balance to zero in every transaction, and in the block itself', () => {
    for (const { split } of blocks.values()) expect(imbalances(split)).toEqual([])
  })

  it('have the size that nodes tell', async () => {
    const rpc = await openRpc([{ url: `file:${join(recordings, 'ethereum')}` }])
    for (const [height, { split, raw }] of blocks) {
      if (raw.fromRlp) continue
      const told = (await rpc.call('eth_getBlockByNumber', [`0x${height.toString(16)}`, true])) as {
        size: string
      }
      expect([height, split.rows.blocks![0]!.size]).toEqual([height, Number(told.size)])
    }
  })

  it.each([
    [
      15_753_009,
      { evm_transactions: 210, evm_logs: 400, erc20: 138, erc721: 47, erc1155: 0, evm_traces: 892 },
    ],
    [
      11_098_450,
      { evm_transactions: 185, evm_logs: 263, erc20: 131, erc721: 2, erc1155: 5, evm_traces: 617 },
    ],
  ])('%i has the known numbers of rows', (height, expected) => {
    const { rows } = at(height).split
    const transfers = (standard: string) =>
      rows.token_transfers!.filter(row => row.standard === standard).length
    expect({
      evm_transactions: rows.evm_transactions!.length,
      evm_logs: rows.evm_logs!.length,
      erc20: transfers('erc20'),
      erc721: transfers('erc721'),
      erc1155: transfers('erc1155'),
      evm_traces: rows.evm_traces!.length,
    }).toEqual(expected)
    expect(
      rows.transactions!.every(row => row.effects_complete && row.fee !== null && row.status !== null),
    ).toBe(true)
  })

  it('11,098,450 has one batch of five ids', () => {
    const batch = at(11_098_450).split.rows.token_transfers!.filter(row => row.standard === 'erc1155')
    expect(new Set(batch.map(row => row.log_index)).size).toBe(1)
    expect(batch.map(row => row.batch_index)).toEqual([0, 1, 2, 3, 4])
  })

  it('15,753,009 pays and burns all of its gas', () => {
    const { raw, split } = at(15_753_009)
    const gas = split.rows.evm_transactions!.reduce((sum, row) => sum + row.gas_used!, 0n)
    expect(gas).toBe(21_155_381n)
    const [block] = split.rows.evm_blocks!
    expect(block!.burnt).toBe(gas * raw.header.baseFeePerGas!)
    const fees = split.rows.transactions!.reduce((sum, row) => sum + row.fee!, 0n)
    expect(block!.fee_reward! + block!.burnt!).toBe(fees)
    expect(block!.block_reward).toBeNull()
    const kinds = (kind: string) =>
      split.rows.effects!.filter(row => row.kind === kind).reduce((sum, row) => sum + row.amount, 0n)
    expect(kinds('base_fee_burn')).toBe(block!.burnt)
    expect(kinds('fee')).toBe(-fees)
  })

  it('4,370,006 and 7,280,016 reward their uncles', () => {
    const wei = (height: number) => {
      const { effects, evm_uncles, evm_traces } = at(height).split.rows
      const rewards = effects!.filter(row => row.kind.endsWith('reward') && row.amount > 0n)
      return {
        rewards: rewards.map(row => row.amount),
        uncles: evm_uncles!.map(row => row.reward),
        traces: evm_traces!.length,
      }
    }
    const paid = (block: bigint) => [block, block / 32n, (block * 7n) / 8n]
    const [three, two] = [3n * 10n ** 18n, 2n * 10n ** 18n]
    expect(wei(4_370_006)).toEqual({ rewards: paid(three), uncles: [(three * 7n) / 8n], traces: 448 })
    expect(wei(7_280_016)).toEqual({ rewards: paid(two), uncles: [(two * 7n) / 8n], traces: 223 })
  })

  it('rewards are those that trace_block tells', async () => {
    const rpc = await openRpc([{ url: `file:${join(recordings, 'ethereum')}` }])
    for (const height of [0, 1_000_000, 15_537_393, 15_537_394]) {
      const traces = (await rpc.call('trace_block', [`0x${height.toString(16)}`])) as {
        type: string
        action: { value: string; author: string }
      }[]
      const told = traces
        .filter(one => one.type === 'reward')
        .map(({ action }) => [action.author, BigInt(action.value)])
      const ours = at(height)
        .split.rows.effects!.filter(row => row.kind === 'reward' && row.amount > 0n)
        .map(row => [row.address, row.amount])
      expect([height, ours]).toEqual([height, told])
    }
  })

  it('15,537,394, recorded without receipts, has no complete effects and no fees', () => {
    const { raw, split } = at(15_537_394)
    expect(raw.traceSource).toBe('trace_block')
    expect(
      split.rows.transactions!.every(row => !row.effects_complete && row.fee === null && row.status === null),
    ).toBe(true)
    expect(split.rows.evm_traces).toHaveLength(140)
    expect(split.rows.effects!.filter(row => row.kind === 'reward')).toEqual([])
  })

  it('both forms of the traces of 1,000,000 say the same', async () => {
    const rpc = await openRpc([{ url: `file:${join(recordings, 'ethereum')}` }])
    const geth = at(1_000_000).raw.traces!
    const parity = await ethereum
      .open({
        ...rpc,
        call: (method, params, options) =>
          rpc.call(method.startsWith('debug_') ? 'none' : method, params, options),
      })
      .blockAt(1_000_000)
    expect(parity.traceSource).toBe('trace_block')
    // Of a CALLCODE the one names the code's account, the other the account that runs it; outputs differ with the node.
    const facts = (trees: typeof geth) =>
      trees.map(frames =>
        frames.map(({ type, traceAddress, from, value, gas, gasUsed, error, reverted }) => ({
          ...{ type, traceAddress, from, value, gas, gasUsed, error, reverted },
        })),
      )
    expect(facts(parity.traces!)).toEqual(facts(geth))
  })

  it('senders recover to those that nodes told', async () => {
    for (const height of [46_147, 116_525, 4_370_006, 15_753_009, 24_476_004]) {
      expect(ethereum.verify(ethereum.thorough!(at(height).raw)).proofs).toContain('senders')
    }
    const { raw } = at(4_370_006)
    const [first, ...rest] = raw.transactions
    const wrong = {
      ...raw,
      recoverSenders: true,
      transactions: [{ ...first!, from: Buffer.alloc(20, 1) }, ...rest],
    }
    expect(() => ethereum.verify(wrong)).toThrow(/^senders: |^traces: /)
    expect(() => ethereum.verify({ ...wrong, traces: null })).toThrow(/^senders: /)
  })

  it('raw RLP gives what JSON would: fees, contracts, logs', () => {
    const { rows } = at(20_000_000).split
    const gas = rows.evm_transactions!.reduce((sum, row) => sum + row.gas_used!, 0n)
    expect(gas).toBe(at(20_000_000).raw.header.gasUsed)
    expect(rows.evm_transactions!.every(row => row.sender_proven && row.effective_gas_price !== null)).toBe(
      true,
    )
    expect(rows.transactions!.every(row => row.effects_complete)).toBe(false)
  })

  it('are what ethereum-etl makes of them', () => {
    const folder = '1755634-1755635'
    const { rows } = at(1_755_635).split
    const logs = readJson(`${folder}/expected_logs.json`)
    expect(
      rows.evm_logs!.map(row => [row.log_index, formatHex0x(row.address), formatHex0x(row.data)]),
    ).toEqual(logs.map(log => [log.log_index, log.address, log.data]))
    const topics = rows.evm_logs!.map(row => [row.topic0, row.topic1, row.topic2, row.topic3])
    expect(topics.map(list => list.flatMap(one => (one === null ? [] : formatHex0x(one))))).toEqual(
      logs.map(log => log.topics),
    )
    expect(
      rows.token_transfers!.map(row => [
        row.token,
        row.from_address,
        row.to_address,
        Number(row.amount),
        row.log_index,
      ]),
    ).toEqual(
      readJson(`${folder}/expected_token_transfers.json`).map(one => [
        one.token_address,
        one.from_address,
        one.to_address,
        one.value,
        one.log_index,
      ]),
    )
    expect(
      rows.evm_transactions!.map(row => [
        formatHex0x(row.transaction_hash),
        formatHex0x(row.from_address),
        row.to_address && formatHex0x(row.to_address),
        Number(row.value),
        Number(row.gas_used),
        Number(row.effective_gas_price),
        row.state_root && formatHex0x(row.state_root),
        row.status,
      ]),
    ).toEqual(
      readJson(`${folder}/expected_transactions.json`).map(one => [
        one.hash,
        one.from_address,
        one.to_address,
        one.value,
        one.receipt_gas_used,
        one.receipt_effective_gas_price,
        one.receipt_root,
        one.receipt_status,
      ]),
    )
  })

  it('are found by hash', async () => {
    const rpc = await openRpc([{ url: `file:${join(recordings, 'ethereum')}` }])
    const source = ethereum.open(rpc)
    const raw = await source.blockByHash('0xd24fd73f794058a3807db926d8898c6481e902b7edb91ce0d479d6760f276183')
    expect(ethereum.verify(raw).height).toBe(20_000_000)
    await expect(source.blockByHash(`0x${'ab'.repeat(32)}`)).rejects.toMatchObject({ code: 'NOT_AVAILABLE' })
    await expect(source.blockAt(5)).rejects.toMatchObject({ code: 'NOT_AVAILABLE' })
    expect(await source.head()).toBe(24_476_005)
    expect(await source.finalized()).toBeNull()
    expect(await source.identify()).toEqual({ checked: ['genesisHash'], unchecked: ['chainId'] })
  })
})

describeRecorded('recorded Ethereum Classic blocks', () => {
  it('are 4, and all verify', async () => {
    const blocks = await readAll(ethereumClassic)
    expect([...blocks.keys()]).toEqual([46_147, 1_000_000, 1_755_634, 1_755_635])
    for (const { raw, split } of blocks.values()) {
      expect(imbalances(split)).toEqual([])
      expect(equalValues(ethereumClassic.decode(ethereumClassic.encode(raw)), raw)).toBe(true)
      expect(split.rows.evm_blocks![0]!.block_reward).toBe(5n * 10n ** 18n)
    }
  })
})
