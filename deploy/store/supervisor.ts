import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { freemem, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { StoreError } from '../../schema/errors.ts'
import { isAlive } from '../pid.ts'

/** How to reach a ClickHouse over HTTP. */
export interface StoreAddress {
  url: string
  /** Others that hold the same: asked in turn when one cannot be reached. */
  otherUrls?: readonly string[]
  /** Certificates that are trusted besides those of the system, as PEM. */
  ca?: string
  /** Whether rows and answers travel compressed: worth its time between machines. */
  compress?: boolean
  username: string
  password: string
  /** Sent with every request. */
  headers: Record<string, string>
}

/** A store that answers: one that was started here, or one that another process already runs. */
export interface Store extends StoreAddress {
  /** The read-only user's way in, for the gateway. */
  outsider: { username: string; password: string }
  /** Process id of the store process now; it changes when the process had to be restarted. */
  pid(): number
  /** Stops the store if it was started here. Close every client first: open connections delay the stop. */
  close(): Promise<void>
}

/** What a running store leaves in its data directory (mode 0600) for other commands of the same operator. */
interface Running extends StoreAddress {
  outsider: { username: string; password: string }
  pid: number
  /** Process that supervises it: when that is gone, the store process is about to end. */
  owner: number
}

const READY_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 8_000
const here = fileURLToPath(new URL('.', import.meta.url))
const runningFile = (dataDirectory: string) => join(dataDirectory, 'store.json')
const storeDirectory = (dataDirectory: string) => join(dataDirectory, 'store')

/** Whether a store was ever opened in the directory. */
export async function hasStore(dataDirectory: string): Promise<boolean> {
  return stat(storeDirectory(resolve(dataDirectory))).then(
    found => found.isDirectory(),
    () => false,
  )
}

/**
 * Opens the store of a data directory: joins the one that runs, or starts a store process and supervises it.
 * @throws StoreError where one runs and `alone` asks for a store process of our own.
 */
export async function openStore(options: {
  dataDirectory: string
  logger: Logger
  alone?: boolean
}): Promise<Store> {
  const dataDirectory = resolve(options.dataDirectory)
  await mkdir(dataDirectory, { recursive: true })
  const deadline = Date.now() + READY_TIMEOUT_MS
  for (;;) {
    const running = await findRunning(dataDirectory)
    if (running && options.alone) {
      throw new StoreError(`the store of ${dataDirectory} is open in process ${running.owner}`, {
        hint: 'wait until it ends, or stop it',
        retryable: true,
      })
    }
    if (running) return { ...running, pid: () => running.pid, close: async () => {} }
    try {
      return await startStore(dataDirectory, options.logger)
    } catch (error) {
      // Somebody else may have taken the directory in between; then theirs will answer soon.
      if (Date.now() > deadline || !(error instanceof StoreError) || !error.retryable) throw error
      await sleep(200)
    }
  }
}

async function findRunning(dataDirectory: string): Promise<Running | null> {
  let running: Running
  try {
    running = JSON.parse(await readFile(runningFile(dataDirectory), 'utf8')) as Running
  } catch {
    return null
  }
  return isAlive(running.owner) && (await answers(running)) ? running : null
}

async function answers(address: StoreAddress): Promise<boolean> {
  try {
    const answer = await fetch(`${address.url}/ping`, {
      // An idle connection would delay the store's stop by seconds.
      headers: { ...address.headers, connection: 'close' },
      signal: AbortSignal.timeout(2_000),
    })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}

async function startStore(dataDirectory: string, logger: Logger): Promise<Store> {
  const port = await freePort()
  const secrets = {
    key: randomBytes(24).toString('hex'),
    password: randomBytes(24).toString('hex'),
    outsider: randomBytes(24).toString('hex'),
  }
  const configFile = await writeConfig(dataDirectory, secrets)
  const address: StoreAddress = {
    url: `http://127.0.0.1:${port}`,
    username: 'wanlian',
    password: secrets.password,
    headers: { 'X-Wanlian-Key': secrets.key },
  }
  const outsider = { username: 'outsider', password: secrets.outsider }

  let stopping = false
  let restarts = 0
  let child = await launch(dataDirectory, port, configFile, address)

  async function announce(): Promise<void> {
    const running: Running = { ...address, outsider, pid: child.pid ?? 0, owner: process.pid }
    await writePrivate(runningFile(dataDirectory), `${JSON.stringify(running)}\n`)
  }

  function supervise(): void {
    const startedAt = Date.now()
    child.once('exit', (code, signal) => {
      if (stopping) return
      if (Date.now() - startedAt > 60_000) restarts = 0
      logger.warn({ code, signal, restarts }, 'store process ended, starting it again')
      void restart()
    })
  }

  async function restart(): Promise<void> {
    while (!stopping) {
      await sleep(Math.min(5_000, 50 * 2 ** restarts++))
      if (stopping) return
      try {
        child = await launch(dataDirectory, port, configFile, address)
        if (stopping) await stop(child)
        supervise()
        await announce()
        return
      } catch (error) {
        logger.error({ err: error }, 'store process did not start')
      }
    }
  }

  await announce()
  supervise()
  return {
    ...address,
    outsider,
    pid: () => child.pid ?? 0,
    async close() {
      stopping = true
      await stop(child)
      await rm(runningFile(dataDirectory), { force: true })
      await rm(dirname(configFile), { recursive: true, force: true })
    },
  }
}

async function writeConfig(
  dataDirectory: string,
  secrets: { key: string; password: string; outsider: string },
): Promise<string> {
  // A directory of its own: who else tries to open the store must not change the files of the one that runs.
  const directory = join(dataDirectory, 'run', String(process.pid))
  await removeLeftOver(join(dataDirectory, 'run'))
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const usersFile = join(directory, 'users.xml')
  const configFile = join(directory, 'config.xml')
  const memory = Math.floor(totalmem() / 2)
  const values: Record<string, string> = {
    users_config: usersFile,
    key: secrets.key,
    log_level: 'fatal',
    max_memory: String(memory),
    max_query_memory: String(Math.floor(Math.min(memory / 2, Math.max(freemem() / 2, 512 * 1024 ** 2)))),
    password_sha256: sha256(secrets.password),
    outsider_password_sha256: sha256(secrets.outsider),
  }
  for (const [name, target] of [
    ['config.xml', configFile],
    ['users.xml', usersFile],
  ] as const) {
    const template = await readFile(join(here, name), 'utf8')
    await writePrivate(
      target,
      template.replace(/\{\{(\w+)\}\}/g, (_, key: string) => escapeXml(values[key] ?? '')),
    )
  }
  return configFile
}

/** Files of processes that ended without closing. */
async function removeLeftOver(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => [])
  for (const name of names) {
    if (!isAlive(Number(name))) await rm(join(directory, name), { recursive: true, force: true })
  }
}

function escapeXml(text: string): string {
  return text.replace(/[<>&]/g, character => `&#${character.charCodeAt(0)};`)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

async function writePrivate(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** Starts one store process and waits until it answers. A start that fails exits with 0: any exit here is a failure. */
async function launch(
  dataDirectory: string,
  port: number,
  configFile: string,
  address: StoreAddress,
): Promise<ChildProcess> {
  const require = createRequire(import.meta.url)
  const { libchdbPath } = require('chdb/libchdb') as { libchdbPath(): string }
  const directory = storeDirectory(dataDirectory)
  await mkdir(directory, { recursive: true })
  const child = spawn(
    process.execPath,
    // Outsiders can read the path in `system.databases`: it does not say where the store lies. (Any other relative
    // path would be put before itself when rows are written.)
    [join(here, 'process.cjs'), './', String(port), configFile],
    {
      cwd: directory,
      stdio: ['pipe', 'ignore', 'pipe'],
      // The engine can read its own environment: there is nothing in it.
      env: { LIBCHDB: libchdbPath() },
      // Ctrl-C is for us: the store is stopped after its clients.
      detached: true,
    },
  )
  child.stdin?.on('error', () => {})
  let complaint = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2_000)
  })
  const deadline = Date.now() + READY_TIMEOUT_MS
  while (child.exitCode === null && child.signalCode === null) {
    if (await answers(address)) return child
    if (Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new StoreError(`the store process did not answer within ${READY_TIMEOUT_MS} ms. ${complaint}`)
    }
    await sleep(20)
  }
  throw new StoreError(`the store process ended before it was ready. ${complaint}`, {
    retryable: true,
    hint: `is ${dataDirectory} used by another process?`,
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  child.stdin?.end()
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await ended
  clearTimeout(timer)
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
