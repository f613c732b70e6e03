import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { StatusBoard } from '../schema/status.ts'
import { tipOf } from './heights.ts'
import { countDeadLetters, countReorgs, readChains, readDifferences } from './queries-chain.ts'
import type { Reader } from './reader.ts'

/** Measurements for Prometheus. Other parts add theirs to `registry`. */
export interface Metrics {
  registry: Registry
  onStatement(seconds: number, failed: boolean): void
  onAnswer(seconds: number, failed: boolean): void
  onRequest(route: string, status: number, seconds: number): void
  /** Reads what the store and the status board know and gives everything as text. */
  scrape(): Promise<string>
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** `read` is asked at every scrape: its statements are not counted among the API's. */
export function createMetrics(read: Reader, status: StatusBoard): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const gauge = (name: string, help: string, labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers })

  const statements = new Histogram({
    name: 'wanlian_store_statement_seconds',
    help: 'Statements that the API sent to the store',
    labelNames: ['outcome'],
    buckets: SECONDS,
    registers,
  })
  const answers = new Histogram({
    name: 'wanlian_graphql_answer_seconds',
    help: 'GraphQL answers',
    labelNames: ['outcome'],
    buckets: SECONDS,
    registers,
  })
  const requests = new Histogram({
    name: 'wanlian_http_request_seconds',
    help: 'HTTP requests by route and status',
    labelNames: ['route', 'status'],
    buckets: SECONDS,
    registers,
  })
  const scrapeErrors = new Counter({
    name: 'wanlian_scrape_errors_total',
    help: 'Scrapes that could not read the store',
    registers,
  })

  const tip = gauge('wanlian_chain_tip_height', 'Newest stored height', ['chain'])
  const head = gauge('wanlian_chain_head_height', "Height of the nodes' head", ['chain'])
  const lag = gauge('wanlian_chain_lag_blocks', 'Blocks between head and tip', ['chain'])
  const missing = gauge('wanlian_chain_missing_blocks', 'Heights that are still to be filled in', ['chain'])
  const pace = gauge('wanlian_chain_blocks_per_second', 'Pace of storing', ['chain'])
  const stopped = gauge('wanlian_chain_stopped', '1 where an operator is needed', ['chain'])
  const troubled = gauge('wanlian_chain_problem', '1 where something hinders the following', ['chain'])
  const paused = gauge('wanlian_chain_paused', '1 where the operator paused it', ['chain'])
  const reorgs = gauge('wanlian_chain_reorgs', 'Reorgs that were followed', ['chain'])
  const deadLetters = gauge('wanlian_chain_dead_letters', 'Events that could not be stored', ['chain'])
  const differences = gauge(
    'wanlian_chain_differences',
    'Ranges of heights whose tables do not hold what was delivered',
    ['chain'],
  )
  const reachable = gauge('wanlian_node_reachable', '1 where the node answers', ['chain', 'node'])
  const calls = gauge('wanlian_node_calls', 'Calls to the node since the start', ['chain', 'node'])
  const errors = gauge('wanlian_node_errors', 'Calls that failed since the start', ['chain', 'node'])
  const budget = gauge('wanlian_node_calls_per_second', 'Calls a second that the node is given at most', [
    'chain',
    'node',
  ])
  const latency = gauge('wanlian_node_latency_seconds', "Median of the node's last answers", [
    'chain',
    'node',
  ])
  const ofChains = [
    tip,
    head,
    lag,
    missing,
    pace,
    stopped,
    troubled,
    paused,
    reorgs,
    deadLetters,
    differences,
    reachable,
    calls,
    errors,
    budget,
    latency,
  ]

  async function readStore(): Promise<Map<string, number | null>> {
    const [chains, reorgCounts, letters, ranges] = await Promise.all([
      readChains(read),
      countReorgs(read),
      countDeadLetters(read),
      readDifferences(read),
    ])
    for (const chain of chains) {
      const labels = { chain: chain.slug }
      const height = tipOf(chain)
      if (height !== null) tip.set(labels, height)
      reorgs.set(labels, reorgCounts.get(chain.slug) ?? 0)
      deadLetters.set(labels, letters.get(chain.slug) ?? 0)
      differences.set(labels, ranges.filter(range => range.chain === chain.slug).length)
    }
    return new Map(chains.map(chain => [chain.slug, tipOf(chain)]))
  }

  function readBoard(tips: ReadonlyMap<string, number | null>): void {
    for (const follow of status.follows()) {
      const labels = { chain: follow.chain }
      missing.set(labels, follow.missing)
      stopped.set(labels, follow.state === 'stopped' ? 1 : 0)
      troubled.set(labels, follow.problem === null ? 0 : 1)
      paused.set(labels, follow.state === 'paused' ? 1 : 0)
      if (follow.blocksPerSecond !== null) pace.set(labels, follow.blocksPerSecond)
      if (follow.head !== null) {
        head.set(labels, follow.head)
        lag.set(labels, Math.max(0, follow.head - (tips.get(follow.chain) ?? -1)))
      }
      for (const node of follow.nodes) {
        const ofNode = { ...labels, node: node.name }
        reachable.set(ofNode, node.reachable ? 1 : 0)
        calls.set(ofNode, node.calls)
        errors.set(ofNode, node.errors)
        if (node.latencyMs !== null) latency.set(ofNode, node.latencyMs / 1000)
        if (node.callsPerSecond !== null) budget.set(ofNode, node.callsPerSecond)
      }
    }
  }

  return {
    registry,
    onStatement: (seconds, failed) => statements.observe({ outcome: failed ? 'failed' : 'ok' }, seconds),
    onAnswer: (seconds, failed) => answers.observe({ outcome: failed ? 'failed' : 'ok' }, seconds),
    onRequest: (route, code, seconds) => requests.observe({ route, status: code }, seconds),
    async scrape() {
      for (const one of ofChains) one.reset()
      try {
        readBoard(await readStore())
      } catch {
        // A store that is down must not take the other measurements with it.
        scrapeErrors.inc()
        readBoard(new Map())
      }
      return registry.metrics()
    },
  }
}
