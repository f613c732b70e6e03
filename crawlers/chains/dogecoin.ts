import { defineUtxoChain } from '../utxo/family.ts'

/** Dogecoin, main network. */
export const dogecoin = defineUtxoChain({
  slug: 'dogecoin',
  name: 'Dogecoin',
  caip2: 'bip122:1a91e3dace36e2be3bf030a65679fe82',
  network: 'main',
  genesisHash: '1a91e3dace36e2be3bf030a65679fe821aa1d6ef92e7c9902eb318182c355691',
  native: { symbol: 'DOGE', name: 'Dogecoin', decimals: 8 },
  finality: { kind: 'confirmations', safe: 40, final: 240 },
  maxReorgDepth: 240,
  endpoints: [],
  addresses: { keyHash: 0x1e, scriptHash: [0x16], bech32: null },
  proofOfWork: 'scrypt',
  powLimit: 0x0fffffn << 216n,
  auxPow: { chainId: 0x62 },
  bip34Height: 1_034_383,
  segwitHeight: null,
  mweb: false,
})
