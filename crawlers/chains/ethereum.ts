import { defineEvmChain } from '../evm/family.ts'

export const ethereum = defineEvmChain({
  slug: 'ethereum',
  name: 'Ethereum',
  chainId: 1,
  genesisHash: '0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3',
  native: { symbol: 'ETH', name: 'Ether', decimals: 18 },
  finality: { kind: 'tags', fallback: { safe: 32, final: 64 } },
  maxReorgDepth: 128,
  endpoints: [
    'https://ethereum-rpc.publicnode.com',
    'https://eth.drpc.org',
    'https://1rpc.io/eth',
    'https://eth.llamarpc.com',
  ],
  genesis: { kind: 'file', file: new URL('./ethereum-genesis.txt', import.meta.url) },
  stateChanges: [
    {
      height: 1_920_000,
      drained: new URL('./ethereum-dao.txt', import.meta.url),
      into: '0xbf4ed7b27f1d666546e30d74d50d173d20bca754',
    },
  ],
  rewards: {
    kind: 'ethash',
    steps: [
      { from: 0, reward: 5_000_000_000_000_000_000n },
      /** Byzantium, EIP-649. */
      { from: 4_370_000, reward: 3_000_000_000_000_000_000n },
      /** Constantinople, EIP-1234. */
      { from: 7_280_000, reward: 2_000_000_000_000_000_000n },
    ],
  },
  wrappedNative: ['0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2'],
})
