import { createServer, type Server } from 'node:http'

/** In front of a node, as an old one without an index: no `getrawtransaction`, no spent outputs in descriptions. */
export async function startBareNode(url: string): Promise<Server> {
  const server = createServer(async (question, answer) => {
    let body = ''
    for await (const part of question) body += part
    const { id, method, params } = JSON.parse(body)
    if (method === 'getrawtransaction' || (method === 'getblock' && params[1] > 1)) {
      const error = { code: -5, message: 'No such transaction. Use -txindex' }
      answer.writeHead(500).end(JSON.stringify({ id, result: null, error }))
      return
    }
    const { authorization = '' } = question.headers
    const told = await fetch(url, { method: 'POST', headers: { authorization }, body })
    answer.writeHead(told.status).end(await told.text())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return server
}
