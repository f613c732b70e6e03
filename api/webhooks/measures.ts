import { Gauge, Histogram, type Registry } from 'prom-client'
import type { Delivery } from './contract.ts'
import type { WorkerFigures } from './worker.ts'

/** Measurements of deliveries, for Prometheus. */
export interface WebhookMeasures {
  onAttempt(delivery: Pick<Delivery, 'ok' | 'status' | 'durationMs'>): void
  /** From now on they are among those of `registry`. */
  join(registry: Registry): void
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15]

/** @param figures asked at every scrape. */
export function createWebhookMeasures(figures: () => WorkerFigures): WebhookMeasures {
  const attempts = new Histogram({
    name: 'wanlian_webhook_attempt_seconds',
    help: 'Requests to endpoints of webhooks: taken, refused by the endpoint, or without an answer',
    labelNames: ['outcome'],
    buckets: SECONDS,
    registers: [],
  })
  const gauge = (name: string, help: string, measure: (figures: WorkerFigures) => number) =>
    new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(measure(figures()))
      },
    })
  const gauges = [
    gauge('wanlian_webhooks', 'Webhooks that are served here', ({ webhooks }) => webhooks),
    gauge('wanlian_webhooks_failing', 'Webhooks of which an event is tried again', ({ failing }) => failing),
    gauge(
      'wanlian_webhooks_disabled',
      'Webhooks that stand still until they are resumed',
      ({ disabled }) => disabled,
    ),
    gauge(
      'wanlian_webhook_events_waiting',
      'Events that were made and not taken yet',
      ({ waiting }) => waiting,
    ),
    gauge(
      'wanlian_webhook_events_unpublished',
      'Events that were made and are not in the topic yet',
      ({ unpublished }) => unpublished,
    ),
  ]
  return {
    onAttempt({ ok, status, durationMs }) {
      attempts.observe({ outcome: ok ? 'taken' : status === null ? 'silent' : 'refused' }, durationMs / 1000)
    },
    join(registry) {
      for (const metric of [attempts, ...gauges]) registry.registerMetric(metric)
    },
  }
}

export function sumOf(all: readonly WorkerFigures[]): WorkerFigures {
  const sum: WorkerFigures = { webhooks: 0, failing: 0, disabled: 0, waiting: 0, unpublished: 0 }
  for (const figures of all) {
    for (const name of Object.keys(sum) as (keyof WorkerFigures)[]) sum[name] += figures[name]
  }
  return sum
}
