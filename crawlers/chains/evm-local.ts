import { defineEvmChain } from '../evm/family.ts'

/** A development node on this machine: anvil, hardhat, `geth --dev` with this chain id. */
export const evmLocal = defineEvmChain({
  slug: 'evm-local',
  name: 'EVM Local',
  chainId: 31_337,
  native: { symbol: 'ETH', name: 'Ether', decimals: 18 },
  finality: { kind: 'confirmations', safe: 1, final: 64 },
  maxReorgDepth: 256,
  blobSidecarsInRoot: true,
  genesis: { kind: 'node' },
  endpoints: [],
})
