import { defineUtxoChain } from '../utxo/family.ts'

/** A Litecoin network of one's own: blocks are found at once. */
export const litecoinRegtest = defineUtxoChain({
  slug: 'litecoin-regtest',
  name: 'Litecoin Regtest',
  caip2: 'bip122:530827f38f93b43ed12af0b3ad25a288',
  network: 'regtest',
  genesisHash: '530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9',
  native: { symbol: 'rLTC', name: 'Regtest Litecoin', decimals: 8 },
  finality: { kind: 'confirmations', safe: 6, final: 100 },
  maxReorgDepth: 100,
  endpoints: [],
  addresses: { keyHash: 0x6f, scriptHash: [0xc4, 0x3a], bech32: 'rltc' },
  proofOfWork: 'scrypt',
  powLimit: 0x7fffffn << 232n,
  auxPow: null,
  bip34Height: 500,
  segwitHeight: 0,
  mweb: true,
})
