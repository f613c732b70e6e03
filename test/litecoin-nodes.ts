import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { openRpc, type Rpc } from '../crawlers/rpc.ts'
import { until } from './follow-world.ts'

/** Debian's; the wrapper in /usr/bin would write below the user's home. */
const LITECOIND = process.env.WANLIAN_LITECOIND ?? '/usr/lib/litecoin/litecoind'
export const hasLitecoind = existsSync(LITECOIND)

/** A litecoind of a network of its own, with a wallet, that knows no other node until it is told of one. */
export interface LitecoinNode {
  url: string
  /** Where other nodes reach it. */
  peer: string
  rpc: Rpc
  /** Of its wallet. */
  address: string
  close(): Promise<void>
}

const READY_WITHIN_MS = 60_000

export async function startLitecoinNode(directory: string): Promise<LitecoinNode> {
  await mkdir(directory, { recursive: true })
  const [rpcPort, peerPort] = await freePorts()
  const settings = [
    ...[
      '-regtest',
      `-datadir=${directory}`,
      '-server',
      '-txindex=1',
      '-fallbackfee=0.0002',
      '-printtoconsole=0',
    ],
    ...['-rpcbind=127.0.0.1', '-rpcallowip=127.0.0.1', `-rpcport=${rpcPort}`, '-rpcuser=u', '-rpcpassword=p'],
    ...[
      '-listen=1',
      `-bind=127.0.0.1:${peerPort}`,
      '-connect=0',
      '-dnsseed=0',
      '-discover=0',
      '-listenonion=0',
    ],
    // Two branches could not cross the beginning of MimbleWimble blocks without a payment of their own to them.
    '-vbparams=mweb:4000000000:4000000001',
  ]
  const child = spawn('/bin/sh', ['-c', GUARDED, 'sh', LITECOIND, ...settings], {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-2_000)
  })
  const exited = new Promise<void>(resolve => child.once('close', () => resolve()))
  const url = `http://u:p@127.0.0.1:${rpcPort}/`
  const rpc = await openRpc([{ url }], { attempts: 1, timeoutMs: 30_000 })
  const close = async () => {
    await rpc.close()
    child.stdin.end()
    await exited
  }
  const deadline = Date.now() + READY_WITHIN_MS
  for (;;) {
    const height = await rpc.call('getblockcount', []).catch(() => null)
    if (height !== null) break
    if (Date.now() > deadline || child.exitCode !== null) {
      await close()
      throw new Error(`litecoind did not answer: ${complaints}`)
    }
    await pause(50)
  }
  await rpc.call('createwallet', ['w'])
  const address = (await rpc.call('getnewaddress', [])) as string
  return { url, peer: `127.0.0.1:${peerPort}`, rpc, address, close }
}

/** The node ends with our end of the pipe, however we end. */
const GUARDED = `exec 3<&0
"$@" </dev/null 3<&- &
node=$!
(read _ <&3; kill -9 $node) 2>/dev/null &
guard=$!
exec 3<&-
wait $node
kill $guard 2>/dev/null`

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()]
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    ports.push((server.address() as AddressInfo).port)
  }
  for (const server of servers) await new Promise(resolve => server.close(resolve))
  return ports as [number, number]
}

/** Makes two nodes peers and waits until both have the branch with more work. */
export async function joinNodes(one: LitecoinNode, other: LitecoinNode): Promise<void> {
  await one.rpc.call('addnode', [other.peer, 'onetry'])
  await until('both nodes at the same block', async () => {
    const [ours, theirs] = await Promise.all([one, other].map(node => node.rpc.call('getbestblockhash', [])))
    return ours === theirs
  })
}

/** From now on they know nothing of each other. `one` is the one that was told of the other. */
export async function splitNodes(one: LitecoinNode, other: LitecoinNode): Promise<void> {
  await one.rpc.call('disconnectnode', [other.peer])
  await until('each node alone', async () => {
    const counts = await Promise.all([one, other].map(node => node.rpc.call('getconnectioncount', [])))
    return counts.every(count => count === 0)
  })
}
