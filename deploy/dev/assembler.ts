import { InputError } from '../../schema/errors.ts'

/** The instructions that our small contracts need. `PUSH`es are written as literals and labels. */
const OPCODES: Record<string, number> = {
  STOP: 0x00,
  ADD: 0x01,
  MUL: 0x02,
  SUB: 0x03,
  EQ: 0x14,
  SHR: 0x1c,
  CALLVALUE: 0x34,
  CALLDATALOAD: 0x35,
  CALLDATASIZE: 0x36,
  CALLDATACOPY: 0x37,
  CODECOPY: 0x39,
  POP: 0x50,
  MSTORE: 0x52,
  JUMP: 0x56,
  JUMPI: 0x57,
  GAS: 0x5a,
  CREATE: 0xf0,
  CALL: 0xf1,
  RETURN: 0xf3,
  DELEGATECALL: 0xf4,
  CREATE2: 0xf5,
  REVERT: 0xfd,
  SELFDESTRUCT: 0xff,
}
const FAMILIES: Record<string, number> = { DUP: 0x80, SWAP: 0x90, LOG: 0xa1 }
const PUSH0 = 0x5f
const JUMPDEST = 0x5b

/**
 * EVM code of a text: words separated by white space, `;` starts a comment. `12` and `0xff` push a number in as few
 * bytes as it needs, `name:` marks a place to jump to, `@name` pushes it, and `@data` pushes where `data`, appended
 * to the code, begins.
 */
export function assemble(source: string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const words = source.replace(/;.*$/gm, '').split(/\s+/).filter(Boolean)
  const parts = words.map(encodeWord)
  const places = new Map<string, number>()
  let length = 0
  for (const part of parts) {
    if (part.defines) places.set(part.defines, length)
    length += part.bytes.length
  }
  places.set('data', length)
  for (const { pushes, bytes } of parts) {
    if (pushes === undefined) continue
    const place = places.get(pushes)
    if (place === undefined) throw new InputError(`expected a label that is defined, got @${pushes}`)
    Buffer.from(bytes.buffer, bytes.byteOffset).writeUInt16BE(place, 1)
  }
  return Buffer.concat([...parts.map(part => part.bytes), data])
}

/** Code that, run as a creation, leaves `runtime` as the contract. */
export function deploying(runtime: Uint8Array): Uint8Array {
  return assemble(`${runtime.length} @data 0 CODECOPY  ${runtime.length} 0 RETURN`, runtime)
}

interface Part {
  bytes: Uint8Array
  defines?: string
  pushes?: string
}

function encodeWord(word: string): Part {
  if (word.endsWith(':')) return { bytes: Uint8Array.of(JUMPDEST), defines: word.slice(0, -1) }
  if (word.startsWith('@')) return { bytes: Uint8Array.of(PUSH0 + 2, 0, 0), pushes: word.slice(1) }
  if (/^\d/.test(word)) return { bytes: push(BigInt(word)) }
  const [, family, number] = /^(DUP|SWAP|LOG)(\d+)$/.exec(word) ?? []
  const opcode = family ? FAMILIES[family]! + Number(number) - 1 : OPCODES[word]
  if (opcode === undefined) throw new InputError(`expected an instruction, got ${JSON.stringify(word)}`)
  return { bytes: Uint8Array.of(opcode) }
}

function push(value: bigint): Uint8Array {
  if (value === 0n) return Uint8Array.of(PUSH0)
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  return Buffer.concat([Uint8Array.of(PUSH0 + bytes.length), bytes])
}
