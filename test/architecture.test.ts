import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const FOLDERS = ['schema', 'crawlers', 'splitter', 'api', 'web', 'deploy', 'test'] as const
type Folder = (typeof FOLDERS)[number]

/** Which of our folders a folder may import, besides itself. */
const MAY_IMPORT: Record<Folder, readonly Folder[]> = {
  schema: [],
  crawlers: ['schema'],
  splitter: ['schema'],
  api: ['schema'],
  web: ['schema'],
  deploy: ['schema', 'crawlers', 'splitter', 'api', 'web'],
  test: ['schema', 'crawlers', 'splitter', 'api', 'web', 'deploy'],
}

/** Packages that only one place may know. */
const ONLY_IN: Record<string, RegExp> = {
  '@clickhouse/client': /^deploy\/sql\.ts$/,
  chdb: /^deploy\/store\//,
  'ffi-rs': /^deploy\/store\//,
  kafkajs: /^(deploy\/kafka\/|test\/)/,
  commander: /^deploy\/main\.ts$/,
  pino: /^(deploy\/|test\/)/,
  'bitcoinjs-lib': /^(crawlers\/utxo\/|deploy\/dev\/|test\/)/,
  ethers: /^(crawlers\/evm\/|api\/|deploy\/dev\/|test\/)/,
  lmdb: /^deploy\/log-embedded\.ts$/,
  hono: /^(api|web|deploy|test)\//,
  graphql: /^(api\/|deploy\/|test\/)/,
  'prom-client': /^(api\/|deploy\/)/,
  'playwright-core': /^test\//,
  secp256k1: /^(crawlers\/evm\/|deploy\/dev\/|test\/)/,
  undici: /^(crawlers\/http-endpoint|api\/sql-upstream|api\/webhooks\/sender)\.ts$/,
  ws: /^(crawlers\/ws-endpoint\.ts$|test\/)/,
  'p-queue': /^crawlers\/rpc\.ts$/,
}

/** Input and output do not belong into what everybody agrees on. */
const IO_MODULES = /^node:(fs|net|http|https|child_process|dgram|tls|worker_threads)/

interface Source {
  path: string
  text: string
  imports: string[]
}

function sources(): Source[] {
  const found: Source[] = []
  const visit = (directory: string): void => {
    for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) visit(path)
      else if (/\.(ts|tsx|mjs|cjs)$/.test(entry.name)) found.push(readSource(path))
    }
  }
  for (const folder of FOLDERS) visit(folder)
  return found
}

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const imports = [...text.matchAll(/(?:from|import|require)\s*\(?\s*['"]([^'"]+)['"]/g)].map(
    match => match[1]!,
  )
  return { path: path.split(sep).join('/'), text, imports }
}

const all = sources()
const isTest = (path: string) => path.endsWith('.test.ts') || path.endsWith('.fixture.ts')
const folderOf = (path: string) => path.split('/')[0] as Folder

function resolveImport(from: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null
  return relative(root, join(root, dirname(from), specifier))
    .split(sep)
    .join('/')
}

describe('architecture', () => {
  test('there are sources in every folder that has been begun', () => {
    const begun = new Set(all.map(source => folderOf(source.path)))
    for (const folder of ['schema', 'crawlers', 'splitter', 'api', 'deploy', 'test'] as const) {
      expect([folder, begun.has(folder)]).toEqual([folder, true])
    }
  })

  test('imports go one way', () => {
    const forbidden = all.flatMap(({ path, imports }) =>
      imports.flatMap(specifier => {
        const target = resolveImport(path, specifier)
        if (target === null) return []
        const [from, to] = [folderOf(path), folderOf(target)]
        // Tests beside a source may use what the tests share.
        if (from === to || MAY_IMPORT[from].includes(to) || (isTest(path) && to === 'test')) return []
        return [`${path} imports ${target}`]
      }),
    )
    expect(forbidden).toEqual([])
  })

  test('families do not know each other, shared code knows no family, chains are values', () => {
    const forbidden = all
      .filter(({ path }) => path.startsWith('crawlers/') && !isTest(path))
      .flatMap(({ path, imports }) =>
        imports.flatMap(specifier => {
          const target = resolveImport(path, specifier) ?? ''
          const family = /^crawlers\/(utxo|evm)\//.exec(target)?.[1]
          const own = /^crawlers\/(utxo|evm)\//.exec(path)?.[1]
          if (family === undefined || family === own) return []
          return path.startsWith('crawlers/chains/') && target.endsWith('/family.ts')
            ? []
            : [`${path} imports ${target}`]
        }),
      )
    expect(forbidden).toEqual([])
    for (const { path, text } of all.filter(source => source.path.startsWith('crawlers/chains/'))) {
      expect([path, /\b(function|=>|if \(|class)\b/.test(text)]).toEqual([path, false])
      expect([path, text.split('\n').length < 45]).toEqual([path, true])
    }
  })

  test('no file imports itself through others', () => {
    const graph = new Map(
      all.map(({ path, imports }) => [
        path,
        imports.flatMap(specifier => resolveImport(path, specifier) ?? []),
      ]),
    )
    const cycles: string[] = []
    const done = new Set<string>()
    const visit = (path: string, trail: readonly string[]): void => {
      const at = trail.indexOf(path)
      if (at >= 0) cycles.push([...trail.slice(at), path].join(' → '))
      if (at >= 0 || done.has(path)) return
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
    for (const path of graph.keys()) visit(path, [])
    expect(cycles).toEqual([])
  })

  test('the schema has no input and output, and few packages', () => {
    const foreign = all
      .filter(source => source.path.startsWith('schema/') && !isTest(source.path))
      .flatMap(({ path, imports }) =>
        imports
          .filter(specifier => IO_MODULES.test(specifier) || /^[a-z@]/.test(specifier))
          .map(name => `${path}: ${name}`),
      )
    expect(foreign).toEqual([])
  })

  test('packages stay where they belong', () => {
    const strays = all.flatMap(({ path, imports }) =>
      imports.flatMap(specifier => {
        const name = specifier.startsWith('@')
          ? specifier.split('/').slice(0, 2).join('/')
          : specifier.split('/')[0]!
        const place = ONLY_IN[name]
        return place && !place.test(path) && !isTest(path) ? [`${path} imports ${name}`] : []
      }),
    )
    expect(strays).toEqual([])
  })

  test('the environment is read in one place, and nothing is kept in modules', () => {
    const readers = all.filter(
      ({ path, text }) => /process\.env\b/.test(text) && !path.startsWith('test/') && !isTest(path),
    )
    expect(readers.map(source => source.path).sort()).toEqual(['deploy/main.ts', 'deploy/store/process.cjs'])
    const stateful = all
      .filter(({ path }) => !path.startsWith('test/') && !isTest(path))
      .filter(({ text }) => /^(export )?(let|var) /m.test(text))
    expect(stateful.map(source => source.path)).toEqual([])
  })

  test('files stay readable', () => {
    const written = all.filter(({ path }) => !path.endsWith('.gen.ts'))
    const long = written.filter(({ text }) => text.split('\n').length > 600).map(source => source.path)
    expect(long).toEqual([])
    for (const { path } of all) {
      expect(path).toMatch(/^[a-z0-9-]+(?:\/[a-z0-9-]+)*(?:\/[a-z0-9-]+(?:\.[a-z]+)*)$/)
      expect(path).not.toMatch(/(^|\/)(utils|common|helpers)(\/|\.)/)
    }
  })
})
