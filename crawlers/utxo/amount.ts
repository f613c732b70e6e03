import { MalformedAnswerError } from '../../schema/errors.ts'

/** Decimals that nodes of this family print: 1 coin = 10^8 base units. */
const DECIMALS = 8
/** Nodes count in signed 64 bits. */
export const MAX_AMOUNT = (1n << 63n) - 1n

const DECIMAL = /^(\d{1,20})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/

function refuse(text: string): MalformedAnswerError {
  const shown = JSON.stringify(text.slice(0, 60))
  return new MalformedAnswerError(
    `expected an amount of coins with at most ${DECIMALS} decimals, got ${shown}`,
  )
}

/**
 * Coins as nodes print them (`50.00000000`, `1e-8`) in base units, digit by digit: no float touches an amount.
 * @throws MalformedAnswerError for signs, more than 8 decimals that are not zero, and what 63 bits do not hold.
 */
export function parseCoins(text: string): bigint {
  const match = DECIMAL.exec(text)
  if (!match) throw refuse(text)
  const [, whole = '', fraction = '', exponent = '0'] = match
  const digits = BigInt(whole + fraction)
  const shift = DECIMALS - fraction.length + Number(exponent)
  const divisor = 10n ** BigInt(Math.max(0, -shift))
  if (digits % divisor !== 0n) throw refuse(text)
  const amount = (digits * 10n ** BigInt(Math.max(0, shift))) / divisor
  if (amount > MAX_AMOUNT) throw refuse(text)
  return amount
}
