import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RegtestBlock, RegtestChain } from '../deploy/dev/bitcoin-regtest.ts'

/** A chain as a node sees it that has only these blocks, or other ones. */
export function viewOf(chain: RegtestChain, active: () => readonly RegtestBlock[]): RegtestChain {
  return {
    ...chain,
    get head() {
      return active().at(-1)!
    },
    blockAt: height => active()[height],
    blockByHash: hash =>
      active().find(block => block.hash === hash) ??
      // A node keeps what it once had.
      [chain.blockByHash(hash)].find(block => block !== undefined && block.height <= active().length - 1),
    isActive: block => active()[block.height] === block,
  }
}

/** The blocks of a chain from the first to the head. */
export function blocksOf(chain: RegtestChain): RegtestBlock[] {
  return Array.from({ length: chain.head.height + 1 }, (_, height) => chain.blockAt(height)!)
}

export interface Balancer {
  url: string
  calls: number
  close(): Promise<void>
}

/** One address for several nodes; `choose` says which of them answers the n-th call, whose body it is given. */
export async function startBalancer(
  targets: readonly string[],
  choose: (call: number, body: string) => number = call => call % targets.length,
): Promise<Balancer> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    const target = targets[choose(balancer.calls++, body)]!
    try {
      const told = await fetch(target, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      })
      response.writeHead(told.status).end(await told.text())
    } catch {
      response.destroy()
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const balancer: Balancer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    calls: 0,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return balancer
}
