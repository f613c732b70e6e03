/** What a block's miner and its uncles' miners get, besides fees. */
export interface BlockReward {
  /** Wei that the miner gets for the block. */
  block: bigint
  /** Wei that the miner gets for each uncle. */
  inclusion: bigint
  /** Wei that the miner of an uncle of this height gets. */
  uncle(uncleHeight: number): bigint
}

/**
 * How a chain pays its miners. `none`: by fees only. `ethash`: amounts from heights on, ascending. `ecip1017`: one amount
 * at first, in each later era 4/5 of the one before.
 */
export type RewardSchedule =
  | { kind: 'none' }
  | { kind: 'ethash'; steps: readonly { from: number; reward: bigint }[] }
  | { kind: 'ecip1017'; reward: bigint; eraBlocks: number }

/** After this many eras nothing is left of any reward that fits 256 bits. */
const LAST_ERA = 800

/** The reward of a block; null where the chain pays none: by its schedule, the genesis block, after the Merge. */
export function rewardOf(schedule: RewardSchedule, height: number, difficulty: bigint): BlockReward | null {
  if (schedule.kind === 'none' || height === 0 || difficulty === 0n) return null
  if (schedule.kind === 'ecip1017') {
    const { reward, eraBlocks } = schedule
    return eraReward(reward, Math.floor((height - 1) / eraBlocks), height)
  }
  const step = schedule.steps.findLast(one => one.from <= height)
  return step === undefined ? null : ethashReward(step.reward, height)
}

/** Yellow Paper, 11.3. */
function ethashReward(block: bigint, height: number): BlockReward {
  return {
    block,
    inclusion: block / 32n,
    uncle: uncleHeight => (BigInt(Math.max(0, 8 + uncleHeight - height)) * block) / 8n,
  }
}

/** ECIP-1017: in the first era (up to block 5,000,000) as before it, later 1/32 of the era's reward for every uncle. */
function eraReward(first: bigint, era: number, height: number): BlockReward {
  if (era === 0) return ethashReward(first, height)
  const block = era > LAST_ERA ? 0n : (first * 4n ** BigInt(era)) / 5n ** BigInt(era)
  return { block, inclusion: block / 32n, uncle: () => block / 32n }
}
