import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RegtestBlock, RegtestView } from '../../deploy/dev/bitcoin-regtest.ts'
import { createRandomness } from '../../deploy/dev/randomness.ts'
import { answerRegtestCall } from '../../deploy/dev/regtest-node.ts'
import type { NodeFaults, View } from './script.ts'

/** Endpoints of one chain that answer as its script says. */
export interface SimNode {
  urls: string[]
  /** The chain is another one from now on; for the second endpoint `other`, where that is given. */
  show(view: View, other?: View): void
  /** From now on every answer is right. */
  settle(): void
  close(): Promise<void>
}

/** Every block of the script by its hash, and where its transactions are. */
export interface Blocks {
  byHash: ReadonlyMap<string, RegtestBlock>
  byTransaction: ReadonlyMap<string, readonly { block: RegtestBlock; index: number }[]>
}

export function indexBlocks(views: readonly View[]): Blocks {
  const byHash = new Map<string, RegtestBlock>()
  const byTransaction = new Map<string, { block: RegtestBlock; index: number }[]>()
  for (const block of views.flat()) {
    if (byHash.has(block.hash)) continue
    byHash.set(block.hash, block)
    for (const [index, transaction] of block.transactions.entries()) {
      const txid = transaction.getId()
      byTransaction.set(txid, [...(byTransaction.get(txid) ?? []), { block, index }])
    }
  }
  return { byHash, byTransaction }
}

/** A chain as a node has it whose active branch is `view`. */
export function asNodeView(view: View, blocks: Blocks): RegtestView {
  const isActive = (block: RegtestBlock) => view[block.height] === block
  return {
    head: view.at(-1)!,
    blockAt: height => view[height],
    blockByHash: hash => blocks.byHash.get(hash),
    isActive,
    // It keeps an index of all it has seen.
    transaction: txid => blocks.byTransaction.get(txid)?.[0],
    coin: () => undefined,
  }
}

/** Serves the views of a script over HTTP, with faults. `onCall` is told of each call. */
export async function startSimNode(
  seed: number,
  faults: NodeFaults,
  blocks: Blocks,
  onCall?: (method: string, params: readonly unknown[]) => void,
): Promise<SimNode> {
  const shown: View[][] = faults.lags.map(() => [])
  let settled = false
  const nth = new Map<string, number>()
  const calls = faults.lags.map(() => 0)

  function count(key: string): number {
    const times = (nth.get(key) ?? 0) + 1
    nth.set(key, times)
    return times
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = Number((request.url ?? '/0').slice(1))
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const body = Buffer.concat(parts).toString()
    const { method, params } = JSON.parse(body) as { method: string; params: unknown[] }
    onCall?.(method, params)
    const call = calls[at]!++
    const views = shown[at]!
    const now = views.at(-1)!
    if (settled) return send(response, answerFrom(now, body))
    if (faults.storms.some(([from, to]) => call >= from && call < to)) {
      return send(response, { status: 429, body: 'Too Many Requests' })
    }
    const asked = `${at}/${method}/${params.join()}`
    // The same call meets the same fate the same time, whatever other calls came between.
    const random = createRandomness(`${seed}/call/${asked}/${count(asked)}`)
    let chance = random.integer(10_000)
    const isFault = (share: number) => {
      chance -= share
      return chance < 0
    }
    if (isFault(faults.error)) {
      if (random.integer(3) === 0) return void response.destroy()
      const status = random.pick([500, 502, 503])
      return send(response, { status, body: random.pick(['', '<html>Bad Gateway</html>', INTERNAL_ERROR]) })
    }
    // Who asked has a deadline.
    if (isFault(faults.silent)) return
    const lag = faults.lags[at]!
    const view = isFault(faults.stale)
      ? random.integer(2) === 0
        ? views[Math.max(0, views.length - 2 - random.integer(3))]!
        : now.slice(0, Math.max(2, now.length - 1 - random.integer(30)))
      : now.slice(0, Math.max(2, now.length - lag))
    const answer = answerFrom(view, body)
    if (isFault(faults.truncated)) {
      return send(response, { ...answer, body: answer.body.slice(0, random.integer(answer.body.length)) })
    }
    // Who says wrong things about the genesis block is of another chain: that is another fault.
    if (isFault(faults.wrong) && isAboutBlocks(method, params)) {
      return send(response, answerFrom(view, wrongCall(body, method, params, view, random.integer(4))))
    }
    send(response, answer)
  }

  function answerFrom(view: View, body: string): { status: number; body: string } {
    return answerRegtestCall(asNodeView(view, blocks), body)
  }

  /** What is answered is the answer to another question. */
  function wrongCall(body: string, method: string, params: unknown[], view: View, shift: number): string {
    const call = JSON.parse(body) as { params: unknown[] }
    const near = (height: number) => Math.max(1, Math.min(view.length - 1, height - 2 + shift))
    if (method === 'getblockhash') return JSON.stringify({ ...call, params: [near(Number(params[0]))] })
    const block = blocks.byHash.get(String(params[0]))
    const other = view[near(block?.height ?? 1)]!
    return JSON.stringify({ ...call, params: [other.hash, ...params.slice(1)] })
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    urls: faults.lags.map((_, at) => `http://127.0.0.1:${port}/${at}`),
    show(view, other = view) {
      for (const [at, views] of shown.entries()) views.push(at === 1 ? other : view)
    },
    settle() {
      settled = true
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const INTERNAL_ERROR = JSON.stringify({ result: null, error: { code: -32603, message: 'Internal error' } })

function isAboutBlocks(method: string, params: readonly unknown[]): boolean {
  return method === 'getblock' || (method === 'getblockhash' && params[0] !== 0)
}

function send(response: ServerResponse, { status, body }: { status: number; body: string }): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body)
}
