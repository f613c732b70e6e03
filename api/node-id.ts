import { BadRequestError } from './errors.ts'

export const nodeTypes = ['Chain', 'Block', 'Transaction', 'Address', 'Asset', 'Reorg'] as const
export type NodeType = (typeof nodeTypes)[number]

/** What an id names: a chain, and in it whatever identifies a thing of the type. */
export interface NodeName {
  type: NodeType
  chain: string
  /** '' for the chain itself. */
  key: string
}

export function formatNodeId(type: NodeType, chain: string, key: string | number = ''): string {
  return Buffer.from(`${type}:${chain}:${key}`).toString('base64url')
}

/** @throws BadRequestError when it is no id of ours. */
export function parseNodeId(id: string): NodeName {
  const match = /^(\w+):([a-z0-9-]+):(.*)$/s.exec(Buffer.from(id, 'base64url').toString('utf8'))
  const type = nodeTypes.find(known => known === match?.[1])
  if (!match || type === undefined) {
    throw new BadRequestError(`expected an id of a node, got ${JSON.stringify(id.slice(0, 80))}`, {
      hint: 'ids come from the field `id` of a node',
    })
  }
  return { type, chain: match[2]!, key: match[3]! }
}
