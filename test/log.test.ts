import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openEmbeddedLog } from '../deploy/log-embedded.ts'
import { blocks, readAll, testContract, values } from './log-contract.ts'

describe('log: embedded', () => {
  testContract({
    open: directory => openEmbeddedLog({ directory }),
    erase: directory => rm(directory, { recursive: true, force: true }),
    writer: directory => ['embedded', directory],
  })

  test('what all groups have read goes, what one has not stays, a reader of what is gone is told', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'wanlian-log-'))
    const log = await openEmbeddedLog({ directory, keepBytes: 50_000 })
    await log.append(blocks, values(0, 1))
    const first = (await log.read(blocks, 0n))[0]!.offset
    await log.commit(blocks, 'slow', first)
    for (let round = 0; round < 20; round++) await log.append(blocks, [Buffer.alloc(10_000, round)])
    expect((await readAll(log, blocks)).length).toBe(21)
    const all = await readAll(log, blocks)
    await log.commit(blocks, 'slow', all[15]!.offset)
    await log.append(blocks, values(1, 2))
    const left = await readAll(log, blocks)
    expect(left[0]!.offset).toBe(all[15]!.offset)
    await expect(log.read(blocks, first)).rejects.toThrow(/kept from/)
    await log.close()
    await rm(directory, { recursive: true, force: true })
  })
})
