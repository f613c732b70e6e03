import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  method: string
  params: unknown[]
}

export type Trouble = (
  response: ServerResponse,
  asked: Asked,
  good: () => Promise<string>,
) => void | Promise<void>

/** In front of a node: hands every call on, or does what `trouble` says. */
export interface Front {
  url: string
  asked: Asked[]
  trouble: Trouble | null
  close(): void
}

export async function startFront(target: string, trouble: Trouble | null, port = 0): Promise<Front> {
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = ''
    for await (const part of request) body += part
    const good = async () => (await fetch(target, { method: 'POST', body })).text()
    const asked = JSON.parse(body) as Asked
    front.asked.push(asked)
    if (front.trouble) await front.trouble(response, asked, good)
    else response.end(await good())
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const front: Front = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked: [],
    trouble,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
  return front
}
