import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

/** Whether a process of this machine is there; one of another user counts. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Name of a writer: host, process and a random part: another process can tell whether this one is gone. */
export function ownerName(): string {
  return `${hostname()}:${process.pid}:${randomBytes(8).toString('hex')}`
}

/** Only a process of this machine can be known to be gone. */
export function isGoneHere(owner: string): boolean {
  const [host, pid] = owner.split(':')
  return host === hostname() && pid !== undefined && /^\d+$/.test(pid) && !isAlive(Number(pid))
}
