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
  finished: Promise<Finished>
}

/** Starts the command line program as an operator would. */
export function startCli(args: readonly string[], environment: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      output[name] += chunk.toString()
    })
  }
  return {
    pid: child.pid ?? 0,
    finished: new Promise(resolve => child.once('close', code => resolve({ code, ...output }))),
  }
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
