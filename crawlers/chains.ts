import type { Chain } from './chain.ts'
import { bitcoin } from './chains/bitcoin.ts'
import { bitcoinRegtest } from './chains/bitcoin-regtest.ts'
import { ethereum } from './chains/ethereum.ts'
import { evmLocal } from './chains/evm-local.ts'

/** Every chain that is known without configuration: one import and one entry each. */
export const knownChains: readonly Chain[] = [bitcoin, bitcoinRegtest, ethereum, evmLocal]
