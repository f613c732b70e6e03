import { once } from 'node:events'
import { chmod, mkdir, open, rename, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { join, resolve } from 'node:path'
import type { Logger } from 'pino'
import { z } from 'zod'
import { AppError, ConfigError, describeError, InputError } from '../schema/errors.ts'
import type { FollowStatus } from '../schema/status.ts'
import type { Pipeline } from './pipeline.ts'

/**
 * How commands reach the `up` of a data directory: a socket beside its `up.pid`, for the same user only. One line of JSON
 * is asked, one is answered.
 */
export interface Control {
  /** Whoever waits for an answer is told nothing more. */
  close(): Promise<void>
}

const requestShape = z.discriminatedUnion('command', [
  z.strictObject({ command: z.literal('status') }),
  z.strictObject({ command: z.literal('pause'), chain: z.string() }),
  z.strictObject({ command: z.literal('resume'), chain: z.string() }),
  z.strictObject({ command: z.literal('rewind'), chain: z.string(), height: z.int().min(0) }),
])
const REQUESTS =
  '{"command":"status"}, {"command":"pause"|"resume","chain":"…"} or {"command":"rewind","chain":"…","height":…}'

const answerShape = z.union([
  z.object({ value: z.unknown() }),
  z.object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      hint: z.string().optional(),
      retryable: z.boolean(),
    }),
  }),
])

type Request = z.infer<typeof requestShape>
type Answer = z.infer<typeof answerShape>

/** What each request is answered with. */
export interface Answers {
  status: readonly FollowStatus[]
  /** Whether it was not so before. */
  pause: { changed: boolean }
  resume: { changed: boolean }
  rewind: { blocks: number; remaining: number }
}

const FILE = 'control.sock'
/** Where it is made: moved to its place it is there at once, closed to others and over what a killed one left. */
const MAKING = 'control.new'
/** What a socket's address holds on every system, in bytes. */
const LONGEST_PATH = 103
const LONGEST_REQUEST = 4_096
const LONGEST_ANSWER = 4 * 1024 * 1024
const MOST_CONNECTIONS = 16
const PATIENCE_MS = 5_000

/** For the process that holds the lock of the directory. @throws ConfigError where the path is too long for a socket. */
export async function openControl(
  dataDirectory: string,
  pipeline: Pick<Pipeline, 'follows' | 'pause' | 'resume' | 'rewind'>,
  logger: Logger,
): Promise<Control> {
  const directory = await reach(dataDirectory)
  const sockets = new Set<Socket>()
  // Who asks may close his side at once and is answered all the same.
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // Who went away needs no answer.
    socket.on('error', () => socket.destroy())
    void serve(socket)
  })
  server.maxConnections = MOST_CONNECTIONS

  async function serve(socket: Socket): Promise<void> {
    socket.end(`${JSON.stringify(await answerTo(socket))}\n`)
    // What still comes is let go, so that the answer is not lost, but not for ever.
    socket.resume()
    const limit = setTimeout(() => socket.destroy(), PATIENCE_MS)
    socket.once('close', () => clearTimeout(limit))
  }

  async function answerTo(socket: Socket): Promise<Answer> {
    try {
      const line = await readLine(socket, LONGEST_REQUEST, PATIENCE_MS)
      return { value: await carryOut(pipeline, parseRequest(line)) }
    } catch (error) {
      if (!(error instanceof AppError)) logger.error({ err: error }, 'a command failed')
      const { code = 'UNEXPECTED', hint, retryable = false } = error instanceof AppError ? error : {}
      const message = error instanceof AppError ? error.message : describeError(error)
      return { error: { code, message, ...(hint !== undefined && { hint }), retryable } }
    }
  }

  try {
    const making = join(directory.path, MAKING)
    await rm(making, { recursive: true, force: true })
    await mkdir(making, { mode: 0o700 })
    const path = join(making, 's')
    server.listen(path)
    await once(server, 'listening')
    await chmod(path, 0o600)
    await rename(path, join(directory.path, FILE))
    await rm(making, { recursive: true })
  } catch (error) {
    server.close()
    await directory.release()
    throw error
  }
  server.on('error', error => logger.warn({ err: error }, 'control socket'))

  return {
    async close() {
      await rm(join(directory.path, FILE), { force: true })
      const closed = new Promise<void>(done => server.close(() => done()))
      for (const socket of sockets) socket.destroy()
      await closed
      await directory.release()
    },
  }
}

async function carryOut(
  pipeline: Pick<Pipeline, 'follows' | 'pause' | 'resume' | 'rewind'>,
  request: Request,
): Promise<Answers[Request['command']]> {
  switch (request.command) {
    case 'status':
      return pipeline.follows()
    case 'pause':
      return { changed: await pipeline.pause(request.chain) }
    case 'resume':
      return { changed: await pipeline.resume(request.chain) }
    case 'rewind':
      return pipeline.rewind(request.chain, request.height)
  }
}

function parseRequest(line: string): Request {
  let given: unknown
  try {
    given = JSON.parse(line)
  } catch {
    throw new InputError(`expected ${REQUESTS}, got ${JSON.stringify(line.slice(0, 100))}`)
  }
  const parsed = requestShape.safeParse(given)
  if (parsed.success) return parsed.data
  throw new InputError(`expected ${REQUESTS}, got ${JSON.stringify(given).slice(0, 100)}`)
}

/**
 * Asks the `up` that runs in a data directory.
 * @param patienceMs how long an answer may take; without it for as long as `up` runs.
 * @returns null when none runs there.
 * @throws ConfigError, InputError, AppError as `up` says; AppError when it ends before it answered.
 */
export async function askControl<Command extends Request['command']>(
  dataDirectory: string,
  request: Extract<Request, { command: Command }>,
  patienceMs?: number,
): Promise<Answers[Command] | null> {
  const directory = await reach(dataDirectory).catch(error => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  })
  if (directory === null) return null
  const socket = await dial(join(directory.path, FILE)).finally(() => directory.release())
  if (socket === null) return null
  try {
    socket.write(`${JSON.stringify(request)}\n`)
    const answer = answerShape.parse(JSON.parse(await readLine(socket, LONGEST_ANSWER, patienceMs)))
    if ('value' in answer) return answer.value as Answers[Command]
    const { code, message, ...options } = answer.error
    throw new AppError(code, message, {
      retryable: options.retryable,
      ...(options.hint !== undefined && { hint: options.hint }),
    })
  } finally {
    socket.destroy()
  }
}

/** @returns null when nobody listens. */
async function dial(path: string): Promise<Socket | null> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return socket
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    // What a killed one left behind refuses.
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return null
    throw new ConfigError(`the running \`up\` cannot be asked: ${String(cause)}`, {
      hint: 'give the command as the user who started it',
      cause,
    })
  }
}

/** The first line that comes. @throws InputError when it is too long or does not come, AppError when the other side ends. */
async function readLine(socket: Socket, longest: number, patienceMs?: number): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<string>((done, fail) => {
      const gone = () =>
        fail(
          new AppError('GONE', 'the connection ended before a whole line came', {
            retryable: true,
            hint: '`up` may have been stopped: give the command again',
          }),
        )
      if (patienceMs !== undefined)
        timer = setTimeout(() => {
          fail(
            new InputError(
              `expected a line within ${patienceMs / 1000} s, got ${bytes} bytes without its end`,
            ),
          )
        }, patienceMs)
      socket.once('end', gone).once('close', gone).once('error', gone)
      socket.on('data', (part: Buffer) => {
        parts.push(part)
        bytes += part.length
        const end = part.indexOf(10)
        const length = end < 0 ? bytes : bytes - part.length + end
        if (length > longest) fail(new InputError(`expected a line of at most ${longest} bytes, got more`))
        else if (end >= 0) done(Buffer.concat(parts).subarray(0, length).toString())
      })
    })
  } finally {
    clearTimeout(timer)
    socket.removeAllListeners('data')
  }
}

/**
 * A directory by a path that is short enough for a socket in it: a long one is gone round through an open handle.
 * @throws ConfigError where the system has no such way.
 */
async function reach(dataDirectory: string): Promise<{ path: string; release(): Promise<void> }> {
  const path = resolve(dataDirectory)
  if (Buffer.byteLength(join(path, MAKING, 's')) <= LONGEST_PATH) return { path, release: async () => {} }
  if (process.platform !== 'linux') {
    throw new ConfigError(
      `${path}: expected a path of at most ${LONGEST_PATH - 14} bytes, got ${Buffer.byteLength(path)}`,
      {
        hint: 'pause, resume and rewind while `up` runs need a shorter one',
      },
    )
  }
  const handle = await open(path, 'r')
  return { path: `/proc/self/fd/${handle.fd}`, release: () => handle.close() }
}
