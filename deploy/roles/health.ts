import { Hono } from 'hono'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { addressOf, startHttpServer } from '../http.ts'

/** What a crawler or a splitter says of itself, for whoever looks after its process. */
export interface HealthDeps {
  host: string
  port: number
  role: string
  /** Chains, or partitions of chains, that it works on now, each with what it cannot get over. */
  work(): readonly { name: string; problem: string | null }[]
}

/** `/health` and `/metrics`. @throws ConfigError when the port cannot be had. */
export async function startHealth({
  host,
  port,
  role,
  work,
}: HealthDeps): Promise<{ url: string; close(): Promise<void> }> {
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
  const app = new Hono()
  app.get('/health', context => context.json({ status: 'ok', role, work: work() }))
  app.get('/metrics', async context =>
    context.text(await registry.metrics(), 200, { 'Content-Type': registry.contentType }),
  )
  const server = await startHttpServer([app], { host, port, option: '--port' })
  return { url: addressOf(host, Number(new URL(server.url).port)), close: () => server.close() }
}
