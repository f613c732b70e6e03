import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** Clock ticks of `/proc` in a second, the same on every Linux that Node runs on. */
const TICKS = 100

/** What a command and the processes it started took. */
export interface Measured {
  wall: number
  /** User and system seconds of the whole tree, ended processes included. */
  cpu: number
  /** Of that, seconds of the processes that the command started. */
  childCpu: number
  /** Largest sum of resident memory, and the command's own largest, in MiB. */
  peak: number
  ownPeak: number
  stdout: string
}

/** Fields of `/proc/<pid>/stat` from the third on; null when there is no such process any more. */
function statOf(pid: number | 'self'): string[] | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
  } catch {
    return null
  }
}

function seconds(stat: readonly string[], from: number): number {
  return (Number(stat[from]) + Number(stat[from + 1])) / TICKS
}

function residentMiB(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

function childrenOf(pid: number): number[] {
  try {
    const tasks = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    const children = tasks === '' ? [] : tasks.split(' ').map(Number)
    return children.flatMap(child => [child, ...childrenOf(child)])
  } catch {
    return []
  }
}

/** User and system seconds of a process and of those below it that run now; 0 when it is gone. */
export function cpuOf(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => {
    const stat = statOf(each)
    return stat ? sum + seconds(stat, 11) : sum
  }, 0)
}

/** Seconds that the processors of this machine were busy since it started, whoever with. */
export function machineCpu(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .replace(/^cpu +/, '')
    .split(' ')
    .map(Number)
  return (user + nice + system + irq + softirq) / TICKS
}

/** Runs one command to its end; throws when it fails. Memory is sampled, CPU is what the system counted. */
export async function measure(command: readonly string[], directory: string): Promise<Measured> {
  // Of processes that were waited for, and of those that these had waited for.
  const waited = () => seconds(statOf('self')!, 13)
  const before = waited()
  const startedAt = performance.now()
  const child = spawn(command[0]!, command.slice(1), { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      output[name] += chunk.toString()
    })
  }
  const childCpu = new Map<number, number>()
  let [peak, ownPeak] = [0, 0]
  const sampler = setInterval(() => {
    const own = residentMiB(child.pid!)
    const others = childrenOf(child.pid!)
    for (const pid of others) {
      const stat = statOf(pid)
      if (stat) childCpu.set(pid, seconds(stat, 11))
    }
    ownPeak = Math.max(ownPeak, own)
    peak = Math.max(
      peak,
      others.reduce((sum, pid) => sum + residentMiB(pid), own),
    )
  }, 50)
  const [code] = (await once(child, 'close')) as [number | null]
  clearInterval(sampler)
  if (code !== 0)
    throw new Error(`${command.join(' ')} ended with ${code}: ${output.stderr.slice(-2_000)}${output.stdout}`)
  return {
    wall: (performance.now() - startedAt) / 1000,
    cpu: waited() - before,
    childCpu: [...childCpu.values()].reduce((sum, one) => sum + one, 0),
    peak,
    ownPeak,
    stdout: output.stdout,
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
