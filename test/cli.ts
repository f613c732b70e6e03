import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../deploy/wanlian.mjs', import.meta.url))

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

export interface Running {
  pid: number
  /** First line on stdout; fails when the program ends before it. */
  firstLine: Promise<string>
  finished: Promise<Finished>
}

/** Starts the command line program as an operator would. */
export function startCli(args: readonly string[], environment: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  // Number 0 would be this process and all it started.
  if (child.pid === undefined) throw new Error(`could not start ${args.join(' ')}`)
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      output[name] += chunk.toString()
    })
  }
  const finished = new Promise<Finished>(resolve => child.once('close', code => resolve({ code, ...output })))
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', () => {
      const end = output.stdout.indexOf('\n')
      if (end >= 0) resolve(output.stdout.slice(0, end))
    })
    void finished.then(({ code, stderr }) =>
      reject(new Error(`ended with ${code} before it was ready: ${stderr.slice(-2_000)}`)),
    )
  })
  // Whoever asks for it gets the error; until then it is nobody's.
  firstLine.catch(() => {})
  return { pid: child.pid, firstLine, finished }
}

export function runCli(args: readonly string[], environment: Record<string, string> = {}): Promise<Finished> {
  return startCli(args, environment).finished
}

/** The JSON line that ends a command. */
export function summaryOf<T>(finished: Finished): T {
  const line = finished.stdout.trim().split('\n').at(-1) ?? ''
  try {
    return JSON.parse(line) as T
  } catch {
    throw new Error(
      `expected a JSON line, got ${JSON.stringify(line)}; stderr: ${finished.stderr.slice(-2_000)}`,
    )
  }
}
