import { type EffectKind, NATIVE_ASSET, SYNTHETIC_ADDRESS } from '../../schema/block.ts'
import { formatHex0x } from '../../schema/bytes.ts'
import { InvariantError } from '../../schema/errors.ts'
import type { BlockTables, RowOf } from '../../schema/tables.ts'
import { destroy, type Entry, issue, transfer } from './entries.ts'
import { internalEntries } from './internal.ts'
import type { Outcome } from './outcome.ts'
import type { EvmRaw, EvmReceipt, EvmTransaction, GenesisAccount } from './raw.ts'
import type { BlockReward } from './rewards.ts'
import { type TokenTransfer, tokenTransfers, wrappingOf } from './tokens.ts'

export type EffectRow = RowOf<BlockTables['effects']>

/** A transfer of a token with the transaction that made it. */
export interface PlacedTransfer extends TokenTransfer {
  transaction: EvmTransaction
  transactionIndex: number
}

/** All effects of a block, and the token transfers that some of them stand for. */
export interface BlockEffects {
  effects: EffectRow[]
  transfers: PlacedTransfer[]
}

/** What a chain's definition says about effects. */
export interface EffectRules {
  /** Contracts that wrap the native coin, lower-case `0x` text. */
  wrappedNative: ReadonlySet<string>
  /** Accounts of block 0, where the definition has them. */
  genesisAccounts?: (() => readonly GenesisAccount[]) | undefined
  /** What no transaction moved, by height. */
  stateChanges: ReadonlyMap<number, () => { drained: readonly GenesisAccount[]; into: string }>
}

const INT256_MAX = (1n << 255n) - 1n
const UINT256_MAX = (1n << 256n) - 1n
const ZERO_ADDRESS = `0x${'00'.repeat(20)}`
const NO_HASH = Buffer.alloc(0)

/** Effects of a verified block: those of its transactions in order, then those of the block itself. */
export function effectsOf(
  raw: EvmRaw,
  outcomes: readonly Outcome[],
  reward: BlockReward | null,
  rules: EffectRules,
): BlockEffects {
  const effects: EffectRow[] = []
  const transfers: PlacedTransfer[] = []
  raw.transactions.forEach((transaction, transactionIndex) => {
    const outcome = outcomes[transactionIndex]!
    const receipt = raw.receipts?.[transactionIndex]
    const found = receipt === undefined ? [] : receipt.logs.flatMap(tokenTransfers)
    for (const one of found) transfers.push({ ...one, transaction, transactionIndex })
    const entries = [
      ...feeEntries(raw, transaction, outcome),
      ...valueEntries(transaction, outcome),
      ...internalEntries(raw, transactionIndex, outcome),
      ...found.flatMap(tokenEntries),
      ...wrappingEntries(receipt, rules.wrappedNative),
    ]
    for (const entry of entries) addRows(effects, entry, transaction.hash, transactionIndex)
  })
  const own = [...blockEntries(raw, reward), ...decreedEntries(raw, rules)]
  for (const entry of own) addRows(effects, entry, NO_HASH, null)
  return { effects, transfers }
}

/**
 * A row for an entry, none for nothing. An amount of 2^255 or more does not fit a signed 256-bit column: it becomes
 * several rows that add up to it (2^255 − 1, 2^255 − 1, and what is left).
 */
function addRows(rows: EffectRow[], entry: Entry, hash: Buffer, transactionIndex: number | null): void {
  const { address, asset, kind } = entry
  const negative = entry.amount < 0n
  const size = negative ? -entry.amount : entry.amount
  if (size > UINT256_MAX) {
    throw new InvariantError(`effect: expected an amount of 256 bits, got ${size} ${asset} of ${address}`)
  }
  for (let rest = size; rest > 0n; ) {
    const part = rest > INT256_MAX ? INT256_MAX : rest
    const amount = negative ? -part : part
    rows.push({
      index: rows.length,
      transaction_hash: hash,
      transaction_index: transactionIndex,
      address,
      asset,
      amount,
      kind,
    })
    rest -= part
  }
}

/** What the sender paid: to the miner, and what was destroyed (EIP-1559, EIP-4844). */
function feeEntries({ header }: EvmRaw, tx: EvmTransaction, outcome: Outcome): Entry[] {
  const { gasFee, burntFee, blobFee } = outcome
  if (gasFee === null) return []
  const address = formatHex0x(tx.from)
  const asset = NATIVE_ASSET
  const earned: EffectKind = header.baseFeePerGas === null ? 'fee' : 'tip'
  return [
    { address, asset, amount: -gasFee, kind: 'fee' },
    { address: formatHex0x(header.miner), asset, amount: gasFee - burntFee, kind: earned },
    { address: SYNTHETIC_ADDRESS, asset, amount: burntFee, kind: 'base_fee_burn' },
    ...destroy(address, blobFee ?? 0n, 'blob_fee'),
  ]
}

function valueEntries(tx: EvmTransaction, { succeeded, created }: Outcome): Entry[] {
  const to = tx.to ?? created
  if (succeeded !== true || to === null) return []
  return transfer(formatHex0x(tx.from), formatHex0x(to), tx.value, 'transfer')
}

/** The asset that a transfer moves: the contract, or one of its ids. */
export function assetOf({ token, tokenId }: TokenTransfer): string {
  const contract = formatHex0x(token)
  return tokenId === null ? contract : `${contract}/${tokenId}`
}

function tokenEntries(moved: TokenTransfer): Entry[] {
  const from = formatHex0x(moved.from)
  const to = formatHex0x(moved.to)
  const asset = assetOf(moved)
  const kind = from === ZERO_ADDRESS ? 'mint' : to === ZERO_ADDRESS ? 'burn' : 'transfer'
  const account = (address: string) => (address === ZERO_ADDRESS ? SYNTHETIC_ADDRESS : address)
  return transfer(account(from), account(to), moved.amount, kind, asset)
}

function wrappingEntries(receipt: EvmReceipt | undefined, wrappedNative: ReadonlySet<string>): Entry[] {
  if (receipt === undefined || wrappedNative.size === 0) return []
  return receipt.logs.flatMap(log => {
    const wrapping = wrappingOf(log)
    if (wrapping === null) return []
    const asset = formatHex0x(log.address)
    if (!wrappedNative.has(asset)) return []
    const { kind, amount } = wrapping
    return (kind === 'mint' ? issue : destroy)(formatHex0x(wrapping.account), amount, kind, asset)
  })
}

/** A withdrawal counts gwei (EIP-4895). */
export const WEI_PER_GWEI = 1_000_000_000n

function blockEntries({ header, uncles, withdrawals }: EvmRaw, reward: BlockReward | null): Entry[] {
  const miner = formatHex0x(header.miner)
  const entries = reward === null ? [] : issue(miner, reward.block, 'reward')
  if (reward !== null) {
    for (const uncle of uncles ?? []) {
      entries.push(...issue(miner, reward.inclusion, 'reward'))
      entries.push(...issue(formatHex0x(uncle.miner), reward.uncle(uncle.height), 'uncle_reward'))
    }
  }
  for (const { address, amount } of withdrawals ?? []) {
    entries.push(...issue(formatHex0x(address), amount * WEI_PER_GWEI, 'withdrawal'))
  }
  return entries
}

/** What the chain's definition decrees: who had coins in block 0, and what changed hands without a transaction. */
function decreedEntries({ header, allocations }: EvmRaw, rules: EffectRules): Entry[] {
  const holders = header.height === 0 ? (rules.genesisAccounts?.() ?? allocations ?? []) : []
  const { drained, into } = rules.stateChanges.get(header.height)?.() ?? { drained: [], into: '' }
  return [
    ...holders.flatMap(({ address, balance }) => issue(formatHex0x(address), balance, 'genesis')),
    ...drained.flatMap(({ address, balance }) => transfer(formatHex0x(address), into, balance, 'irregular')),
  ]
}

/** Whether the block's own effects are all known: who had coins in block 0, who mined the uncles, who withdrew. */
export function knowsOwnEffects(raw: EvmRaw, reward: BlockReward | null, rules: EffectRules): boolean {
  const { header, uncleHashes, uncles, withdrawals, allocations } = raw
  if (header.height === 0 && !rules.genesisAccounts && !allocations) return false
  if (reward !== null && uncles === null && uncleHashes.length > 0) return false
  return withdrawals !== null || header.withdrawalsRoot === null
}
