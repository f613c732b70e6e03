import { formatHex0x } from '../../schema/bytes.ts'
import type { ChainDefinition } from '../../schema/chain.ts'
import type { Chain } from '../chain.ts'
import { decodeRaw, encodeRaw, sizeOfRaw } from './codec.ts'
import { type GenesisSource, readAllocations, type StateChange } from './genesis.ts'
import type { EvmRaw } from './raw.ts'
import type { RewardSchedule } from './rewards.ts'
import { openEvmSource } from './source.ts'
import { type SplitRules, splitBlock } from './split.ts'
import { proveBlock, verifyBlock } from './verify.ts'

type Given = Pick<ChainDefinition, 'slug' | 'name'>
/** What a chain of one's own need not say. */
type Defaulted = Pick<
  ChainDefinition,
  'genesisHash' | 'finality' | 'maxReorgDepth' | 'partialEffects' | 'endpoints'
>

/** An Ethereum-like chain: its definition, and its quirks by name. */
export interface EvmChainOptions extends Given, Partial<Defaulted> {
  /** EIP-155; the CAIP-2 identifier follows from it. */
  chainId: number
  native: { symbol: string; name?: string | undefined; decimals: number }
  /** How miners are paid; none by default. */
  rewards?: RewardSchedule
  /** Blocks commit to blob transactions in the network encoding, sidecar included (anvil 1.x). */
  blobSidecarsInRoot?: boolean
  /** Contracts whose Deposit and Withdrawal events make and destroy wrapped native coins (WETH9). */
  wrappedNative?: readonly string[]
  /** Who had coins in block 0. Where nobody knows, the effects of block 0 are not complete. */
  genesis?: GenesisSource
  stateChanges?: readonly StateChange[]
}

const DEFAULTS: Defaulted = {
  genesisHash: null,
  finality: { kind: 'tags', fallback: { safe: 32, final: 64 } },
  maxReorgDepth: 128,
  partialEffects: '',
  endpoints: [],
}

function definitionOf(options: EvmChainOptions): ChainDefinition {
  const { slug, name, chainId, native } = options
  return {
    slug,
    name,
    caip2: `eip155:${chainId}`,
    family: 'evm',
    ledger: 'account',
    hashForm: '0x',
    genesisHash: options.genesisHash?.toLowerCase() ?? DEFAULTS.genesisHash,
    native: { symbol: native.symbol, name: native.name ?? native.symbol, decimals: native.decimals },
    finality: options.finality ?? DEFAULTS.finality,
    maxReorgDepth: options.maxReorgDepth ?? DEFAULTS.maxReorgDepth,
    partialEffects: options.partialEffects ?? DEFAULTS.partialEffects,
    endpoints: options.endpoints ?? DEFAULTS.endpoints,
  }
}

/** A chain of the evm family, ready to use. */
export function defineEvmChain(options: EvmChainOptions): Chain<EvmRaw> {
  const definition = definitionOf(options)
  const { genesis, stateChanges = [] } = options
  const genesisAccounts = genesis?.kind === 'file' ? () => readAllocations(genesis.file) : undefined
  const rules: SplitRules = {
    rewards: options.rewards ?? { kind: 'none' },
    wrappedNative: new Set(options.wrappedNative?.map(address => address.toLowerCase())),
    genesisAccounts,
    stateChanges: new Map(
      stateChanges.map(({ height, drained, into }) => [
        height,
        () => ({ drained: readAllocations(drained), into }),
      ]),
    ),
  }
  const claims = { genesisHash: definition.genesisHash, genesisAccounts }
  const quirks = {
    chainId: options.chainId,
    blobSidecarsInRoot: options.blobSidecarsInRoot ?? false,
    tellsAllocations: genesis?.kind === 'node',
  }
  return {
    definition,
    verify: raw => verifyBlock(raw, claims),
    prove: raw => {
      const { verified, encodings } = proveBlock(raw, claims)
      return {
        verified,
        split: proven => splitBlock(raw, proven, rules, encodings.transactions),
        encode: () => encodeRaw(raw, encodings),
      }
    },
    split: (raw, verified) => splitBlock(raw, verified, rules),
    encode: raw => encodeRaw(raw),
    decode: decodeRaw,
    sizeOf: sizeOfRaw,
    parseHash: text => (/^0x[0-9a-f]{64}$/i.test(text) ? Buffer.from(text.slice(2), 'hex') : null),
    formatHash: formatHex0x,
    thorough: raw => ({ ...raw, recoverSenders: true }),
    open: (rpc, sourceOptions) => openEvmSource(rpc, definition, quirks, sourceOptions),
  }
}
