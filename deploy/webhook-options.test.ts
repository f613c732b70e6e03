import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { webhookShape } from '../api/webhooks/contract.ts'
import { ConfigError } from '../schema/errors.ts'
import { type Config, readConfig } from './config.ts'
import { type AddOptions, type ReplayOptions, replayRequest, webhookRequest } from './webhook-options.ts'

let directory: string
let config: Config
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-options-'))
  const file = join(directory, 'wanlian.yaml')
  await writeFile(file, '{}')
  config = await readConfig({ file, environment: {} })
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const least: AddOptions = { url: 'https://a.example/b', chain: ['bitcoin'], event: ['block.added'] }
const request = (more: AddOptions = {}) => webhookRequest(config, { ...least, ...more })

async function refusal(more: AddOptions): Promise<string> {
  const error = await request(more).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ConfigError)
  return (error as Error).message
}

describe('webhook add', () => {
  test('needs a URL, a chain and an event; the rest has defaults', async () => {
    const asked = await request()
    expect(webhookShape.parse(asked)).toEqual(
      webhookShape.parse({
        url: 'https://a.example/b',
        chains: ['bitcoin'],
        events: ['block.added'],
      }),
    )
    expect(
      (await webhookRequest(config, { stream: true, chain: ['bitcoin'], event: ['reorg'] })).url,
    ).toBeNull()
  })

  test('takes lists by repetition and by commas, addresses from a file too', async () => {
    const file = join(directory, 'addresses.txt')
    await writeFile(file, '# of the shop\n0xaa\n0xbb, 0xcc # two\n\n  0xaa  \n')
    const first = `0x${'1'.repeat(64)}`
    const second = `0x${'2'.repeat(64)}`
    const asked = await request({
      chain: ['bitcoin,ethereum', 'litecoin'],
      event: ['transfer, reorg', 'block.removed'],
      address: ['0xdd,0xaa'],
      addresses: file,
      asset: ['native'],
      topic: [`${first},${second.toUpperCase().replace('0X', '0x')}`, 'any', second],
      minimumAmount: '1000000000000000000000000',
      when: '12',
      payload: 'full',
      giveUp: 'skip',
      from: 7,
      fromSequence: 3,
      allowPrivate: true,
    })
    expect(webhookShape.parse(asked)).toMatchObject({
      chains: ['bitcoin', 'ethereum', 'litecoin'],
      events: ['transfer', 'reorg', 'block.removed'],
      filters: {
        addresses: ['0xdd', '0xaa', '0xbb', '0xcc'],
        assets: ['native'],
        topics: [[first, second], [], [second]],
        minimumAmount: '1000000000000000000000000',
      },
      when: { confirmations: 12 },
      payload: 'full',
      giveUp: 'skip',
      start: { height: 7, sequence: 3 },
      allowPrivate: true,
    })
  })

  test.each([
    ['2026-01-31', '2026-01-31T00:00:00.000Z'],
    ['2026-01-31T12:00', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31T12:00:00+02:00', '2026-01-31T10:00:00.000Z'],
  ])('begins at a time: %s', async (fromTime, time) => {
    expect((await request({ fromTime })).start).toEqual({ time })
  })

  test('says what is expected where something is wrong', async () => {
    expect(await refusal({ event: ['block.moved'] })).toBe(
      '--event: expected one or more of block.added, block.removed, block.finalized, address.activity, transfer, contract.event, reorg, record.changed, got "block.moved"',
    )
    expect(await refusal({ event: [] })).toMatch(
      /^--event: expected one or more of block.added, .*record.changed$/,
    )
    expect(await refusal({ chain: [] })).toMatch(/^--chain: expected one or more of .*bitcoin/)
    expect(await refusal({ chain: ['moon'] })).toMatch(/^no chain "moon": expected one of .*bitcoin/)
    expect(await webhookRequest(config, { chain: ['bitcoin'], event: ['reorg'] }).catch(String)).toContain(
      '--url',
    )
    expect(await refusal({ stream: true })).toContain('one of them')
    expect(await refusal({ when: 'later' })).toContain('tip, final or a number of confirmations, got "later"')
    expect(await refusal({ when: '0' })).toContain('--when')
    expect(await refusal({ payload: 'huge' })).toBe(
      '--payload: expected reference, summary, full, got "huge"',
    )
    expect(await refusal({ giveUp: 'never' })).toBe('--give-up: expected stop, skip, got "never"')
    expect(await refusal({ minimumAmount: '1.5' })).toContain('--minimum-amount')
    expect(await refusal({ topic: ['0x12'] })).toContain('--topic')
    expect(await refusal({ from: 1, fromTime: '2026-01-01' })).toContain('not both')
    expect(await refusal({ fromSequence: 4 })).toContain('--from-sequence')
    for (const fromTime of ['yesterday', '2026-13-01', '2026', '']) {
      expect(await refusal({ fromTime }), fromTime).toContain('--from-time')
    }
    expect(await refusal({ addresses: join(directory, 'nothing.txt') })).toContain('nothing.txt')
    const empty = join(directory, 'empty.txt')
    await writeFile(empty, '# nobody\n')
    expect(await refusal({ addresses: empty })).toContain('no address')
  })
})

describe('webhook replay', () => {
  test.each<[ReplayOptions, object]>([
    [
      { from: 4, to: 9 },
      { from: { sequence: 4 }, to: 9, perSecond: null },
    ],
    [{ fromHeight: 0 }, { from: { height: 0 }, perSecond: null }],
    [
      { fromHeight: 5, chain: 'bitcoin', perSecond: 0.5 },
      { from: { height: 5, chain: 'bitcoin' }, perSecond: 0.5 },
    ],
    [{ fromTime: '2026-01-31' }, { from: { time: '2026-01-31T00:00:00.000Z' }, perSecond: null }],
  ])('%j', (options, expected) => {
    expect(replayRequest(config, options)).toEqual(expected)
  })

  test.each<[ReplayOptions, string]>([
    [{}, 'one of them'],
    [{ from: 1, fromHeight: 1 }, 'one of them'],
    [{ from: 1, chain: 'bitcoin' }, '--from-height'],
    [{ fromHeight: 1, chain: 'moon' }, 'no chain "moon"'],
  ])('is refused: %j', (options, reason) => {
    expect(() => replayRequest(config, options)).toThrow(reason)
  })
})
