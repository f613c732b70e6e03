import { isAscii } from 'node:buffer'
import { Agent, request } from 'undici'
import { describeError, EndpointError, MalformedAnswerError } from '../schema/errors.ts'
import {
  type Answered,
  type Call,
  type Endpoint,
  type EndpointSettings,
  MAX_ANSWER_BYTES,
  parseAddress,
  readAnswer,
  readRetryAfter,
  refusedCredentials,
} from './endpoint.ts'

/** JSON-RPC over HTTP: 2.0 as Ethereum nodes speak it, 1.0 as Bitcoin nodes do (errors come with status 404 or 500). */
export function openHttpEndpoint(settings: EndpointSettings, timeoutMs: number): Endpoint {
  const { url, name, headers } = parseAddress(settings)
  const agent = new Agent({
    keepAliveTimeout: 10_000,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: MAX_ANSWER_BYTES,
  })
  let nextId = 1

  async function send({ method, params }: Call): Promise<Answered> {
    try {
      const {
        statusCode,
        headers: told,
        body,
      } = await request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', id: nextId++, method, params }),
        dispatcher: agent,
        signal: AbortSignal.timeout(timeoutMs),
      })
      const announced = Number(told['content-length'] ?? 0)
      if (announced > MAX_ANSWER_BYTES) {
        body.destroy()
        throw new MalformedAnswerError(
          `${name}: ${method} announced ${announced} bytes, more than ${MAX_ANSWER_BYTES}`,
        )
      }
      const retryAfterMs = readRetryAfter(told['retry-after'])
      return { name, method, status: statusCode, body: decodeBody(await body.arrayBuffer()), retryAfterMs }
    } catch (cause) {
      if (cause instanceof MalformedAnswerError) throw cause
      throw new EndpointError(`${name}: ${method} failed: ${describeError(cause)}`, { cause })
    }
  }

  return {
    name,
    recording: null,
    async call(call, options) {
      const answered = await send(call)
      const { status } = answered
      if (status === 401 || status === 403) throw refusedCredentials(name, status)
      return readAnswer(answered, options?.parse ?? JSON.parse)
    },
    close: () => agent.destroy(),
  }
}

/** Node answers are ASCII but for some texts in them: read as single bytes they are decoded and parsed in less time. */
function decodeBody(body: ArrayBuffer): string {
  return isAscii(body) ? Buffer.from(body).toString('latin1') : new TextDecoder().decode(body)
}
