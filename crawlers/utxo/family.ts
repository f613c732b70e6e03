import { formatHex } from '../../schema/bytes.ts'
import type { ChainDefinition } from '../../schema/chain.ts'
import type { Chain } from '../chain.ts'
import { createBlockReader } from './block.ts'
import { decodeRaw, encodeRaw } from './codec.ts'
import type { UtxoRaw } from './raw.ts'
import { blockFormat, type UtxoRules } from './rules.ts'
import { openUtxoSource } from './source.ts'
import { attachStored, createdOutputs, openInputs, outpoint, storedOutputs } from './spent.ts'
import { splitBlock } from './split.ts'
import { verifyBlock } from './verify.ts'

/** A chain of the family: what outsiders see, and in what it differs from Bitcoin. */
export interface UtxoChainOptions
  extends Omit<ChainDefinition, 'family' | 'ledger' | 'hashForm' | 'partialEffects'>,
    Omit<UtxoRules, 'genesisHash' | 'overwritingCoinbases' | 'hashOrderHeight'>,
    Partial<Pick<UtxoRules, 'overwritingCoinbases' | 'hashOrderHeight'>> {
  /** `chain` in `getblockchaininfo`: main, test, regtest. */
  network: string
}

/** Makes a chain of the utxo family: blocks of transactions that spend outputs of earlier ones. */
export function defineUtxoChain(options: UtxoChainOptions): Chain<UtxoRaw> {
  const { addresses, proofOfWork, powLimit, auxPow, mweb, bip34Height, segwitHeight, network, ...others } =
    options
  const { overwritingCoinbases = [], hashOrderHeight = null, ...facts } = others
  const definition: ChainDefinition = {
    ...facts,
    family: 'utxo',
    ledger: 'utxo',
    hashForm: 'hex',
    partialEffects: '',
  }
  const { genesisHash } = facts
  const rules: UtxoRules = {
    genesisHash,
    addresses,
    proofOfWork,
    powLimit,
    auxPow,
    mweb,
    bip34Height,
    segwitHeight,
    hashOrderHeight,
    overwritingCoinbases,
  }
  const format = blockFormat(rules)
  const read = createBlockReader(format)
  return {
    definition,
    verify: raw => verifyBlock(raw, rules, read),
    split: (raw, verified) => splitBlock(raw, verified, rules, read),
    encode: encodeRaw,
    decode: decodeRaw,
    sizeOf: raw => raw.bytes.length + raw.spent.length * 32,
    parseHash: text => (/^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : null),
    formatHash: formatHex,
    outputs: {
      open: raw => (raw.spent.includes(null) ? openInputs(read(raw.bytes), raw).map(outpoint) : []),
      attach: attachStored,
      created: raw => createdOutputs(read(raw.bytes)),
      stored: raw => storedOutputs(read(raw.bytes), raw),
    },
    open: rpc => openUtxoSource(rpc, { network, genesisHash, format, read }),
  }
}
