import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { ConfigError } from '../schema/errors.ts'

export interface HttpServer {
  /** Where it is reached; the port that was given, or the free one that was taken for 0. */
  url: string
  close(): Promise<void>
}

export interface HttpServerOptions {
  host: string
  port: number
  /** What to say when the port is taken. */
  option: string
}

/** Serves the routes of several apps, asked in this order. @throws ConfigError when the port cannot be had. */
export async function startHttpServer(
  apps: readonly Hono[],
  options: HttpServerOptions,
): Promise<HttpServer> {
  const root = new Hono()
  for (const app of apps) root.route('/', app)
  const server = createAdaptorServer({ fetch: root.fetch })
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(portError(error, options)))
    server.listen(options.port, options.host, () => resolve())
  })
  const { port } = server.address() as AddressInfo
  return {
    url: addressOf(options.host, port),
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        // Live feeds end with the server, not with their readers.
        if ('closeAllConnections' in server) server.closeAllConnections()
      }),
  }
}

export function portError(error: unknown, { host, port, option }: HttpServerOptions): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'EADDRINUSE' && code !== 'EACCES' && code !== 'EADDRNOTAVAIL') return error
  const why = code === 'EADDRINUSE' ? 'is in use' : code === 'EACCES' ? 'may not be taken' : 'is not ours'
  return new ConfigError(`${host}:${port} ${why}`, { hint: `choose another with ${option}` })
}

/** As a person would type it. */
export function addressOf(host: string, port: number): string {
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${shown}:${port}`
}
