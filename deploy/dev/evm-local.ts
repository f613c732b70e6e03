import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { openRpc, type Rpc } from '../../crawlers/rpc.ts'
import { ConfigError, EndpointError } from '../../schema/errors.ts'
import { createContracts, fail, moveEther, moveTokens, payEther } from './evm-acts.ts'
import { createStage, type EvmFacts } from './evm-stage.ts'

export interface AnvilSettings {
  /** None: any free port. */
  port?: number
  chainId?: number
  /** Unix seconds of the genesis block; 0 or none: 2025-01-01. */
  genesisTime?: number
  /** Seconds between blocks; none: a block with each transaction. */
  blockTime?: number
  /** Head − 1 epoch is safe, head − 2 epochs finalized. */
  slotsInAnEpoch?: number
  /** Where it keeps the states that it does not hold in memory; none: below the user's home. */
  home?: string
}

export interface Anvil {
  url: string
  pid: number
  close(): Promise<void>
}

const EVM_LOCAL_CHAIN_ID = 31_337
const READY_WITHIN_MS = 15_000
const GENESIS_TIME = Date.UTC(2025, 0, 1) / 1000

/**
 * Starts a local Ethereum node with ten funded accounts.
 * @throws ConfigError when anvil is not installed; EndpointError when it does not answer in time.
 */
export async function startAnvil(settings: AnvilSettings = {}): Promise<Anvil> {
  const port = settings.port || (await freePort())
  const child = spawn('/bin/sh', ['-c', GUARDED, 'sh', anvilBinary(), ...anvilArguments(port, settings)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(settings.home !== undefined && { env: { HOME: settings.home } }),
  })
  child.stdin!.on('error', () => {})
  const exited = new Promise<void>(resolve => child.once('close', () => resolve()))
  const complaints = collectErrors(child)
  const close = async () => {
    child.stdin!.end()
    await exited
  }
  const url = `http://127.0.0.1:${port}`
  try {
    const pid = await readPid(child, complaints)
    await waitUntilReady(url, child, complaints)
    return { url, pid, close }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Runs the node and tells its process id. The node ends with our end of the pipe, however we end, even between two
 * steps of its start: who reads the pipe is there before the node is.
 */
const GUARDED = `exec 3<&0 4>&1 >/dev/null
"$@" </dev/null 3<&- 4>&- &
node=$!
(read _ <&3; kill -9 $node) 4>&- 2>/dev/null &
guard=$!
exec 3<&-
echo $node >&4
exec 4>&-
wait $node
kill $guard 2>/dev/null`

async function readPid(child: ChildProcess, complaints: readonly string[]): Promise<number> {
  let told = ''
  for await (const part of child.stdout!.setEncoding('utf8')) told += part
  if (/^\d+\n$/.test(told)) return Number(told)
  throw new EndpointError(`expected anvil to start, got ${complaints.join('').trim() || 'nothing'}`)
}

/** Plays the whole scenario on a fresh node: about 25 blocks with everything an indexer has to understand. */
export async function runEvmScenario(url: string): Promise<EvmFacts> {
  const rpc = await openRpc([{ url }])
  try {
    return await playScenario(rpc)
  } finally {
    await rpc.close()
  }
}

async function playScenario(rpc: Rpc): Promise<EvmFacts> {
  await rpc.call('evm_setAutomine', [false])
  const stage = await createStage(rpc)
  await rpc.call('anvil_setCoinbase', [stage.stranger('miner')])
  for (const act of [payEther, moveEther, createContracts, fail, moveTokens]) await act(stage)
  await rpc.call('evm_setAutomine', [true])
  return stage.facts()
}

function anvilBinary(): string {
  const machine = process.arch === 'x64' ? 'amd64' : process.arch
  const file = process.platform === 'win32' ? 'anvil.exe' : 'anvil'
  const name = `@foundry-rs/anvil-${process.platform}-${machine}/bin/${file}`
  // the binary itself: the wrapper package would be one more process between us and the node
  try {
    return createRequire(import.meta.url).resolve(name)
  } catch (cause) {
    throw new ConfigError(`expected the package ${name}, found none`, {
      cause,
      hint: 'npm install --include=optional',
    })
  }
}

function anvilArguments(port: number, settings: AnvilSettings): string[] {
  const options = {
    '--host': '127.0.0.1',
    '--port': port,
    '--chain-id': settings.chainId ?? EVM_LOCAL_CHAIN_ID,
    '--timestamp': settings.genesisTime || GENESIS_TIME,
    '--hardfork': 'prague',
    '--order': 'fifo',
    '--slots-in-an-epoch': settings.slotsInAnEpoch ?? 4,
    ...(settings.blockTime && { '--block-time': settings.blockTime }),
  }
  return ['--quiet', ...Object.entries(options).flatMap(([name, value]) => [name, String(value)])]
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

function collectErrors(child: ChildProcess): string[] {
  const lines: string[] = []
  child.stderr!.setEncoding('utf8').on('data', (text: string) => lines.push(text.slice(0, 2_000)))
  child.once('error', error => lines.push(String(error)))
  return lines
}

async function waitUntilReady(
  url: string,
  child: ChildProcess,
  complaints: readonly string[],
): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  const rpc = await openRpc([{ url }], { attempts: 1, timeoutMs: 2_000 })
  try {
    while (Date.now() < deadline && child.exitCode === null && child.pid !== undefined) {
      const ready = await rpc.call('eth_chainId', []).then(
        () => true,
        () => false,
      )
      if (ready) return
      await pause(20)
    }
  } finally {
    await rpc.close()
  }
  throw new EndpointError(
    `expected anvil to answer at ${url}, got ${complaints.join('').trim() || 'nothing'}`,
  )
}
