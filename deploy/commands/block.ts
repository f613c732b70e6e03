import { formatHex } from '../../schema/bytes.ts'
import type { ChainModule } from '../../schema/chain.ts'
import { ConfigError } from '../../schema/errors.ts'
import { prepareBlock } from '../../splitter/prepare.ts'
import { type CommandContext, EXIT } from '../command.ts'
import { findChain } from '../config.ts'
import { type NodeOptions, withNode } from '../node.ts'

/** Fetches and proves one block and prints its rows as JSON; nothing is stored. */
export async function runBlock(
  context: CommandContext,
  slug: string,
  block: string,
  options: NodeOptions,
): Promise<number> {
  const settings = findChain(context.config, slug)
  const chain: ChainModule = settings.chain
  return withNode(context, settings, options, async source => {
    const fetched = await (/^\d{1,15}$/.test(block)
      ? source.blockAt(Number(block))
      : source.blockByHash(hashOf(chain, block)))
    const raw = source.attachPrevious ? await source.attachPrevious(fetched) : fetched
    const { verified, rows } = prepareBlock(chain, raw, null)
    const { raw_blocks: _archive, ...tables } = rows
    const printed = {
      chain: slug,
      height: verified.height,
      hash: chain.formatHash(verified.hash),
      parent_hash: chain.formatHash(verified.parentHash),
      time: new Date(verified.time * 1000).toISOString(),
      proofs: verified.proofs,
      rows: tables,
    }
    context.stdout.write(`${JSON.stringify(printed, printable(chain), 2)}\n`)
    return EXIT.done
  })
}

function hashOf(chain: ChainModule, text: string): string {
  if (chain.parseHash(text)) return text
  throw new ConfigError(
    `expected a height or a block hash of ${chain.definition.slug}, got ${JSON.stringify(text)}`,
  )
}

/** Amounts as decimal text, bytes in the chain's hex. */
function printable(chain: ChainModule) {
  const prefix = chain.definition.hashForm === '0x' ? '0x' : ''
  return function replace(this: Record<string, unknown>, key: string, value: unknown): unknown {
    const original = this[key]
    if (original instanceof Uint8Array) return original.length === 0 ? '' : prefix + formatHex(original)
    return typeof original === 'bigint' ? original.toString() : value
  }
}
