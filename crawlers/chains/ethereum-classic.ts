import { defineEvmChain } from '../evm/family.ts'

/** Shares its first 1,920,000 blocks with Ethereum. Mined at little cost, it has seen reorgs of thousands of blocks. */
export const ethereumClassic = defineEvmChain({
  slug: 'ethereum-classic',
  name: 'Ethereum Classic',
  chainId: 61,
  genesisHash: '0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3',
  native: { symbol: 'ETC', name: 'Ether', decimals: 18 },
  finality: { kind: 'confirmations', safe: 500, final: 4_000 },
  maxReorgDepth: 4_000,
  endpoints: ['https://etc.rivet.link', 'https://etc.etcdesktop.com', 'https://0xrpc.io/etc'],
  genesis: { kind: 'file', file: new URL('./ethereum-genesis.txt', import.meta.url) },
  /** https://ecips.ethereumclassic.org/ECIPs/ecip-1017 */
  rewards: { kind: 'ecip1017', reward: 5_000_000_000_000_000_000n, eraBlocks: 5_000_000 },
})
