import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onCluster } from '../deploy/cluster.ts'
import { createSql, type SqlClient } from '../deploy/sql.ts'
import type { StoreAddress } from '../deploy/store/supervisor.ts'
import { type ClusterLayout, clusterSettings } from '../schema/cluster.ts'

const here = fileURLToPath(new URL('../deploy/store/', import.meta.url))
const KEY = 'key of the tests'
const PASSWORD = 'password of the tests'

/** A ZooKeeper in which the copies of a shard find each other. */
export interface KeeperAddress {
  host: string
  port: number
}

export interface Shards {
  layout: ClusterLayout
  /** Speaks to the cluster through its first server. */
  sql: SqlClient
  /** Of the first server, to which `clusterSettings` have to be said too. */
  address: StoreAddress
  /** Each server alone. */
  nodes: readonly { address: StoreAddress; sql: SqlClient; kill(): Promise<void>; start(): Promise<void> }[]
  close(): Promise<void>
}

/**
 * Several store processes as the shards of one cluster: they reach each other by the native protocol, on loopback. The
 * engine inside the library replicates nothing and passes no statements on, so each server is told each of them.
 */
export async function openShards(
  shardCount: number,
  options: { keeper?: KeeperAddress; copies?: number } = {},
): Promise<Shards> {
  const copies = options.copies ?? 1
  const count = shardCount * copies
  const directory = await mkdtemp(join(tmpdir(), 'wanlian-shards-'))
  const ports = await freePorts(count * 2)
  const places = Array.from({ length: count }, (_, at) => ({
    directory: join(directory, `server${at}`),
    shard: Math.floor(at / copies),
    replica: at % copies,
    http: ports[at * 2] as number,
    tcp: ports[at * 2 + 1] as number,
  }))
  const servers = Array.from({ length: shardCount }, (_, shard) => {
    const replicas = places
      .filter(place => place.shard === shard)
      .map(
        ({ tcp }) => `<replica><host>127.0.0.1</host><port>${tcp}</port>
        <user>wanlian</user><password>${PASSWORD}</password></replica>`,
      )
    return `<shard><internal_replication>true</internal_replication>${replicas.join('')}</shard>`
  }).join('')
  const layout: ClusterLayout = {
    cluster: 'shards',
    replicated: options.keeper !== undefined,
    onCluster: false,
  }
  const address = (http: number) => ({
    url: `http://127.0.0.1:${http}`,
    username: 'wanlian',
    password: PASSWORD,
    headers: { 'X-Wanlian-Key': KEY },
  })
  const engine = clusterSettings(layout)
  const nodes = await Promise.all(
    places.map(async (place, at) => {
      const own = `<tcp_port>${place.tcp}</tcp_port><remote_servers><shards>${servers}</shards></remote_servers>
        <macros><shard>s${place.shard}</shard><replica>r${place.replica}</replica></macros>
        ${options.keeper ? keeperConfig(options.keeper, at) : ''}`
      const config = await writeConfig(place.directory, own)
      const sql = createSql(address(place.http), { engine })
      let child: ChildProcess
      const start = async () => {
        child = launch(place.directory, place.http, config)
        await sql.rows('SELECT 1')
        await sql.command('SYSTEM START LISTEN TCP')
      }
      await start()
      const kill = async () => {
        const ended = new Promise(resolve => child.once('exit', resolve))
        child.kill('SIGKILL')
        await ended
      }
      return { address: address(place.http), sql, start, kill }
    }),
  )
  const first = createSql(address(places[0]?.http ?? 0), { engine })
  return {
    layout,
    address: address(places[0]?.http ?? 0),
    nodes,
    sql: onCluster(
      first,
      layout,
      nodes.map(node => node.sql),
    ),
    async close() {
      await first.close()
      for (const { sql, kill } of nodes) {
        await sql.close()
        await kill()
      }
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Servers of one identity, as these are, would end each other's sessions if they shared a place for them. */
function keeperConfig({ host, port }: KeeperAddress, at: number): string {
  return `<zookeeper><node><host>${host}</host><port>${port}</port></node>
    <session_timeout_ms>10000</session_timeout_ms><sessions_path>/clickhouse/sessions/${at}</sessions_path></zookeeper>`
}

async function writeConfig(directory: string, own: string): Promise<string> {
  await mkdir(join(directory, 'data'), { recursive: true })
  const sha256 = createHash('sha256').update(PASSWORD).digest('hex')
  const values: Record<string, string> = {
    users_config: join(directory, 'users.xml'),
    key: KEY,
    log_level: 'fatal',
    max_memory: String(2 * 1024 ** 3),
    max_query_memory: String(1024 ** 3),
    password_sha256: sha256,
    outsider_password_sha256: sha256,
  }
  for (const name of ['config.xml', 'users.xml']) {
    const text = (await readFile(join(here, name), 'utf8')).replace(
      /\{\{(\w+)\}\}/g,
      (_, key: string) => values[key] ?? '',
    )
    await writeFile(
      join(directory, name),
      text.replace(/<\/clickhouse>\s*$/, name === 'config.xml' ? `${own}</clickhouse>` : '$&'),
    )
  }
  return join(directory, 'config.xml')
}

function launch(directory: string, http: number, config: string): ChildProcess {
  const { libchdbPath } = createRequire(import.meta.url)('chdb/libchdb') as { libchdbPath(): string }
  return spawn(process.execPath, [join(here, 'process.cjs'), './', String(http), config], {
    cwd: join(directory, 'data'),
    stdio: ['pipe', 'ignore', 'inherit'],
    env: { LIBCHDB: libchdbPath() },
  })
}

/** Different ones: all are held until the last is known. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address !== null ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
