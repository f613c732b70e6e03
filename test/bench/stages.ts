import { readFileSync } from 'node:fs'

interface ProfileNode {
  id: number
  callFrame: { functionName: string; url: string }
  children?: number[]
}

/** What `node --cpu-prof` writes; times in microseconds. */
interface Profile {
  nodes: ProfileNode[]
  samples: number[]
  timeDeltas: number[]
}

/** Stages by the innermost function that belongs to one: its name, its file. The first that fits counts. */
const STAGES: readonly (readonly [stage: string, name: RegExp, file: RegExp])[] = [
  ['waiting', /^\(idle\)$/, /^$/],
  ['garbage collection', /^\(garbage collector\)$/, /^$/],
  ['JSON text to objects', /^readAnswer$/, /crawlers\/rpc/],
  ['answers to fields', /^read(Block|Receipts|HexText|Header)$|^parseHexText$/, /evm\/json|utxo\/node-json/],
  ['check of the split', /./, /schema\/invariants/],
  ['verify', /^(verify|prove)Block$/, /crawlers\//],
  ['split', /^splitBlock$/, /crawlers\//],
  ['archive form', /^encodeRaw$/, /crawlers\//],
  ['spent outputs', /^(attach|open|created|spentInBlock|createRaw|lookup|lookUp)/, /crawlers\/|splitter\//],
  ['rows to bytes', /./, /splitter\/rows/],
  ['digest', /^update$/, /crypto\/hash/],
  ['insert', /./, /deploy\/sql|@clickhouse/],
  ['fetch', /./, /undici|crawlers\/(rpc|fetch)/],
  ['start', /./, /tsx\/|esbuild|internal\/modules|node:internal\/(vm|bootstrap|process\/esm)/],
]

/** Milliseconds by stage, waiting included: where the time of a profiled run went. */
export function stagesOf(profilePath: string): Map<string, number> {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(profilePath, 'utf8')) as Profile
  const parents = new Map<number, ProfileNode>()
  for (const node of nodes) for (const child of node.children ?? []) parents.set(child, node)
  const stages = new Map<number, string>()
  for (const node of nodes) stages.set(node.id, stageOf(node, parents))
  const times = new Map<string, number>()
  samples.forEach((id, at) => {
    const stage = stages.get(id)!
    times.set(stage, (times.get(stage) ?? 0) + timeDeltas[at]! / 1000)
  })
  return new Map([...times].sort((a, b) => b[1] - a[1]))
}

function stageOf(leaf: ProfileNode, parents: ReadonlyMap<number, ProfileNode>): string {
  for (let node: ProfileNode | undefined = leaf; node; node = parents.get(node.id)) {
    const { functionName, url } = node.callFrame
    const found = STAGES.find(([, name, file]) => name.test(functionName) && file.test(url))
    if (found) return found[0]
  }
  return 'other'
}
