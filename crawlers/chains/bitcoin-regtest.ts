import { defineUtxoChain } from '../utxo/family.ts'

/** A Bitcoin network of one's own: blocks are found at once. */
export const bitcoinRegtest = defineUtxoChain({
  slug: 'bitcoin-regtest',
  name: 'Bitcoin Regtest',
  caip2: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
  network: 'regtest',
  genesisHash: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
  native: { symbol: 'rBTC', name: 'Regtest Bitcoin', decimals: 8 },
  finality: { kind: 'confirmations', safe: 6, final: 100 },
  maxReorgDepth: 100,
  endpoints: [],
  addresses: { keyHash: 0x6f, scriptHash: [0xc4], bech32: 'bcrt' },
  proofOfWork: 'sha256d',
  powLimit: 0x7fffffn << 232n,
  auxPow: null,
  bip34Height: 1,
  segwitHeight: 0,
  mweb: false,
})
