import { readFileSync } from 'node:fs'
import { MalformedAnswerError } from '../../schema/errors.ts'
import { keccak256 } from './hash.ts'
import type { GenesisAccount } from './raw.ts'
import { encodeRlp } from './rlp.ts'
import { hashedTrieRoot } from './trie.ts'

/** From where the accounts of block 0 are known. */
export type GenesisSource =
  /**
   * Lines of `address amount`, or a genesis file as geth and Besu take it. Together they must give the state root of
   * block 0.
   */
  | { kind: 'file'; file: URL }
  /** What a development node tells of its own accounts. Its block 0 need not commit to them (anvil's does not). */
  | { kind: 'node' }

/** Amounts that left accounts without any transaction, by decision of the chain's users. */
export interface StateChange {
  height: number
  /** Lines of `address amount`. */
  drained: URL
  /** The account that got everything, `0x` text. */
  into: string
}

/** An amount of a list: digits, and zeros that are only counted (`1337e18`). */
const LINE = /^([0-9a-f]{40}) (\d{1,78})(?:e(\d{1,2}))?$/

/**
 * Accounts of a file, in its order.
 * @throws MalformedAnswerError naming the line or the entry.
 */
export function readAllocations(file: URL): GenesisAccount[] {
  const text = readFileSync(file, 'utf8')
  return text.trimStart().startsWith('{') ? parseGenesisFile(text) : parseList(text)
}

function parseList(text: string): GenesisAccount[] {
  const accounts: GenesisAccount[] = []
  for (const [at, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue
    const [, address, digits, zeros = '0'] = LINE.exec(line) ?? []
    if (address === undefined || digits === undefined) {
      throw new MalformedAnswerError(`allocations, line ${at + 1}: expected an address and an amount`)
    }
    accounts.push(account(Buffer.from(address, 'hex'), BigInt(digits) * 10n ** BigInt(zeros)))
  }
  return accounts
}

/** An account that holds coins and nothing else. */
export function account(address: Buffer, balance: bigint): GenesisAccount {
  return { address, balance, nonce: 0n, code: Buffer.alloc(0), storage: [] }
}

interface GenesisEntry {
  balance?: unknown
  nonce?: unknown
  code?: unknown
  storage?: Record<string, unknown>
}

/** Accounts under `alloc` of a genesis file: amounts as decimal or `0x` text or as numbers. @throws MalformedAnswerError */
export function parseGenesisFile(text: string): GenesisAccount[] {
  const { alloc } = JSON.parse(text) as { alloc?: Record<string, GenesisEntry> }
  if (typeof alloc !== 'object' || alloc === null) {
    throw new MalformedAnswerError('genesis file: expected accounts under `alloc`, got none')
  }
  return Object.entries(alloc).map(([name, entry]) => {
    const bytes = (value: unknown, what: string, size?: number): Buffer => {
      const digits = /^(?:0x)?((?:[0-9a-f]{2})*)$/i.exec(String(value))?.[1]
      const read = Buffer.from(digits ?? '', 'hex')
      if (digits === undefined || (size !== undefined && read.length > size)) {
        throw new MalformedAnswerError(
          `genesis file: account ${name}: expected ${what}, got ${String(value)}`,
        )
      }
      return size === undefined ? read : Buffer.concat([Buffer.alloc(size - read.length), read])
    }
    const quantity = (value: unknown): bigint => {
      const isSafe = typeof value !== 'number' || Number.isSafeInteger(value)
      if (isSafe && /^(0x[0-9a-f]+|\d+)$/i.test(String(value))) return BigInt(value as string)
      throw new MalformedAnswerError(
        `genesis file: account ${name}: expected a whole number, as text where it is large, got ${String(value)}`,
      )
    }
    return {
      address: bytes(name, 'an address', 20),
      balance: quantity(entry.balance ?? 0),
      nonce: quantity(entry.nonce ?? 0),
      code: bytes(entry.code ?? '', 'code'),
      storage: Object.entries(entry.storage ?? {}).map(([slot, value]) => ({
        slot: bytes(slot, 'a slot', 32),
        value: BigInt(`0x${bytes(value, 'a value', 32).toString('hex')}`),
      })),
    }
  })
}

/** Root of the state that consists of these accounts (Yellow Paper, 4.1). */
export function stateRootOf(accounts: readonly GenesisAccount[]): Buffer {
  return hashedTrieRoot(
    accounts.map(({ address, balance, nonce, code, storage }) => ({
      key: address,
      value: encodeRlp([nonce, balance, storageRoot(storage), keccak256(code)]),
    })),
  )
}

/** A slot that holds zero is not there. */
function storageRoot(storage: GenesisAccount['storage']): Buffer {
  return hashedTrieRoot(
    storage
      .filter(({ value }) => value !== 0n)
      .map(({ slot, value }) => ({ key: slot, value: encodeRlp(value) })),
  )
}
