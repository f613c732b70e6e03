import { Hono } from 'hono'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { addressOf, startHttpServer } from '../http.ts'

/** Messages of the log that a splitter here has still to do. */
export interface Waiting {
  chain: string
  partition: number
  messages: bigint
}

/** What a crawler or a splitter says of itself, for whoever looks after its process. */
export interface HealthDeps {
  host: string
  port: number
  role: string
  /** Chains, or partitions of chains, that it works on now, each with what it cannot get over. */
  work(): readonly { name: string; problem: string | null }[]
  /** Asked at every scrape. */
  waiting?(): Promise<readonly Waiting[]>
  /** Adds more measurements. */
  measure?(registry: Registry): void
}

/** `/health` and `/metrics`. @throws ConfigError when the port cannot be had. */
export async function startHealth({
  host,
  port,
  role,
  work,
  waiting,
  measure,
}: HealthDeps): Promise<{ url: string; close(): Promise<void> }> {
  const registry = createRoleRegistry({ role, work, ...(waiting && { waiting }) })
  measure?.(registry)
  const app = new Hono()
  app.get('/health', context => context.json({ status: 'ok', role, work: work() }))
  app.get('/metrics', async context =>
    context.text(await registry.metrics(), 200, { 'Content-Type': registry.contentType }),
  )
  const server = await startHttpServer([app], { host, port, option: '--port' })
  return { url: addressOf(host, Number(new URL(server.url).port)), close: () => server.close() }
}

export function createRoleRegistry({
  role,
  work,
  waiting,
}: Pick<HealthDeps, 'role' | 'work' | 'waiting'>): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  new Gauge({
    name: 'wanlian_role_work',
    help: 'What this process works on: 1 where it goes on, 0 where there is something that it cannot get over',
    labelNames: ['role', 'name'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { name, problem } of work()) this.set({ role, name }, problem === null ? 1 : 0)
    },
  })
  if (!waiting) return registry
  const failures = new Counter({
    name: 'wanlian_log_lag_errors_total',
    help: 'Scrapes that could not ask the log',
    registers: [registry],
  })
  new Gauge({
    name: 'wanlian_log_lag',
    help: 'Messages of the log that are not in the tables yet',
    labelNames: ['chain', 'partition'],
    registers: [registry],
    async collect() {
      this.reset()
      try {
        for (const { chain, partition, messages } of await waiting())
          this.set({ chain, partition }, Number(messages))
      } catch {
        // A log that is down must not take the other measurements with it.
        failures.inc()
      }
    },
  })
  return registry
}
