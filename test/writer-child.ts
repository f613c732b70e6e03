import { createSql, type SqlSettings } from '../deploy/sql.ts'
import type { Sql } from '../schema/ports.ts'
import { prepareBlock } from '../splitter/prepare.ts'
import { openWriter } from '../splitter/writer.ts'
import { paperBlocks, paperChain, paperHash } from './paper-chain.ts'

/**
 * A writer in a process of its own that is stopped or killed right before its n-th insert. Arguments: the store's
 * address and settings, the owner's name, what to write, the signal and n. Prints what became of it.
 */
const [address, engine, owner, plan, signal, at] = JSON.parse(process.argv[2] ?? '[]') as [
  Parameters<typeof createSql>[0],
  SqlSettings['engine'],
  string,
  {
    chain: string
    from: number
    to: number
    fork: number
    parentFork: number
    cancel: number[]
    reorg: boolean
  },
  NodeJS.Signals | null,
  number,
]

const sql = createSql(address, { engine: engine ?? {} })
let inserts = 0
const watched: Sql = {
  ...sql,
  async insert(...args) {
    inserts++
    if (signal !== null && inserts === at) process.kill(process.pid, signal)
    return sql.insert(...args)
  },
}

const chain = paperChain(plan.chain)
try {
  const writer = await openWriter({ sql: watched, chain, owner, takeOverMs: 200 })
  const add = paperBlocks(plan.from, plan.to, plan.fork, plan.parentFork).map((raw, index) =>
    prepareBlock(
      chain,
      raw,
      index === 0 && plan.from === 0 ? null : paperHash(raw.height - 1, raw.parentFork),
    ),
  )
  await writer.write({ add, cancel: plan.cancel, reorg: plan.reorg })
  process.stdout.write(`written after ${inserts} inserts\n`)
} catch (error) {
  process.stdout.write(`${(error as { code?: string }).code ?? 'ERROR'}: ${(error as Error).message}\n`)
}
await sql.close()
