import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LosslessNumber, parse as parseExact, stringify as stringifyExact } from 'lossless-json'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError, MalformedAnswerError, NotAvailableError } from '../schema/errors.ts'
import { openRecording, recordedPath, writeRecorded } from './recording.ts'

const HASH = 'ab'.repeat(32)
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wanlian-recording-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

async function putFile(path: string, content: string): Promise<void> {
  await mkdir(join(directory, path, '..'), { recursive: true })
  await writeFile(join(directory, path), content)
}

test.each<[string, readonly unknown[], string]>([
  ['getblockcount', [], 'getblockcount/_.json'],
  ['getblockhash', [0], 'getblockhash/0.json'],
  ['getblock', [HASH, 0], `getrawblock/${HASH}.hex`],
  ['getblock', [HASH, 1], `getblock/${HASH}_1.json`],
  ['getblock', [HASH, true], `getblock/${HASH}_true.json`],
  ['getblock', [HASH, 3], `getblock/${HASH}_3.json`],
  ['eth_getBlockByNumber', ['0x10', true], 'eth_getBlockByNumber/0x10_true.json'],
  [
    'debug_traceBlockByNumber',
    ['0x1', { tracer: 'callTracer' }],
    'debug_traceBlockByNumber/0x1_callTracer.json',
  ],
  ['get', [{ a: 1, b: { c: 'x' } }, null], 'get/1_x_null.json'],
])('%s %j is kept in %s', (method, params, path) => {
  expect(recordedPath(method, params)).toBe(path)
})

describe('nothing leads out of a recording', () => {
  test.each<[string, readonly unknown[]]>([
    ['getblock', ['../../etc/passwd', 0]],
    ['getblock', ['..', 1]],
    ['getblockhash', ['../x']],
    ['get', ['a/b']],
    ['get', ['a\\b']],
    ['get', ['.hidden']],
    ['get', ['']],
    ['get', ['nul\0']],
    ['get', ['line\nfeed']],
    ['get', [{ deep: { deeper: '../x' } }]],
    ['get', [['..', '..']]],
    ['..', [0]],
    ['../getblock', [0]],
    ['', [0]],
    ['a/b', [0]],
  ])('%s %j', async (method, params) => {
    expect(() => recordedPath(method, params)).toThrow(NotAvailableError)
    const recording = await openRecording(directory)
    await expect(recording.call(method, params)).rejects.toBeInstanceOf(NotAvailableError)
    await expect(writeRecorded(directory, method, params, 1)).rejects.toBeInstanceOf(NotAvailableError)
    expect(await readdir(directory)).toEqual([])
  })
})

test('what is written is read again, whole, under its call and no other', async () => {
  const answers: [string, unknown[], unknown][] = [
    ['getblockhash', [7], HASH],
    ['getblock', [HASH, 0], '00ff'.repeat(1000)],
    ['getblock', [HASH, 2], { tx: [], 万: 'ü\n' }],
    ['eth_chainId', [], '0x7a69'],
    ['gettxout', [HASH, 1], null],
    ['debug_traceBlockByNumber', ['0x1', { tracer: 'callTracer' }], []],
  ]
  for (const [method, params, answer] of answers) await writeRecorded(directory, method, params, answer)
  const recording = await openRecording(directory)
  expect(recording.directory).toBe(directory)
  for (const [method, params, answer] of answers) expect(await recording.call(method, params)).toEqual(answer)
  await writeRecorded(directory, 'getblockhash', [7], 'written over')
  expect(await recording.call('getblockhash', [7])).toBe('written over')
  for (const [method, params] of [
    ['getblockhash', [8]],
    ['getblockcount', []],
    ['getblock', [HASH, 1]],
    ['getblock', ['cd'.repeat(32), 0]],
    ['eth_chainId', ['x'.repeat(5_000)]],
  ] as const) {
    await expect(recording.call(method, params), method).rejects.toBeInstanceOf(NotAvailableError)
  }
  await expect(recording.call('getblockhash', [8])).rejects.toThrow(
    `${directory} has no answer to getblockhash(8)`,
  )
  const leftOver = (await readdir(directory, { recursive: true })).filter(name => name.endsWith('.part'))
  expect(leftOver).toEqual([])
})

test('digits are kept as they came', async () => {
  const amount = { value: new LosslessNumber('0.10000000'), big: new LosslessNumber('123456789012345678901') }
  await writeRecorded(directory, 'getamount', [], amount, value => stringifyExact(value) ?? '')
  expect(await readFile(join(directory, 'getamount/_.json'), 'utf8')).toBe(
    '{"value":0.10000000,"big":123456789012345678901}\n',
  )
  expect(await (await openRecording(directory)).call('getamount', [], parseExact)).toEqual(amount)
})

test('the same answer may be written by several at once', async () => {
  const long = 'x'.repeat(100_000)
  await Promise.all(Array.from({ length: 20 }, () => writeRecorded(directory, 'get', [1], long)))
  expect(await (await openRecording(directory)).call('get', [1])).toBe(long)
  expect(await readdir(join(directory, 'get'))).toEqual(['1.json'])
})

test('verbosity 1 is found under its old spelling, the number first', async () => {
  const recording = await openRecording(directory)
  await putFile(`getblock/${HASH}_true.json`, '"old"')
  await putFile(`getrawtransaction/${HASH}_true.json`, '"old"')
  await putFile(`getrawtransaction/${HASH}_true_cd.json`, '"old, of a block"')
  await putFile(`getblockheader/${HASH}_true.json`, '"header"')
  expect(await recording.call('getblock', [HASH, 1])).toBe('old')
  expect(await recording.call('getrawtransaction', [HASH, 1])).toBe('old')
  expect(await recording.call('getrawtransaction', [HASH, 1, 'cd'])).toBe('old, of a block')
  await expect(recording.call('getblock', [HASH, 2])).rejects.toBeInstanceOf(NotAvailableError)
  await expect(recording.call('getblockheader', [HASH, 1])).rejects.toBeInstanceOf(NotAvailableError)
  await putFile(`getblock/${HASH}_1.json`, '"new"')
  expect(await recording.call('getblock', [HASH, 1])).toBe('new')
})

test('a file that is not JSON is a malformed answer that names the file', async () => {
  const recording = await openRecording(directory)
  for (const content of ['', '{"result":', '<html>', '{} {}']) {
    await putFile('getblockhash/1.json', content)
    const error = await recording.call('getblockhash', [1]).catch((thrown: unknown) => thrown)
    expect(error, JSON.stringify(content)).toBeInstanceOf(MalformedAnswerError)
    expect((error as Error).message).toContain(join(directory, 'getblockhash/1.json'))
  }
  await putFile('_prevouts/x.json', '[')
  await expect(recording.file('_prevouts/x.json')).rejects.toBeInstanceOf(MalformedAnswerError)
})

test('lists what is recorded of a method, and reads files of no call', async () => {
  const recording = await openRecording(directory)
  expect(await recording.list('getblockhash')).toEqual([])
  await putFile('getblockhash/10.json', '1')
  await putFile('getblockhash/9.json', '1')
  await putFile(`getrawblock/${HASH}.hex`, 'ff\n')
  await putFile('getblockhash/11.json.left-by-a-crash.part', '')
  await putFile('_prevouts/x.json', '{"a":1}')
  expect(await recording.list('getblockhash')).toEqual(['10', '9'])
  expect(await recording.list('getrawblock')).toEqual([HASH])
  expect(await recording.file('_prevouts/x.json')).toEqual({ a: 1 })
  expect(await recording.call('getblock', [HASH, 0])).toBe('ff')
  await expect(recording.file('_prevouts/y.json')).rejects.toBeInstanceOf(NotAvailableError)
})

test('only a directory is a recording', async () => {
  await putFile('file', '')
  for (const path of ['nothing', 'file']) {
    await expect(openRecording(join(directory, path)), path).rejects.toBeInstanceOf(ConfigError)
  }
})
