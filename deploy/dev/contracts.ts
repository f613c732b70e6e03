import { AbiCoder, concat, id } from 'ethers'
import { parseHex } from '../../schema/bytes.ts'
import { assemble } from './assembler.ts'

/** What a token says about itself; names of at most 32 bytes. */
export interface TokenInfo {
  name: string
  symbol: string
  decimals: number
}

/** An event to be emitted: 32-byte topics and data, as `0x` hex. */
export interface LogRequest {
  topics: readonly string[]
  data: string
}

/**
 * A contract that emits whatever its caller asks (see `encodeLogs`), and answers `name()`, `symbol()`, `decimals()`.
 * To an indexer it is a token of any standard.
 */
export function tokenCode({ name, symbol, decimals }: TokenInfo): Uint8Array {
  return assemble(`
    CALLDATASIZE 4 EQ @about JUMPI
    0                                     ; position p of a record: topic count n, data length l, topics, data
    next:
    DUP1 CALLDATASIZE EQ @end JUMPI
    DUP1 CALLDATALOAD                     ; n p
    DUP2 32 ADD CALLDATALOAD              ; l n p
    SWAP2 64 ADD                          ; t n l      where the topics are
    DUP2 32 MUL DUP2 ADD                  ; d t n l    where the data is
    DUP4 DUP2 0 CALLDATACOPY
    DUP4 ADD SWAP3                        ; l t n p'   the next record
    ${[0, 1, 2, 3, 4].map(n => `DUP3 ${n} EQ @log${n} JUMPI`).join('\n')}
    0 0 REVERT
    ${[0, 1, 2, 3, 4].map(logWith).join('\n')}
    end: STOP

    about:
    0 CALLDATALOAD 224 SHR
    DUP1 ${selector('name()')} EQ @name JUMPI
    DUP1 ${selector('symbol()')} EQ @symbol JUMPI
    DUP1 ${selector('decimals()')} EQ @decimals JUMPI
    0 0 REVERT
    name: ${returnText(name)}
    symbol: ${returnText(symbol)}
    decimals: ${decimals} 0 MSTORE 32 0 RETURN`)
}

function logWith(n: number): string {
  const loads = Array.from({ length: n }, (_, k) => `DUP${k + 1} ${32 * (n - 1 - k)} ADD CALLDATALOAD`)
  return `log${n}: SWAP2 POP  ${loads.join('  ')}  DUP${n + 2} 0 LOG${n}  POP POP @next JUMP`
}

function returnText(text: string): string {
  const bytes = Buffer.from(text, 'utf8')
  const word = Buffer.concat([bytes, Buffer.alloc(32)])
    .subarray(0, 32)
    .toString('hex')
  return `32 0 MSTORE  ${bytes.length} 32 MSTORE  0x${word} 64 MSTORE  96 0 RETURN`
}

function selector(signature: string): string {
  return id(signature).slice(0, 10)
}

/** The call data that makes a token contract emit these events in one transaction. */
export function encodeLogs(logs: readonly LogRequest[]): string {
  const word = (value: number) => `0x${value.toString(16).padStart(64, '0')}`
  return concat(
    logs.flatMap(({ topics, data }) => [word(topics.length), word((data.length - 2) / 2), ...topics, data]),
  )
}

/**
 * A contract that sends ether to the (address, amount) pairs of its call data and goes on when a receiver refuses.
 * With `thenRevert` all of it is undone at the end.
 */
export function forwarderCode({ thenRevert = false } = {}): Uint8Array {
  return assemble(`
    0
    next:
    DUP1 CALLDATASIZE EQ @end JUMPI
    0 0 0 0  DUP5 32 ADD CALLDATALOAD  DUP6 CALLDATALOAD  GAS CALL POP
    64 ADD @next JUMP
    end: ${thenRevert ? '0 0 REVERT' : 'STOP'}`)
}

/** A contract that runs another one's code on its own account. */
export function proxyCode(target: string): Uint8Array {
  return assemble(`
    CALLDATASIZE 0 0 CALLDATACOPY
    0 0 CALLDATASIZE 0 ${target} GAS DELEGATECALL @done JUMPI
    0 0 REVERT
    done: STOP`)
}

/** A contract that creates: call data is a salt (32 bytes) and the creation code, the value goes with it. */
export function factoryCode(): Uint8Array {
  return assemble(`
    32 CALLDATASIZE SUB  DUP1 32 0 CALLDATACOPY
    0 CALLDATALOAD SWAP1 0 CALLVALUE CREATE2
    0 MSTORE 32 0 RETURN`)
}

/** A contract that destroys itself in favour of the address in its call data. */
export function mortalCode(): Uint8Array {
  return assemble('0 CALLDATALOAD SELFDESTRUCT')
}

/** Creation code that ends its contract before it exists; the value goes to `heir`. */
export function stillbornCode(heir: string): Uint8Array {
  return assemble(`${heir} SELFDESTRUCT`)
}

/** Code that fails with `Error(reason)`, as contract or as creation. */
export function refusingCode(reason: string): Uint8Array {
  const error = concat([selector('Error(string)'), AbiCoder.defaultAbiCoder().encode(['string'], [reason])])
  const data = parseHex(error)
  return assemble(`${data.length} @data 0 CODECOPY  ${data.length} 0 REVERT`, data)
}

/** Code that never ends: it uses up its gas. */
export function endlessCode(): Uint8Array {
  return assemble('again: @again JUMP')
}
