import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeRecorded } from '../../crawlers/recording.ts'
import { openRpc, type Rpc } from '../../crawlers/rpc.ts'
import { runEvmScenario, startAnvil } from './evm-local.ts'

/** Records the scenario's chain, and what its maker knows about it in `FACTS.json`. */
export async function recordEvm(directory: string): Promise<void> {
  const node = await startAnvil()
  const rpc = await openRpc([{ url: node.url }])
  try {
    const facts = await runEvmScenario(node.url)
    await record(rpc, directory, 'eth_chainId', [])
    const accounts = (await rpc.call('eth_accounts', [])) as string[]
    await record(rpc, directory, 'eth_accounts', [])
    for (const account of accounts) await record(rpc, directory, 'eth_getBalance', [account, '0x0'])
    for (let height = 0; height < facts.blocks; height++) {
      const number = `0x${height.toString(16)}`
      await record(rpc, directory, 'eth_getBlockByNumber', [number, true])
      await record(rpc, directory, 'eth_getBlockReceipts', [number])
      await record(rpc, directory, 'debug_traceBlockByNumber', [number, { tracer: 'callTracer' }])
    }
    const about = 'Written by the script that made the transactions, not read from the recorded answers.'
    await writeFile(join(directory, 'FACTS.json'), `${JSON.stringify({ about, ...facts }, null, 1)}\n`)
  } finally {
    await rpc.close()
    await node.close()
  }
}

async function record(
  rpc: Rpc,
  directory: string,
  method: string,
  params: readonly unknown[],
): Promise<void> {
  await writeRecorded(directory, method, params, await rpc.call(method, params))
}
