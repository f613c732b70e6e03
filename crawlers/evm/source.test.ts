import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AppError, EndpointError, NotAvailableError, RpcError } from '../../schema/errors.ts'
import { describeRecorded, recordings } from '../../test/recordings.ts'
import { ethereum } from '../chains/ethereum.ts'
import { evmLocal } from '../chains/evm-local.ts'
import { openRpc, type Rpc } from '../rpc.ts'

type Answers = Record<string, (...params: never[]) => unknown>

interface FakeNode extends Rpc {
  asked: string[]
}

/** A node that has these methods and no others. */
function node(answers: Answers, recorded?: Rpc): FakeNode {
  const asked: string[] = []
  async function call(method: string, params: readonly unknown[]): Promise<unknown> {
    asked.push(method)
    const answer = answers[method]
    if (answer) return answer(...(params as never[]))
    if (recorded) return recorded.call(method, params)
    throw new NotAvailableError(`no ${method}`)
  }
  return {
    asked,
    call,
    callMany: calls =>
      Promise.all(calls.map(one => call(one.method, one.params).catch((error: Error) => error))),
    recordings: [],
    names: ['fake'],
    close: async () => {},
  }
}

describe('who the node is', () => {
  const genesis = { eth_getBlockByNumber: () => ({ hash: ethereum.definition.genesisHash }) }
  const identify = (answers: Answers, chain = ethereum) => chain.open(node(answers)).identify()

  it('is told by chain id and genesis block', async () => {
    expect(await identify({ eth_chainId: () => '0x1', ...genesis })).toEqual({
      ...{ checked: ['chainId', 'genesisHash'], unchecked: [] },
    })
    expect(await identify({})).toEqual({ checked: [], unchecked: ['chainId', 'genesisHash'] })
    expect(await identify({ eth_chainId: () => '0x7a69' }, evmLocal)).toEqual({
      ...{ checked: ['chainId'], unchecked: ['genesisHash'] },
    })
  })

  it('another chain is refused', async () => {
    const wrong = { code: 'WRONG_CHAIN' }
    await expect(identify({ eth_chainId: () => '0x3d', ...genesis })).rejects.toMatchObject(wrong)
    const other = { eth_getBlockByNumber: () => ({ hash: `0x${'ab'.repeat(32)}` }) }
    await expect(identify({ eth_chainId: () => '0x1', ...other })).rejects.toMatchObject(wrong)
  })

  it('trouble on the way is not an answer', async () => {
    const down = () => {
      throw new EndpointError('down')
    }
    await expect(identify({ eth_chainId: down })).rejects.toBeInstanceOf(EndpointError)
  })
})

describe('heads', () => {
  it('come from the node', async () => {
    const refused = () => {
      throw new RpcError('no such tag', -32602)
    }
    expect(await ethereum.open(node({ eth_blockNumber: () => '0x10' })).head()).toBe(16)
    expect(await ethereum.open(node({ eth_getBlockByNumber: () => ({ number: '0xf' }) })).finalized()).toBe(
      15,
    )
    expect(await ethereum.open(node({ eth_getBlockByNumber: () => null })).finalized()).toBeNull()
    expect(await ethereum.open(node({ eth_getBlockByNumber: refused })).finalized()).toBeNull()
    expect(await ethereum.open(node({})).recordedHeights()).toBeNull()
    await expect(ethereum.open(node({})).head()).rejects.toBeInstanceOf(NotAvailableError)
    await expect(ethereum.open(node({ eth_blockNumber: () => 16 })).head()).rejects.toBeInstanceOf(AppError)
  })

  it('a block that is not there yet is not available', async () => {
    const source = ethereum.open(node({ eth_getBlockByNumber: () => null }))
    await expect(source.blockAt(5)).rejects.toBeInstanceOf(NotAvailableError)
  })
})

describeRecorded('blocks of a node', () => {
  const recorded = openRpc([{ url: `file:${join(recordings, 'ethereum')}` }])
  const refuse = () => {
    throw new NotAvailableError('the method does not exist')
  }

  it('methods that it lacks are not asked for again', async () => {
    const lacking = {
      eth_getBlockReceipts: refuse,
      eth_getTransactionReceipt: refuse,
      debug_traceBlockByNumber: refuse,
    }
    const fake = node({ ...lacking, trace_block: refuse }, await recorded)
    const source = ethereum.open(fake)
    expect(await source.blockAt(4_370_006)).toMatchObject({ receipts: null, traces: null, traceSource: '' })
    const before = fake.asked.length
    await source.blockAt(7_280_016)
    expect(fake.asked.slice(before).sort()).toEqual([
      ...['eth_getBlockByNumber', 'eth_getTransactionReceipt', 'eth_getUncleByBlockNumberAndIndex'],
    ])
  })

  it('receipts are asked for one by one where the node does not give them together', async () => {
    const all = (await (await recorded).call('eth_getBlockReceipts', ['0x42ae56'])) as {
      transactionHash: string
    }[]
    const one = (hash: string) => all.find(receipt => receipt.transactionHash === hash)
    const fake = node({ eth_getBlockReceipts: refuse, eth_getTransactionReceipt: one }, await recorded)
    const raw = await ethereum.open(fake).blockAt(4_370_006)
    expect(ethereum.verify(raw).proofs).toContain('receiptsRoot')
    const some = node(
      {
        eth_getBlockReceipts: refuse,
        eth_getTransactionReceipt: (hash: string) => (hash === all[9]!.transactionHash ? null : one(hash)),
      },
      await recorded,
    )
    expect((await ethereum.open(some).blockAt(4_370_006)).receipts).toBeNull()
  })

  it('near the head they are waited for, if there were any before; further down they may be forgotten', async () => {
    const real = await recorded
    let isThere = true
    let head = 4_370_010
    const source = ethereum.open(
      node(
        {
          eth_blockNumber: () => `0x${head.toString(16)}`,
          eth_getBlockReceipts: (id: string) => (isThere ? real.call('eth_getBlockReceipts', [id]) : null),
          eth_getTransactionReceipt: () => null,
        },
        real,
      ),
    )
    isThere = false
    await source.head()
    expect((await source.blockAt(4_370_006)).receipts).toBeNull()
    isThere = true
    expect((await source.blockAt(4_370_006)).receipts).not.toBeNull()
    isThere = false
    await expect(source.blockAt(4_370_006)).rejects.toThrow(
      'expected the receipts of 64 transactions, got none yet',
    )
    await expect(source.blockAt(4_370_006)).rejects.toBeInstanceOf(EndpointError)
    head = 5_000_000
    await source.head()
    expect((await source.blockAt(4_370_006)).receipts).toBeNull()
  })

  it('traces and senders are a choice', async () => {
    const fake = node({}, await recorded)
    const raw = await ethereum.open(fake, { traces: false, recoverSenders: true }).blockAt(4_370_006)
    expect(raw.traces).toBeNull()
    expect(fake.asked).not.toContain('debug_traceBlockByNumber')
    expect(ethereum.verify(raw).proofs).toContain('senders')
  })

  it('nothing is asked about a block without transactions but the block', async () => {
    const fake = node({}, await recorded)
    const raw = await ethereum.open(fake).blockAt(19_910_734)
    expect(raw).toMatchObject({ receipts: [], traces: [], uncles: [] })
    expect(fake.asked).toEqual(['eth_getBlockByNumber'])
    expect(ethereum.verify(raw).proofs).toEqual([
      'hash',
      'txRoot',
      'receiptsRoot',
      'logsBloom',
      'withdrawalsRoot',
      'uncles',
    ])
  })

  it('receipts of another block are worth trying again', async () => {
    const receipts = (await (await recorded).call('eth_getBlockReceipts', ['0x42ae56'])) as object[]
    const moved = receipts.map(receipt => ({ ...receipt, blockHash: `0x${'ab'.repeat(32)}` }))
    const source = ethereum.open(node({ eth_getBlockReceipts: () => moved }, await recorded))
    await expect(source.blockAt(4_370_006)).rejects.toMatchObject({ retryable: true })
  })

  it('uncles that the node does not give are not proven', async () => {
    const fake = node({ eth_getUncleByBlockNumberAndIndex: () => null }, await recorded)
    const raw = await ethereum.open(fake).blockAt(4_370_006)
    const verified = ethereum.verify(raw)
    expect(verified.proofs).not.toContain('uncles')
    const { rows } = ethereum.split(raw, verified)
    expect(rows.blocks![0]!.size).toBeNull()
    expect(rows.evm_blocks![0]).toMatchObject({
      uncle_count: 1,
      uncle_inclusion_reward: null,
      block_reward: 3n * 10n ** 18n,
    })
  })

  it('another block than the one asked for is refused', async () => {
    const other = await (await recorded).call('eth_getBlockByNumber', ['0xb443', true])
    const raw = await ethereum.open(node({ eth_getBlockByNumber: () => other })).blockAt(46_148)
    expect(() => ethereum.verify(raw)).toThrow(
      /^hash: height of the block asked for: expected 46148, got 46147/,
    )
  })

  it('by hash', async () => {
    const block = (await (await recorded).call('eth_getBlockByNumber', ['0xf4240', true])) as { hash: string }
    const trace = await (await recorded).call('debug_traceBlockByNumber', [
      '0xf4240',
      { tracer: 'callTracer' },
    ])
    const receipts = await (await recorded).call('eth_getBlockReceipts', ['0xf4240'])
    const fake = node({
      eth_getBlockByHash: () => block,
      debug_traceBlockByHash: () => trace,
      eth_getBlockReceipts: () => receipts,
    })
    const raw = await ethereum.open(fake).blockByHash(block.hash)
    expect(ethereum.verify(raw).height).toBe(1_000_000)
    expect(raw.traceSource).toBe('debug_traceBlockByNumber')
    const wrong = await ethereum.open(fake).blockByHash(`0x${'ab'.repeat(32)}`)
    expect(() => ethereum.verify(wrong)).toThrow(/^hash: /)
  })

  it('answers with one thing wrong are refused by an error of ours, or change nothing that is proven', async () => {
    const junk = [
      null,
      undefined,
      '',
      '0x',
      '0x0',
      '0xzz',
      '0x1',
      -1,
      1e300,
      {},
      [],
      [[]],
      true,
      '0x'.padEnd(66, 'f'),
    ]
    const methods = [
      'eth_getBlockByNumber',
      'eth_getBlockReceipts',
      'debug_traceBlockByNumber',
      'trace_block',
    ] as const
    const answers = new Map<string, string>()
    for (const method of methods) {
      const params = { eth_getBlockByNumber: [true], debug_traceBlockByNumber: [{ tracer: 'callTracer' }] }
      const rest = params[method as keyof typeof params] ?? []
      answers.set(method, JSON.stringify(await (await recorded).call(method, ['0xf4240', ...rest])))
    }
    let state = 11
    const next = (limit: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return (state >>> 8) % limit
    }
    /** Replaces something inside, by a walk that may stop at any level. */
    const damage = (value: unknown): unknown => {
      if (typeof value !== 'object' || value === null || next(6) === 0) return junk[next(junk.length)]
      const keys = Object.keys(value)
      const key = keys[next(Math.max(1, keys.length))]
      if (key === undefined) return junk[next(junk.length)]
      const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>
      copy[key] = damage(copy[key])
      return copy
    }
    let refused = 0
    for (let round = 0; round < 1_500; round++) {
      const bad = methods[next(methods.length)]!
      const fake: Answers = bad === 'trace_block' ? { debug_traceBlockByNumber: refuse } : {}
      for (const [method, text] of answers) {
        fake[method] ??= () => (method === bad ? damage(JSON.parse(text)) : JSON.parse(text))
      }
      try {
        const raw = await ethereum.open(node(fake)).blockAt(1_000_000)
        const verified = ethereum.verify(raw)
        const { rows } = ethereum.split(raw, verified)
        expect(ethereum.decode(ethereum.encode(raw))).toEqual(raw)
        expect(rows.blocks![0]!.transaction_count).toBe(2)
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(500)
  })
})
