import type { NodeSurvey } from '../../schema/chain.ts'
import { NotAvailableError, RpcError } from '../../schema/errors.ts'
import type { Rpc } from '../rpc.ts'
import { asNumber } from './fields.ts'

/** How far back a block with transactions is looked for. */
const LOOK_BACK = 16

/** What the node does not know, refuses or does not have is null. Trouble that may pass is thrown. */
async function ask(rpc: Rpc, method: string, ...params: readonly unknown[]): Promise<unknown> {
  try {
    return await rpc.call(method, params)
  } catch (error) {
    if (error instanceof NotAvailableError || error instanceof RpcError) return null
    throw error
  }
}

/** Tries on a recent block with transactions what indexing asks for. */
export async function surveyNode(rpc: Rpc): Promise<NodeSurvey> {
  const syncing = await ask(rpc, 'eth_syncing')
  const busy = await findBusyBlock(rpc)
  const onBlock = async (method: string, ...more: unknown[]) =>
    busy === null ? null : (await ask(rpc, method, busy, ...more)) !== null
  const callTracer = await onBlock('debug_traceBlockByNumber', { tracer: 'callTracer' })
  const nobody = `0x${'0'.repeat(40)}`
  return {
    syncing: syncing === null ? null : syncing !== false,
    abilities: [
      {
        what: 'receipts of a block in one call',
        available: await onBlock('eth_getBlockReceipts'),
        without: 'receipts are asked for one by one: slow',
      },
      {
        what: 'call frames',
        available: callTracer === false ? await onBlock('trace_block') : callTracer,
        without: 'ether that contracts move is not seen: effects of such transactions are incomplete',
      },
      {
        what: 'old blocks',
        available: (await ask(rpc, 'eth_getBlockByNumber', '0x1', true)) !== null,
        without: 'history cannot be filled in from this node',
      },
      {
        what: 'old states',
        available: (await ask(rpc, 'eth_getBalance', nobody, '0x1')) !== null,
        without: 'call frames of old blocks are not to be had: no archive node',
      },
    ],
  }
}

/** Height of a recent block with transactions, as a parameter; null when there is none. */
async function findBusyBlock(rpc: Rpc): Promise<string | null> {
  const told = await ask(rpc, 'eth_blockNumber')
  if (told === null) return null
  const head = asNumber(told, 'eth_blockNumber', '')
  for (let height = head; height >= Math.max(0, head - LOOK_BACK); height--) {
    const id = `0x${height.toString(16)}`
    const block = await ask(rpc, 'eth_getBlockByNumber', id, false)
    const { transactions } = (block ?? {}) as { transactions?: unknown }
    if (Array.isArray(transactions) && transactions.length > 0) return id
  }
  return null
}
