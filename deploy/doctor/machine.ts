import { constants } from 'node:fs'
import { access, readFile, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config.ts'
import { readHolder } from '../lock.ts'
import type { Finding } from './finding.ts'

const AREA = 'machine'
const GIB = 1024 ** 3
/** Below the first the store may stop in the middle of something, below the second it will soon. */
const [NO_SPACE, LITTLE_SPACE] = [GIB / 2, 5 * GIB]

/** The program, the data directory and the ports. */
export async function lookAtMachine(
  config: Pick<Config, 'dataDirectory' | 'host' | 'port' | 'clickhousePort'>,
): Promise<Finding[]> {
  const holder = await readHolder(config.dataDirectory)
  const ports = [
    [config.port, 'site and API', '--port'],
    [config.clickhousePort, 'the ClickHouse interface', '--clickhouse-port'],
  ] as const
  return [
    await lookAtNode(),
    lookAtLibc(),
    ...(await lookAtDirectory(config.dataDirectory, holder)),
    ...(await Promise.all(
      ports
        .filter(([port]) => port !== 0)
        .map(([port, use, option]) => lookAtPort(config.host, port, use, option, holder)),
    )),
  ]
}

async function lookAtNode(): Promise<Finding> {
  const file = fileURLToPath(new URL('../../package.json', import.meta.url))
  const { engines } = JSON.parse(await readFile(file, 'utf8')) as { engines: { node: string } }
  const least = engines.node.replace('>=', '')
  const got = process.versions.node
  if (isAtLeast(got, least)) return { area: AREA, level: 'ok', text: `Node.js ${got}` }
  return {
    area: AREA,
    level: 'fix',
    text: `expected Node.js ${least} or newer, got ${got}`,
    hint: 'install a newer Node.js',
  }
}

export function isAtLeast(got: string, least: string): boolean {
  const [a, b] = [got, least].map(version => version.split('.').map(part => Number.parseInt(part, 10)))
  for (const [at, part] of b!.entries()) {
    if ((a![at] ?? 0) !== part) return (a![at] ?? 0) > part
  }
  return true
}

/** Whether the library can run is seen when the store starts; this says why it cannot. */
function lookAtLibc(): Finding {
  const where = `${process.platform} ${process.arch}`
  if (process.platform !== 'linux') return { area: AREA, level: 'ok', text: where }
  // Otherwise the report asks a name server for every open connection.
  Object.assign(process.report, { excludeNetwork: true })
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  const glibc = header.glibcVersionRuntime
  if (glibc !== undefined) return { area: AREA, level: 'ok', text: `${where}, glibc ${glibc}` }
  return {
    area: AREA,
    level: 'fix',
    text: `${where} without glibc: the embedded store does not run here`,
    hint: 'use a distribution with glibc (Debian, Ubuntu, Fedora)',
  }
}

async function lookAtDirectory(dataDirectory: string, holder: number | null): Promise<Finding[]> {
  const directory = resolve(dataDirectory)
  const { place, problem } = await nearest(directory)
  if (problem !== null) return [{ area: AREA, level: 'fix', ...problem }]
  const { bavail, bsize } = await statfs(place)
  const free = bavail * bsize
  const used = holder === null ? '' : `, in use by process ${holder}`
  const exists = place === directory ? `${directory} can be written${used}` : `${directory} will be created`
  const space = `${(free / GIB).toFixed(1)} GiB free in ${place}`
  const hint = 'make room, or choose another directory with --data'
  return [
    { area: AREA, level: 'ok', text: exists },
    free < NO_SPACE
      ? { area: AREA, level: 'fix', text: space, hint }
      : free < LITTLE_SPACE
        ? { area: AREA, level: 'note', text: space, hint }
        : { area: AREA, level: 'ok', text: space },
  ]
}

/** The directory, or what is there of the way to it. */
async function nearest(
  directory: string,
): Promise<{ place: string; problem: { text: string; hint: string } | null }> {
  for (let place = directory; ; place = dirname(place)) {
    const found = await stat(place).catch(() => null)
    if (found === null && place !== dirname(place)) continue
    const hint = 'choose another directory with --data, or change its owner or rights'
    if (!found?.isDirectory()) return { place, problem: { text: `${place} is no directory`, hint } }
    const writable = await access(place, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    )
    return { place, problem: writable ? null : { text: `${place} cannot be written`, hint } }
  }
}

async function lookAtPort(
  host: string,
  port: number,
  use: string,
  option: string,
  holder: number | null,
): Promise<Finding> {
  const refusal = await tryPort(host, port)
  if (refusal === null) return { area: AREA, level: 'ok', text: `port ${port} is free for ${use}` }
  if (refusal === 'EADDRINUSE' && holder !== null) {
    return { area: AREA, level: 'ok', text: `port ${port} is taken, and process ${holder} of ours runs` }
  }
  const taken = refusal === 'EADDRINUSE' ? 'is taken by another program' : `cannot be used (${refusal})`
  return {
    area: AREA,
    level: 'fix',
    text: `port ${port} on ${host}, for ${use}, ${taken}`,
    hint: `end that program, or choose another port with ${option} or in wanlian.yaml`,
  }
}

/** Why nobody can listen there; null when one can. */
function tryPort(host: string, port: number): Promise<string | null> {
  const server = createServer()
  return new Promise(done => {
    server.once('error', error => done((error as NodeJS.ErrnoException).code ?? String(error)))
    server.listen(port, host, () => server.close(() => done(null)))
  })
}
