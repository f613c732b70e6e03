import { AbiCoder, id, toBeHex, ZeroAddress, zeroPadValue } from 'ethers'
import type { LogRequest } from './contracts.ts'

export type TokenStandard = 'erc20' | 'erc721' | 'erc1155'

/** Tokens on their way from one address to another; minted from and burnt to `NOBODY`. */
export interface TokenMove {
  from: string
  to: string
  /** Null for the tokens of an ERC-20. */
  tokenId: bigint | null
  amount: bigint
}

/** What a token contract announces, and what it means. */
export interface TokenEvent {
  standard: TokenStandard
  log: LogRequest
  moves: TokenMove[]
}

export const NOBODY = ZeroAddress
export const MAX_UINT256 = 2n ** 256n - 1n

const TRANSFER = id('Transfer(address,address,uint256)')
const TRANSFER_SINGLE = id('TransferSingle(address,address,address,uint256,uint256)')
const TRANSFER_BATCH = id('TransferBatch(address,address,address,uint256[],uint256[])')

export function erc20Transfer(from: string, to: string, amount: bigint): TokenEvent {
  return {
    standard: 'erc20',
    log: { topics: [TRANSFER, topicOf(from), topicOf(to)], data: word(amount) },
    moves: [{ from, to, tokenId: null, amount }],
  }
}

export function erc721Transfer(from: string, to: string, tokenId: bigint): TokenEvent {
  return {
    standard: 'erc721',
    log: { topics: [TRANSFER, topicOf(from), topicOf(to), word(tokenId)], data: '0x' },
    moves: [{ from, to, tokenId, amount: 1n }],
  }
}

export function erc1155Single(
  operator: string,
  from: string,
  to: string,
  tokenId: bigint,
  amount: bigint,
): TokenEvent {
  const data = AbiCoder.defaultAbiCoder().encode(['uint256', 'uint256'], [tokenId, amount])
  return {
    standard: 'erc1155',
    log: { topics: [TRANSFER_SINGLE, ...[operator, from, to].map(topicOf)], data },
    moves: [{ from, to, tokenId, amount }],
  }
}

export function erc1155Batch(
  operator: string,
  from: string,
  to: string,
  items: readonly { tokenId: bigint; amount: bigint }[],
): TokenEvent {
  const lists = [items.map(item => item.tokenId), items.map(item => item.amount)]
  return {
    standard: 'erc1155',
    log: {
      topics: [TRANSFER_BATCH, ...[operator, from, to].map(topicOf)],
      data: AbiCoder.defaultAbiCoder().encode(['uint256[]', 'uint256[]'], lists),
    },
    moves: items.map(item => ({ from, to, ...item })),
  }
}

function topicOf(address: string): string {
  return zeroPadValue(address, 32)
}

function word(value: bigint): string {
  return toBeHex(value, 32)
}
