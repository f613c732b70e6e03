import { describe, expect, it } from 'vitest'
import { formatHex0x } from '../../schema/bytes.ts'
import { MalformedAnswerError, ProofError } from '../../schema/errors.ts'
import { address } from './block.fixture.ts'
import { readCallTracer, readTraceBlock } from './traces.ts'

const [a, b, c] = ['a', 'b', 'c'].map(digit => formatHex0x(address(digit))) as [string, string, string]
const hash = Buffer.alloc(32, 7)
const call = { type: 'CALL', from: a, to: b, value: '0x0', gas: '0x1', gasUsed: '0x1', input: '0x' }

describe('callTracer', () => {
  it('is read depth first', () => {
    const inner = {
      ...call,
      calls: [
        { ...call, type: 'STATICCALL', value: undefined },
        { ...call, error: 'out of gas', calls: [call] },
      ],
    }
    const [frames] = readCallTracer(
      [{ txHash: formatHex0x(hash), result: { ...call, calls: [inner, call] } }],
      [hash],
    )!
    expect(frames!.map(frame => [frame.traceAddress.join('.'), frame.type, frame.reverted])).toEqual([
      ['', 'CALL', false],
      ['0', 'CALL', false],
      ['0.0', 'STATICCALL', false],
      ['0.1', 'CALL', true],
      ['0.1.0', 'CALL', true],
      ['1', 'CALL', false],
    ])
    expect(frames![2]!.value).toBe(0n)
  })

  it('tells why a call failed; a creation that failed made nothing', () => {
    const failed = { ...call, type: 'CREATE', error: 'execution reverted', revertReason: 'no' }
    expect(readCallTracer([{ result: failed }], [hash])![0]![0]).toMatchObject({
      to: null,
      error: 'execution reverted: no',
    })
  })

  it('is not there when the node could not trace a transaction', () => {
    expect(readCallTracer([{ result: call }, { error: 'timeout' }], [hash, hash])).toBeNull()
  })

  it('of another transaction is refused', () => {
    const answer = [{ txHash: formatHex0x(Buffer.alloc(32)), result: call }]
    expect(() => readCallTracer(answer, [hash])).toThrow(ProofError)
  })

  it('nested 10,000 deep is refused without a stack overflow', () => {
    let deep: Record<string, unknown> = call
    for (let level = 0; level < 10_000; level++) deep = { ...call, calls: [deep] }
    expect(() => readCallTracer([{ result: deep }], [hash])).toThrow('expected at most 1025 nested calls')
  })

  it('nested 1,024 deep is read', () => {
    let deep: Record<string, unknown> = call
    for (let level = 0; level < 1_024; level++) deep = { ...call, calls: [deep] }
    expect(readCallTracer([{ result: deep }], [hash])![0]).toHaveLength(1_025)
  })

  it.each([
    [null],
    [[null]],
    [[{}]],
    [[{ result: { ...call, type: 'JUMP' } }]],
    [[{ result: { ...call, from: undefined } }]],
    [[{ result: { ...call, to: undefined } }]],
    [[{ result: { ...call, calls: {} } }]],
    [[{ result: { ...call, calls: [1] } }]],
    [[{ result: { ...call, value: 5 } }]],
    [[{ result: { ...call, error: 5 } }]],
  ])('of a wrong shape is refused: %j', answer => {
    expect(() => readCallTracer(answer, [hash])).toThrow(MalformedAnswerError)
  })
})

describe('trace_block', () => {
  const action = { from: a, to: b, value: '0x5', gas: '0x9', input: '0x12', callType: 'call' }
  const flat = (traceAddress: number[], given: object = {}) => ({
    ...{ type: 'call', action, result: { gasUsed: '0x3', output: '0x34' }, traceAddress },
    ...{ transactionPosition: 0, transactionHash: formatHex0x(hash), subtraces: 0 },
    ...given,
  })

  it('is read like the other form', () => {
    const create = { type: 'create', action: { from: a, init: '0x60', value: '0x0', gas: '0x1' } }
    const answer = [
      flat([]),
      flat([0], { ...create, result: { address: c, code: '0xfe', gasUsed: '0x1' } }),
      flat([0, 0], {
        ...create,
        action: { ...create.action, creationMethod: 'create2' },
        error: 'Reverted',
        result: null,
      }),
      flat([1], { type: 'suicide', action: { address: b, refundAddress: c, balance: '0x8' }, result: null }),
      flat([2], { action: { ...action, callType: 'delegatecall' }, error: 'Reverted' }),
      flat([2, 0]),
      { type: 'reward', action: { author: a, rewardType: 'block', value: '0x1' }, traceAddress: [] },
    ]
    const [frames] = readTraceBlock(answer, [hash])
    expect(frames!.map(({ type, to, reverted }) => [type, to && formatHex0x(to), reverted])).toEqual([
      ['CALL', b, false],
      ['CREATE', c, false],
      ['CREATE2', null, true],
      ['SELFDESTRUCT', c, false],
      ['DELEGATECALL', b, true],
      ['CALL', b, true],
    ])
    expect(frames![0]).toMatchObject({ value: 5n, gas: 9n, gasUsed: 3n, error: null })
    expect(frames![3]).toMatchObject({ value: 8n, gas: null })
  })

  it('gives a transaction without traces none', () => {
    expect(readTraceBlock([flat([])], [hash, hash]).map(frames => frames.length)).toEqual([1, 0])
  })

  it.each([
    ['an order that is no tree', [flat([]), flat([1])]],
    ['a child without its parent', [flat([]), flat([0, 0])]],
    ['no top call', [flat([0])]],
    ['two top calls', [flat([]), flat([])]],
    ['an unknown type', [flat([], { type: 'jump' })]],
    ['a creation without an address', [flat([], { type: 'create', action: { from: a }, result: {} })]],
    ['a position that is no number', [flat([], { transactionPosition: -1 })]],
    ['no list', {}],
  ])('refuses %s', (_, answer) => {
    expect(() => readTraceBlock(answer, [hash])).toThrow(MalformedAnswerError)
  })

  it('refuses traces of other transactions', () => {
    expect(() => readTraceBlock([flat([], { transactionPosition: 1 })], [hash])).toThrow(ProofError)
    expect(() =>
      readTraceBlock([flat([], { transactionHash: formatHex0x(Buffer.alloc(32)) })], [hash]),
    ).toThrow(ProofError)
  })
})
