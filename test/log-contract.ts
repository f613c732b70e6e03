import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { BlockLog, LogMessage, TopicPartition } from '../schema/ports.ts'

/** What every log must do: each adapter opens itself here, again and again over the same data. */
export interface LogAdapter {
  open(directory: string): Promise<BlockLog>
  /** Deletes what was in it. */
  erase(directory: string): Promise<void>
  /** Arguments of the child that writes until it is killed. */
  writer(directory: string): readonly string[]
}

export const blocks: TopicPartition = { topic: 'blocks.test', partition: 0 }
export const other: TopicPartition = { topic: 'blocks.test', partition: 1 }
const writer = fileURLToPath(new URL('./log-writer-child.ts', import.meta.url))

export const text = (messages: readonly LogMessage[]) =>
  messages.map(({ value }) => Buffer.from(value).toString())
export const values = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => Buffer.from(`message ${from + at}`))

export async function readAll(log: BlockLog, place: TopicPartition, from = 0n): Promise<LogMessage[]> {
  const all: LogMessage[] = []
  for (let next = from; ; next = all.at(-1)!.offset + 1n) {
    const some = await log.read(place, next, { maxMessages: 7 })
    if (some.length === 0) return all
    all.push(...some)
  }
}

/** Registers the tests of the contract. */
export function testContract({ open, erase, writer: argumentsOf }: LogAdapter): void {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wanlian-log-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  test('messages come back in order, byte for byte, partition by partition', async () => {
    const log = await open(directory)
    expect(await log.read(blocks, 0n)).toEqual([])
    const last = await log.append(blocks, values(0, 20))
    await log.append(other, [Buffer.from('elsewhere')])
    await log.append(blocks, values(20, 30))
    const all = await readAll(log, blocks)
    expect(text(all)).toEqual(values(0, 30).map(String))
    expect(all[19]!.offset).toBe(last)
    expect(all.every((message, at) => at === 0 || message.offset > all[at - 1]!.offset)).toBe(true)
    expect(text(await readAll(log, other))).toEqual(['elsewhere'])
    expect(await log.end(blocks)).toBeGreaterThan(all.at(-1)!.offset)
    expect(await log.read(blocks, await log.end(blocks))).toEqual([])
    await log.close()
  })

  test('any bytes of any size, the limits of a read kept, but for one message', async () => {
    const log = await open(directory)
    const sizes = [0, 1, 1_023, 70_000, 5_000_000, 3]
    const sent = sizes.map((size, at) => Buffer.alloc(size, at))
    await log.append(blocks, sent)
    const big = await log.read(blocks, 0n, { maxBytes: 100_000 })
    expect(big.map(({ value }) => value.length)).toEqual([0, 1, 1_023, 70_000])
    const one = await log.read(blocks, big.at(-1)!.offset + 1n, { maxBytes: 100_000 })
    expect(one.map(({ value }) => value.length)).toEqual([5_000_000])
    const all = await readAll(log, blocks)
    expect(all.map(({ value }, at) => sent[at]!.equals(value))).toEqual(sizes.map(() => true))
    await log.close()
  })

  test('two groups, each with its own place, over a restart', async () => {
    let log = await open(directory)
    await log.append(blocks, values(0, 10))
    const all = await readAll(log, blocks)
    expect(await log.committed(blocks, 'one')).toBe(0n)
    await log.commit(blocks, 'one', all[4]!.offset)
    await log.commit(blocks, 'two', all[8]!.offset)
    await log.close()
    log = await open(directory)
    await log.append(blocks, values(10, 12))
    expect(text(await readAll(log, blocks, await log.committed(blocks, 'one')))).toEqual(
      values(4, 12).map(String),
    )
    expect(text(await readAll(log, blocks, await log.committed(blocks, 'two')))).toEqual(
      values(8, 12).map(String),
    )
    expect(await log.committed(other, 'one')).toBe(0n)
    await log.close()
  })

  test('waiting ends with a message, or with the signal', async () => {
    const log = await open(directory)
    const never = new AbortController()
    await log.append(blocks, values(0, 1))
    await log.wait(blocks, 0n, never.signal)
    const end = await log.end(blocks)
    let woken = false
    const waiting = log.wait(blocks, end, never.signal).then(() => {
      woken = true
    })
    await log.append(other, values(0, 1))
    await new Promise(resolve => setImmediate(resolve))
    expect(woken).toBe(false)
    await log.append(blocks, values(1, 2))
    await waiting
    const stop = new AbortController()
    const stopped = log.wait(blocks, await log.end(blocks), stop.signal)
    stop.abort()
    await stopped
    await log.close()
  })

  test('a log that was deleted and begun anew gives no offset twice', async () => {
    let log = await open(directory)
    const before = await log.append(blocks, values(0, 100))
    await log.close()
    await erase(directory)
    log = await open(directory)
    const after = await log.append(blocks, values(0, 1))
    expect(after).toBeGreaterThan(before)
    // A place from before is the beginning.
    expect(text(await log.read(blocks, before + 1n))).toEqual(['message 0'])
    await log.close()
  })

  test('a limit of messages and one of bytes, whichever comes first', async () => {
    const log = await open(directory)
    await log.append(blocks, values(0, 30))
    expect(text(await log.read(blocks, 0n, { maxMessages: 4 }))).toEqual(values(0, 4).map(String))
    expect(text(await log.read(blocks, 0n, { maxBytes: 25 }))).toEqual(values(0, 2).map(String))
    await log.close()
  })

  test('kill -9 of a writer: what was acknowledged is there, in order, without holes', async () => {
    await (await open(directory)).close()
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, ['--import', 'tsx', writer, ...argumentsOf(directory)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let told = ''
      await new Promise<void>(resolve => {
        child.stdout.on('data', (chunk: Buffer) => {
          told += chunk.toString()
          if (told.split('\n').length > 20 + round * 7) child.kill('SIGKILL')
        })
        child.once('exit', () => resolve())
      })
      const log = await open(directory)
      const all = text(await readAll(log, blocks))
      await log.close()
      expect(all).toEqual(values(0, all.length).map(String))
      // The last line may have been cut by the kill; the one before was whole.
      const acknowledged = Number(told.trimEnd().split('\n').at(-2))
      expect(all.length).toBeGreaterThan(acknowledged)
    }
  })
}
