import { Hono } from 'hono'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { type HttpServer, startHttpServer } from './http.ts'

/** Messages of the log that a reader here has still to do, of one place. */
export interface Waiting {
  chain: string
  partition: number
  messages: bigint
}

export interface OperationsDeps {
  role: string
  host: string
  port: number
  /** Asked at every scrape. */
  waiting?(): Promise<readonly Waiting[]>
}

/**
 * What a process without a site tells its operators: `/health` and `/metrics`, of this process alone.
 * @throws ConfigError when the port cannot be had.
 */
export function startOperations({ role, host, port, waiting }: OperationsDeps): Promise<HttpServer> {
  const registry = createRoleRegistry(waiting)
  const app = new Hono()
  app.get('/health', context => context.json({ status: 'ok', role }))
  app.get('/metrics', async context =>
    context.text(await registry.metrics(), 200, { 'Content-Type': registry.contentType }),
  )
  return startHttpServer([app], { host, port, option: '--port' })
}

export function createRoleRegistry(waiting: OperationsDeps['waiting']): Registry {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  if (!waiting) return registry
  const failures = new Counter({
    name: 'wanlian_log_lag_errors_total',
    help: 'Scrapes that could not ask the log',
    registers,
  })
  new Gauge({
    name: 'wanlian_log_lag',
    help: 'Messages of the log between what is done and its end',
    labelNames: ['chain', 'partition'],
    registers,
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
