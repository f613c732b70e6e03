import type { NodeSurvey } from '../../schema/chain.ts'
import { NotAvailableError, RpcError } from '../../schema/errors.ts'
import type { Rpc } from '../rpc.ts'
import { parseNodeJson } from './node-json.ts'

interface Described {
  tx?: { txid?: unknown; vin?: { prevout?: unknown; txid?: unknown }[] }[]
}

/** How far back a block that spends something is looked for. */
const LOOK_BACK = 16

/** What the node does not know, refuses or does not have is null. Trouble that may pass is thrown. */
async function ask(rpc: Rpc, method: string, ...params: readonly unknown[]): Promise<unknown> {
  try {
    return await rpc.call(method, params, { parse: parseNodeJson })
  } catch (error) {
    if (error instanceof NotAvailableError || error instanceof RpcError) return null
    throw error
  }
}

/** Tries on a recent block that spends something what indexing asks for. */
export async function surveyNode(rpc: Rpc): Promise<NodeSurvey> {
  const info = (await ask(rpc, 'getblockchaininfo')) as {
    initialblockdownload?: unknown
    pruned?: unknown
  } | null
  const head = Number(await ask(rpc, 'getblockcount'))
  const busy = await findSpendingBlock(rpc, head)
  const spending = busy?.tx?.flatMap(tx => tx.vin ?? []).find(input => input.txid !== undefined)
  const oldHash = await ask(rpc, 'getblockhash', Math.min(1, head))
  return {
    syncing: typeof info?.initialblockdownload === 'boolean' ? info.initialblockdownload : null,
    abilities: [
      {
        what: 'spent outputs with a block',
        available: spending === undefined ? null : spending.prevout !== undefined,
        without: 'spent outputs are looked up in what is stored, and asked for one by one',
      },
      {
        what: 'any transaction by its id',
        available:
          spending === undefined ? null : (await ask(rpc, 'getrawtransaction', spending.txid, 0)) !== null,
        without: 'amounts and fees stay open where an output is spent whose block is not stored (-txindex)',
      },
      {
        what: 'old blocks',
        available: oldHash === null ? false : (await ask(rpc, 'getblock', oldHash, 0)) !== null,
        without: 'history cannot be filled in from this node: it is pruned',
      },
    ],
  }
}

/** A recent block as it is described with spent outputs, or without them where the node does not know that. */
async function findSpendingBlock(rpc: Rpc, head: number): Promise<Described | null> {
  for (let height = head; height >= Math.max(0, head - LOOK_BACK); height--) {
    const hash = await ask(rpc, 'getblockhash', height)
    const block = (
      hash === null ? null : ((await ask(rpc, 'getblock', hash, 3)) ?? (await ask(rpc, 'getblock', hash, 2)))
    ) as Described | null
    if (Array.isArray(block?.tx) && block.tx.length > 1) return block
  }
  return null
}
