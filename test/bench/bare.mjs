// The limit: asks for the same blocks as `index` does, parses the answers as JSON, and does nothing else.
// bare.mjs <evm|btc> <url> <from> <to>
import { Agent, request } from 'node:http'

const IN_FLIGHT = 6
const [family, url, from, to] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT })

async function ask(method, params) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const answer = await new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sent = request(url, { method: 'POST', agent, headers }, resolve)
    sent.on('error', reject)
    sent.end(body)
  })
  const parts = []
  for await (const part of answer) parts.push(part)
  return JSON.parse(Buffer.concat(parts).toString('latin1')).result
}

const ways = {
  async evm(height) {
    const id = `0x${height.toString(16)}`
    await Promise.all([ask('eth_getBlockByNumber', [id, true]), ask('eth_getBlockReceipts', [id])])
  },
  async btc(height) {
    await ask('getblock', [await ask('getblockhash', [height]), 0])
  },
}

let next = Number(from)
async function worker() {
  while (next <= Number(to)) await ways[family](next++)
}
await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
agent.destroy()
