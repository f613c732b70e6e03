import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Transaction } from 'bitcoinjs-lib'
import { createRegtestChain, type RegtestChain } from '../../deploy/dev/bitcoin-regtest.ts'
import { startRegtestNode } from '../../deploy/dev/regtest-node.ts'
import { parseHex, reverseBytes } from '../../schema/bytes.ts'
import type { Sample, SoakOptions } from './soak-child.ts'

export interface SoakSettings extends Pick<SoakOptions, 'maxUnreadBytes' | 'slowMs'> {
  /** Half of them are there when it starts, the others come one by one. */
  blocks: number
  blockBytes: number
  /** Milliseconds between new blocks. */
  everyMs: number
  /** What the program's heap may take before it is ended, in MiB. */
  heapMiB: number
}

export interface SoakOutcome {
  samples: readonly Sample[]
  exitCode: number | null
  stderr: string
}

const OUTPUTS = 50
/** Blocks before the first whose coins may be spent. */
const UNRIPE = 101

/** Follows a chain of full blocks into a slow store, in a process of its own whose heap is bounded. */
export async function runSoak({
  blocks,
  blockBytes,
  everyMs,
  heapMiB,
  ...rest
}: SoakSettings): Promise<SoakOutcome> {
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-soak-'))
  const chain = createRegtestChain({ seed: 'soak' })
  const noise = randomBytes(blockBytes)
  while (chain.head.height < UNRIPE + blocks / 2) mineFull(chain, noise)
  const node = await startRegtestNode(chain)
  const last = UNRIPE + blocks
  const options: SoakOptions = { ...rest, directory, url: node.url, last }
  const script = fileURLToPath(new URL('soak-child.ts', import.meta.url))
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${heapMiB}`, '--import', 'tsx', script, JSON.stringify(options)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const mining = setInterval(() => {
    if (chain.head.height < last) mineFull(chain, noise)
  }, everyMs)
  const samples: Sample[] = []
  let stderr = ''
  child.stderr.on('data', data => {
    stderr = `${stderr}${data}`.slice(-4_000)
  })
  try {
    for await (const line of createInterface({ input: child.stdout }))
      samples.push(JSON.parse(line) as Sample)
    const exitCode = await new Promise<number | null>(resolve => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode)
      child.once('exit', resolve)
    })
    return { samples, exitCode, stderr }
  } finally {
    clearInterval(mining)
    child.kill('SIGKILL')
    await node.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** A block whose bytes differ from those of any other, so that none of them compress. */
function mineFull(chain: RegtestChain, noise: Buffer): void {
  const coin = chain.head.height + 1 > UNRIPE ? chain.spendable().find(({ coinbase }) => coinbase) : undefined
  if (!coin) {
    chain.mine()
    return
  }
  const transaction = new Transaction()
  transaction.addInput(reverseBytes(parseHex(coin.txid)), coin.vout)
  const size = Math.floor(noise.length / OUTPUTS)
  for (let at = 0; at < OUTPUTS; at++) {
    const data = noise.subarray(at * size, (at + 1) * size)
    for (let byte = 0; byte < data.length; byte += 4)
      data.writeUInt32LE((Math.random() * 2 ** 32) >>> 0, Math.min(byte, data.length - 4))
    transaction.addOutput(Buffer.concat([RETURN, data]), coin.value / BigInt(OUTPUTS))
  }
  chain.mine([transaction])
}

/** OP_RETURN: what follows is data. */
const RETURN = Buffer.from([0x6a])
