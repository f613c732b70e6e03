import { defineUtxoChain } from '../utxo/family.ts'

/** Litecoin, main network. */
export const litecoin = defineUtxoChain({
  slug: 'litecoin',
  name: 'Litecoin',
  caip2: 'bip122:12a765e31ffd4059bada1e25190f6e98',
  network: 'main',
  genesisHash: '12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2',
  native: { symbol: 'LTC', name: 'Litecoin', decimals: 8 },
  finality: { kind: 'confirmations', safe: 12, final: 240 },
  maxReorgDepth: 240,
  endpoints: [],
  addresses: { keyHash: 0x30, scriptHash: [0x32, 0x05], bech32: 'ltc' },
  proofOfWork: 'scrypt',
  powLimit: 0x0fffffn << 216n,
  auxPow: null,
  bip34Height: 710_000,
  segwitHeight: 1_201_536,
  mweb: true,
})
