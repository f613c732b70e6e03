import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

export const root = fileURLToPath(new URL('..', import.meta.url))

export const COMPOSE_FILE = `${root}docker-compose.yml`

/** A service as the file has it, with variables filled in. */
export interface Service {
  image: string
  build?: { context: string; dockerfile: string }
  command?: readonly string[]
  environment: Readonly<Record<string, string>>
  env_file?: string
  depends_on?: Readonly<Record<string, { condition: string }>>
  healthcheck?: { test?: readonly string[]; disable?: boolean }
  ports?: readonly string[]
  volumes?: readonly string[]
  restart?: string
  profiles?: readonly string[]
  deploy?: { resources: { limits: { memory: string } } }
}

export interface Compose {
  services: Readonly<Record<string, Service>>
  volumes: Readonly<Record<string, unknown>>
}

/** What nobody can guess stands for the secrets that an operator gives. */
export const SECRETS = {
  WANLIAN_CLICKHOUSE_PASSWORD: 'one-of-them',
  WANLIAN_OUTSIDER_PASSWORD: 'the-other',
  WANLIAN_ADMIN_TOKEN: 'token-of-the-operator',
  WANLIAN_SECRET_KEY: Buffer.alloc(32, 3).toString('base64'),
}

/** The compose file as data, before variables are filled in; merge keys are carried out. */
export function parseCompose(): unknown {
  return parse(readFileSync(COMPOSE_FILE, 'utf8'), { merge: true })
}

/** @throws Error naming a variable that is required and is not there. */
export function readCompose(environment: Readonly<Record<string, string>>): Compose {
  const { services, volumes } = fillIn(parseCompose(), environment) as {
    services: Record<string, Service & { command?: string | readonly string[] }>
    volumes: Record<string, unknown>
  }
  return {
    volumes,
    services: Object.fromEntries(
      Object.entries(services).map(([name, service]) => [
        name,
        {
          ...service,
          environment: service.environment ?? {},
          // A text is a command line; ours hold no quotes.
          ...(typeof service.command === 'string' && {
            command: service.command.split(/\s+/).filter(word => word !== ''),
          }),
        },
      ]),
    ),
  }
}

/** Services without the name of a profile, each after those that it waits for. */
export function inOrder({ services }: Compose): string[] {
  const ordered: string[] = []
  const visit = (name: string, behind: readonly string[]): void => {
    if (ordered.includes(name)) return
    if (behind.includes(name))
      throw new Error(`services wait for each other: ${[...behind, name].join(' → ')}`)
    const service = services[name]
    if (!service) throw new Error(`${behind.at(-1)} waits for ${name}, which is no service`)
    for (const other of Object.keys(service.depends_on ?? {})) visit(other, [...behind, name])
    ordered.push(name)
  }
  for (const [name, { profiles }] of Object.entries(services)) if (!profiles) visit(name, [])
  return ordered
}

/** `${NAME}`, `${NAME:-default}` and `${NAME:?why}`, as the Compose specification has them. */
function fillIn(value: unknown, environment: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, kind, rest: string) => {
      const given = environment[name] || undefined
      if (given === undefined && kind === '?') throw new Error(`${name}: ${rest}`)
      return given ?? (kind === '-' ? rest : '')
    })
  }
  if (Array.isArray(value)) return value.map(item => fillIn(item, environment))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn(item, environment)]))
  return value
}
