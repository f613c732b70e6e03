import type { EndpointSettings } from '../../crawlers/endpoint.ts'
import { type Nodes, openNodes } from '../../crawlers/nodes.ts'
import type { ChainModule } from '../../schema/chain.ts'
import type { ChainSettings } from '../config.ts'
import { type Finding, failure, within } from './finding.ts'

/** A head that is older is told. */
const OLD_HEAD_SECONDS = 3 * 3600
/** Clocks of network and machine differ by a little. */
const EARLY_HEAD_SECONDS = 60
const CALL_TIMEOUT_MS = 8_000
const ENDPOINT_LIMIT_MS = 25_000

export interface NodesLook {
  findings: Finding[]
  /** Highest head that a node told; null when none did. */
  head: number | null
}

/** Every endpoint of a chain by itself, all at once, in bounded time. */
export async function lookAtNodes(settings: ChainSettings, now = Date.now()): Promise<NodesLook> {
  const { chain, endpoints } = settings
  const { slug } = chain.definition
  const looks = await Promise.all(
    endpoints.map(async endpoint => {
      let head: number | null = null
      const findings = await lookAtEndpoint(settings, endpoint, now, height => {
        head = height
      })
      return { findings, head }
    }),
  )
  const heads = looks.flatMap(look => look.head ?? [])
  const findings = looks.flatMap(look => look.findings)
  if (heads.length === 0) {
    findings.push({
      area: slug,
      level: findings.some(finding => finding.level === 'fix') ? 'fix' : 'wait',
      text: 'no endpoint answers: the chain cannot be followed',
      hint: `name one that does: --node ${slug}=http://…, or chains.${slug}.endpoints in wanlian.yaml`,
    })
  }
  return { findings, head: heads.length === 0 ? null : Math.max(...heads) }
}

async function lookAtEndpoint(
  { chain, traces }: ChainSettings,
  endpoint: EndpointSettings,
  now: number,
  tellHead: (head: number) => void,
): Promise<Finding[]> {
  const area = chain.definition.slug
  let nodes: Nodes<unknown>
  try {
    nodes = await openNodes<unknown>(chain, [endpoint], {
      source: { traces },
      rpc: { attempts: 2, backoffMs: 200, timeoutMs: CALL_TIMEOUT_MS, patienceMs: 1_000 },
    })
  } catch (error) {
    return [failure(area, error)]
  }
  const name = nodes.status()[0]!.name
  try {
    return await within(ENDPOINT_LIMIT_MS, area, name, askNode(chain, nodes, name, now, tellHead))
  } finally {
    await nodes.close()
  }
}

async function askNode(
  chain: ChainModule,
  nodes: Nodes<unknown>,
  name: string,
  now: number,
  tellHead: (head: number) => void,
): Promise<Finding[]> {
  const area = chain.definition.slug
  const { checked, unchecked } = await nodes.identify()
  const head = await nodes.head()
  tellHead(head)
  const finalized = await nodes.finalized()
  const { latencyMs } = nodes.status()[0]!
  const told = `${name} answers in ${latencyMs} ms, head ${head}, ${finalized === null ? 'no finalized block' : `finalized ${finalized}`}`
  const findings: Finding[] = [
    { area, level: 'ok', text: told },
    identityOf(area, name, checked, unchecked),
    ...(await lookAtHead(chain, nodes, name, head, now)),
  ]
  if ((await nodes.recordedHeights()) !== null) return findings
  const survey = await nodes.survey?.()
  if (survey?.syncing) {
    findings.push({ area, level: 'wait', text: `${name} is still catching up with its network` })
  }
  for (const { what, available, without } of survey?.abilities ?? []) {
    if (available === false)
      findings.push({ area, level: 'note', text: `${name} does not give ${what}: ${without}` })
  }
  return findings
}

function identityOf(
  area: string,
  name: string,
  checked: readonly string[],
  unchecked: readonly string[],
): Finding {
  if (checked.length === 0) {
    const text = `${name} may be of any chain: it does not tell ${unchecked.join(', ')}`
    return { area, level: 'note', text, hint: 'what it gives is proven all the same, but not whose it is' }
  }
  const rest = unchecked.length > 0 ? `; not told: ${unchecked.join(', ')}` : ''
  return { area, level: 'ok', text: `${name} is of the chain (${checked.join(', ')} compared${rest})` }
}

/** The newest block, proven, against the clock. */
async function lookAtHead(
  chain: ChainModule,
  nodes: Nodes<unknown>,
  name: string,
  head: number,
  now: number,
): Promise<Finding[]> {
  const area = chain.definition.slug
  const { time, proofs } = chain.verify(await nodes.blockAt(head))
  const proven: Finding = { area, level: 'ok', text: `${name}: block ${head} is proven: ${proofs.join(' ')}` }
  if ((await nodes.recordedHeights()) !== null) return [proven]
  const age = Math.round(now / 1000 - time)
  if (age < -EARLY_HEAD_SECONDS) {
    const text = `${name}: block ${head} is ${-age} s ahead of the clock of this machine`
    return [proven, { area, level: 'fix', text, hint: 'set the clock (NTP)' }]
  }
  if (age > OLD_HEAD_SECONDS) {
    const text = `${name}: block ${head} is ${Math.round(age / 3600)} h old`
    return [proven, { area, level: 'note', text, hint: 'the node is behind, or the chain has no new blocks' }]
  }
  return [proven]
}
