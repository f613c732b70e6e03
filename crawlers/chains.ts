import type { Chain } from './chain.ts'
import { bitcoin } from './chains/bitcoin.ts'
import { bitcoinCash } from './chains/bitcoin-cash.ts'
import { bitcoinRegtest } from './chains/bitcoin-regtest.ts'
import { dogecoin } from './chains/dogecoin.ts'
import { ethereum } from './chains/ethereum.ts'
import { ethereumClassic } from './chains/ethereum-classic.ts'
import { evmLocal } from './chains/evm-local.ts'
import { litecoin } from './chains/litecoin.ts'
import { litecoinRegtest } from './chains/litecoin-regtest.ts'

/** Every chain that is known without configuration: one import and one entry each. */
export const knownChains: readonly Chain[] = [
  bitcoin,
  bitcoinCash,
  bitcoinRegtest,
  dogecoin,
  ethereum,
  ethereumClassic,
  evmLocal,
  litecoin,
  litecoinRegtest,
]
