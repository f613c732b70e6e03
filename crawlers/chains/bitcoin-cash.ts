import { defineUtxoChain } from '../utxo/family.ts'
import { bitcoin } from './bitcoin.ts'

/** Bitcoin Cash, main network: the same blocks as Bitcoin's below height 478,559. */
export const bitcoinCash = defineUtxoChain({
  slug: 'bitcoin-cash',
  name: 'Bitcoin Cash',
  caip2: 'bip122:000000000000000000651ef99cb9fcbe',
  network: 'main',
  genesisHash: bitcoin.definition.genesisHash,
  native: { symbol: 'BCH', name: 'Bitcoin Cash', decimals: 8 },
  finality: { kind: 'confirmations', safe: 6, final: 100 },
  maxReorgDepth: 100,
  endpoints: [],
  addresses: { keyHash: 0x00, scriptHash: [0x05], bech32: null, cashAddress: 'bitcoincash' },
  proofOfWork: 'sha256d',
  powLimit: 0xffffn << 208n,
  auxPow: null,
  bip34Height: 227_931,
  segwitHeight: null,
  hashOrderHeight: 556_767,
  mweb: false,
  /** Those of 91,812 and 91,722 have the same hashes: BIP-30. */
  overwritingCoinbases: [
    { height: 91_842, hash: 'd5d27987d2a3dfc724e359870c6644b40e497bdc0589a033220fe15429d88599' },
    { height: 91_880, hash: 'e3bf3d07d4b0375638d5f1db5255fe07ba2c4cb067cd81b84ee974b6585fb468' },
  ],
})
