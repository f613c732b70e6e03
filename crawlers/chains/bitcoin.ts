import { defineUtxoChain } from '../utxo/family.ts'

/** Bitcoin, main network. */
export const bitcoin = defineUtxoChain({
  slug: 'bitcoin',
  name: 'Bitcoin',
  caip2: 'bip122:000000000019d6689c085ae165831e93',
  network: 'main',
  genesisHash: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
  native: { symbol: 'BTC', name: 'Bitcoin', decimals: 8 },
  finality: { kind: 'confirmations', safe: 6, final: 100 },
  maxReorgDepth: 100,
  endpoints: ['https://bitcoin-rpc.publicnode.com'],
  addresses: { keyHash: 0x00, scriptHash: [0x05], bech32: 'bc' },
  proofOfWork: 'sha256d',
  powLimit: 0xffffn << 208n,
  auxPow: null,
  bip34Height: 227_931,
  segwitHeight: 481_824,
  mweb: false,
  /** Those of 91,812 and 91,722 have the same hashes: BIP-30. */
  overwritingCoinbases: [
    { height: 91_842, hash: 'd5d27987d2a3dfc724e359870c6644b40e497bdc0589a033220fe15429d88599' },
    { height: 91_880, hash: 'e3bf3d07d4b0375638d5f1db5255fe07ba2c4cb067cd81b84ee974b6585fb468' },
  ],
})
